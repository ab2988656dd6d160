//! The client, publishing and assembly, against a server that stands in for a Connect worker.

#![allow(clippy::unwrap_used, reason = "a test")]

mod application;
mod client;
mod publishing;
mod reading;
mod stub;
mod tls;
