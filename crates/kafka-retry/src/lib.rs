//! What happens after a failure: blocking retries, retry topics, dead letters, the key offset tracker.

pub mod names;
