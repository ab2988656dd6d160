//! What `#[derive(ModelTopic)]` writes.

use super::{MODEL_TOPIC, snapshots};

snapshots! { MODEL_TOPIC;
    small: r#"
        #[model_topic(name = "shop.customers", table = schema::customers)]
        struct Customers;
    "#

    everything: r#"
        #[derive(Queryable)]
        #[diesel(table_name = customers, check_for_backend(diesel::pg::Pg))]
        #[model_topic(
            name = "shop.customers", key = Json<Value>, value = Json<Value>, exclude(internal), lookup(email), deletion_key = "gone",
            guard(partition = "kafka_partition", offset = "kafka_offset"), batch(max = 1000), concurrency(order = "key", max = 4),
            retry(max = 3, delay = 1), suppress, crate = ::company::kafka
        )]
        struct Customer {
            id: i64,
            email: String,
            #[model_topic(rename = "name", transform = crate::upper)]
            first_name: String,
            #[diesel(column_name = kind)]
            #[model_topic(exclude)]
            of_kind: String,
        }
    "#

    judged: r#"
        #[model_topic(name = "^shop\\..*", table = customers, deletion = is_archived, truncations)]
        struct Customers;
    "#

    by_lsn: r#"
        #[model_topic(name = "shop.customers", table = customers, guard(lsn = "source_lsn"))]
        struct Customers;
    "#

    all_errors_and_a_dummy: r#"
        #[model_topic(
            name = "no topic", value = Json<Value>, exclude(a, a, 3), lookup(), deletion_key = "gone", deletion = is_gone,
            guard(lsn = "a", offset = "b"), truncations, tabel = customers
        )]
        struct Customers(#[model_topic(exclude)] i64);
    "#

    relations: r#"
        #[model_topic(name = "shop.orders", table = orders)]
        struct Orders {
            #[model_topic(relation(table = "customers", column = "id"), rename = "customer")]
            customer_id: i64,
        }
    "#

    foreign_keys: r#"
        #[model_topic(name = "shop.orders", table = orders, transforms = crate::with_city(), foreign_keys = true)]
        struct Orders;
    "#

    polymorphic: r#"
        #[model_topic(name = "shop.notes", table = notes, polymorphic(subject(), crate::owner("owner_id")))]
        struct Notes;
    "#

    foreign_keys_not_waited_for: r#"
        #[model_topic(name = "shop.orders", table = orders, foreign_keys = false)]
        struct Orders;
    "#

    relations_without_their_parts: r#"
        #[model_topic(name = "shop.orders", table = orders)]
        struct Orders { #[model_topic(relation(table = "customers"), exclude)] customer_id: i64 }
    "#

    reroute: r#"
        #[model_topic(name = "shop.pets", table = cats, reroute("app.public.cats" = Self, "app.public.toms" = Cats, "app.public.dogs" = crate::Dogs))]
        struct Cats;
    "#

    reroute_with_mistakes: r#"
        #[model_topic(name = "shop.pets", table = cats, truncations, reroute("a" = Self, "a" = Dogs, cats = Dogs, "b"))]
        struct Cats;
    "#

    contradictions_on_a_field: r#"
        #[model_topic(table = customers, guard(lsn = "a"), truncations)]
        struct Customers { #[model_topic(exclude, rename = "b")] a: i64 }
    "#

    no_enums: r#"
        #[model_topic(name = "a", table = customers)]
        enum Customers { A }
    "#
}
