//! The properties of one client: layer over layer, each value with where it came from, and the rules that the loop depends on.

use std::collections::BTreeMap;
use std::fmt;

use super::check::check_property;
use super::property_names::{Side, canonical};
use super::read::said_in;
use super::secret::redacted;
use super::{Layer, Settings};
use crate::broker::{Broker, Properties};
use crate::error::{ConfigError, ConfigErrors};

/// A default of ours that librdkafka does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PropertyDefault {
    /// The property.
    pub name: &'static str,
    /// Its value.
    pub value: &'static str,
    /// Why.
    pub reason: &'static str,
}

const fn default(name: &'static str, value: &'static str, reason: &'static str) -> PropertyDefault {
    PropertyDefault { name, value, reason }
}

/// Our defaults of consumers. `partition.assignment.strategy`, `session.timeout.ms` and `heartbeat.interval.ms` have none
/// on purpose: a group that lives already must be joinable, and librdkafka refuses them under `group.protocol=consumer`.
pub const CONSUMER_DEFAULTS: &[PropertyDefault] = &[
    default("enable.auto.offset.store", "false", "an offset counts only after its message was handled"),
    default("fetch.queue.backoff.ms", "5", "librdkafka's 1000 stalls fetching for a second whenever its queue is full"),
    default("queued.max.messages.kbytes", "16384", "bounds the memory of each partition's queue"),
    default("queued.min.messages", "20000", "a partition that is not drained holds so many, not librdkafka's 100000"),
];

/// Our defaults of producers. The first two stand back where the user's properties exclude them.
pub const PRODUCER_DEFAULTS: &[PropertyDefault] = &[
    default("enable.idempotence", "true", "no duplicates and no reordering by the client's own retries"),
    default("acks", "all", "a record counts as sent when no single broker can lose it"),
    default("linger.ms", "5", "batches fill without a send becoming slow"),
];

/// The properties of one client, ready for it, each with the layer it came from. `Debug` hides secrets.
#[derive(Clone, Default)]
pub struct LayeredProperties(BTreeMap<String, LayeredValue>);

/// The value of a property, and where it came from.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayeredValue {
    /// The value, secrets included.
    pub value: String,
    /// Where it was set, such as `global_config.fetch.min.bytes`; the property's name for a default of ours.
    pub path: String,
    /// Where it came from.
    pub layer: Layer,
}

/// What a consumer or producer declares itself: the last layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnConfig<'a> {
    /// Its path in errors, such as `consumers.billing.config`.
    pub path: &'a str,
    /// The properties; of two with one name the last counts.
    pub properties: &'a [(String, String)],
}

impl LayeredProperties {
    /// The properties of a consumer: `client_id`, `global_config`, `consumer_config`, its own. `group.id` is not among them.
    ///
    /// # Errors
    /// All properties that are reserved or a producer's, and those of its own that the client library refuses.
    pub fn consumer(settings: &Settings, own: OwnConfig<'_>, broker: &dyn Broker) -> Result<Self, ConfigErrors> {
        let mut merge = Merge::new(settings, Side::Consumer);
        merge.table("consumer_config");
        merge.own(own, broker);
        merge.finish()
    }

    /// The properties of the consumer of a group's retry topics: those of the main consumer, and over them `retry_consumer_config`.
    ///
    /// # Errors
    /// As for [`LayeredProperties::consumer`].
    pub fn retry_consumer(settings: &Settings, own: OwnConfig<'_>, broker: &dyn Broker) -> Result<Self, ConfigErrors> {
        let mut merge = Merge::new(settings, Side::Consumer);
        merge.table("consumer_config");
        merge.own(own, broker);
        merge.table("retry_consumer_config");
        merge.finish()
    }

    /// The properties of a producer: `client_id`, `global_config`, `producer_config`, its own.
    ///
    /// # Errors
    /// All properties that are a consumer's, and those of its own that the client library refuses.
    pub fn producer(settings: &Settings, own: OwnConfig<'_>, broker: &dyn Broker) -> Result<Self, ConfigErrors> {
        let mut merge = Merge::new(settings, Side::Producer);
        merge.table("producer_config");
        merge.own(own, broker);
        merge.finish()
    }

    /// The properties as a client takes them.
    #[must_use]
    pub fn properties(&self) -> Properties {
        self.0.iter().map(|(name, value)| (name.clone(), value.value.clone())).collect()
    }

