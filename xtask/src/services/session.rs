//! Services for the length of one command: started if they do not run, found through variables, stopped afterwards.

use std::env;
use std::process::Command;

use anyhow::{Result, bail};

use super::place::Place;
use super::{Service, Wanted, control, python};
use crate::repo::Repo;
use crate::tools::{self, Missing, Tool};

/// What happens to the services that a session started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    Stop,
    Keep,
}

/// Services that answer until [`Session::close`].
#[derive(Debug)]
pub(crate) struct Session {
    repo: Repo,
    started: Vec<&'static str>,
    env: Vec<(&'static str, String)>,
    afterwards: Afterwards,
}

impl Session {
    /// Makes sure of `tools` and of the services with these names. A service whose variable the caller has set is his own: it is left alone.
    pub(crate) fn open(repo: &Repo, names: &[&str], tools: &[Tool], missing: Missing, afterwards: Afterwards) -> Result<Self> {
        // An empty list would mean all services.
        let mut wanted = if names.is_empty() { Wanted::default() } else { Wanted::named(names)? };
        wanted.services.retain(|service| !is_theirs(repo, *service));
        wanted.python &= env::var_os(python::env(repo).0).is_none();
        let wanted = wanted.with_needs();
        if let Some(theirs) = wanted.services.iter().find(|service| is_theirs(repo, **service)) {
            bail!(
                "{} is a server of your own, but another service needs the one of this checkout: set the variables of both, or of none",
                theirs.name()
            );
        }
        let ours = wanted.services.iter().flat_map(|service| service.tools().iter().copied());
        let python = wanted.python.then_some(Tool::Python);
        let tools: Vec<Tool> = tools.iter().copied().chain(ours).chain(python).collect();
        tools::require(&tools, missing)?;
        let services = wanted.services.clone();
        let python = wanted.python.then(|| python::env(repo));
        let started = control::up(repo, wanted)?;
        let env = services.iter().flat_map(|service| service.env(&Place::of(repo, service.name()))).chain(python);
        Ok(Self { repo: repo.clone(), started, env: env.collect(), afterwards })
    }

    /// Tells a program where the services are; what the caller has set stays.
    pub(crate) fn tell(&self, command: &mut Command) {
        for (name, value) in &self.env {
            if env::var_os(name).is_none() {
                command.env(name, value);
            }
        }
    }

    /// Stops what this session started, unless it is to be kept.
    pub(crate) fn close(self) -> Result<()> {
        match self.afterwards {
            Afterwards::Stop if !self.started.is_empty() => control::down(&self.repo, Wanted::named(&self.started)?),
            Afterwards::Stop | Afterwards::Keep => Ok(()),
        }
    }
}

/// Whether the caller has set the variable that leads to a server of his own.
fn is_theirs(repo: &Repo, service: &dyn Service) -> bool {
    let variables = service.env(&Place::of(repo, service.name()));
    variables.first().is_some_and(|(name, _value)| env::var_os(name).is_some())
}
