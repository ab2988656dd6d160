//! The reference of the settings: every key with its type, variable and documentation, and our defaults of clients with their reasons.

use std::fmt::Write;

use anyhow::{Result, bail};

use super::Read;
use super::rust::{Default, Member, Source};
use Place::{Sections, Top, Under};

/// A part of the settings file, and the struct that it becomes.
struct Table {
    place: Place,
    rust: &'static str,
    file: &'static str,
}

/// Where the fields of a struct stand in the file.
enum Place {
    /// At the top level, each by its own name.
    Top,
    /// In the table of this key.
    Under(&'static str),
    /// At the top level, each by the name that the file's `SECTIONS` have for it, in their order. The part has this title.
    Sections(&'static str),
}

/// Every struct that is read from the settings. Those of plugins stand here too.
const TABLES: &[Table] = &[
    Table { place: Top, rust: "Settings", file: "crates/kafka-core/src/settings/mod.rs" },
    Table { place: Under("retry_settings"), rust: "RetrySettings", file: "crates/kafka-core/src/settings/retry.rs" },
    Table { place: Under("retry_topics"), rust: "RetryTopicSettings", file: "crates/kafka-retry/src/settings.rs" },
    Table { place: Under("dead_letter"), rust: "DeadLetterSettings", file: "crates/kafka-retry/src/settings.rs" },
    Table { place: Under("schema_registry"), rust: "SchemaRegistrySettings", file: "crates/kafka-core/src/settings/schema_registry.rs" },
    Table { place: Under("relation_resolver"), rust: "ResolverSettings", file: "crates/kafka-resolver/src/settings.rs" },
    Table { place: Sections("Temporal"), rust: "TemporalSettings", file: "crates/kafka-resolver/src/daemon/temporal/settings.rs" },
    Table { place: Sections("Kafka Connect"), rust: "ConnectSettings", file: "crates/kafka-connect/src/settings/mod.rs" },
    Table { place: Under("connect_retry"), rust: "ConnectRetry", file: "crates/kafka-connect/src/settings/retry.rs" },
    Table { place: Sections("Model sync"), rust: "ModelSyncSettings", file: "crates/kafka-modelsync/src/sync/settings.rs" },
];

/// The types of settings that are one of several words.
const WORDS: &[(&str, &str)] = &[
    ("Missing", "crates/kafka-retry/src/settings.rs"),
    ("HeaderDialect", "crates/kafka-retry/src/headers/writer.rs"),
    ("SubjectStrategy", "crates/kafka-core/src/settings/schema_registry.rs"),
];

/// Our defaults of librdkafka's properties.
const DEFAULTS_FILE: &str = "crates/kafka-core/src/settings/properties.rs";
const DEFAULTS: &[(&str, &str)] = &[("consumers", "CONSUMER_DEFAULTS"), ("producers", "PRODUCER_DEFAULTS")];

const HEAD: &str = "\
# Settings reference

<!-- Written by `cargo xtask codegen` from the doc comments of the settings. Do not edit. -->

Every setting with its type and its environment variable. How they are written and layered: [Settings](../book/settings.md).
A duration is a text such as `\"30s\"` or `\"1m 30s\"`, or a number of seconds.
";

pub(super) fn page(read: Read<'_>) -> Result<String> {
    let mut page = HEAD.to_owned();
    for table in TABLES {
        let source = Source::read(table.file, read)?;
        let item = source.structure(table.rust)?;
        let title = match table.place {
            Top => "The top level".to_owned(),
            Under(key) => format!("`[{key}]`"),
            Sections(title) => title.to_owned(),
        };
        write!(page, "\n## {title}\n\n{}\n\n", item.doc)?;
        for (key, member) in keys(table, &source, &item.members)?.iter().zip(&item.members) {
            writeln!(page, "- {}", entry(table, key, member, read)?)?;
        }
    }
    for (side, name) in DEFAULTS {
        let (doc, defaults) = Source::read(DEFAULTS_FILE, read)?.defaults(name)?;
        write!(page, "\n## Properties of {side}\n\n{doc}\n\n| property | default | why |\n| --- | --- | --- |\n")?;
        for Default { name, value, reason } in defaults {
            writeln!(page, "| `{name}` | `{value}` | {} |", reason.replace('|', "\\|"))?;
        }
    }
    Ok(page)
}

/// The keys of a struct's fields, in their order.
fn keys(table: &Table, source: &Source, members: &[Member]) -> Result<Vec<String>> {
    let names = members.iter().map(|member| &member.name);
    match table.place {
        Top => Ok(names.cloned().collect()),
        Under(key) => Ok(names.map(|name| format!("{key}.{name}")).collect()),
        Sections(_) => {
            let sections = source.texts("SECTIONS")?;
            let same =
                sections.len() == members.len() && sections.iter().zip(names).all(|(section, name)| section.ends_with(name.as_str()));
            if !same {
                bail!("{}: SECTIONS are not the fields of {} in their order", table.file, table.rust);
            }
            Ok(sections)
        }
    }
}

fn entry(table: &Table, key: &str, member: &Member, read: Read<'_>) -> Result<String> {
    let Member { name, ty, doc } = member;
    if !doc.to_lowercase().contains("default") {
        bail!("{}: `{name}` does not say its default; write `Default …`, or `No default`", table.file);
    }
    let variable = key.replace('.', "__").to_uppercase();
    let variable = match ty.as_str() {
        // A variable's name has no dots.
        "BTreeMap<String, String>" => "in the file only".to_owned(),
        "ClientProperties" | "ConnectAuth" => format!("`KAFKA_KIT_{variable}__…`"),
        _ if is_table(ty) => format!("`KAFKA_KIT_{variable}__…`"),
        _ => format!("`KAFKA_KIT_{variable}`"),
    };
    Ok(format!("**`{key}`** ({}, {variable}): {doc}", kind(table.file, ty, read)?))
}

fn is_table(ty: &str) -> bool {
    TABLES.iter().any(|table| table.rust == inner(ty))
}

/// A type in the words of who writes the file.
fn kind(file: &str, ty: &str, read: Read<'_>) -> Result<String> {
    Ok(match inner(ty) {
        "String" => "text".to_owned(),
        "PathBuf" => "path".to_owned(),
        "Secret" => "text, never shown".to_owned(),
        "Duration" => "duration".to_owned(),
        "bool" => "`true` or `false`".to_owned(),
        "i32" | "u32" | "usize" | "f64" => "number".to_owned(),
        "ClientProperties" => "table of librdkafka properties".to_owned(),
        "Vec<u16>" => "list of numbers".to_owned(),
        "BTreeMap<String, String>" | "ConnectAuth" => "table of texts".to_owned(),
        ty if is_table(ty) => "table, see below".to_owned(),
        ty => match WORDS.iter().find(|(known, _)| *known == ty) {
            Some((name, file)) => {
                let words: Vec<String> =
                    Source::read(file, read)?.words(name)?.members.iter().map(|word| format!("`{}`", word.name)).collect();
                words.join(" or ")
            }
            None => bail!("{file}: the type `{ty}` is not understood; say in codegen what people write for it"),
        },
    })
}

/// What stands in an `Option`.
fn inner(ty: &str) -> &str {
    ty.strip_prefix("Option<").and_then(|rest| rest.strip_suffix('>')).unwrap_or(ty)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(ty: &str, doc: &str) -> Result<String> {
        let table = Table { place: Under("retry_settings"), rust: "A", file: "a.rs" };
        let member = Member { name: "one_two".to_owned(), ty: ty.to_owned(), doc: doc.to_owned() };
        entry(&table, "retry_settings.one_two", &member, &|path| bail!("{path} is not there"))
    }

    #[test]
    fn an_entry_says_key_type_variable_and_documentation() {
        let entry = said("Option<Duration>", "Two. Default none.").unwrap();
        assert_eq!(entry, "**`retry_settings.one_two`** (duration, `KAFKA_KIT_RETRY_SETTINGS__ONE_TWO`): Two. Default none.");
    }

    #[test]
    fn an_unknown_type_and_a_missing_default_are_errors() {
        assert!(said("Instant", "Default none.").unwrap_err().to_string().contains("`Instant` is not understood"));
        assert!(said("u32", "How many.").unwrap_err().to_string().contains("does not say its default"));
    }
}
