//! Retries under a clock that the test moves: what waits, what does not, and until when exactly.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::Duration;

use kafka_core::app::{App, AppBuilder, MissingState, State};
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::format::Text;
use kafka_core::message::{Message, Record};
use kafka_core::names::TopicName;
use kafka_core::retry_policy::{MaxRetries, RetryPolicy};
use kafka_core::settings::Settings;
use kafka_core::test_kit::{Outcome, TestApp, TestCluster};
use kafka_core::topic::{Concurrency, Consume, Single, Topic, TopicSpec};
use kafka_retry::Retry;

const DELAY: Duration = Duration::from_secs(60);

/// Does what its messages say.
struct Words;

impl Topic for Words {
    type Key = Text;
    type Value = Text;
    type Style = Single;

    fn spec() -> TopicSpec {
        TopicSpec::named("words")
    }

    fn from_state(_: &State) -> Result<Self, MissingState> {
        Ok(Self)
    }
}

impl Consume for Words {
    async fn consume(&self, message: Message<String, String>) -> Result<(), HandlerError> {
        match (message.require_value()?.as_str(), message.attempt()) {
            ("fails once", 1) => Err("not yet".into()),
            ("fails", _) => Err("never".into()),
            ("panics", attempt) => panic!("attempt {attempt} burns"),
            ("permanent", _) => Err(HandlerError::permanent("not this one")),
            ("in an hour", 1) => Err(HandlerError::retry_after("later", Duration::from_secs(3_600))),
            _ => Ok(()),
        }
    }
}

fn policy(most: u32) -> RetryPolicy {
    RetryPolicy::new(MaxRetries::Limited(most), DELAY)
}

async fn start(partitions: i32, concurrency: Concurrency, policy: RetryPolicy) -> TestApp {
    let mut consumer = ConsumerSpec::new("reader", "g").topic::<Words>().config("auto.offset.reset", "earliest");
    consumer.topics[0].spec = Words::spec().concurrency(concurrency).retry(policy);
    let app: AppBuilder = App::builder(Settings::default()).without_discovery().consumer_spec(consumer).plugin(Retry::new());
    TestCluster::new().topic("words", partitions).start(app).await.unwrap()
}

fn write(app: &TestApp, partition: i32, key: &str, value: &[u8]) {
    let topic = TopicName::new("words").unwrap();
    app.publish_record(&Record::new(topic).partition(partition).key(key.as_bytes()).value(value)).unwrap();
}

/// The offsets that were handled with success, of one partition.
fn done(app: &TestApp, partition: i32) -> Vec<i64> {
    let fine = app.calls().into_iter().filter(|call| call.outcome.is_fine() && call.partition == partition);
    fine.map(|call| call.message.offset).collect()
}

/// The attempts that were made altogether.
fn attempts(app: &TestApp) -> Vec<u32> {
    let reached = app.calls().into_iter().filter(|call| call.outcome != Outcome::NotReached);
    reached.map(|call| call.attempt).collect()
}

fn summary(app: &TestApp, number: usize) -> String {
    let letters = app.records("g.words.dlt");
    letters[number].message.headers.get_str("DEAD_LETTER_SUMMARY").unwrap().to_owned()
}

#[tokio::test]
async fn a_blocking_retry_delays_what_is_behind_it_and_no_other_partition() {
    let mut app = start(3, Concurrency::Partition, policy(3)).await;
    write(&app, 0, "k", b"fails once");
    for partition in 0..3 {
        (0..100).for_each(|_| write(&app, partition, "k", b"fine"));
    }
    app.until_idle().await;
    assert_eq!(app.elapsed(), Duration::ZERO, "the clock has not moved");
    assert_eq!((done(&app, 1), done(&app, 2)), ((0..100).collect(), (0..100).collect()), "the others wait for nobody");
    assert_eq!(done(&app, 0), [0; 0]);
    let held = app.held();
    assert_eq!((held.len(), held[0].offset, held[0].attempt, held[0].wait, held[0].behind), (1, 0, 2, DELAY, 100));

    app.advance(DELAY.checked_sub(Duration::from_micros(1)).unwrap()).await;
    assert_eq!(done(&app, 0), [0; 0], "not a microsecond early");
    app.advance(Duration::from_micros(1)).await;
    assert_eq!(done(&app, 0), (0..=100).collect::<Vec<_>>(), "and not one late");
}

