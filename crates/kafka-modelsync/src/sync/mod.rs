//! Model sync, declared: one declaration says which topic a table goes to, which it comes from, and what happens between.
//!
//! A [`ModelSync`] is data ([`SyncSpec`]). [`ModelSyncs`] gathers them and pushes what follows from them into the application when it is
//! assembled: pieces of config into the shared source connector, JDBC sinks as connectors of their own, topics into consumers. There is no
//! other machinery: what runs are connectors and ordinary topics.
//!
//! In reading order: [`spec`] is what a user declares, its `sink` half a room of its own, [`names`] and [`source`] what follows from it as pure data, [`jdbc`] the other
//! sink, `enriching` the topic of an enricher, [`settings`] and [`assembly`] what puts it into an application.

pub mod assembly;
mod enriching;
pub mod jdbc;
pub mod names;
pub mod settings;
mod sink;
pub mod source;
pub mod spec;

pub use assembly::{DeclaredSyncs, ModelSyncs};
pub use sink::{MakeTopic, Sink};
#[doc(hidden)]
pub use spec::SyncRegistration;
pub use spec::{Direction, Enricher, Fields, ModelSync, Source, SyncSpec};
