//! Starting, stopping and showing services: the same for each of them.

use std::fs::{self, File};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::place::{self, Place};
use super::{ALL, ELSEWHERE, Health, Service, named};
use crate::process::{Process, tail};
use crate::repo::Repo;
use crate::tools::{self, Missing, Tool};

/// Between two looks at a starting server.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a server may take to end in order.
const FAREWELL: Duration = Duration::from_secs(15);

/// Exists once a service's fresh data is furnished.
const FURNISHED: &str = "furnished";

/// Starts what does not run of the named services and waits until all of them answer. Returns the names of those it started.
pub(crate) fn up(repo: &Repo, names: &[String]) -> Result<Vec<String>> {
    let services = named(names)?;
    let _lock = lock(repo)?;
    let mut started = Vec::new();
    let outcome = start_all(repo, &services, &mut started);
    if outcome.is_err() {
        for service in started.iter().rev() {
            stop(*service, &Place::of(repo, service.name()))?;
        }
    }
    outcome.map(|()| started.iter().map(|service| service.name().to_owned()).collect())
}

/// Stops the named services and removes their data.
pub(crate) fn down(repo: &Repo, names: &[String]) -> Result<()> {
    let services = named(names)?;
    let _lock = lock(repo)?;
    for service in services.into_iter().rev() {
        let place = Place::of(repo, service.name());
        let message = if stop(service, &place)? { "stopped" } else { "was not running" };
        service.clear(&place)?;
        place::remove_file(&place.path(FURNISHED))?;
        eprintln!("{:<10}{message}", service.name());
    }
    Ok(())
}

/// Prints a line for each service.
pub(crate) fn status(repo: &Repo) -> Result<()> {
    for service in ALL {
        let place = Place::of(repo, service.name());
        let state = match Process::of(&place.pid_file()) {
            Some(process) => match service.health(&place, &process) {
                Health::Ready => format!("up    pid {}", process.pid()),
                Health::NotYet(reason) => format!("sick  pid {} ({reason})", process.pid()),
            },
            None => "down".to_owned(),
        };
        let ports: Vec<String> = service.ports().iter().map(|port| format!("{} {}", port.name, place.port(*port))).collect();
        println!("{:<10}{state:<18}  {}", service.name(), ports.join(", "));
    }
    Ok(())
}

/// The variables by which tests find the services of this checkout.
pub(crate) fn env(repo: &Repo) -> Vec<(&'static str, String)> {
    let ours = ALL.iter().flat_map(|service| service.env(&Place::of(repo, service.name())));
    ours.chain(ELSEWHERE.map(|(name, value)| (name, value.to_owned()))).collect()
}

fn start_all(repo: &Repo, services: &[&'static dyn Service], started: &mut Vec<&'static dyn Service>) -> Result<()> {
    let asleep = |service: &&&'static dyn Service| Process::of(&Place::of(repo, service.name()).pid_file()).is_none();
    let tools: Vec<Tool> = services.iter().filter(asleep).flat_map(|service| service.tools().iter().copied()).collect();
    tools::require(&tools, Missing::Name)?;
    let begin = Instant::now();
    for service in services.iter().filter(asleep) {
        let place = Place::of(repo, service.name());
        launch(*service, &place).with_context(|| format!("{} cannot be started", service.name()))?;
        started.push(*service);
    }
    for service in services {
        let place = Place::of(repo, service.name());
        let process = wait(*service, &place)?;
        if !place.path(FURNISHED).exists() {
            service.furnish(&place)?;
            fs::write(place.path(FURNISHED), "")?;
        }
        let how = if started.iter().any(|one| one.name() == service.name()) { "up" } else { "already up" };
        let address = place.address(service.ports()[0]);
        eprintln!("{:<10}{how}: {address}, pid {}, {:.1} s", service.name(), process.pid(), begin.elapsed().as_secs_f32());
    }
    Ok(())
}

fn launch(service: &dyn Service, place: &Place) -> Result<()> {
    fs::create_dir_all(place.path(""))?;
    place::remove_file(&place.pid_file())?;
    for port in service.ports() {
        place.claim(*port)?;
    }
    service.prepare(place)?;
    Process::spawn(&mut service.start(place)?, &place.log(), &place.pid_file()).map(|_process| ())
}

fn wait(service: &dyn Service, place: &Place) -> Result<Process> {
    let begin = Instant::now();
    loop {
        let log = || format!("last lines of {}:\n{}", place.log().display(), tail(&place.log(), 20));
        let Some(process) = Process::of(&place.pid_file()) else {
            bail!("{} ended while it was starting; {}", service.name(), log());
        };
        match service.health(place, &process) {
            Health::Ready => return Ok(process),
            Health::NotYet(reason) if begin.elapsed() > service.patience() => {
                bail!("{} is not ready after {} s: {reason}; {}", service.name(), service.patience().as_secs(), log());
            }
            Health::NotYet(_) => thread::sleep(PAUSE),
        }
    }
}

/// Tells whether there was something to stop.
fn stop(service: &dyn Service, place: &Place) -> Result<bool> {
    let process = Process::of(&place.pid_file());
    if let Some(process) = &process {
        process.stop(service.stop_signal(), FAREWELL).with_context(|| format!("{} cannot be stopped", service.name()))?;
    }
    place::remove_file(&place.pid_file())?;
    Ok(process.is_some())
}

/// One start or stop at a time in a checkout; freed when the file is closed.
fn lock(repo: &Repo) -> Result<File> {
    fs::create_dir_all(place::state(repo))?;
    let file = File::create(place::state(repo).join("lock"))?;
    file.lock().context("cannot lock .services")?;
    Ok(file)
}
