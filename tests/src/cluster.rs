//! The cluster under test, asked by a client that is not ours.

use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use crate::checks::Positions;
use crate::until::{until, until_some};

/// How long the cluster may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// How long one question may take before it is asked again.
const TRY: Duration = Duration::from_secs(3);

/// Where the cluster is.
///
/// # Panics
/// When nobody says so: a story that cannot be told must not pass.
#[must_use]
pub fn bootstrap() -> String {
    match std::env::var("KAFKA_BOOTSTRAP") {
        Ok(address) if !address.is_empty() => address,
        _ => panic!("KAFKA_BOOTSTRAP is not set, and this test needs a real Kafka: run `cargo xtask test`"),
    }
}

/// The listener with TLS, and who is let in there.
#[derive(Debug, Clone)]
pub struct Secure {
    /// Its address.
    pub bootstrap: String,
    /// The file of the authority that signed its certificate.
    pub ca: String,
    /// A user that it knows by SCRAM and PLAIN.
    pub user: String,
    /// The user's password.
    pub password: String,
}

impl Secure {
    /// What the environment says.
    ///
    /// # Panics
    /// When it says nothing: a story that cannot be told must not pass.
    #[must_use]
    pub fn listener() -> Self {
        let variable = |name: &str| match std::env::var(name) {
            Ok(value) if !value.is_empty() => value,
            _ => panic!("{name} is not set, and this test needs a Kafka with TLS: run `cargo xtask test`"),
        };
        Self {
            bootstrap: variable("KAFKA_SECURE_BOOTSTRAP"),
            ca: variable("KAFKA_SECURE_CA"),
            user: variable("KAFKA_SECURE_USER"),
            password: variable("KAFKA_SECURE_PASSWORD"),
        }
    }

    /// Properties of a client that is let in, except for the address.
    #[must_use]
    pub fn properties(&self) -> [(&str, &str); 5] {
        [
            ("security.protocol", "sasl_ssl"),
            ("ssl.ca.location", &self.ca),
            ("sasl.mechanism", "SCRAM-SHA-512"),
            ("sasl.username", &self.user),
            ("sasl.password", &self.password),
        ]
    }
}

/// Configuration of a client that knows nothing but where the cluster is.
#[must_use]
pub fn client() -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap());
    config
}

/// Makes a topic, and waits until the broker leads all its partitions.
///
/// # Panics
/// When the broker refuses.
pub fn create_topic(name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    let made = answer(admin().create_topics([&topic], &patient()));
    assert!(made.iter().all(Result::is_ok), "topic {name}: {made:?}");
    drop(ends(name, partitions));
}

/// Removes a topic, if it is there.
pub fn delete_topic(name: &str) {
    // Nobody needs the answer.
    drop(answer(admin().delete_topics(&[name], &patient())));
}

/// Gives a topic more partitions, so many altogether.
///
/// # Panics
/// When the broker refuses.
pub fn add_partitions(name: &str, partitions: i32) {
    let more = NewPartitions::new(name, usize::try_from(partitions).unwrap_or(0));
    let made = answer(admin().create_partitions([&more], &patient()));
    assert!(made.iter().all(Result::is_ok), "partitions of {name}: {made:?}");
    drop(ends(name, partitions));
}

/// Sets one property of a topic's configuration; the others go back to their defaults.
///
/// # Panics
/// When the broker refuses.
pub fn configure_topic(name: &str, property: &str, value: &str) {
    let change = AlterConfig::new(ResourceSpecifier::Topic(name)).set(property, value);
    let changed = answer(admin().alter_configs([&change], &patient()));
    assert!(changed.iter().all(Result::is_ok), "{property} of {name}: {changed:?}");
}

/// How many partitions a topic gets that asks for none.
///
/// # Panics
/// When the broker does not say.
#[must_use]
pub fn default_partitions() -> i32 {
    let brokers = [ResourceSpecifier::Broker(1)];
    let configs = answer(admin().describe_configs(&brokers, &patient())).remove(0).expect("the broker's configuration");
    let value = configs.get("num.partitions").and_then(|entry| entry.value.as_deref()).expect("num.partitions");
    value.parse().expect("a number")
}

fn admin() -> &'static AdminClient<DefaultClientContext> {
    static ADMIN: OnceLock<AdminClient<DefaultClientContext>> = OnceLock::new();
    ADMIN.get_or_init(|| client().create().expect("an admin client"))
}

fn patient() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(ANSWER))
}

fn answer<T>(asked: impl Future<Output = KafkaResult<T>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(asked).expect("an answer of the broker")
}

/// Where every partition ends.
///
/// # Panics
/// When the broker does not say.
#[must_use]
pub fn ends(topic: &str, partitions: i32) -> Positions {
    static PROBE: OnceLock<BaseConsumer> = OnceLock::new();
    let probe = PROBE.get_or_init(|| client().create().expect("a consumer"));
    until("a leader of every partition", ANSWER, || {
        let metadata = probe.fetch_metadata(Some(topic), TRY);
        let partitions = usize::try_from(partitions).unwrap_or(0);
        metadata.is_ok_and(|known| {
            let led = known.topics()[0].partitions().iter().filter(|partition| partition.leader() >= 0);
            led.count() == partitions
        })
    });
    let end = |partition| until_some("the end of a partition", ANSWER, || probe.fetch_watermarks(topic, partition, TRY).ok()).1;
    (0..partitions).map(|partition| (partition, end(partition))).collect()
}

/// What the group has committed; partitions without a commit are left out.
///
/// # Panics
/// When the broker does not say.
#[must_use]
pub fn committed(group: &str, topic: &str, partitions: i32) -> Positions {
    // What is committed, also while a transaction is open that may commit more.
    let probe = client().set("group.id", group).set("isolation.level", "read_uncommitted").create::<BaseConsumer>().expect("a consumer");
    let mut wanted = TopicPartitionList::new();
    wanted.add_partition_range(topic, 0, partitions - 1);
    let found = until_some("the group's positions", ANSWER, || probe.committed_offsets(wanted.clone(), TRY).ok());
    let positions = found.elements().into_iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some((element.partition(), offset)),
        _ => None,
    });
    positions.collect()
}
