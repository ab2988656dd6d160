//! The librdkafka clients against librdkafka's mock cluster: a real socket, no server.
#![cfg(feature = "test-kit")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on stops")]

mod closing;
mod groups;
mod member;
mod producing;
mod properties;
mod reading;
mod round_trip;
mod transactions;
mod wake_ups;
