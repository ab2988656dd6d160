//! The derives, called as functions. What the compiler says of their output is in `tests/ui`.
//!
//! A snapshot holds the input as it was written and the expansion as `rustfmt` would have it, so
//! that one file is the test, the thing to review and the documentation.

mod avro_schema;
mod connector;
mod consumer;
mod docs;
mod errors;
mod model_sync;
mod model_topic;
mod relations;
mod root;
mod topic;

use proc_macro2::TokenStream;

use crate::{
    derive_avro_schema_inner, derive_connector_inner, derive_consumer_inner, derive_model_sync_inner, derive_model_topic_inner,
    derive_relations_inner, derive_topic_inner,
};

/// A derive as a function.
type Derive = fn(TokenStream) -> TokenStream;

const TOPIC: Derive = derive_topic_inner;
const CONSUMER: Derive = derive_consumer_inner;
const RELATIONS: Derive = derive_relations_inner;
const CONNECTOR: Derive = derive_connector_inner;
const MODEL_SYNC: Derive = derive_model_sync_inner;
const MODEL_TOPIC: Derive = derive_model_topic_inner;
const AVRO_SCHEMA: Derive = derive_avro_schema_inner;

fn tokens(input: &str) -> TokenStream {
    input.parse().expect("the input of a test is made of Rust tokens")
}

fn expand(derive: Derive, input: &str) -> String {
    let file = syn::parse2(derive(tokens(input))).expect("a derive writes items");
    prettyplease::unparse(&file)
}

/// Input and expansion in one text.
fn snapshot(derive: Derive, input: &str) -> String {
    let lines: Vec<_> = input.lines().collect();
    let indent = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| line.len() - line.trim_start().len()).min();
    let input: String = lines.iter().map(|line| line.get(indent.unwrap_or(0)..).unwrap_or("").to_owned() + "\n").collect();
    format!("// input\n{}\n\n// expansion\n{}", input.trim(), expand(derive, &input))
}

/// Makes one test with one snapshot from each `name: "input"`.
macro_rules! snapshots {
    ($derive:expr; $($name:ident: $input:literal)*) => {$(
        #[test]
        fn $name() {
            insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => true }, {
                insta::assert_snapshot!(stringify!($name), crate::tests::snapshot($derive, $input));
            });
        }
    )*};
}
use snapshots;
