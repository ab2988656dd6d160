//! `#[derive(Connector)]`, one snapshot for each feature.

use super::{CONNECTOR, snapshots};

snapshots! { CONNECTOR;
    fields: r#"
        #[connector(class = "org.example.Source")]
        struct Customers {
            #[serde(rename = "database.hostname")]
            host: String,
        }
    "#

    fields_with_default: r#"
        #[connector(default)]
        struct Customers { host: String }
    "#

    file: r#"
        #[connector(config = "customers.json")]
        struct Customers;
    "#

    data: r#"
        #[connector(config = json!({ "connector.class": "x.Y" }))]
        struct Customers;
    "#

    everything: r#"
        #[connector(class = "x.Y", name = "customers", prefix = "crm", config = customers(), secret("a", "b"), register = false)]
        struct Customers;
    "#

    removal: r#"
        #[connector(mark_for_removal)]
        struct Customers;
    "#

    custom_root: r#"
        #[connector(mark_for_removal, crate = ::company::kafka)]
        struct Customers;
    "#

    all_errors_and_a_dummy: r#"
        #[connector(clas = "x.Y", name = "", prefix = "crm.", secret("a", "a"), default)]
        struct Customers;
    "#
}
