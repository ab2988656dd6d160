//! The transactional mode in the simulation: processes crash at any await point, partitions change hands, owners are fenced. A reader of
//! committed records sees the output of each message once and in the order of its key, and the positions agree; defects that are planted
//! in the real code are found as what they break.

#![allow(clippy::unwrap_used, reason = "the handlers here are tests")]

use std::collections::BTreeMap;

use kafka_core::app::{App, AppBuilder, MissingState, State};
use kafka_core::consumer::{ConsumerSpec, HandlerError};
use kafka_core::error::BoxError;
use kafka_core::format::Text;
use kafka_core::message::Message;
use kafka_core::producer::Producer;
use kafka_core::settings::Settings;
use kafka_core::sim::app::{self, Aftermath, Messages, Simulated};
use kafka_core::topic::{Consume, Produce, Single, Topic, TopicSpec};

const INPUTS: i64 = 30;
const KEYS: i64 = 5;

struct Inputs(Producer);

struct Outputs;

macro_rules! topic {
    ($name:ident, $topic:literal, |$state:ident| $made:expr) => {
        impl Topic for $name {
            type Key = i64;
            type Value = Text;
            type Style = Single;

            fn spec() -> TopicSpec {
                TopicSpec::named($topic)
            }

            fn from_state($state: &State) -> Result<Self, MissingState> {
                Ok($made)
            }
        }

        impl Produce for $name {}
    };
}

topic!(Inputs, "inputs", |state| Self(state.get()?));
topic!(Outputs, "outputs", |_state| Self);

impl Consume for Inputs {
    async fn consume(&self, message: Message<i64, String>) -> Result<(), HandlerError> {
        let (key, value) = (*message.require_key()?, message.require_value()?.clone());
        let number: i64 = value.parse()?;
        let outputs = self.0.topic::<Outputs>();
        // Nobody has to wait for a receipt: the transaction does.
        if number % 2 == 0 {
            drop(outputs.submit(Some(&key), Some(&value)).await?);
        } else {
            outputs.send(&key, &value).await?;
        }
        tokio::task::yield_now().await;
        // What it produced must not be seen.
        if number % 4 == 0 && message.attempt() == 1 { Err("it fails once".into()) } else { Ok(()) }
    }
}

impl Consume for Outputs {
    async fn consume(&self, _: Message<i64, String>) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Makes an output of each input.
struct Transform(Archive);

/// Who reads the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Archive {
    /// A group, which has to come to their end.
    Group,
    /// Nobody: outputs that stay uncommitted hold up no group.
    Nobody,
}

impl Simulated for Transform {
    fn app(&self) -> AppBuilder {
        let app = App::builder(Settings::default())
            .without_discovery()
            .consumer_spec(ConsumerSpec::new("transform", "transform").exactly_once().topic::<Inputs>());
        match self.0 {
            Archive::Group => app.consumer_spec(ConsumerSpec::new("archive", "archive").topic::<Outputs>()),
            Archive::Nobody => app,
        }
    }

    fn messages(&self, messages: &mut Messages) {
        (0..INPUTS).for_each(|number| messages.publish::<Inputs>(&(number % KEYS), &number.to_string()));
    }

    fn check(&self, end: &Aftermath) -> Result<(), BoxError> {
        let mut seen = BTreeMap::<i64, Vec<i64>>::new();
        for (key, value) in end.decoded::<Outputs>()? {
            seen.entry(key.ok_or("an output without a key")?).or_default().push(value.ok_or("an output without a value")?.parse()?);
        }
        for key in 0..KEYS {
            let outputs = seen.remove(&key).unwrap_or_default();
            let expected: Vec<i64> = (0..INPUTS).filter(|number| number % KEYS == key).collect();
            if let Some(lost) = expected.iter().find(|number| !outputs.contains(number)) {
                return Err(format!("{lost} has no output").into());
            }
            if outputs.len() > expected.len() {
                return Err(format!("outputs of key {key} are seen more than once: {outputs:?}").into());
            }
            if outputs != expected {
                return Err(format!("outputs of key {key} are not in order: {outputs:?}").into());
            }
        }
        let mut ends = BTreeMap::new();
        for record in end.records("inputs") {
            ends.insert(record.partition, record.message.offset + 1);
        }
        match ends.into_iter().find(|(partition, end_of_it)| end.committed("transform", "inputs", *partition) != Some(*end_of_it)) {
            Some((partition, _)) => Err(format!("the position of inputs [{partition}] is not behind its last message").into()),
            None => Ok(()),
        }
    }
}

#[test]
fn each_output_is_seen_once_and_in_order() {
    app::seeds(0..300, || Transform(Archive::Group));
}

#[cfg(feature = "__planted-defects")]
#[test]
fn every_planted_defect_is_found_as_what_it_breaks() {
    use kafka_core::planted::with;
    use kafka_core::sim::planted::Defect;

    const DEFECTS: &[(Defect, &str)] = &[
        (Defect::PositionOutsideTransaction, "neither handled nor settled"),
        (Defect::NoFencing, "has no output"),
        (Defect::AbortSkipped, "more than once"),
        (Defect::UnknownCommitAborted, "the transaction is being committed"),
    ];
    for (defect, broken) in DEFECTS {
        let mut seen = Vec::new();
        let found = (0..150).find_map(|seed| {
            let what = with(*defect, || app::run(&Transform(Archive::Nobody), seed)).err()?.what;
            seen.push(what.clone());
            what.contains(broken).then_some(())
        });
        assert!(found.is_some(), "{defect:?} was not found as \"{broken}\": {seen:#?}");
    }
}
