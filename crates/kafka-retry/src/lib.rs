//! What happens after a failure: blocking retries, retry topics, dead letters, the key offset tracker.
//!
//! [`names`] are the topics' names, [`headers`] what a message carries on its way through them; [`skip`] is the seam
//! to the key offset tracker.

pub mod headers;
pub mod names;
pub mod skip;
