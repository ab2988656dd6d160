//! A story: a topic and a group that nobody else has, and a directory for what is written down.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tempfile::TempDir;

use crate::calls::{Call, LedgerFile};
use crate::checks::{Positions, committed_equals_end};
use crate::cluster;
use crate::process::{Ledger, Running};
use crate::produce::{Record, produce};
use crate::until::until;

/// How long something that works may take on a busy machine.
pub const SOON: Duration = Duration::from_secs(40);

/// A topic, a group, and a ledger file.
#[derive(Debug)]
pub struct Story {
    /// The topic's name; also the group's.
    pub name: String,
    partitions: i32,
    dir: TempDir,
    started: AtomicU32,
}

/// A place among the stories with much work; dropping it gives it to the next.
#[derive(Debug)]
pub struct HeavyPlace(());

static HEAVY: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

/// Waits until fewer stories with much work are at it than the machine has cores.
#[must_use]
pub fn heavy() -> HeavyPlace {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let taken = HEAVY.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut taken = HEAVY.1.wait_while(taken, |taken| *taken >= cores).unwrap_or_else(PoisonError::into_inner);
    *taken += 1;
    HeavyPlace(())
}

impl Drop for HeavyPlace {
    fn drop(&mut self) {
        *HEAVY.0.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        HEAVY.1.notify_one();
    }
}

/// A name that no other story has, on this cluster at any time.
#[must_use]
pub fn unique(word: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    format!("{word}-{since:x}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

impl Story {
    /// Makes the topic.
    #[must_use]
    pub fn new(word: &str, partitions: i32) -> Self {
        let mut story = Self::without_topic(word);
        story.partitions = partitions;
        cluster::create_topic(&story.name, partitions);
        story
    }

    /// Leaves the topic to the story.
    ///
    /// # Panics
    /// When there is no place for its files.
    #[must_use]
    pub fn without_topic(word: &str) -> Self {
        // Nothing to tell without a cluster.
        drop(cluster::bootstrap());
        Self { name: unique(word), partitions: 1, dir: tempfile::tempdir().expect("a directory"), started: AtomicU32::new(0) }
    }

    /// Sends records to its topic.
    pub fn send(&self, records: impl IntoIterator<Item = Record>) {
        produce(&self.name, records);
    }

    /// A path in its directory.
    #[must_use]
    pub fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// A ledger process of its group, that writes to the story's ledger file.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.ledger_of(&self.name, "ledger", &cluster::bootstrap())
    }

    /// The same with a ledger file of its own.
    #[must_use]
    pub fn ledger_into(&self, file: &str) -> Ledger {
        self.ledger_of(&self.name, file, &cluster::bootstrap())
    }

    /// The same with another topic, ledger file, or way to the cluster.
    #[must_use]
    pub fn ledger_of(&self, topic: &str, file: &str, bootstrap: &str) -> Ledger {
        let log = self.path(&format!("log-{}", self.started.fetch_add(1, Ordering::Relaxed)));
        Ledger::new(bootstrap, topic, &self.name, &self.path(file), log)
    }

    /// The story's ledger file.
    #[must_use]
    pub fn file(&self) -> LedgerFile {
        LedgerFile::at(&self.path("ledger"))
    }

    /// All calls in the story's ledger file.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.file().calls().to_vec()
    }

    /// All calls in these files.
    #[must_use]
    pub fn calls_in(&self, files: &[&str]) -> Vec<Call> {
        files.iter().flat_map(|file| LedgerFile::at(&self.path(file)).calls().to_vec()).collect()
    }

    /// Waits until so many messages were handled with success, and gives all calls.
    #[track_caller]
    pub fn until_handled(&self, count: usize) -> Vec<Call> {
        let mut file = self.file();
        until(&format!("{count} messages handled"), SOON, || file.calls().iter().filter(|call| call.is_ok()).count() >= count);
        file.calls().to_vec()
    }

    /// What its group has committed.
    #[must_use]
    pub fn committed(&self) -> Positions {
        cluster::committed(&self.name, &self.name, self.partitions)
    }

    /// Where its topic ends.
    #[must_use]
    pub fn ends(&self) -> Positions {
        cluster::ends(&self.name, self.partitions)
    }

    /// Ends a ledger softly.
    ///
    /// # Panics
    /// When that is not exit code 0, or the group is not at the end of every partition afterwards.
    #[track_caller]
    pub fn stop_at_the_end(&self, ledger: Running) {
        ledger.stop(SOON);
        assert_eq!(committed_equals_end(&self.committed(), &self.ends()), Ok(()));
    }
}

impl Drop for Story {
    /// The files and the topic of a story that failed are evidence.
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.dir.disable_cleanup(true);
        } else {
            cluster::delete_topic(&self.name);
        }
    }
}
