//! The ledger file: a line for every call of the handler, in the order in which the calls ended.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A call of the handler, as the ledger's contract words it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Call {
    /// The topic that the message came from.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// Its key as text.
    pub key: Option<String>,
    /// The number that the sender gave it.
    pub n: Option<i64>,
    /// Which attempt the call was; the first is 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When it began, in milliseconds since 1970.
    pub t_start_ms: u64,
    /// When it ended.
    pub t_end_ms: u64,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The message was handled.
    Ok,
    /// The handler returned an error.
    Failed,
    /// The handler panicked.
    Panicked,
}

impl Call {
    /// Whether the message was handled.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Ok
    }
}

/// Reads a ledger file while it grows.
#[derive(Debug)]
pub struct LedgerFile {
    path: PathBuf,
    read: u64,
    calls: Vec<Call>,
    kills: usize,
    torn: usize,
}

impl LedgerFile {
    /// The file need not exist yet.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), read: 0, calls: Vec::new(), kills: 0, torn: 0 }
    }

    /// So many of its writers are killed: each may leave half a line, since the system writes page by page.
    #[must_use]
    pub fn after_kills(self, kills: usize) -> Self {
        Self { kills, ..self }
    }

    /// The file's length.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len())
    }

    /// All calls so far. A last line that has no end yet is left for the next time.
    ///
    /// # Panics
    /// When a line is not a call, and no killed writer explains it.
    pub fn calls(&mut self) -> &[Call] {
        let mut text = Vec::new();
        if let Ok(mut file) = File::open(&self.path) {
            let sought = file.seek(SeekFrom::Start(self.read)).and_then(|_| file.read_to_end(&mut text));
            assert!(sought.is_ok(), "{} cannot be read: {sought:?}", self.path.display());
        }
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in text[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let call = serde_json::from_slice(line).or_else(|error| self.behind_a_torn_one(line).ok_or(error));
            match call {
                Ok(call) => self.calls.push(call),
                Err(error) => panic!("a line of {} is not a call ({error}): {}", self.path.display(), String::from_utf8_lossy(line)),
            }
        }
        self.read += whole as u64;
        &self.calls
    }

    /// The call at the end of a line that begins with what a killed writer left.
    fn behind_a_torn_one(&mut self, line: &[u8]) -> Option<Call> {
        const BEGIN: &[u8] = br#"{"topic":"#;
        let begin = line.windows(BEGIN.len()).rposition(|window| window == BEGIN).filter(|begin| *begin > 0)?;
        self.torn += 1;
        if self.torn > self.kills { None } else { serde_json::from_slice(&line[begin..]).ok() }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LINE: &str =
        r#"{"topic":"t","partition":0,"offset":3,"key":null,"n":3,"attempt":1,"outcome":"ok","t_start_ms":1,"t_end_ms":2,"origin":null}"#;

    #[test]
    fn a_half_line_waits_for_its_end() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut ledger = LedgerFile::at(file.path());
        write!(file, "{LINE}\n{}", &LINE[..40]).unwrap();
        assert_eq!(ledger.calls().len(), 1);
        writeln!(file, "{}", &LINE[40..]).unwrap();
        let calls = ledger.calls();
        assert_eq!((calls.len(), &calls[0]), (2, &calls[1]));
    }

    #[test]
    fn a_killed_writer_may_leave_half_a_line() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{LINE}\n{}{LINE}", &LINE[..40]).unwrap();
        assert_eq!(LedgerFile::at(file.path()).after_kills(1).calls().len(), 2);
    }

    #[test]
    #[should_panic(expected = "is not a call")]
    fn mixed_lines_are_noticed() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "{}{LINE}", &LINE[..40]).unwrap();
        LedgerFile::at(file.path()).calls();
    }
}
