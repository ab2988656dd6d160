//! The test kit: applications that run without a broker, in milliseconds.

pub(crate) mod member_broker;
pub(crate) mod watch;

/// An error with all that it came from, in one line.
pub(crate) fn words(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(Some(error), |error| error.source());
    sources.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