    /// A property by its name or by any alias of it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&LayeredValue> {
        self.0.iter().find(|(known, _)| canonical(known) == canonical(name)).map(|(_, value)| value)
    }

    /// All properties, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &LayeredValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether a real cluster can be found at all: librdkafka itself would wait for ever without a word.
    ///
    /// # Errors
    /// When `bootstrap.servers` is nowhere set.
    pub fn require_bootstrap_servers(&self) -> Result<(), ConfigError> {
        match self.get("bootstrap.servers") {
            Some(servers) if !servers.value.trim().is_empty() => Ok(()),
            _ => Err(ConfigError::new(
                "global_config.bootstrap.servers",
                "is not set; write the address of a broker, or set KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS",
            )),
        }
    }

    /// Puts a value over all that was set under the name or an alias of it.
    fn put(&mut self, name: &str, value: LayeredValue) {
        self.0.retain(|known, _| canonical(known) != canonical(name));
        self.0.insert(name.to_owned(), value);
    }

    /// Adds an item of ours to a property that is a list.
    pub(crate) fn append(&mut self, name: &str, item: &str) {
        let value = match self.get(name).cloned() {
            Some(known) if !known.value.is_empty() => LayeredValue { value: format!("{},{item}", known.value), ..known },
            _ => LayeredValue { value: item.to_owned(), path: name.to_owned(), layer: Layer::Default },
        };
        self.put(name, value);
    }

    fn put_default(&mut self, default: &PropertyDefault) {
        if self.get(default.name).is_none() {
            self.put(default.name, LayeredValue { value: default.value.to_owned(), path: default.name.to_owned(), layer: Layer::Default });
        }
    }
}

impl fmt::Debug for LayeredProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, redacted(name, &value.value)))).finish()
    }
}

impl fmt::Debug for LayeredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayeredValue")
            .field("value", &redacted(&self.path, &self.value))
            .field("path", &self.path)
            .field("layer", &self.layer)
            .finish()
    }
}

struct Merge<'a> {
    settings: &'a Settings,
    side: Side,
    merged: LayeredProperties,
    errors: ConfigErrors,
}

impl<'a> Merge<'a> {
    fn new(settings: &'a Settings, side: Side) -> Self {
        let mut merge = Self { settings, side, merged: LayeredProperties::default(), errors: ConfigErrors::new() };
        let value =
            LayeredValue { value: settings.client_id.clone(), path: "client_id".to_owned(), layer: settings.layers.of("client_id") };
        merge.merged.put("client.id", value);
        merge.table("global_config");
        merge
    }

    fn table(&mut self, table: &str) {
        for (name, value) in self.settings.property_table(table).iter() {
            let path = format!("{table}.{name}");
            let foreign = !matches!(Side::of(name), Side::Both) && Side::of(name) != self.side;
            if table == "global_config" && foreign {
                continue;
            }
            let layer = self.settings.layers.of(&path);
            self.add(name, LayeredValue { value: value.to_owned(), path, layer });
        }
    }

    fn own(&mut self, own: OwnConfig<'_>, broker: &dyn Broker) {
        for (name, value) in own.properties {
            let path = format!("{}.{name}", own.path);
            check_property(broker, &path, (name, value), &Layer::Code, &mut self.errors);
            self.add(name, LayeredValue { value: value.clone(), path, layer: Layer::Code });
        }
    }

    fn add(&mut self, name: &str, value: LayeredValue) {
        match refused(self.side, name, &value.value) {
            Some(reason) => {
                let problem = format!("`{name} = {}` is refused: {reason}{}", redacted(name, &value.value), said_in(&value.layer));
                self.errors.push(value.path, problem);
            }
            None => self.merged.put(name, value),
        }
    }

    fn finish(mut self) -> Result<LayeredProperties, ConfigErrors> {
        let defaults = if self.side == Side::Producer { PRODUCER_DEFAULTS } else { CONSUMER_DEFAULTS };
        let exactly_once = self.side != Side::Producer || allows_idempotence(&self.merged);
        for default in defaults.iter().filter(|default| exactly_once || default.name != "enable.idempotence") {
            self.merged.put_default(default);
        }
        self.errors.or_ok(self.merged)
    }
}

/// Why the property may not be set so for clients of this side.
fn refused(side: Side, name: &str, value: &str) -> Option<&'static str> {
    match (side, Side::of(name)) {
        (Side::Consumer, Side::Producer) => return Some("only producers read it; move it to `producer_config`"),
        (Side::Producer, Side::Consumer) => return Some("only consumers read it; move it to `consumer_config`"),
        (Side::Producer, _) => return None,
        _ => {}
    }
    // librdkafka takes these spellings.
    let value = value.trim().to_ascii_lowercase();
    let (yes, no) = (matches!(value.as_str(), "true" | "t" | "1"), matches!(value.as_str(), "false" | "f" | "0"));
    match canonical(name) {
        "group.id" => Some("the group is declared with the consumer; remove it here"),
        "enable.auto.offset.store" if yes => {
            Some("an offset counts only after its message was handled, and the framework stores it then; remove it or set it to false")
        }
        "enable.auto.commit" if no => Some(
            "stored offsets are committed in the background, by `auto.commit.interval.ms`; without it nothing ever would be; remove it or set it to true",
        ),
        _ => None,
    }
}

/// Whether librdkafka would take `enable.idempotence=true` beside what the user has set.
fn allows_idempotence(set: &LayeredProperties) -> bool {
    let fits = |name: &str, fits: &dyn Fn(&str) -> bool| set.get(name).is_none_or(|value| fits(value.value.trim()));
    fits("acks", &|acks| matches!(acks, "all" | "-1"))
        && fits("max.in.flight", &|requests| requests.parse().is_ok_and(|requests: u32| requests <= 5))
        && fits("retries", &|retries| retries != "0")
        && fits("queuing.strategy", &|strategy| strategy == "fifo")
}
