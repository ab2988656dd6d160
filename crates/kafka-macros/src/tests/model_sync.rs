//! `#[derive(ModelSync)]`, one snapshot for each feature.

use super::{MODEL_SYNC, snapshots};

snapshots! { MODEL_SYNC;
    source: r#"
        #[model_sync(table = customers, source)]
        struct Customers;
    "#

    source_of_a_connector: r#"
        #[model_sync(table = schema::customers, name = "customers", source, connector = "Crm", message_key(tenant, r#type), except(password))]
        struct Customers;
    "#

    both_ways: r#"
        #[model_sync(table = customers, topic = "crm.customers", source, sink = CustomersTopic, bidirectional)]
        struct Customers;
    "#

    jdbc: r#"
        #[model_sync(table = customers, topic = "crm.customers", jdbc = JdbcSink::new("jdbc:x"), only(id, name), register = false)]
        struct Customers;
    "#

    enricher: r#"
        #[model_sync(table = customers, topic = "crm.customers", source, enricher = with_city(), crate = ::company::kafka)]
        struct Customers;
    "#

    all_errors_and_a_dummy: r#"
        #[model_sync(topic = "", connector = "", message_key(id), sink = A, jdbc = b(), enricher = c(), only(id, id), except(name), bidirectional)]
        struct Customers;
    "#

    nothing_said: r#"
        #[model_sync(tabel = customers)]
        struct Customers<T>(T);
    "#
}
