//! What plugins collect in the builder and turn into values of the application's state. Not a consumer's affair: gates and failure
//! handlers have seams of their own.

use std::any::Any;
use std::fmt;

use super::builder::{AppBuilder, Tools};
use super::state::State;
use crate::error::ConfigErrors;
use crate::settings::Settings;

/// A part that a plugin brings into the application: a collection that plugins push into until the application is built, and that
/// then becomes values of the application's [`State`].
///
/// There is one of each type; [`AppBuilder::component`](super::AppBuilder::component) makes it when it is first asked for, so that
/// plugins may be installed in any order.
pub trait Component: Any + Send + Sync + fmt::Debug {
    /// The top-level settings that it reads. All others that are not the framework's own are reported as mistakes.
    fn sections(&self) -> &'static [&'static str] {
        &[]
    }

    /// Pushes into the application what follows from what was collected: topics into consumers, pieces of configs into connectors. Runs
    /// when all plugins are installed, before anything is built; what it asks for of its own type is a new one. Default: nothing.
    ///
    /// # Errors
    /// Everything that is wrong with what was collected.
    fn contribute(&mut self, app: &mut AppBuilder, settings: &Settings) -> Result<(), ConfigErrors> {
        let _ = (app, settings);
        Ok(())
    }

    /// Checks what was collected and puts what it made into `made`, which becomes part of the state: topics and commands find it there
    /// by its type. Runs before topics are made, connects to nothing.
    ///
    /// # Errors
    /// Everything that is wrong with settings and declarations.
    fn build(self: Box<Self>, tools: &Tools<'_>, made: &mut State) -> Result<(), ConfigErrors>;
}

/// Stands in the place of the component that is contributing.
#[derive(Debug)]
struct Contributing;

impl Component for Contributing {
    fn build(self: Box<Self>, _: &Tools<'_>, _: &mut State) -> Result<(), ConfigErrors> {
        Ok(())
    }
}

/// The components of an application that is being put together.
#[derive(Debug, Default)]
pub(super) struct Components(Vec<Box<dyn Component>>);

impl Components {
    pub(super) fn get<C: Component + Default>(&mut self) -> &mut C {
        let at = self.0.iter().position(|component| (&**component as &dyn Any).is::<C>()).unwrap_or_else(|| {
            self.0.push(Box::new(C::default()));
            self.0.len() - 1
        });
        let component: &mut dyn Any = &mut *self.0[at];
        component.downcast_mut().expect("it was found by its type")
    }

    /// Has each of an application's components contribute, those that come only by this among them.
    pub(super) fn contribute(app: &mut AppBuilder, settings: &Settings) -> Result<(), ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let mut at = 0;
        while at < app.components.0.len() {
            let mut component = std::mem::replace(&mut app.components.0[at], Box::new(Contributing));
            errors.take(component.contribute(app, settings));
            app.components.0[at] = component;
            at += 1;
        }
        errors.or_ok(())
    }

    pub(super) fn sections(&self) -> Vec<&'static str> {
        self.0.iter().flat_map(|component| component.sections()).copied().collect()
    }

    pub(super) fn build(self, tools: &Tools<'_>) -> Result<State, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let mut made = State::default();
        for component in self.0 {
            errors.take(component.build(tools, &mut made));
        }
        errors.or_ok(made)
    }
}
