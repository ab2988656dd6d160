//! What nearly every service names: `use kafka_kit::prelude::*;`.

#[cfg(feature = "connect")]
pub use kafka_connect::connector::Connector;
pub use kafka_core::app::App;
pub use kafka_core::consumer::{Consumer, HandlerError};
#[cfg(feature = "json")]
pub use kafka_core::format::Json;
#[cfg(feature = "avro")]
pub use kafka_core::format::{Avro, AvroSchema};
pub use kafka_core::message::Message;
pub use kafka_core::topic::{Consume, Topic};
#[cfg(all(feature = "avro", feature = "macros"))]
pub use kafka_macros::AvroSchema;
#[cfg(all(feature = "macros", feature = "connect"))]
pub use kafka_macros::Connector;
#[cfg(all(feature = "macros", feature = "modelsync"))]
pub use kafka_macros::ModelSync;
#[cfg(feature = "macros")]
pub use kafka_macros::{Consumer, Topic};
#[cfg(feature = "modelsync")]
pub use kafka_modelsync::sync::ModelSync;

#[cfg(feature = "cli")]
pub use crate::cli::AppMain;
