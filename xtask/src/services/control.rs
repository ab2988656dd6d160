//! Starting, stopping and showing services: the same for each of them.

use std::fs::{self, File};
use std::panic::resume_unwind;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::place::{self, Place};
use super::{ALL, Health, Service, Wanted, python};
use crate::process::{Process, tail};
use crate::repo::Repo;
use crate::tools::{self, Missing, Tool};

/// Between two looks at a starting server.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a server may take to end in order.
const FAREWELL: Duration = Duration::from_secs(15);

/// Exists once a service's fresh data is furnished.
const FURNISHED: &str = "furnished";

/// Starts what does not run of the wanted services, with what they need, and waits until all of them answer. Returns those it started.
pub(super) fn up(repo: &Repo, wanted: Wanted) -> Result<Vec<&'static str>> {
    let wanted = wanted.with_needs();
    let _lock = lock(repo)?;
    let started = Started::default();
    let outcome = start_all(repo, &wanted, &started);
    let mut started = started.into_inner().unwrap_or_else(PoisonError::into_inner);
    started.sort_by_key(|name| ALL.iter().position(|service| service.name() == *name));
    if outcome.is_err() {
        for service in wanted.services.iter().rev().filter(|service| started.contains(&service.name())) {
            stop(*service, &Place::of(repo, service.name()))?;
        }
    }
    outcome.map(|()| started)
}

/// Stops the wanted services, and those that cannot do without them, and removes their data.
pub(super) fn down(repo: &Repo, wanted: Wanted) -> Result<()> {
    let _lock = lock(repo)?;
    for service in wanted.with_dependents().services.into_iter().rev() {
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
    println!("{:<10}{}", python::NAME, python::state(repo));
    Ok(())
}

/// The variables by which tests find the services of this checkout.
pub(crate) fn env(repo: &Repo) -> Vec<(&'static str, String)> {
    let ours = ALL.iter().flat_map(|service| service.env(&Place::of(repo, service.name())));
    ours.chain([python::env(repo)]).collect()
}

/// The names of the services that this `up` started.
type Started = Mutex<Vec<&'static str>>;

fn start_all(repo: &Repo, wanted: &Wanted, started: &Started) -> Result<()> {
    let asleep = wanted.services.iter().filter(|service| !runs(repo, **service));
    let tools = asleep.flat_map(|service| service.tools().iter().copied());
    let tools: Vec<Tool> = tools.chain(wanted.python.then_some(Tool::Python)).collect();
    tools::require(&tools, Missing::Name)?;
    if wanted.python {
        python::lay_out(repo)?;
    }
    for round in wanted.rounds() {
        for service in round.iter().filter(|service| !runs(repo, **service)) {
            let place = Place::of(repo, service.name());
            fs::create_dir_all(place.path(""))?;
            service.ports().iter().try_for_each(|port| place.claim(*port).map(|_port| ()))?;
        }
        thread::scope(|scope| {
            let starts = round.iter().map(|service| scope.spawn(|| bring_up(repo, *service, started)));
            let starts: Vec<_> = starts.collect();
            // Every start is waited for; the first failure is told.
            let outcomes: Vec<Result<()>> =
                starts.into_iter().map(|start| start.join().unwrap_or_else(|panic| resume_unwind(panic))).collect();
            outcomes.into_iter().collect::<Result<()>>()
        })?;
    }
    Ok(())
}

fn runs(repo: &Repo, service: &dyn Service) -> bool {
    Process::of(&Place::of(repo, service.name()).pid_file()).is_some()
}

/// Starts one service unless it runs, waits for it and says where the time went.
fn bring_up(repo: &Repo, service: &'static dyn Service, started: &Started) -> Result<()> {
    let place = Place::of(repo, service.name());
    let begin = Instant::now();
    let mut prepared = Duration::ZERO;
    let was_up = runs(repo, service);
    if !was_up {
        place::remove_file(&place.pid_file())?;
        let refused = || format!("{} cannot be started", service.name());
        service.prepare(&place).with_context(refused)?;
        prepared = begin.elapsed();
        let mut command = service.start(&place).with_context(refused)?;
        Process::spawn(&mut command, &place.log(), &place.pid_file()).with_context(refused)?;
        started.lock().unwrap_or_else(PoisonError::into_inner).push(service.name());
    }
    let process = wait(service, &place)?;
    if !place.path(FURNISHED).exists() {
        service.furnish(&place).with_context(|| format!("{} cannot be furnished", service.name()))?;
        fs::write(place.path(FURNISHED), "")?;
    }
    let address = place.address(service.ports()[0]);
    let how = match was_up {
        true => "already up".to_owned(),
        false => {
            let (prepared, answered) = (prepared.as_secs_f32(), (begin.elapsed() - prepared).as_secs_f32());
            format!("up in {:.1} s ({prepared:.1} s to prepare, {answered:.1} s until it answered)", prepared + answered)
        }
    };
    eprintln!("{:<10}{address}, pid {}, {how}", service.name(), process.pid());
    Ok(())
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

#[cfg(test)]
mod tests {
    use std::process::Command as Program;

    use super::super::place::Port;
    use super::*;

    /// A process that is ready as soon as it runs, and writes down what is done to it.
    struct Sleeper;

    impl Service for Sleeper {
        fn name(&self) -> &'static str {
            "sleeper"
        }

        fn tools(&self) -> &'static [Tool] {
            &[]
        }

        fn ports(&self) -> &'static [Port] {
            &[Port { name: "clients", variable: "SERVICES_PORT_OF_NO_SERVICE", default: 1 }]
        }

        fn prepare(&self, place: &Place) -> Result<()> {
            note(place, "prepared")
        }

        fn start(&self, _place: &Place) -> Result<Program> {
            let mut command = Program::new("sleep");
            command.arg("60");
            Ok(command)
        }

        fn health(&self, _place: &Place, _process: &Process) -> Health {
            Health::Ready
        }

        fn furnish(&self, place: &Place) -> Result<()> {
            note(place, "furnished")
        }

        fn clear(&self, _place: &Place) -> Result<()> {
            Ok(())
        }

        fn env(&self, _place: &Place) -> Vec<(&'static str, String)> {
            Vec::new()
        }
    }

    fn note(place: &Place, what: &str) -> Result<()> {
        let before = fs::read_to_string(place.path("notes")).unwrap_or_default();
        Ok(fs::write(place.path("notes"), format!("{before}{what} "))?)
    }

    #[test]
    fn what_runs_is_left_alone_and_what_died_starts_again_on_its_data() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repo::at(dir.path());
        let place = Place::of(&repo, "sleeper");
        fs::create_dir_all(place.path("")).unwrap();
        let up = || {
            let started = Started::default();
            bring_up(&repo, &Sleeper, &started).unwrap();
            (Process::of(&place.pid_file()).unwrap().pid(), started.into_inner().unwrap())
        };
        let notes = || fs::read_to_string(place.path("notes")).unwrap();

        let (first, started) = up();
        assert_eq!(started, ["sleeper"]);
        assert_eq!(up(), (first, vec![]), "the second `up` neither starts nor claims to have started");
        assert_eq!(notes(), "prepared furnished ");

        Process::of(&place.pid_file()).unwrap().stop(rustix::process::Signal::KILL, FAREWELL).unwrap();
        let (second, started) = up();
        assert_ne!(second, first);
        assert_eq!(started, ["sleeper"]);
        assert_eq!(notes(), "prepared furnished prepared ", "its data is furnished once");
        assert!(stop(&Sleeper, &place).unwrap());
        assert!(!stop(&Sleeper, &place).unwrap());
    }
}
