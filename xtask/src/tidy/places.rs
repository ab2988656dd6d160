//! Rules about where something may stand: a driver, unsafe code, the time.

use super::Finding;
use super::tree::{Tree, Word};

/// A driver, its crates by the first word of their names, and the places that may name it.
const DRIVERS: [(&str, &[&str]); 6] = [
    ("rdkafka", &["crates/kafka-core/src/broker/rdkafka/"]),
    ("reqwest", &["crates/kafka-connect/src/client.rs", "crates/kafka-core/src/schema_registry/call.rs"]),
    ("schema_registry_converter", &["crates/kafka-core/src/schema_registry/call.rs"]),
    ("apache_avro", &["crates/kafka-core/src/format/avro/"]),
    (
        "diesel",
        &[
            "crates/kafka-resolver/src/store/",
            "crates/kafka-retry/src/key_offset/",
            "crates/kafka-modelsync/src/",
            "crates/kafka-connect/src/skip/",
        ],
    ),
    ("temporalio", &["crates/kafka-resolver/src/daemon/temporal/"]),
];

/// The one place that may lift the ban of unsafe code.
const UNSAFE: &str = "crates/kafka-core/src/broker/rdkafka/";

/// The benchmarks may too: a baseline is librdkafka called by hand, and allocations are counted by an allocator.
const UNSAFE_MEASURING: &str = "tests/src/bin/bench/";

/// The one file that may ask for the time.
const CLOCK: &str = "crates/kafka-core/src/clock.rs";

/// Calls that belong to the clock.
const TIME: [&[&str]; 5] = [
    &["Instant", "::", "now"],
    &["SystemTime", "::", "now"],
    &["thread", "::", "sleep"],
    &["time", "::", "sleep"],
    &["time", "::", "sleep_until"],
];

/// A driver is named in its place only, so that it can be replaced there.
pub(super) fn drivers(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.libraries() {
        let words = file.words();
        for (at, word) in words.iter().enumerate() {
            let driver = DRIVERS.iter().find(|(driver, _)| is_of(word.text, driver));
            let Some((driver, places)) = driver else {
                continue;
            };
            let at_home = places.iter().any(|place| file.path.starts_with(place));
            if !at_home && names_a_crate(&words, at) {
                let what = format!("{driver} is named outside {}; keep it behind a type of ours there", places.join(", "));
                findings.push(Finding::new(&file.path, word.line, what));
            }
        }
    }
    findings
}

/// Unsafe code is allowed once, for librdkafka's batch calls.
pub(super) fn unsafe_code(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen = false;
    for file in tree.rust().filter(|file| !file.path.starts_with(UNSAFE_MEASURING)) {
        let words = file.words();
        let lifted = occurrences(&words, &["allow", "(", "unsafe_code"]);
        let expected = occurrences(&words, &["expect", "(", "unsafe_code"]);
        for line in lifted.into_iter().chain(expected) {
            let first = !std::mem::replace(&mut seen, true);
            if !(first && file.path.starts_with(UNSAFE)) {
                let what = format!("unsafe code is allowed; only one module below {UNSAFE} may do that");
                findings.push(Finding::new(&file.path, line, what));
            }
        }
    }
    findings
}

/// Time is a port: a test turns the clock by hand.
pub(super) fn time(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.libraries().filter(|file| file.path != CLOCK) {
        let words = file.words();
        for call in TIME {
            findings.extend(occurrences(&words, call).into_iter().map(|line| {
                let what = format!("{} outside {CLOCK}; ask the clock", call.concat());
                Finding::new(&file.path, line, what)
            }));
        }
    }
    findings
}

