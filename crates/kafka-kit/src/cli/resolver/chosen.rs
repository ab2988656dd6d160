//! Which parked messages a command line means.

use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};
use kafka_core::app::App;
use kafka_resolver::store::Filter;
use kafka_resolver::{Reason, Relation, RelationValue, Status};

use crate::cli::command_error::CommandError;

/// Which messages; those that everything given fits.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Chosen {
    /// Only the message with this number, as `resolver list` shows it
    #[arg(long, value_name = "NUMBER")]
    id: Option<i64>,
    /// Only messages of this topic, as it is declared
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Only messages of this consumer group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Only messages with this key: text, or bytes such as 0x000000000000002a
    #[arg(long, value_name = "KEY")]
    key: Option<Key>,
    /// Only messages that wait for this row, such as customers.id=42; may be given again
    #[arg(long, value_name = "TABLE.COLUMN=VALUE")]
    relation: Vec<Row>,
    /// Only messages whose reason has this in its stored form: a table's name, a value, `manual`, `due`, `released`
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Only messages that wait, or only those that are being replayed
    #[arg(long, value_enum)]
    status: Option<Standing>,
    /// Only messages that were parked so long ago, such as 2h
    #[arg(long, value_name = "AGE", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
}

/// What becomes of a message at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Standing {
    /// It waits for its reason.
    Waiting,
    /// It is being replayed.
    Resolving,
}

impl Chosen {
    pub(super) fn filter(&self, app: &App) -> Filter {
        let mut filter = Filter::default();
        filter.id = self.id;
        filter.topic.clone_from(&self.topic);
        filter.group.clone_from(&self.group);
        filter.key = self.key.clone().map(|key| key.0.into());
        filter.reason_contains.clone_from(&self.reason);
        filter.reasons = (!self.relation.is_empty()).then(|| self.relation.iter().flat_map(Row::reasons).collect());
        filter.status = self.status.map(|status| match status {
            Standing::Waiting => Status::Waiting,
            Standing::Resolving => Status::Resolving,
        });
        filter.parked_before_ms = self.older_than.map(|age| {
            let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            app.clock().wall_ms().saturating_sub(age)
        });
        filter
    }

    /// As [`Chosen::filter`], for what changes something: everything is only meant where it is said.
    pub(super) fn meant(&self, all: bool, app: &App) -> Result<Filter, CommandError> {
        let Self { id, topic, group, key, relation, reason, status, older_than } = self;
        let nothing = id.is_none() && topic.is_none() && group.is_none() && key.is_none() && relation.is_empty();
        let nothing = nothing && reason.is_none() && status.is_none() && older_than.is_none();
        match (nothing, all) {
            (true, false) => Err(CommandError::wrong("which messages? say --all, or choose: --id, --topic, --key, --relation, --reason …")),
            (false, true) => Err(CommandError::wrong("--all together with a choice; leave one of them out")),
            _ => Ok(self.filter(app)),
        }
    }
}

/// A key as it is received.
#[derive(Debug, Clone)]
struct Key(Vec<u8>);

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(digits) = text.strip_prefix("0x") else { return Ok(Self(text.as_bytes().to_vec())) };
        let byte = |pair: &[u8]| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(|pair| byte(pair).filter(|_| pair.len() == 2)).collect();
        bytes.map(Self).ok_or_else(|| "after 0x come two hexadecimal digits for each byte, such as 0x2a".to_owned())
    }
}

/// A row that is waited for.
#[derive(Debug, Clone)]
struct Row {
    table: String,
    column: String,
    value: String,
}

impl FromStr for Row {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('=').and_then(|(place, value)| Some((place.rsplit_once('.')?, value)));
        let ((table, column), value) = parsed.ok_or("write TABLE.COLUMN=VALUE, for example customers.id=42")?;
        Ok(Self { table: table.to_owned(), column: column.to_owned(), value: value.to_owned() })
    }
}

impl Row {
    /// The value may be of any type that reads so.
    fn reasons(&self) -> Vec<Reason> {
        let mut values = vec![RelationValue::Text(self.value.clone()), RelationValue::Uuid(self.value.to_lowercase())];
        values.extend(self.value.parse().map(RelationValue::Int));
        values.into_iter().map(|value| Relation::row(self.table.as_str(), self.column.as_str(), value).into()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_rows_are_read() {
        let key = |text: &str| text.parse::<Key>().map(|key| key.0);
        assert_eq!(key("abc").unwrap(), b"abc");
        assert_eq!(key("0x00ff").unwrap(), [0, 255]);
        assert!(key("0x0").is_err() && key("0xzz").is_err());
        let row: Row = "sales.customers.id=42".parse().unwrap();
        assert!(row.reasons().contains(&Relation::row("sales.customers", "id", 42).into()));
        assert!(row.reasons().contains(&Relation::row("sales.customers", "id", "42").into()));
        assert!("customers=42".parse::<Row>().is_err() && "customers.id".parse::<Row>().is_err());
    }
}
