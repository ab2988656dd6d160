//! Services for the length of one command: started if they do not run, found through variables, stopped afterwards.

use std::env;
use std::process::Command;

use anyhow::Result;

use super::place::Place;
use super::{control, named};
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
    started: Vec<String>,
    env: Vec<(&'static str, String)>,
    afterwards: Afterwards,
}

impl Session {
    /// Makes sure of `tools` and of the services with these names. A service whose variable the caller has set is his own: it is left alone.
    pub(crate) fn open(repo: &Repo, names: &[&str], tools: &[Tool], missing: Missing, afterwards: Afterwards) -> Result<Self> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        // An empty list would mean all services.
        let mut wanted = if names.is_empty() { Vec::new() } else { named(&names)? };
        wanted.retain(|service| {
            let variable = service.env(&Place::of(repo, service.name()))[0].0;
            env::var_os(variable).is_none()
        });
        let theirs = wanted.iter().flat_map(|service| service.tools().iter().copied());
        let tools: Vec<Tool> = tools.iter().copied().chain(theirs).collect();
        tools::require(&tools, missing)?;
        let names: Vec<String> = wanted.iter().map(|service| service.name().to_owned()).collect();
        let started = if names.is_empty() { Vec::new() } else { control::up(repo, &names)? };
        let env = wanted.iter().flat_map(|service| service.env(&Place::of(repo, service.name())));
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
            Afterwards::Stop if !self.started.is_empty() => control::down(&self.repo, &self.started),
            Afterwards::Stop | Afterwards::Keep => Ok(()),
        }
    }
}
