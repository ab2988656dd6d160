//! A Debezium topic into a table: `items`, with a column of every common type, as it is in the source database.
//!
//! `mirror schema` prints the table, `mirror connect …` publishes what watches it, and
//! `mirror --bootstrap-servers H:P --schema-registry-url URL --database-url URL --group g --topic T` writes it.

mod sink;
mod source;

use std::process::ExitCode;

use kafka_kit::cli;

/// The SQL of the table; can be run again.
const SCHEMA: &str = include_str!("items.sql");

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let result = match arguments.get(1).map(String::as_str) {
        Some("schema") => {
            #[allow(clippy::print_stdout, reason = "its answer")]
            {
                print!("{SCHEMA}");
            }
            Ok(ExitCode::SUCCESS)
        }
        Some("connect") => source::connect(arguments).await,
        _ => sink::run().await,
    };
    result.unwrap_or_else(cli::fail)
}
