//! With a root of the user's own, the default name must not occur in what is written: it may not
//! exist there.

use proc_macro2::{TokenStream, TokenTree};

use super::{CONNECTOR, CONSUMER, Derive, TOPIC, tokens};

fn names(code: TokenStream) -> Vec<String> {
    code.into_iter()
        .flat_map(|tree| match tree {
            TokenTree::Ident(name) => vec![name.to_string()],
            TokenTree::Group(group) => names(group.stream()),
            TokenTree::Punct(_) | TokenTree::Literal(_) => Vec::new(),
        })
        .collect()
}

fn check(derive: Derive, input: &str) {
    let default = names(derive(tokens(input)));
    assert!(default.iter().any(|name| name == "kafka_kit"), "{input}");
    let custom = names(derive(tokens(&input.replacen("(", "(crate = ::fake::kafka, ", 1))));
    assert!(custom.iter().any(|name| name == "fake"), "{input}");
    assert!(custom.iter().all(|name| !name.starts_with("kafka_")), "{input}: {custom:?}");
}

#[test]
fn the_default_name_does_not_occur() {
    check(
        TOPIC,
        r#"#[topic(name = "orders", key = i64, batch(max = 1), concurrency(order = "key", max = 2), suppress,
            retry(max = 3, delay = 120, backoff, max_delay = 600, jitter, include(A), blocking = false, log_every = 1))]
        struct Orders { #[topic(state)] db: PgPool, #[topic(default)] cache: Cache }"#,
    );
    check(CONNECTOR, r#"#[connector(class = "x.Y", prefix = "crm", config = json!({}), secret("pin"))] struct Customers;"#);
    check(CONSUMER, r#"#[consumer(group = "billing", topics(Orders), config("a" = 1), suppress("t"))] struct Billing;"#);
}

#[test]
fn nor_in_the_fallback() {
    check(TOPIC, "#[topic(key = i64)] struct Orders;");
    check(CONSUMER, "#[consumer(topics(Orders))] struct Billing;");
    check(CONNECTOR, "#[connector(class = \"x.Y\")] struct Customers;");
}
