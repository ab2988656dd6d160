//! Temporal's development server, built by Go from its own source: nothing ready-made can be had from a package registry.

use std::fs;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use super::place::{self, Place, Port};
use super::{Health, Service};
use crate::process::Process;
use crate::tools::{Tool, quietly};

const CLIENTS: Port = Port { name: "clients", variable: "SERVICES_TEMPORAL_PORT", default: 7233 };

/// The newest version that `go install` takes: later ones have a `replace` in their go.mod, which it refuses.
const SOURCE: &str = "github.com/temporalio/cli/cmd/temporal@v1.5.1";

/// Of what source the program was built.
const BUILT: &str = "built";

/// The server.
#[derive(Debug)]
pub(super) struct Temporal;

impl Service for Temporal {
    fn name(&self) -> &'static str {
        "temporal"
    }

    fn tools(&self) -> &'static [Tool] {
        &[Tool::Go]
    }

    fn ports(&self) -> &'static [Port] {
        &[CLIENTS]
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        build(place)?;
        fs::create_dir_all(place.path("data"))?;
        Ok(())
    }

    fn start(&self, place: &Place) -> Result<Command> {
        let mut command = program(place);
        command.args(["server", "start-dev", "--headless", "--ip", "127.0.0.1", "--log-format", "json", "--log-level", "warn"]);
        // Its data need not survive the machine, and every step of a workflow is written.
        command.args(["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=off"]);
        command.args(["--port", &place.port(CLIENTS).to_string(), "--db-filename"]).arg(place.path("data/temporal.db"));
        Ok(command)
    }

    fn health(&self, place: &Place, _process: &Process) -> Health {
        let mut health = program(place);
        health.args(["operator", "cluster", "health", "--command-timeout", "5s", "--address", &place.address(CLIENTS).to_string()]);
        match quietly(&mut health) {
            Ok(()) => Health::Ready,
            Err(error) => Health::NotYet(error.to_string()),
        }
    }

    fn clear(&self, place: &Place) -> Result<()> {
        place::remove_dir(&place.path("data"))
    }

    fn env(&self, place: &Place) -> Vec<(&'static str, String)> {
        vec![("TEMPORAL_ADDRESS", place.address(CLIENTS).to_string())]
    }
}

/// Builds the program, unless it is there and of this version.
fn build(place: &Place) -> Result<()> {
    if fs::read_to_string(place.path(BUILT)).is_ok_and(|built| built == SOURCE) && place.path("bin/temporal").is_file() {
        return Ok(());
    }
    eprintln!("building {SOURCE} with Go, once: some five minutes of CPU time …");
    let begin = Instant::now();
    place::remove_file(&place.path(BUILT))?;
    let mut go = Command::new("go");
    // In its own directory: the checkout is no Go module, and a stranger's go.mod above it must not matter.
    go.current_dir(place.path("")).env("CGO_ENABLED", "0").env("GOBIN", place.path("bin")).env("GOFLAGS", "");
    go.args(["install", "-trimpath", "-ldflags=-s -w", SOURCE]);
    quietly(&mut go).context("Go could not build Temporal")?;
    fs::write(place.path(BUILT), SOURCE)?;
    eprintln!("built {SOURCE} in {} s", begin.elapsed().as_secs());
    Ok(())
}

/// It looks for news at every start and keeps files in the home directory unless it is told not to.
fn program(place: &Place) -> Command {
    let mut command = Command::new(place.path("bin/temporal"));
    command.current_dir(place.path("")).env("TEMPORAL_VERSION_CHECK_DISABLED", "1").env("HOME", place.path("data"));
    command
}
