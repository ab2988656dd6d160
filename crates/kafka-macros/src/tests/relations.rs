//! What `#[derive(Relations)]` writes.

use super::{RELATIONS, snapshots};

snapshots! { RELATIONS;
    several: r#"
        struct Line<T> {
            #[relation(table = orders, column = id)]
            #[relation(table = "sales.orders", column = "number")]
            order: T,
            #[relation(table = products, column = sku)]
            sku: Option<String>,
            #[relation(deleted)]
            __deleted: Option<String>,
            quantity: i32,
        }
    "#

    tuple: r#"
        #[relations(crate = ::company::kafka)]
        struct Line(#[relation(table = orders, column = id)] i64);
    "#

    all_errors_and_a_dummy: r#"
        struct Line {
            #[relation(table = orders)]
            order: i64,
            #[relation(deleted, table = orders, column = id)]
            deleted: bool,
            #[relation(tabel = orders, column = 3)]
            other: i64,
        }
    "#

    nothing_said: r#"
        struct Line { order: i64 }
    "#

    no_enums: r#"
        enum Line { A }
    "#
}
