//! Kafka Connect from Rust: connectors as code, plan and publish, `kafka_skip`.
//!
//! A [`Connector`](connector::Connector) is a type with a [config](config::ConnectorConfig). The [component](connectors::Connectors)
//! gathers them when the application is built; a [`Plan`](plan::Plan) says how they differ from what a Connect worker runs;
//! [`publish`] carries it out through the [client](client::ConnectClient). [`skip`] marks rows whose changes a source connector is not
//! to emit.
//!
//! In reading order: [`config`] and [`connector`] are what a user declares, [`connectors`] and [`settings`] the assembly, [`client`],
//! [`wire`] and [`error`] the way to a worker, [`plan`], [`publish`] and [`status`] what is done with it. Values of secrets pass
//! [`secrets`] before anyone sees them.

pub mod client;
pub mod config;
pub mod connector;
pub mod connectors;
pub mod error;
pub mod plan;
pub mod publish;
pub mod rest;
pub mod secrets;
pub mod settings;
pub mod skip;
pub mod status;
pub mod wire;

/// What derives write against. Not for use by hand; names may change with any release.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use kafka_core::app::{MissingState, State};

    pub use crate::config::{ConfigProblem, ConnectorConfig, IntoConfig};
    pub use crate::connector::{Connector, ConnectorRegistration, ConnectorSpec};
}
