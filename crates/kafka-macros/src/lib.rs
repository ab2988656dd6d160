//! The derives of kafka-kit. They write glue only: an impl, constants, a registration; everything
//! that happens at run time is in the crates that the written code calls.
//!
//! Use them through the umbrella (`kafka_kit::Topic`, `kafka_kit::Consumer`, `kafka_kit::AvroSchema`, `kafka_kit::Connector`), where their
//! attributes are documented.
//!
//! Every derive goes the same way: `attr` (tokens to attributes, keywords kept) → `model` (checked
//! and typed) → `expand` (quote only, cannot fail). `settings` are the attributes that several
//! derives share, `support` is what all of them stand on.

mod avro_schema;
mod connector;
mod consumer;
mod model_sync;
mod model_topic;
mod relations;
mod settings;
mod support;
mod topic;

#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;

/// Implements `Topic`, and `Produce` unless the topic is consume only. Documented at
/// `kafka_kit::Topic`.
#[proc_macro_derive(Topic, attributes(topic))]
pub fn derive_topic(input: TokenStream) -> TokenStream {
    derive_topic_inner(input.into()).into()
}

/// Implements `Consumer` and registers it for discovery. Documented at `kafka_kit::Consumer`.
#[proc_macro_derive(Consumer, attributes(consumer))]
pub fn derive_consumer(input: TokenStream) -> TokenStream {
    derive_consumer_inner(input.into()).into()
}

/// Implements `Relations` for a message type. Documented at `kafka_kit::Relations`.
#[proc_macro_derive(Relations, attributes(relation, relations))]
pub fn derive_relations(input: TokenStream) -> TokenStream {
    derive_relations_inner(input.into()).into()
}

/// Implements `ModelTopic`: a topic whose messages go into a table. Documented at `kafka_kit::ModelTopic`.
#[proc_macro_derive(ModelTopic, attributes(model_topic))]
pub fn derive_model_topic(input: TokenStream) -> TokenStream {
    derive_model_topic_inner(input.into()).into()
}

/// Implements `Connector` and registers it for discovery. Documented at `kafka_kit::Connector`.
#[proc_macro_derive(Connector, attributes(connector))]
pub fn derive_connector(input: TokenStream) -> TokenStream {
    derive_connector_inner(input.into()).into()
}

/// Implements `ModelSync` and registers it for discovery. Documented at `kafka_kit::ModelSync`.
#[proc_macro_derive(ModelSync, attributes(model_sync))]
pub fn derive_model_sync(input: TokenStream) -> TokenStream {
    derive_model_sync_inner(input.into()).into()
}

/// Implements `AvroSchema`: the Avro schema of a type. Documented at `kafka_kit::AvroSchema`.
#[proc_macro_derive(AvroSchema, attributes(avro))]
pub fn derive_avro_schema(input: TokenStream) -> TokenStream {
    derive_avro_schema_inner(input.into()).into()
}

// The inner functions exist because `proc_macro` works only inside the compiler, and the tests call
// the derives as functions.

fn derive_topic_inner(input: TokenStream2) -> TokenStream2 {
    topic::derive(input)
}

fn derive_connector_inner(input: TokenStream2) -> TokenStream2 {
    connector::derive(input)
}

fn derive_consumer_inner(input: TokenStream2) -> TokenStream2 {
    consumer::derive(input)
}

fn derive_model_topic_inner(input: TokenStream2) -> TokenStream2 {
    model_topic::derive(input)
}

fn derive_relations_inner(input: TokenStream2) -> TokenStream2 {
    relations::derive(input)
}

fn derive_model_sync_inner(input: TokenStream2) -> TokenStream2 {
    model_sync::derive(input)
}

fn derive_avro_schema_inner(input: TokenStream2) -> TokenStream2 {
    avro_schema::derive(input)
}