#[tokio::test]
async fn a_blocking_retry_in_key_lanes_delays_its_key_alone() {
    let mut app = start(1, Concurrency::Key { max: 4 }, policy(3)).await;
    // As many keys fail as may run at once: a lane that holds gives its place away.
    let failing = ["f0", "f1", "f2", "f3", "f4"];
    failing.iter().for_each(|key| write(&app, 0, key, b"fails once"));
    for number in 0..100 {
        write(&app, 0, &format!("k{}", number % 10), b"fine");
    }
    failing.iter().for_each(|key| write(&app, 0, key, b"fine"));
    app.until_idle().await;
    let mut handled = done(&app, 0);
    handled.sort_unstable();
    assert_eq!((handled, app.elapsed()), ((5..105).collect(), Duration::ZERO), "every healthy key, at once");
    assert!(app.held().iter().all(|held| (held.wait, held.behind) == (DELAY, 1)), "{:?}", app.held());

    app.advance(DELAY).await;
    let handled = done(&app, 0);
    for key in 0..5 {
        let place = |offset| handled.iter().position(|done| *done == offset).unwrap();
        assert!(place(key) < place(105 + key), "a key keeps its order");
    }
    assert_eq!(handled.len(), 110);
}

#[tokio::test]
async fn a_panic_is_an_attempt_like_any_other() {
    for policy in [policy(2), policy(2).non_blocking()] {
        let mut app = start(1, Concurrency::Partition, policy).await;
        write(&app, 0, "k", b"panics");
        write(&app, 0, "k", b"fine");
        app.advance(DELAY * 3).await;
        let mut made = attempts(&app);
        made.sort_unstable();
        assert_eq!(made, [1, 1, 2, 3]);
        assert_eq!(app.records("g.words.dlt").len(), 1);
        assert!(summary(&app, 0).contains("attempt 3 burns"), "{}", summary(&app, 0));
        assert_eq!(app.committed("g", "words"), [(0, 2)].into());
    }
}

#[tokio::test]
async fn what_no_retry_can_mend_is_a_dead_letter_at_once() {
    for policy in [policy(9), policy(9).non_blocking()] {
        let mut app = start(1, Concurrency::Partition, policy).await;
        write(&app, 0, "k", b"\xff\xfe");
        write(&app, 0, "k", b"permanent");
        write(&app, 0, "k", b"fine");
        app.until_idle().await;
        assert_eq!((app.elapsed(), app.records("g.words.dlt").len()), (Duration::ZERO, 2));
        assert_eq!(app.records("g.words.dlt")[0].message.value.as_deref(), Some(&b"\xff\xfe"[..]), "as it came");
        assert!(summary(&app, 0).contains("value"), "it says what could not be read: {}", summary(&app, 0));
        assert_eq!(summary(&app, 1), "not this one");
        assert!(app.records("g.words.retry.1").is_empty());
        assert_eq!(done(&app, 0), [2]);
    }
}

#[tokio::test]
async fn retry_after_and_retries_without_end_keep_to_their_times() {
    let mut app = start(1, Concurrency::Partition, policy(1)).await;
    write(&app, 0, "k", b"in an hour");
    app.advance(Duration::from_secs(3_599)).await;
    assert_eq!(attempts(&app), [1], "the handler's word, not the policy's");
    app.advance(Duration::from_secs(1)).await;
    assert_eq!((attempts(&app), done(&app, 0)), (vec![1, 2], vec![0]));

    let forever = RetryPolicy::new(MaxRetries::Forever, DELAY).backoff();
    let mut app = start(1, Concurrency::Partition, forever).await;
    write(&app, 0, "k", b"fails");
    // 1, 2, 4, … minutes.
    app.advance(DELAY * (1 + 2 + 4 + 8)).await;
    assert_eq!(attempts(&app), [1, 2, 3, 4, 5]);
    assert!(app.records("g.words.dlt").is_empty());
}
