//! What happens after a failure: blocking retries, retry topics, dead letters, the key offset tracker.
//!
//! Empty so far: the crate holds the place that the architecture gives it, and the umbrella has no
//! feature for it yet.
