//! What happens after a failure: blocking retries, retry topics, dead letters, the key offset tracker.
//!
//! [`headers`] is what a message carries on its way through them; [`skip`] the seam to the key offset tracker.

pub mod headers;
pub mod skip;
