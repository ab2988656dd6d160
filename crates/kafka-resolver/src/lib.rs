//! Messages that wait for a row: relations, the waiting store, replay, daemons.
//!
//! Empty so far: the crate holds the place that the architecture gives it, and the umbrella has no
//! feature for it yet.
