//! PostgreSQL with logical decoding, from the system's package, with the databases `app` (source) and `sink`.
//!
//! It refuses to run as root: root hands it to the account `postgres`. That account may not be able to enter the checkout
//! (below `/root`, say); then the data is in `/var/tmp/kafka-kit-<number of the checkout>/` instead of `.services/postgres/data`.

use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use super::place::{self, Place, Port};
use super::{Health, Service};
use crate::process::Process;
use crate::tools::{Tool, postgres_programs, quietly};

const CLIENTS: Port = Port { name: "clients", variable: "SERVICES_POSTGRES_PORT", default: 55432 };

/// Speed for durability that no test needs: the data outlives a crash of the server, not one of the machine.
const CONFIGURATION: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_replication_slots = 20
max_wal_senders = 20
max_connections = 200
fsync = off
synchronous_commit = off
full_page_writes = off
";

/// The database server.
#[derive(Debug)]
pub(super) struct Postgres;

impl Service for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn tools(&self) -> &'static [Tool] {
        &[Tool::Postgres]
    }

    fn ports(&self) -> &'static [Port] {
        &[CLIENTS]
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        let owner = Owner::of_server()?;
        let data = data(place, owner)?;
        if !data.join("initialised").exists() {
            place::remove_dir(&data)?;
            create(&data, owner)?;
            let mut initdb = program("initdb", owner)?;
            initdb.arg("-D").arg(data.join("cluster")).args(["-U", "postgres", "-A", "trust", "--no-locale", "-E", "UTF8", "--no-sync"]);
            quietly(&mut initdb)?;
            fs::write(data.join("initialised"), "")?;
        }
        fs::write(data.join("cluster/postgresql.auto.conf"), format!("{CONFIGURATION}port = {}\n", place.port(CLIENTS)))?;
        Ok(())
    }

    fn start(&self, place: &Place) -> Result<Command> {
        let owner = Owner::of_server()?;
        let mut command = program("postgres", owner)?;
        command.arg("-D").arg(data(place, owner)?.join("cluster"));
        Ok(command)
    }

    /// The server writes its pid and its state into its data directory, so a stranger on the port is not taken for it.
    fn health(&self, place: &Place, process: &Process) -> Health {
        let state = Owner::of_server().and_then(|owner| Ok(fs::read_to_string(data(place, owner)?.join("cluster/postmaster.pid"))?));
        match state {
            Ok(state) if is_ready(&state, process.pid()) => Health::Ready,
            Ok(_) => Health::NotYet("it does not accept connections yet".to_owned()),
            Err(error) => Health::NotYet(error.to_string()),
        }
    }

    fn furnish(&self, place: &Place) -> Result<()> {
        for database in ["app", "sink"] {
            let mut createdb = program("createdb", Owner::Caller)?;
            createdb.args(["-h", "127.0.0.1", "-U", "postgres", "-p", &place.port(CLIENTS).to_string(), database]);
            if let Err(error) = quietly(&mut createdb)
                && !error.to_string().contains("already exists")
            {
                return Err(error);
            }
        }
        Ok(())
    }

    /// "Fast" shutdown: TERM would wait for the clients to leave.
    fn stop_signal(&self) -> Signal {
        Signal::INT
    }

    fn clear(&self, place: &Place) -> Result<()> {
        place::remove_dir(&place.path("data"))?;
        place::remove_dir(&outside(place))
    }

    fn env(&self, place: &Place) -> Vec<(&'static str, String)> {
        let address = place.address(CLIENTS);
        vec![
            ("DATABASE_URL", format!("postgres://postgres@{address}/app")),
            ("SINK_DATABASE_URL", format!("postgres://postgres@{address}/sink")),
        ]
    }
}

/// The account that a program runs under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Caller,
    Account { uid: u32, gid: u32 },
}

impl Owner {
    fn of_server() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Caller);
        }
        let accounts = fs::read_to_string("/etc/passwd").context("cannot look up the account postgres")?;
        Self::in_passwd(&accounts).context("PostgreSQL does not run as root, and there is no account postgres")
    }

    fn in_passwd(accounts: &str) -> Option<Self> {
        let mut fields = accounts.lines().find_map(|line| line.strip_prefix("postgres:"))?.split(':').skip(1);
        Some(Self::Account { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    }
}

/// The first line of `postmaster.pid` is the pid, the eighth the state.
fn is_ready(state: &str, pid: u32) -> bool {
    let lines: Vec<&str> = state.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

fn program(name: &str, owner: Owner) -> Result<Command> {
    let dir = postgres_programs().context("PostgreSQL's programs are gone")?;
    let mut command = Command::new(dir.join(name));
    command.current_dir("/").env("LC_ALL", "C");
    if let Owner::Account { uid, gid } = owner {
        command.uid(uid).gid(gid);
    }
    Ok(command)
}

fn data(place: &Place, owner: Owner) -> Result<PathBuf> {
    let outside = outside(place);
    let inside = place.path("data");
    Ok(if outside.exists() || !can_enter(owner, &place.path(""))? { outside } else { inside })
}

fn outside(place: &Place) -> PathBuf {
    Path::new("/var/tmp").join(format!("kafka-kit-{:016x}", place.repo().fingerprint()))
}

fn can_enter(owner: Owner, dir: &Path) -> Result<bool> {
    let Owner::Account { uid, gid } = owner else {
        return Ok(true);
    };
    let mut test = Command::new("test");
    test.arg("-x").arg(dir).current_dir("/").uid(uid).gid(gid);
    Ok(test.status().context("cannot start test")?.success())
}

/// A private directory for the server; one that was there before is somebody else's.
fn create(dir: &Path, owner: Owner) -> Result<()> {
    fs::DirBuilder::new().mode(0o700).create(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    if let Owner::Account { uid, gid } = owner {
        chown(dir, Some(uid), Some(gid))?;
        if fs::metadata(dir)?.uid() != uid {
            bail!("{} cannot be given to the account postgres", dir.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_found_by_its_whole_name() {
        let accounts =
            "root:x:0:0:root:/root:/bin/bash\npostgresql:x:9:9::/:/bin/sh\npostgres:x:105:113:,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(Owner::in_passwd(accounts), Some(Owner::Account { uid: 105, gid: 113 }));
        assert_eq!(Owner::in_passwd("root:x:0:0:root:/root:/bin/bash\n"), None);
    }

    #[test]
    fn ready_means_this_process_and_this_state() {
        let state = |status: &str| format!("77\n/data\n1795\n55432\n\n127.0.0.1\n 1 2\n{status}\n");
        assert!(is_ready(&state("ready   "), 77));
        assert!(!is_ready(&state("ready   "), 78));
        assert!(!is_ready(&state("starting"), 77));
        assert!(!is_ready("77\n/data\n", 77));
    }
}
