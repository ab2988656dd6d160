//! What `#[derive(Consumer)]` writes, one snapshot for each feature.

use super::{CONSUMER, snapshots};

snapshots! { CONSUMER;
    group_only: r#"
        #[consumer(group = "billing")]
        struct Billing;
    "#

    named: r#"
        #[consumer(group = "billing", name = "billing-eu")]
        struct Billing;
    "#

    raw_identifier: r#"
        #[consumer(group = "billing")]
        struct r#Type;
    "#

    topics: r#"
        #[consumer(group = "billing", topics(Orders, crate::a::Payments, Generic<i64>))]
        struct Billing;
    "#

    config: r#"
        #[consumer(group = "billing", config(
            "auto.offset.reset" = "earliest",
            "fetch.min.bytes" = 1_000,
            "some.number" = -1,
            "some.share" = 0.5,
            "check.crcs" = true,
            "enable.auto.offset.store" = false,
            "enable.auto.commit" = "true",
        ))]
        struct Billing;
    "#

    suppress_all: r#"
        #[consumer(group = "billing", suppress)]
        struct Billing;
    "#

    suppress_some: r#"
        #[consumer(group = "billing", suppress("t"))]
        struct Billing;
    "#

    exactly_once: r#"
        #[consumer(group = "billing", topics(Orders), exactly_once)]
        struct Billing;
    "#

    not_registered: r#"
        #[consumer(group = "billing", register = false)]
        struct Billing;
    "#

    registered_said: r#"
        #[consumer(group = "billing", register = true)]
        struct Billing;
    "#

    custom_root: r#"
        #[consumer(group = "billing", crate = ::company::kafka)]
        struct Billing;
    "#
}
