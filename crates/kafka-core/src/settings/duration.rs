//! Durations as people write them: `"30s"`, `"1m 30s"`, or a plain number of seconds.

use std::fmt;
use std::time::Duration;

use serde::Serializer;
use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// Reads a duration; for `#[serde(deserialize_with = …)]`.
///
/// # Errors
/// When it is neither a number of seconds nor a text such as `"30s"`.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Human::deserialize(deserializer).map(|human| human.0)
}

/// Reads a duration that may be missing; for `#[serde(default, deserialize_with = …)]`.
///
/// # Errors
/// When it is neither a number of seconds nor a text such as `"30s"`.
pub fn deserialize_option<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    Option::<Human>::deserialize(deserializer).map(|human| human.map(|human| human.0))
}

/// Writes a duration as whole milliseconds, for programs; for `#[serde(serialize_with = …)]`.
///
/// # Errors
/// Those of the serializer.
pub fn as_millis<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// As [`as_millis`], for a duration that may be missing.
///
/// # Errors
/// Those of the serializer.
pub fn as_millis_option<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => as_millis(duration, serializer),
        None => serializer.serialize_none(),
    }
}

/// The duration as it may be read again.
pub(crate) fn to_text(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

struct Human(Duration);

impl<'de> Deserialize<'de> for Human {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HumanVisitor)
    }
}

struct HumanVisitor;

impl Visitor<'_> for HumanVisitor {
    type Value = Human;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"30s\", \"1m 30s\" or a number of seconds")
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<Human, E> {
        Ok(Human(Duration::from_secs(seconds)))
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<Human, E> {
        let seconds = u64::try_from(seconds).map_err(|_| E::custom(format!("{seconds} is negative; a duration is not")))?;
        self.visit_u64(seconds)
    }

    // figment widens integers to 128 bits.
    fn visit_u128<E: Error>(self, seconds: u128) -> Result<Human, E> {
        let seconds = u64::try_from(seconds).map_err(|_| E::custom(format!("{seconds} seconds are too long")))?;
        self.visit_u64(seconds)
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<Human, E> {
        Duration::try_from_secs_f64(seconds).map(Human).map_err(|_| E::custom(format!("{seconds} is not a number of seconds")))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Human, E> {
        let text = text.trim();
        if let Ok(seconds) = text.parse() {
            return self.visit_f64(seconds);
        }
        humantime::parse_duration(text)
            .map(Human)
            .map_err(|_| E::custom(format!("{text:?} is not a duration; write one such as \"30s\" or \"1m 30s\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_write_durations_in_many_ways() {
        let read = |toml: &str| {
            #[derive(serde::Deserialize)]
            struct One {
                #[serde(deserialize_with = "deserialize")]
                d: Duration,
            }
            toml::from_str::<One>(&format!("d = {toml}")).ok().map(|one| one.d)
        };
        for (toml, millis) in [
            ("\"30s\"", Some(30_000)),
            ("\"1m 30s\"", Some(90_000)),
            ("\"250ms\"", Some(250)),
            ("5", Some(5_000)),
            ("\"5\"", Some(5_000)),
            ("0.5", Some(500)),
            ("0", Some(0)),
            ("-1", None),
            ("\"soon\"", None),
            ("true", None),
        ] {
            assert_eq!(read(toml), millis.map(Duration::from_millis), "{toml}");
        }
    }
}
