//! Real servers for tests, run natively: no containers, everything on 127.0.0.1, all state in `.services/` of this checkout.
//!
//! A service is one file that implements [`Service`]; what is common to all (ports, pid files, waiting, stopping) is in [`control`].
//! Data lives from the first `up` to `down`; a service that crashed is started again on its data by the next `up`.

mod connect;
mod control;
mod docker;
mod http;
mod jar;
mod kafka;
mod kafka_secure;
mod kafka_wire;
mod maven;
mod new_java;
mod place;
mod postgres;
mod python;
mod registry;
mod session;
mod temporal;

use std::process::Command as Program;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Subcommand;
use rustix::process::Signal;

use self::place::{Place, Port};
use crate::process::Process;
use crate::repo::Repo;
use crate::tools::Tool;

pub(crate) use self::control::env;
pub(crate) use self::session::{Afterwards, Session};

/// `cargo xtask services …`
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Starts the named services and what they need (all without a name), and waits until they answer; those that run are left alone.
    ///
    /// `python` is no server: it lays out a virtual environment for the tests that need another client.
    Up {
        names: Vec<String>,
        /// As containers, by docker/compose.yaml, on the same ports; Docker with its compose plugin must be there.
        #[arg(long)]
        docker: bool,
    },
    /// Stops the named services and what needs them (all without a name), and removes their data; jars, logs and chosen ports stay.
    Down {
        names: Vec<String>,
        /// The containers of `up --docker`.
        #[arg(long)]
        docker: bool,
    },
    /// Shows every service: up or down, pid, port.
    Status,
    /// Prints the addresses as NAME=value lines, for `eval "$(cargo xtask services env)"`.
    Env {
        /// Those of the containers of `up --docker`.
        #[arg(long)]
        docker: bool,
    },
}

/// A server that the tests talk to.
trait Service: Sync {
    /// The name on the command line and of its directory in `.services/`.
    fn name(&self) -> &'static str;

    /// The services it talks to: they are up before it is started, and it is stopped before they are.
    fn needs(&self) -> &'static [&'static str] {
        &[]
    }

    /// The system's programs it needs.
    fn tools(&self) -> &'static [Tool];

    /// The ports it listens on; the first is the one that clients use.
    fn ports(&self) -> &'static [Port];

    /// Lays out what `start` needs: artifacts, configuration, an empty data directory.
    fn prepare(&self, place: &Place) -> Result<()>;

    /// The command that becomes the server.
    fn start(&self, place: &Place) -> Result<Program>;

    /// One look at whether the server, which runs as `process`, can be used.
    fn health(&self, place: &Place, process: &Process) -> Health;

    /// How long a start may take, artifacts not counted.
    fn patience(&self) -> Duration {
        Duration::from_secs(60)
    }

    /// What is to be done once on fresh data, when the server answers.
    fn furnish(&self, _place: &Place) -> Result<()> {
        Ok(())
    }

    /// The signal that ends it in order.
    fn stop_signal(&self) -> Signal {
        Signal::TERM
    }

    /// Removes its data; it has been stopped.
    fn clear(&self, place: &Place) -> Result<()>;

    /// The variables by which tests find it; the first one set by the caller means that a server of his own is to be used.
    fn env(&self, place: &Place) -> Vec<(&'static str, String)>;
}

/// What a look at a starting server saw.
#[derive(Debug, PartialEq, Eq)]
enum Health {
    Ready,
    NotYet(String),
}

/// The services; what one needs stands before it.
const ALL: [&dyn Service; 5] = [&postgres::Postgres, &kafka::Kafka, &registry::Registry, &connect::Connect, &temporal::Temporal];

/// Runs one of the commands.
pub(crate) fn run(repo: &Repo, command: Command) -> Result<()> {
    match command {
        Command::Up { names, docker: true } => docker::up(repo, &names),
        Command::Up { names, docker: false } => control::up(repo, Wanted::named(&names)?).map(|_started| ()),
        Command::Down { names, docker: true } => docker::down(repo, &names),
        Command::Down { names, docker: false } => control::down(repo, Wanted::named(&names)?),
        Command::Status => control::status(repo),
        Command::Env { docker } => {
            let env = if docker { docker::env(repo) } else { env(repo) };
            env.iter().for_each(|(name, value)| println!("{name}={value}"));
            Ok(())
        }
    }
}

