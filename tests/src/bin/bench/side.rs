//! One side of one round: a process that does the work once and says what it cost.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{consume, lanes, modelsync, overhead, produce, resolver, retry};

/// What a side cost.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// How many of the unit in a second; more is better.
    pub(crate) rate: f64,
    /// Processor time for each message, in microseconds; of the whole process.
    pub(crate) cpu_micros: f64,
    /// The most memory that the process had, in MiB.
    pub(crate) peak_mib: f64,
}

/// A side to be run as a process: the words after `side`.
#[derive(Debug, Clone)]
pub(crate) struct Side(Vec<String>);

impl Side {
    pub(crate) fn new(words: impl IntoIterator<Item = impl ToString>) -> Self {
        Self(words.into_iter().map(|word| word.to_string()).collect())
    }

    pub(crate) fn run(&self) -> anyhow::Result<Figures> {
        self.output()
    }

    /// Runs it, and reads what it prints.
    pub(crate) fn output<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        let program = std::env::current_exe()?;
        let output = Command::new(program).arg("side").args(&self.0).stderr(Stdio::inherit()).output()?;
        ensure!(output.status.success(), "the side {:?} failed", self.0);
        serde_json::from_slice(&output.stdout).with_context(|| format!("the side {:?} did not print its figures", self.0))
    }
}

/// Does a side's work in this process and prints its figures.
pub(crate) fn measure(words: &[String]) -> anyhow::Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let figures = match words.as_slice() {
        ["retry", rest @ ..] => return retry::side(rest).map(|figures| println!("{figures}")),
        ["resolver", rest @ ..] => return resolver::side(rest).map(|figures| println!("{figures}")),
        ["consume", rest @ ..] => consume::side(rest)?,
        ["produce", rest @ ..] => produce::side(rest)?,
        ["lanes", rest @ ..] => lanes::side(rest)?,
        ["modelsync", rest @ ..] => modelsync::side(rest)?,
        ["overhead", rest @ ..] => overhead::side(rest)?,
        other => bail!("{other:?} is no side"),
    };
    println!("{}", serde_json::to_string(&figures)?);
    Ok(())
}

impl Figures {
    /// So many messages in so long, with what the process has cost up to now beyond `before`.
    pub(crate) fn of(messages: u64, took: Duration, before: Duration) -> Self {
        let cpu = processor_time().saturating_sub(before);
        Self { rate: messages as f64 / took.as_secs_f64(), cpu_micros: cpu.as_secs_f64() * 1e6 / messages as f64, peak_mib: peak_mib() }
    }
}

/// Processor time of this process so far, all threads.
pub(crate) fn processor_time() -> Duration {
    // Fields 14 and 15 of /proc/self/stat, in hundredths of a second; the name before them may have spaces.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 = after_name.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kib.unwrap_or(f64::NAN) / 1024.0
}

/// The cluster under test.
pub(crate) fn bootstrap() -> anyhow::Result<String> {
    std::env::var("KAFKA_BOOTSTRAP").context("KAFKA_BOOTSTRAP is not set; run `cargo xtask bench …`, which starts Kafka and sets it")
}
