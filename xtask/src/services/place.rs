//! Where a service keeps its state, and on which ports it listens.
//!
//! A port comes from its variable, else from the last start, else from the default; one that a stranger holds is replaced by a free one.
//! The choice is written down, so that several checkouts can run their services side by side.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::{env, io};

use anyhow::{Context, Result, bail};

use crate::repo::Repo;

/// One port of a service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Port {
    /// What it is for; also the name of the file that remembers it.
    pub(super) name: &'static str,
    /// The variable that sets it.
    pub(super) variable: &'static str,
    /// Used unless something else is said.
    pub(super) default: u16,
}

/// A service's directory in `.services/`.
#[derive(Debug, Clone)]
pub(super) struct Place {
    repo: Repo,
    dir: PathBuf,
}

impl Place {
    /// The directory of the service called `name`; it need not exist yet.
    pub(super) fn of(repo: &Repo, name: &str) -> Self {
        Self::at(repo, &state(repo).join(name))
    }

    /// A directory of one's own.
    pub(super) fn at(repo: &Repo, dir: &Path) -> Self {
        Self { repo: repo.clone(), dir: dir.to_path_buf() }
    }

    /// The checkout it belongs to.
    pub(super) fn repo(&self) -> &Repo {
        &self.repo
    }

    /// The directory of another service.
    pub(super) fn of_other(&self, name: &str) -> Self {
        Self::of(&self.repo, name)
    }

    /// A file or directory of the service.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// The file that names the running process.
    pub(super) fn pid_file(&self) -> PathBuf {
        self.path("pid")
    }

    /// What the server wrote since its last start.
    pub(super) fn log(&self) -> PathBuf {
        self.path("log")
    }

    /// The port as last started, else as it would be.
    pub(super) fn port(&self, port: Port) -> u16 {
        self.remembered(port).or_else(|| asked(port).ok().flatten()).unwrap_or(port.default)
    }

    /// Its address for clients.
    pub(super) fn address(&self, port: Port) -> SocketAddr {
        SocketAddrV4::new(Ipv4Addr::LOCALHOST, self.port(port)).into()
    }

    /// Chooses a port for a start and remembers it.
    pub(super) fn claim(&self, port: Port) -> Result<u16> {
        let chosen = match asked(port)? {
            Some(asked) if is_free(asked)? => asked,
            Some(asked) => bail!("port {asked}, which {} asks for, is taken by another process", port.variable),
            None => {
                let wanted = self.remembered(port).unwrap_or(port.default);
                if is_free(wanted)? { wanted } else { self.free_instead(wanted, port)? }
            }
        };
        fs::write(self.port_file(port), format!("{chosen}\n"))?;
        Ok(chosen)
    }

    fn free_instead(&self, wanted: u16, port: Port) -> Result<u16> {
        let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let service = self.dir.file_name().unwrap_or_default().display();
        eprintln!(
            "{service}: another process holds port {wanted}; {found} ({}) is this checkout's from now on, {} sets another",
            port.name, port.variable
        );
        Ok(found)
    }

    fn remembered(&self, port: Port) -> Option<u16> {
        fs::read_to_string(self.port_file(port)).ok()?.trim().parse().ok()
    }

    fn port_file(&self, port: Port) -> PathBuf {
        self.path(&format!("{}.port", port.name))
    }
}

/// The directory of all services of a checkout.
pub(super) fn state(repo: &Repo) -> PathBuf {
    repo.root().join(".services")
}

/// Removes a directory that may not be there.
pub(super) fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| format!("cannot remove {}", dir.display())),
        _ => Ok(()),
    }
}

/// Removes a file that may not be there.
pub(super) fn remove_file(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| format!("cannot remove {}", file.display())),
        _ => Ok(()),
    }
}

fn asked(port: Port) -> Result<Option<u16>> {
    let Some(value) = env::var_os(port.variable) else {
        return Ok(None);
    };
    let number = value.to_str().and_then(|value| value.parse().ok()).filter(|&number| number != 0);
    number.map(Some).with_context(|| format!("{}={} is not a port", port.variable, value.display()))
}

fn is_free(port: u16) -> io::Result<bool> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_listener) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PORT: Port = Port { name: "client", variable: "SERVICES_PORT_OF_NO_SERVICE", default: 1 };

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(&Repo::here().unwrap(), dir.path());
        (dir, place)
    }

    #[test]
    fn a_taken_port_is_replaced_and_the_choice_kept() {
        let (_dir, place) = place();
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let taken = Port { default: stranger.local_addr().unwrap().port(), ..PORT };
        let chosen = place.claim(taken).unwrap();
        assert_ne!(chosen, taken.default);
        drop(stranger);
        assert_eq!(place.claim(taken).unwrap(), chosen);
        assert_eq!(place.port(taken), chosen);
    }

    #[test]
    fn before_the_first_start_the_default_holds() {
        let (_dir, place) = place();
        assert_eq!(place.address(Port { default: 4711, ..PORT }).to_string(), "127.0.0.1:4711");
    }
}