/// The variables by which these services (all without a name) and those they need are found.
#[cfg(test)]
pub(crate) fn variables(repo: &Repo, names: &[&str]) -> Vec<&'static str> {
    let services = Wanted::named(names).unwrap_or_default().with_needs().services;
    services.iter().flat_map(|service| service.env(&Place::of(repo, service.name()))).map(|(name, _)| name).collect()
}

/// What one `up` or `down` is about.
#[derive(Default)]
struct Wanted {
    /// In the order of [`ALL`].
    services: Vec<&'static dyn Service>,
    python: bool,
}

impl Wanted {
    /// What has one of these names, or everything.
    fn named<N: AsRef<str>>(names: &[N]) -> Result<Self> {
        let known = || ALL.iter().map(|service| service.name()).chain([python::NAME]);
        if let Some(unknown) = names.iter().find(|name| known().all(|known| known != name.as_ref())) {
            bail!("no service is called {}; there are: {}", unknown.as_ref(), known().collect::<Vec<_>>().join(", "));
        }
        let wanted = |name: &str| names.is_empty() || names.iter().any(|one| one.as_ref() == name);
        Ok(Self { services: ALL.into_iter().filter(|service| wanted(service.name())).collect(), python: wanted(python::NAME) })
    }

    /// Together with everything that these services need.
    fn with_needs(self) -> Self {
        // What is needed stands before what needs it, so one look from the end sees every chain.
        let mut names: Vec<&str> = self.services.iter().map(|service| service.name()).collect();
        for service in ALL.iter().rev() {
            if names.contains(&service.name()) {
                names.extend(service.needs());
            }
        }
        Self { services: ALL.into_iter().filter(|service| names.contains(&service.name())).collect(), ..self }
    }

    /// Together with everything that cannot do without these services.
    fn with_dependents(self) -> Self {
        let mut names: Vec<&str> = self.services.iter().map(|service| service.name()).collect();
        for service in ALL {
            if service.needs().iter().any(|need| names.contains(need)) {
                names.push(service.name());
            }
        }
        Self { services: ALL.into_iter().filter(|service| names.contains(&service.name())).collect(), ..self }
    }

    /// The services in rounds: what a round needs is in the rounds before it, so those of one round start side by side.
    fn rounds(&self) -> Vec<Vec<&'static dyn Service>> {
        let mut rounds: Vec<Vec<&'static dyn Service>> = Vec::new();
        for service in &self.services {
            let round_of = |need: &&str| rounds.iter().position(|round| round.iter().any(|one| one.name() == *need));
            let round = service.needs().iter().filter_map(round_of).max().map_or(0, |last| last + 1);
            rounds.resize_with(rounds.len().max(round + 1), Vec::new);
            rounds[round].push(*service);
        }
        rounds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names<'a>(services: impl IntoIterator<Item = &'a &'static dyn Service>) -> Vec<&'static str> {
        services.into_iter().map(|service| service.name()).collect()
    }

    #[test]
    fn no_name_means_all() {
        let all = Wanted::named::<&str>(&[]).unwrap();
        assert_eq!(names(&all.services), names(&ALL));
        assert!(all.python);
        let one = Wanted::named(&["kafka"]).unwrap();
        assert_eq!(names(&one.services), ["kafka"]);
        assert!(!one.python);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = Wanted::named(&["kafak"]).err().unwrap().to_string();
        assert_eq!(error, "no service is called kafak; there are: postgres, kafka, registry, connect, temporal, python");
    }

    #[test]
    fn what_is_needed_stands_before_what_needs_it() {
        for (index, service) in ALL.iter().enumerate() {
            let before = names(&ALL[..index]);
            assert!(service.needs().iter().all(|need| before.contains(need)), "{}", service.name());
        }
    }

    #[test]
    fn connect_brings_what_it_needs_and_starts_after_it() {
        let wanted = Wanted::named(&["connect"]).unwrap().with_needs();
        assert_eq!(names(&wanted.services), ["kafka", "registry", "connect"]);
        let rounds: Vec<_> = wanted.rounds().iter().map(names).collect();
        assert_eq!(rounds, [vec!["kafka", "registry"], vec!["connect"]]);
    }

    #[test]
    fn what_cannot_do_without_a_service_goes_down_with_it() {
        assert_eq!(names(&Wanted::named(&["kafka"]).unwrap().with_dependents().services), ["kafka", "connect"]);
        assert_eq!(names(&Wanted::named(&["postgres"]).unwrap().with_dependents().services), ["postgres"]);
    }
}
