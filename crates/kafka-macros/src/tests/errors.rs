//! What a derive writes beside its errors. The errors themselves, as the user sees them, are in
//! `tests/ui`.

use super::{CONSUMER, TOPIC, snapshots};

mod topic {
    use super::{TOPIC, snapshots};

    snapshots! { TOPIC;
        all_errors_and_a_dummy: r#"
            #[topic(nmae = "orders", key = i64, value = Json<Order>, batch(max = 0), retry(max = 3))]
            struct Orders { db: PgPool }
        "#

        relative_root_is_used_all_the_same: r#"
            #[topic(name = "orders", crate = kafka)]
            struct Orders;
        "#

        no_dummy_without_a_root: r#"
            #[topic(name = "orders", crate = "kafka")]
            struct Orders;
        "#

        no_dummy_for_generics: r#"
            #[topic(name = "orders")]
            struct Orders<T>(#[topic(state)] T);
        "#
    }
}

mod consumer {
    use super::{CONSUMER, snapshots};

    snapshots! { CONSUMER;
        dummy_is_not_registered: r#"
            #[consumer(topics(Orders))]
            struct Billing;
        "#
    }
}
