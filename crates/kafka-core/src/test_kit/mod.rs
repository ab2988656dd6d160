//! The test kit: applications that run without a broker, in milliseconds.
//!
//! [`TestApp`] runs the application that production runs, on a broker in memory. The test publishes, lets everything
//! run until it is idle, and looks at what handlers were given, what was produced, stored and held. It moves the clock.
//! For crashes and all that happens at the worst moment there is the simulation, [`crate::sim::app`].

pub(crate) mod activity;
mod app;
mod calls;
mod error;
mod look;
pub(crate) mod member_broker;
pub(crate) mod process;
mod publish;
pub(crate) mod schemas;
pub(crate) mod watch;
pub(crate) mod work;

pub use app::{Process, TestApp, TestCluster};
pub use calls::{Handled, Outcome};
pub use error::TestError;
pub use look::Held;
pub use publish::Publisher;

/// An error with all that it came from, in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
