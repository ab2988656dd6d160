//! Artifacts by Maven: fetched once for each content of a pom, into the directory of the service.

use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

use super::place::{self, Place};
use crate::tools::quietly;

/// What a pom lays out.
#[derive(Debug)]
pub(super) struct Artifacts {
    /// The pom's path from the root of the checkout.
    pub(super) pom: &'static str,
    /// Its text: another text means that everything is laid out anew.
    pub(super) text: &'static str,
    /// What Maven is asked to do; `out` is set to the directory of the service.
    pub(super) goals: &'static [&'static str],
    /// The directories in it that are made, the one that must not stay empty first.
    pub(super) dirs: &'static [&'static str],
    /// For the line that tells why the first start takes long.
    pub(super) what: &'static str,
}

/// Services start side by side, and two Mavens spoil each other's local repository.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

impl Artifacts {
    /// Asks Maven, unless what is laid out is of the same pom.
    pub(super) fn lay_out(&self, place: &Place) -> Result<()> {
        let laid_out = place.path("pom.xml");
        if fs::read_to_string(&laid_out).is_ok_and(|pom| pom == self.text) {
            return Ok(());
        }
        let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("fetching {} with Maven, once …", self.what);
        place::remove_file(&laid_out)?;
        for dir in self.dirs {
            place::remove_dir(&place.path(dir))?;
        }
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "-f"]).arg(place.repo().root().join(self.pom)).args(self.goals);
        maven.arg(format!("-Dout={}", place.path("").display()));
        quietly(&mut maven).with_context(|| format!("Maven could not fetch {}", self.what))?;
        let first = place.path(self.dirs[0]);
        if fs::read_dir(&first).map_or(0, Iterator::count) == 0 {
            bail!("Maven laid out nothing in {}", first.display());
        }
        fs::write(laid_out, self.text)?;
        Ok(())
    }
}
