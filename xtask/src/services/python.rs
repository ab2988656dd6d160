//! A virtual environment for the tests that need another client: `.services/python`, from `tests/python/requirements.txt`.
//!
//! It is no server: nothing runs, `up` makes it and `down` leaves it. When the requirements change, it is made anew.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::place::{self, Place};
use crate::repo::Repo;
use crate::tools::quietly;

/// Its name beside those of the services.
pub(super) const NAME: &str = "python";

/// From the root of the checkout.
const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// The requirements that are installed.
const INSTALLED: &str = "requirements.txt";

/// The variable that names the interpreter.
pub(super) fn env(repo: &Repo) -> (&'static str, String) {
    ("KAFKA_TESTS_PYTHON", Place::of(repo, NAME).path("venv/bin/python").display().to_string())
}

/// Makes the environment, unless it is of the same requirements and its interpreter still answers.
pub(super) fn lay_out(repo: &Repo) -> Result<()> {
    let place = Place::of(repo, NAME);
    if is_laid_out(repo, &place)? {
        eprintln!("{NAME:<10}already laid out");
        return Ok(());
    }
    eprintln!("installing {REQUIREMENTS} with pip, once …");
    place::remove_file(&place.path(INSTALLED))?;
    place::remove_dir(&place.path("venv"))?;
    fs::create_dir_all(place.path(""))?;
    quietly(Command::new("python3").args(["-m", "venv"]).arg(place.path("venv")))?;
    let mut pip = Command::new(place.path("venv/bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(repo.root().join(REQUIREMENTS));
    quietly(&mut pip)?;
    fs::write(place.path(INSTALLED), requirements(repo)?)?;
    eprintln!("{NAME:<10}laid out");
    Ok(())
}

/// For `status`.
pub(super) fn state(repo: &Repo) -> &'static str {
    match is_laid_out(repo, &Place::of(repo, NAME)) {
        Ok(true) => "laid out",
        Ok(false) | Err(_) => "not laid out",
    }
}

fn is_laid_out(repo: &Repo, place: &Place) -> Result<bool> {
    let installed = fs::read_to_string(place.path(INSTALLED)).unwrap_or_default();
    // The system's Python may have been replaced since.
    let answers = || Command::new(env(repo).1).arg("--version").output().is_ok_and(|output| output.status.success());
    Ok(installed == requirements(repo)? && answers())
}

fn requirements(repo: &Repo) -> Result<String> {
    fs::read_to_string(repo.root().join(REQUIREMENTS)).with_context(|| format!("{REQUIREMENTS} is gone"))
}
