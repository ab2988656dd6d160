//! Link-time registration: what derives announce, found by the application without being named.
//!
//! Sugar over `AppBuilder::consumer` and `AppBuilder::produces`. A crate that the binary never refers to may be left out by the
//! linker with all that it registers; `build` logs what it found.

use std::any::type_name;

use crate::app::AppBuilder;
use crate::consumer::ConsumerSpec;
use crate::topic::{Produce, TopicSpec};

/// One announcement of a derive.
#[derive(Debug)]
pub struct Registration {
    /// The name it is registered under.
    pub name: &'static str,
    /// The module it was declared in.
    pub module: &'static str,
    pub(crate) consumer: fn() -> ConsumerSpec,
}

impl Registration {
    /// Announces a consumer.
    #[must_use]
    pub const fn consumer(name: &'static str, module: &'static str, spec: fn() -> ConsumerSpec) -> Self {
        Self { name, module, consumer: spec }
    }
}

inventory::collect!(Registration);

/// A topic that is produced to and has no handler, announced by its derive.
#[derive(Debug)]
pub struct ProducedTopic {
    pub(crate) declare: fn() -> (TopicSpec, &'static str),
}

impl ProducedTopic {
    /// Announces this topic.
    #[must_use]
    pub const fn of<T: Produce>() -> Self {
        Self { declare: declare::<T> }
    }
}

/// A topic that is produced to, and the type that says so.
pub(crate) fn declare<T: Produce>() -> (TopicSpec, &'static str) {
    (T::spec(), type_name::<T>())
}

inventory::collect!(ProducedTopic);

/// The produced topics announced by crates linked into this binary, in an order that does not depend on the linker.
pub(crate) fn produced() -> Vec<(TopicSpec, &'static str)> {
    let mut found: Vec<_> = inventory::iter::<ProducedTopic>.into_iter().map(|topic| (topic.declare)()).collect();
    found.sort_by(|(one, by), (other, its)| (&one.name, by).cmp(&(&other.name, its)));
    found
}

/// A plugin that applications have without naming it.
#[derive(Debug)]
pub struct DefaultPlugin {
    /// The name of the plugin; one of the same name that was installed by hand takes its place.
    pub name: &'static str,
    /// Installs it.
    pub install: fn(&mut AppBuilder),
}

inventory::collect!(DefaultPlugin);

/// The plugins announced by crates linked into this binary, in an order that does not depend on the linker.
pub(crate) fn default_plugins() -> Vec<&'static DefaultPlugin> {
    let mut found: Vec<_> = inventory::iter::<DefaultPlugin>.into_iter().collect();
    found.sort_by_key(|plugin| plugin.name);
    found
}

/// Everything announced by crates linked into this binary, in an order that does not depend on the linker.
pub(crate) fn discovered() -> Vec<&'static Registration> {
    let mut found: Vec<_> = inventory::iter::<Registration>.into_iter().collect();
    found.sort_by_key(|registration| (registration.module, registration.name));
    found
}
