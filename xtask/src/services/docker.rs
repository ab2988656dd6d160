//! The same services as containers, for those who have Docker: `docker/compose.yaml`, on the same ports.
//!
//! Nothing of ours depends on it; the tests take the native services.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::place::Place;
use super::{ALL, Wanted, python};
use crate::repo::Repo;

/// From the root of the checkout.
const FILE: &str = "docker/compose.yaml";

/// Variables of what only the native services have: Kafka's listener with TLS.
const NATIVE_ONLY: &str = "KAFKA_SECURE_";

/// Starts the named containers and what they need (all without a name), and waits until they are healthy.
pub(super) fn up(repo: &Repo, names: &[String]) -> Result<()> {
    compose(repo, &arguments_of_up(names)?)
}

/// Removes the named containers and what needs them (all without a name), with their data.
pub(super) fn down(repo: &Repo, names: &[String]) -> Result<()> {
    compose(repo, &arguments_of_down(names)?)
}

/// The variables by which tests find the containers.
pub(super) fn env(repo: &Repo) -> Vec<(&'static str, String)> {
    // Nothing is ever written there, so the ports are those of the variables, else the defaults: as in the file.
    let all = ALL.iter().flat_map(|service| service.env(&Place::of(repo, "docker").of_other(&format!("docker/{}", service.name()))));
    all.filter(|(name, _)| !name.starts_with(NATIVE_ONLY)).collect()
}

fn arguments_of_up(names: &[String]) -> Result<Vec<&str>> {
    // What a service needs is in the file: compose brings it.
    wanted(names)?;
    Ok(["up", "--detach", "--wait"].into_iter().chain(names.iter().map(String::as_str)).collect())
}

fn arguments_of_down(names: &[String]) -> Result<Vec<&str>> {
    let wanted = wanted(names)?;
    if names.is_empty() {
        return Ok(vec!["down", "--volumes"]);
    }
    // `down NAME` would leave what needs it.
    let services = wanted.with_dependents().services;
    Ok(["rm", "--stop", "--force", "--volumes"].into_iter().chain(services.iter().map(|service| service.name())).collect())
}

fn wanted(names: &[String]) -> Result<Wanted> {
    if names.iter().any(|name| name == python::NAME) {
        bail!("{0} is no container; `cargo xtask services up {0}` lays it out", python::NAME);
    }
    Wanted::named(names)
}

fn compose(repo: &Repo, arguments: &[&str]) -> Result<()> {
    let status = command(repo, arguments).status().context("docker cannot be started; without --docker the services need none")?;
    if !status.success() {
        bail!("docker compose {} failed ({status}); Docker's compose plugin must be there, and its engine run", arguments.join(" "));
    }
    Ok(())
}

fn command(repo: &Repo, arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.current_dir(repo.root()).args(["compose", "--file", FILE]).args(arguments);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    /// The lines of a service in the file, without their indentation. Enough of YAML for a file that we write ourselves.
    fn service<'a>(file: &'a str, name: &str) -> Vec<&'a str> {
        let services = file.lines().skip_while(|line| *line != "services:").skip(1);
        let services = services.take_while(|line| line.is_empty() || line.starts_with(' '));
        let head = format!("  {name}:");
        services.skip_while(|line| **line != head).skip(1).take_while(|line| !is_head(line)).map(str::trim).collect()
    }

    fn is_head(line: &str) -> bool {
        line.starts_with("  ") && !line[2..].starts_with([' ', '#']) && line.ends_with(':')
    }

    #[test]
    fn the_command_lines() {
        let repo = Repo::here().unwrap();
        let whole = command(&repo, &arguments_of_up(&names(&["kafka", "postgres"])).unwrap());
        assert_eq!(whole.get_current_dir(), Some(repo.root()));
        let words: Vec<_> = whole.get_args().map(|word| word.to_str().unwrap()).collect();
        assert_eq!(words, ["compose", "--file", "docker/compose.yaml", "up", "--detach", "--wait", "kafka", "postgres"]);
        assert_eq!(arguments_of_up(&[]).unwrap(), ["up", "--detach", "--wait"]);
        assert_eq!(arguments_of_down(&[]).unwrap(), ["down", "--volumes"]);
        assert_eq!(arguments_of_down(&names(&["kafka"])).unwrap(), ["rm", "--stop", "--force", "--volumes", "kafka", "connect"]);
    }

    #[test]
    fn what_is_no_container_is_refused() {
        assert!(arguments_of_up(&names(&["kafak"])).unwrap_err().to_string().contains("no service is called kafak"));
        assert!(arguments_of_down(&names(&["python"])).unwrap_err().to_string().contains("no container"));
    }

    #[test]
    fn every_service_is_a_container_on_the_port_of_the_native_one() {
        let repo = Repo::here().unwrap();
        let file = std::fs::read_to_string(repo.root().join(FILE)).unwrap();
        for native in ALL {
            let container = service(&file, native.name());
            let port = native.ports()[0];
            let published = format!("ports: [\"127.0.0.1:${{{}:-{}}}:", port.variable, port.default);
            for start in [published.as_str(), "image: ", "healthcheck:"] {
                assert!(container.iter().any(|line| line.starts_with(start)), "{}: no line begins with {start}", native.name());
            }
            for need in native.needs() {
                assert!(container.contains(&format!("{need}: {{condition: service_healthy}}").as_str()), "{} needs {need}", native.name());
            }
        }
    }

    #[test]
    fn the_addresses_are_those_of_the_containers() {
        let env = env(&Repo::here().unwrap());
        let names: Vec<&str> = env.iter().map(|(name, _)| *name).collect();
        let expected = ["DATABASE_URL", "SINK_DATABASE_URL", "KAFKA_BOOTSTRAP", "SCHEMA_REGISTRY_URL", "CONNECT_URL", "TEMPORAL_ADDRESS"];
        assert_eq!(names, expected);
        assert!(env.contains(&("KAFKA_BOOTSTRAP", "127.0.0.1:9092".to_owned())), "{env:?}");
    }
}
