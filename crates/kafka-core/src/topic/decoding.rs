//! From the raw messages of a topic to its types: by the instances of its formats, and what becomes of what cannot be decoded.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use super::handler::HandlerFailure;
use super::{KeyOf, Topic, ValueOf};
use crate::consumer::{HandlerError, HandlerPanic};
use crate::error::{BoxError, ConfigErrors};
use crate::format::{Decode, DecodeError, Field, Format, FormatContext, Part};
use crate::message::{RawMessage, Run};
use crate::names::TopicName;
use crate::settings::Settings;

/// A decoded message's parts, or why it could not be decoded.
pub type Decoded<K, V> = Result<(Option<K>, Option<V>), (Field, DecodeError)>;

/// The decoded keys and values of a batch.
pub(super) type Parts<T> = Vec<(Option<KeyOf<T>>, Option<ValueOf<T>>)>;

/// Where the decoding of a run ended, because what the message needs is not to be had.
#[derive(Debug)]
pub struct Undecoded {
    /// How many messages before it are decoded.
    pub decoded: usize,
    /// What cannot be had.
    pub error: BoxError,
}

/// The instances of a topic's formats.
pub(crate) struct Formats<T: Topic> {
    pub(crate) key: T::Key,
    pub(crate) value: T::Value,
}

impl<T: Topic> Formats<T> {
    pub(crate) fn build(settings: &Settings) -> Result<Self, ConfigErrors> {
        let spec = T::spec();
        let registry = settings.schema_registry.as_ref();
        let subject = spec.subject.or(registry.map(|registry| registry.subject_name_strategy)).unwrap_or_default();
        let context = |field| FormatContext { topic: &spec.name, field, settings, subject };
        let mut errors = ConfigErrors::new();
        let key = errors.take(T::Key::build(&context(Field::Key)).map_err(Into::into));
        let value = errors.take(T::Value::build(&context(Field::Value)).map_err(Into::into));
        match (key, value) {
            (Some(key), Some(value)) => Ok(Self { key, value }),
            _ => Err(errors),
        }
    }
}

impl<T: Topic> Formats<T>
where
    T::Key: Decode,
    T::Value: Decode,
{
    pub(crate) async fn decode(&self, raw: &RawMessage, topic: &TopicName) -> Decoded<KeyOf<T>, ValueOf<T>> {
        let key = match raw.key() {
            Some(bytes) => Some(decode_part(&self.key, Part { bytes, field: Field::Key, topic }).await?),
            None => None,
        };
        let value = match raw.value() {
            Some(bytes) => Some(decode_part(&self.value, Part { bytes, field: Field::Value, topic }).await?),
            None => None,
        };
        Ok((key, value))
    }

    pub(super) async fn show(&self, part: Part<'_>) -> Result<Option<String>, DecodeError> {
        let shown = AssertUnwindSafe(async {
            match part.field {
                Field::Key => self.key.show(part).await,
                Field::Value => self.value.show(part).await,
            }
        });
        shown
            .catch_unwind()
            .await
            .unwrap_or_else(|payload| Err(DecodeError::malformed(format!("its format panicked: {}", HandlerPanic::new(&*payload).message))))
    }

    /// The parts of a run's first messages when neither format looks at bytes: there is nothing to wait for, and nothing can fail.
    pub(super) fn undecoded(&self, run: &Run, limit: usize) -> Option<Parts<T>> {
        T::Key::constant().zip(T::Value::constant())?;
        let part = |raw: &RawMessage| (raw.key().and_then(|_| T::Key::constant()), raw.value().and_then(|_| T::Value::constant()));
        Some(run.iter().take(limit).map(part).collect())
    }

    pub(super) async fn decode_run(&self, run: &mut Run) -> Result<(), Undecoded> {
        let mut decoded = Vec::with_capacity(run.len());
        let mut ended = Ok(());
        for (raw, topic) in run.messages() {
            match self.decode(raw, topic).await {
                Err((field, error @ DecodeError::Unavailable(_))) => {
                    ended = Err(Undecoded { decoded: decoded.len(), error: Undecodable { field, error }.into() });
                    break;
                }
                parts => decoded.push(parts),
            }
        }
        run.set_decoded::<Decoded<KeyOf<T>, ValueOf<T>>>(decoded);
        ended
    }
}

/// Decodes one part. A format runs the user's code too (a `Deserialize` of theirs), and its panic makes a poison message.
async fn decode_part<F: Decode>(format: &F, part: Part<'_>) -> Result<F::Value, (Field, DecodeError)> {
    if let Some(value) = F::constant() {
        return Ok(value);
    }
    let field = part.field;
    match AssertUnwindSafe(async { format.decode(part).await }).catch_unwind().await {
        Ok(decoded) => decoded.map_err(|error| (field, error)),
        Err(payload) => {
            let panic = format!("its format panicked: {}", HandlerPanic::new(&*payload).message);
            Err((field, DecodeError::malformed(panic)))
        }
    }
}

/// A message that could not be decoded, as the failure handler sees it.
#[derive(Debug, thiserror::Error)]
#[error("the {} could not be decoded", field.as_str())]
pub(crate) struct Undecodable {
    field: Field,
    #[source]
    error: DecodeError,
}

/// Bad bytes stay bad; a missing registry comes back, and until then it is no fault of the message.
pub(super) fn undecodable((field, error): (Field, DecodeError)) -> HandlerFailure {
    match error {
        DecodeError::Malformed(_) => HandlerFailure::Message(HandlerError::permanent(Undecodable { field, error })),
        DecodeError::Unknown(_) => HandlerFailure::Message(Undecodable { field, error }.into()),
        DecodeError::Unavailable(_) => HandlerFailure::Trouble(Undecodable { field, error }.into()),
    }
}
