//! Which letters a command line means.

use std::str::FromStr;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use kafka_core::app::App;
use kafka_retry::dead_letters::{Filter, Offsets};

/// Which letters; those that everything given fits.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct Chosen {
    /// Only letters with this key, as text or as the topic's format shows it
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only letters whose error contains this: its type, its message or its causes
    #[arg(long, value_name = "TEXT")]
    error: Option<String>,
    /// Only letters since then: a time such as 2026-11-24T08:00:00Z, or so long ago, such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only letters before then, written like --since
    #[arg(long, value_name = "TIME")]
    before: Option<When>,
    /// Only letters of this partition of the dead-letter topic; may be given again
    #[arg(long, value_name = "PARTITION")]
    partition: Vec<i32>,
    /// Only letters of this partition, from this offset on, such as 0:17; may be given again
    #[arg(long, value_name = "PARTITION:OFFSET")]
    from: Vec<At>,
    /// Only letters of this partition, up to and with this offset, such as 0:17; may be given again
    #[arg(long, value_name = "PARTITION:OFFSET")]
    to: Vec<At>,
}

impl Chosen {
    pub(super) fn filter(&self, app: &App) -> Filter {
        let now = app.clock().wall_ms();
        let mut filter = Filter::default();
        filter.key.clone_from(&self.key);
        filter.error.clone_from(&self.error);
        filter.since = self.since.map(|when| when.millis(now));
        filter.before = self.before.map(|when| when.millis(now));
        for partition in self.partition.iter().chain(self.from.iter().chain(&self.to).map(|at| &at.partition)) {
            let offset = |list: &[At]| list.iter().find(|at| at.partition == *partition).map(|at| at.offset);
            filter.partitions.insert(*partition, Offsets { from: offset(&self.from), to: offset(&self.to) });
        }
        filter
    }

    /// The arguments that mean the same letters, without those of place.
    pub(super) fn said_again(&self) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
        let mut words = String::new();
        for (flag, value) in [("key", &self.key), ("error", &self.error)] {
            words.extend(value.iter().map(|value| format!(" --{flag} {}", quoted(value))));
        }
        for (flag, when) in [("since", &self.since), ("before", &self.before)] {
            words.extend(when.iter().map(|when| format!(" --{flag} {when}")));
        }
        words
    }
}

/// A place in the dead-letter topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct At {
    pub(super) partition: i32,
    pub(super) offset: i64,
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
        let (partition, offset) = parsed.ok_or("write PARTITION:OFFSET, for example 0:17")?;
        Ok(Self { partition, offset })
    }
}

/// A time, or how long ago it was.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    At(i64),
    Ago(Duration),
}

impl When {
    pub(super) fn millis(self, now: i64) -> i64 {
        match self {
            Self::At(millis) => millis,
            Self::Ago(ago) => now.saturating_sub(millis_of(ago)),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(ago) = humantime::parse_duration(text) {
            return Ok(Self::Ago(ago));
        }
        let time = humantime::parse_rfc3339_weak(text).ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        time.map(|since| Self::At(millis_of(since)))
            .ok_or_else(|| "write a time in UTC, such as 2026-11-24T08:00:00Z, or so long ago, such as 2h".to_owned())
    }
}

impl std::fmt::Display for When {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::At(millis) => f.write_str(&time(*millis)),
            Self::Ago(ago) => humantime::format_duration(*ago).to_string().replace(' ', "").fmt(f),
        }
    }
}

/// A time for people.
pub(super) fn time(millis: i64) -> String {
    let since = Duration::from_millis(u64::try_from(millis).unwrap_or(0));
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

fn millis_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
