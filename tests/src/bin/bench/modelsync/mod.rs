//! `modelsync`: a sink of ours beside a raw loop of `unnest` upserts, and beside Debezium's JDBC sink connector, on the same topics.
//!
//! All sides are measured in the database: from the moment the stream's first event is in the table until its last one is.

mod events;
mod jdbc;
mod ours;
mod raw;
mod table;

use anyhow::bail;

use self::events::Stream;
use crate::Plan;
use crate::report::{Case, compare};
use crate::side::{Figures, Side};

pub(crate) fn run(plan: &Plan) -> anyhow::Result<()> {
    for (stream, baseline, events) in [
        (Stream::Insert, "unnest", plan.messages / 5),
        (Stream::Update, "unnest", plan.messages / 5),
        (Stream::Mixed, "jdbc-sink", plan.messages / 10),
    ] {
        let name = format!("{} {baseline}", stream.name());
        if plan.case.as_ref().is_some_and(|only| *only != name) {
            continue;
        }
        events::fill(stream, events)?;
        let side = |kind: &str| Side::new(["modelsync", kind, stream.name(), &events.to_string()]);
        compare(plan, &Case { name, unit: "rows/s", ours: side("ours"), baseline: side(baseline) })?;
    }
    Ok(())
}

pub(crate) fn side(words: &[&str]) -> anyhow::Result<Figures> {
    let [kind, stream, events] = words else { bail!("modelsync wants a side, a stream and how many events") };
    let (stream, events) = (stream.parse()?, events.parse()?);
    table::prepare(stream, events)?;
    match *kind {
        "ours" => ours::write(stream, events),
        "unnest" => raw::write(stream, events),
        "jdbc-sink" => jdbc::write(stream, events),
        other => bail!("{other} is no side of modelsync"),
    }
}

/// What every consumer gets, ours and the raw loop's.
fn properties() -> anyhow::Result<Vec<(String, String)>> {
    let now = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH)?.as_nanos();
    let defaults = kafka_kit::settings::CONSUMER_DEFAULTS.iter().map(|default| (default.name.to_owned(), default.value.to_owned()));
    let own = [
        ("bootstrap.servers", crate::side::bootstrap()?),
        ("group.id", format!("bench-modelsync-{now}")),
        ("auto.offset.reset", "earliest".to_owned()),
    ];
    Ok(defaults.chain(own.map(|(name, value)| (name.to_owned(), value))).collect())
}
