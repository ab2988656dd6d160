//! The transactional mode: a reader of committed records sees each output once, whatever happens to who writes them.

use std::hash::{BuildHasher, RandomState};
use std::process::{Command, Stdio};
use std::time::Duration;

use kafka_tests::cluster;
use kafka_tests::process::Running;
use kafka_tests::produce::Record;
use kafka_tests::read::everything;
use kafka_tests::story::{SOON, Story, heavy};
use kafka_tests::until::{until, until_some};

const PARTITIONS: i32 = 4;

struct Copying {
    story: Story,
    output: String,
    count: i64,
    started: u32,
}

impl Copying {
    fn new(word: &str, count: i64) -> Self {
        let story = Story::new(word, PARTITIONS);
        let output = format!("{}-copies", story.name);
        cluster::create_topic(&output, PARTITIONS);
        story.send((0..count).map(|n| Record::number(n).to((n % i64::from(PARTITIONS)) as i32)));
        Self { story, output, count, started: 0 }
    }

    fn start(&mut self) -> Running {
        self.started += 1;
        let mut command = Command::new(env!("CARGO_BIN_EXE_copier"));
        command.args([&self.story.name, &self.output]).env("KAFKA_BOOTSTRAP", cluster::bootstrap());
        command.env("RUST_LOG", "info").env("NO_COLOR", "1").stdin(Stdio::null()).stdout(Stdio::null());
        Running::start(&mut command, self.story.path(&format!("log-{}", self.started)))
    }

    fn committed(&self) -> i64 {
        self.story.committed().values().sum()
    }

    fn until_committed(&self, what: &str, more_than: i64, limit: Duration) {
        until(what, limit, || self.committed() > more_than);
    }

    /// Each number once and in the order of its partition, for a reader that is not ours.
    fn check(&self) {
        until("all is copied and committed", Duration::from_secs(120), || self.committed() == self.count);
        // A transaction's end comes to the output a moment after it came to the positions.
        let all = || Some(everything(&self.output, PARTITIONS)).filter(|copies| copies.len() as i64 >= self.count);
        let copies = until_some("a reader of committed records sees all", SOON, all);
        for partition in 0..PARTITIONS {
            let found: Vec<i64> = copies.iter().filter(|copy| copy.partition == partition).map(|copy| copy.number().unwrap()).collect();
            let wanted: Vec<i64> = (0..self.count).filter(|n| n % i64::from(PARTITIONS) == i64::from(partition)).collect();
            assert_eq!(found.len(), wanted.len(), "partition {partition}: every number once");
            assert_eq!(found, wanted, "partition {partition}: in order");
        }
    }
}

#[test]
fn ten_kills_write_nothing_twice_and_make_no_reader_wait() {
    let _place = heavy();
    let mut copying = Copying::new("exactly", 40_000);
    for kill in 0..10_u32 {
        let before = copying.committed();
        let mut running = copying.start();
        // A transaction that was left open is ended by the next owner. Nobody waits for its timeout, which is a minute.
        copying.until_committed("the next one goes on", before, Duration::from_secs(40));
        let further = RandomState::new().hash_one(kill) % 1_200;
        copying.until_committed("work to kill in", before + further as i64, SOON);
        assert!(running.is_running(), "it must be at work when it is killed: {}", running.log());
        running.kill_9();
    }
    assert!(copying.committed() < copying.count, "the kills came after the work");
    let last = copying.start();
    copying.check();
    last.stop(SOON);
}

#[test]
fn an_owner_that_was_frozen_commits_nothing_any_more() {
    let _place = heavy();
    let mut copying = Copying::new("zombie", 12_000);
    let mut frozen = copying.start();
    copying.until_committed("it is at work", 500, SOON);
    frozen.freeze();
    let before = copying.committed();
    let other = copying.start();
    copying.until_committed("another takes over", before + 500, Duration::from_secs(40));
    frozen.thaw();
    copying.check();
    // It may have found out in time, or it was fenced, and ends with an error.
    frozen.terminate();
    let code = frozen.ended(SOON);
    assert!(matches!(code, Some(0 | 1)), "{code:?}: {}", frozen.log());
    other.stop(SOON);
}
