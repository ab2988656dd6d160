//! librdkafka behind the broker ports. The only folder that names rdkafka.

mod native;

pub use native::NativeMessage;
