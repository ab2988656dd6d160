//! The vocabulary and the one consume loop of kafka-kit.

pub mod broker;
pub mod clock;
pub mod error;
pub mod message;
pub mod names;
pub mod settings;
