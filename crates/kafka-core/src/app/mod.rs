//! The application: assembly, the one check of everything, and running it.
//!
//! Plugins and declarations push into the [`AppBuilder`]; [`AppBuilder::build`] validates everything
//! at once and reports all that is wrong; after it nothing registers any more.

mod assemble;
mod background;
mod builder;
mod run;
mod signals;
mod state;

pub use assemble::App;
pub use background::{Background, Surroundings};
pub use builder::{AppBuilder, FailureHandlerSource, GateSource, Plugin, StartStep, Tools};
pub use run::{RunError, Running, StartError};
pub use signals::{Signals, Urgency};
pub use state::{MissingState, State};
