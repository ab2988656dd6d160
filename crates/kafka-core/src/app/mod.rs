//! The application: assembly, the one check of everything, and running it.
//!
//! Plugins and declarations push into the [`AppBuilder`]; [`AppBuilder::build`] validates everything
//! at once and reports all that is wrong; after it nothing registers any more.

mod assemble;
mod background;
mod builder;
mod component;
mod consumer;
mod health;
mod run;
mod sight;
mod signals;
mod state;
mod topic;
mod topics;

pub use assemble::App;
#[cfg(feature = "test-kit")]
pub(crate) use background::Backgrounds;
pub use background::{Background, Surroundings};
pub use builder::{AppBuilder, CompanionSource, FailureHandlerSource, GateSource, Plugin, StartStep, Tools};
pub use component::Component;
#[cfg(feature = "test-kit")]
pub(crate) use consumer::AssembledConsumer;
pub use health::{Health, HealthCheck, HealthSource};
pub use run::{RunError, Running, StartError, Stopper};
pub use sight::Sight;
pub use signals::{Signals, Urgency};
pub use state::{MissingState, State};
pub use topic::AssembledTopic;
pub use topics::{Part, TopicUse};
