//! The topic of `items`, and the table that it is written into.

use std::process::ExitCode;

use clap::Parser;
use diesel_async::pooled_connection::AsyncDieselConnectionManager;
use diesel_async::pooled_connection::bb8::Pool;
use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use kafka_kit::cli;
use kafka_kit::consumer::ConsumerSpec;
use kafka_kit::format::AvroValue;
use kafka_kit::prelude::*;
use kafka_kit::settings::{ClientProperties, Settings};

use super::SCHEMA;

/// The Debezium topic of `items` into a table
#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    bootstrap_servers: String,
    #[arg(long)]
    schema_registry_url: String,
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    group: String,
    #[arg(long)]
    topic: String,
    /// How many messages are written at once, at most
    #[arg(long, default_value_t = 500)]
    batch: usize,
    /// Keep older events from overwriting newer rows
    #[arg(long)]
    guard: bool,
    /// Keep positions in the database, in the transactions of the rows
    #[arg(long)]
    exactly_once: bool,
    /// A property of the consumer's client; may be given again
    #[arg(long = "set", value_name = "PROPERTY=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
}
