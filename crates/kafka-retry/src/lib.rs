//! What happens after a failure: blocking retries, retry topics, dead letters, the key offset tracker.
//!
//! [`Retry`] is the plugin. In reading order: [`policy`] decides, `handler` carries it out, `forward` sends a message on and
//! waits for the broker, `returns` reads it back when it is due; `topics` and `targets` see to it that there is somewhere to send to,
//! `limiter` that not everything goes there. [`names`] are the topics' names, [`headers`] what a message carries on its way; [`skip`]
//! is the seam to [`key_offset`], the key offset tracker. [`dead_letters`] is the workbench for what ended there.

pub mod dead_letters;
#[doc(hidden)]
pub mod defect;
mod forward;
mod handler;
pub mod headers;
mod health;
pub mod key_offset;
mod limiter;
pub mod names;
mod plugin;
pub mod policy;
mod returns;
pub mod settings;
pub mod skip;
mod targets;
mod topics;

pub use health::RetryHealth;
pub use plugin::Retry;