/// The lines where these words follow one another.
pub(super) fn occurrences(words: &[Word<'_>], sought: &[&str]) -> Vec<usize> {
    let windows = words.windows(sought.len());
    let found = windows.filter(|window| window.iter().map(|word| word.text).eq(sought.iter().copied()));
    found.map(|window| window[0].line).collect()
}

/// `rdkafka` and `rdkafka_sys` are of `rdkafka`.
fn is_of(word: &str, driver: &str) -> bool {
    word.strip_prefix(driver).is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

/// `use rdkafka`, `rdkafka::`, `extern crate rdkafka`, but not `crate::broker::rdkafka::`, which is a module of ours.
fn names_a_crate(words: &[Word<'_>], at: usize) -> bool {
    let text = |at: usize| words.get(at).map_or("", |word| word.text);
    let before = if at == 0 { "" } else { text(at - 1) };
    let is_path = text(at + 1) == "::" || matches!(before, "use" | "crate");
    is_path && !is_segment(words, at)
}

/// Whether a path leads to the word: directly, or through the braces of a `use`.
fn is_segment(words: &[Word<'_>], at: usize) -> bool {
    let mut depth = 0;
    for before in (0..at).rev() {
        match words[before].text {
            "::" if before + 1 == at => {
                // A path that begins with `::` begins with a crate.
                return before > 0
                    && words[before - 1].text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
                    && words[before - 1].text != "use";
            }
            "}" => depth += 1,
            "{" if depth > 0 => depth -= 1,
            "{" => return before > 0 && words[before - 1].text == "::",
            ";" if depth == 0 => return false,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    #[test]
    fn a_driver_outside_its_place_is_found() {
        let faults = |source: &str| found(drivers, &[("crates/kafka-core/src/app.rs", source)]).len();
        assert_eq!(faults("use rdkafka::Message;"), 1);
        assert_eq!(faults("fn f(m: &rdkafka_sys::RDKafka) {}"), 1);
        assert_eq!(faults("fn f(m: ::rdkafka::Message) {}"), 1);
        assert_eq!(faults("use {std::fmt, rdkafka::Message};"), 1);
        assert_eq!(faults("use diesel;"), 1);
        assert_eq!(faults("pub use reqwest as http;"), 1);
        assert_eq!(faults("use temporalio_client::Client;"), 1);
    }

    #[test]
    fn our_own_modules_and_mere_words_are_not_drivers() {
        let source = "//! rdkafka::Message\nmod rdkafka;\nuse crate::broker::rdkafka::Broker;\nuse crate::broker::{rdkafka::Broker, memory};\n\
                      const NAME: &str = \"diesel::x\";\n#[diesel(table_name = t)]\nfn f() { self::rdkafka::g() }";
        assert_eq!(found(drivers, &[("crates/kafka-core/src/app.rs", source)]), [""; 0]);
    }

    #[test]
    fn a_driver_in_its_place_is_right() {
        let files = [
            ("crates/kafka-core/src/broker/rdkafka/consumer.rs", "use rdkafka::Message;"),
            ("crates/kafka-modelsync/src/sink.rs", "use diesel::prelude::*;"),
            ("tests/src/lib.rs", "use rdkafka::Message;"),
        ];
        assert_eq!(found(drivers, &files), [""; 0]);
    }

    #[test]
    fn unsafe_code_has_one_place() {
        let allow = "//! x\n#![allow(\n    unsafe_code,\n    reason = \"…\"\n)]";
        let right = ("crates/kafka-core/src/broker/rdkafka/native/mod.rs", allow);
        assert_eq!(found(unsafe_code, &[right]), [""; 0]);
        let measuring = ("tests/src/bin/bench/raw_batch.rs", allow);
        assert_eq!(found(unsafe_code, &[measuring, right]), [""; 0]);
        let second = ("crates/kafka-core/src/broker/rdkafka/producer.rs", allow);
        assert_eq!(found(unsafe_code, &[right, second]), ["crates/kafka-core/src/broker/rdkafka/producer.rs:2"]);
        let elsewhere = ("crates/kafka-retry/src/lib.rs", allow);
        assert_eq!(found(unsafe_code, &[right, elsewhere]), ["crates/kafka-retry/src/lib.rs:2"]);
    }

    #[test]
    fn the_time_has_one_place() {
        let source = "fn f() {\n    let t = std::time::Instant::now();\n    tokio::time::sleep(d).await;\n}";
        let elsewhere = ("crates/kafka-core/src/consumer/run/mod.rs", source);
        let paths = ["crates/kafka-core/src/consumer/run/mod.rs:2", "crates/kafka-core/src/consumer/run/mod.rs:3"];
        assert_eq!(found(time, &[elsewhere, (CLOCK, source), ("xtask/src/main.rs", source)]), paths);
    }
}
