//! Real servers for tests, run natively: no containers, everything on 127.0.0.1, all state in `.services/` of this checkout.
//!
//! A service is one file that implements [`Service`]; what is common to all (ports, pid files, waiting, stopping) is in [`control`].
//! Data lives from the first `up` to `down`; a service that crashed is started again on its data by the next `up`.

mod control;
mod kafka;
mod kafka_wire;
mod place;
mod postgres;
mod session;

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
    /// Starts the named services (all without a name) and waits until they answer; those that run are left alone.
    Up { names: Vec<String> },
    /// Stops the named services (all without a name) and removes their data; jars, logs and chosen ports stay.
    Down { names: Vec<String> },
    /// Shows every service: up or down, pid, port.
    Status,
    /// Prints the addresses as NAME=value lines, for `eval "$(cargo xtask services env)"`.
    Env,
}

/// A server that the tests talk to.
trait Service {
    /// The name on the command line and of its directory in `.services/`.
    fn name(&self) -> &'static str;

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

/// The services, in the order in which they are started.
const ALL: [&dyn Service; 2] = [&postgres::Postgres, &kafka::Kafka];

/// The variables of services that this repository does not start yet, at the addresses they will have.
const ELSEWHERE: [(&str, &str); 3] = [
    ("SCHEMA_REGISTRY_URL", "http://127.0.0.1:8081/apis/ccompat/v7"),
    ("CONNECT_URL", "http://127.0.0.1:8083"),
    ("TEMPORAL_ADDRESS", "127.0.0.1:7233"),
];

/// Runs one of the commands.
pub(crate) fn run(repo: &Repo, command: Command) -> Result<()> {
    match command {
        Command::Up { names } => control::up(repo, &names).map(|_started| ()),
        Command::Down { names } => control::down(repo, &names),
        Command::Status => control::status(repo),
        Command::Env => {
            env(repo).iter().for_each(|(name, value)| println!("{name}={value}"));
            Ok(())
        }
    }
}

/// The services with these names, or all; in the order in which they are started.
fn named(names: &[String]) -> Result<Vec<&'static dyn Service>> {
    if let Some(unknown) = names.iter().find(|name| ALL.iter().all(|service| service.name() != *name)) {
        let known: Vec<&str> = ALL.iter().map(|service| service.name()).collect();
        bail!("no service is called {unknown}; there are: {}", known.join(", "));
    }
    Ok(ALL.into_iter().filter(|service| names.is_empty() || names.iter().any(|name| name == service.name())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(given: &[&str]) -> Vec<&'static str> {
        let given: Vec<String> = given.iter().map(|&name| name.to_owned()).collect();
        named(&given).unwrap().iter().map(|service| service.name()).collect()
    }

    #[test]
    fn no_name_means_all() {
        assert_eq!(names(&[]), ["postgres", "kafka"]);
        assert_eq!(names(&["kafka"]), ["kafka"]);
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = named(&["kafak".to_owned()]).err().unwrap().to_string();
        assert_eq!(error, "no service is called kafak; there are: postgres, kafka");
    }
}
