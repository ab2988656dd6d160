//! What happens after a failure: blocking retries, retry topics, dead letters, the key offset tracker.
//!
//! [`names`] are the topics that a failed message goes through, [`headers`] what it carries on its way; [`skip`] is the seam to
//! [`key_offset`], the key offset tracker. [`dead_letters`] is the workbench for what ended there.

pub mod dead_letters;
pub mod headers;
pub mod key_offset;
pub mod names;
pub mod skip;
