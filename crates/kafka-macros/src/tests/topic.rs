//! What `#[derive(Topic)]` writes, one snapshot for each feature.

use super::{TOPIC, snapshots};

snapshots! { TOPIC;
    name_only: r#"
        #[topic(name = "orders")]
        struct Orders;
    "#

    formats: r#"
        #[topic(name = "orders", key = i64, value = Json<crate::Order>)]
        struct Orders;
    "#

    pattern_is_consume_only: r#"
        #[topic(name = r"^orders-\d+$")]
        struct Orders;
    "#

    consume_only: r#"
        #[topic(name = "orders", consume)]
        struct Orders;
    "#

    produce_only: r#"
        #[topic(name = "orders", produce)]
        struct Orders;
    "#

    produce_only_not_registered: r#"
        #[topic(name = "orders", produce, register = false)]
        struct Orders;
    "#

    both_faces_said: r#"
        #[topic(name = "orders", consume, produce)]
        struct Orders;
    "#

    blocking: r#"
        #[topic(name = "orders", blocking)]
        struct Orders;
    "#

    batch: r#"
        #[topic(name = "orders", batch(max = 500, wait = "50ms"))]
        struct Orders;
    "#

    batch_without_wait: r#"
        #[topic(name = "orders", batch(max = 500))]
        struct Orders;
    "#

    concurrency_partition: r#"
        #[topic(name = "orders", concurrency(order = "partition"))]
        struct Orders;
    "#

    concurrency_key: r#"
        #[topic(name = "orders", concurrency(order = "key", max = 100))]
        struct Orders;
    "#

    concurrency_unordered: r#"
        #[topic(name = "orders", concurrency(order = "unordered", max = 8))]
        struct Orders;
    "#

    retry_least: r#"
        #[topic(name = "orders", retry(max = 3, delay = 120))]
        struct Orders;
    "#

    retry_everything: r#"
        #[topic(
            name = "orders",
            retry(
                max = -1, delay = "1500ms", backoff, max_delay = "10m", jitter = 0.2, include(PaymentDown, std::io::Error),
                classify = errors::classify, blocking = false, log_every = 10, use_offset_tracker,
            ),
        )]
        struct Orders;
    "#

    retry_defaults_said: r#"
        #[topic(name = "orders", retry(max = 3, delay = 120, jitter, exclude(BadOrder), blocking = true))]
        struct Orders;
    "#

    dead_letter_limit: r#"
        #[topic(name = "orders", dead_letter_limit(consecutive = 100, ratio = 0.5))]
        struct Orders;
    "#

    dead_letter_limit_with_a_window: r#"
        #[topic(name = "orders", dead_letter_limit(ratio = 0.5, window = 200))]
        struct Orders;
    "#

    suppress_all: r#"
        #[topic(name = "orders", suppress)]
        struct Orders;
    "#

    suppress_some: r#"
        #[topic(name = "orders", suppress("topic-a", "topic-b"))]
        struct Orders;
    "#

    relations_of_values: r#"
        #[topic(name = "orders", value = Json<Order>, relations)]
        struct Orders;
    "#

    relations_said_by_a_type: r#"
        #[topic(name = "orders", value = Json<Order>, relations = Orders)]
        struct Orders;
    "#

    subject: r#"
        #[topic(name = "orders", subject = "topic-record")]
        struct Orders;
    "#

    named_fields: r#"
        #[topic(name = "orders")]
        struct Orders {
            #[topic(state)]
            db: PgPool,
            #[topic(default)]
            cache: Mutex<HashMap<i64, Order>>,
        }
    "#

    tuple_fields: r#"
        #[topic(name = "orders")]
        struct Orders(#[topic(state)] PgPool, #[topic(default)] Cache);
    "#

    custom_root: r#"
        #[topic(name = "orders", crate = ::company::kafka)]
        struct Orders;
    "#

    attributes_add_up: r#"
        #[topic(name = "orders")]
        #[topic(key = i64)]
        struct Orders;
    "#

    everything: r#"
        #[topic(name = "orders", key = i64, value = Json<Order>, concurrency(order = "key", max = 100),
            batch(max = 500, wait = 2), retry(max = 3, delay = 120), suppress)]
        struct Orders { #[topic(state)] db: PgPool }
    "#
}
