//! The system's programs that the commands need: whether each is there, and which package brings it.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A program that does not come from crates.io.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// A C compiler and make: librdkafka is built from source.
    CCompiler,
    /// Java 17 or later, for Kafka and Connect.
    Java,
    /// Maven, which fetches the jars.
    Maven,
    /// The program that makes the certificates of Kafka's secure listener.
    OpenSsl,
    /// OpenSSL's headers and where they are: librdkafka is built with TLS for the tests.
    TlsHeaders,
    /// PostgreSQL's server programs.
    Postgres,
    /// Go, which builds Temporal's server.
    Go,
    /// Python 3 with its `venv`, for the tests that need another client.
    Python,
}

/// What Kafka needs at least.
pub(crate) const JAVA: u32 = 17;

/// What to do about a missing tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// Name it and the command that installs it.
    Name,
    /// Install it where that takes no question (root on Debian), else name it.
    Install,
}

impl Tool {
    fn what(self) -> &'static str {
        match self {
            Self::CCompiler => "a C compiler and make",
            Self::Java => "Java 17 or later",
            Self::Maven => "Maven (mvn)",
            Self::OpenSsl => "openssl",
            Self::TlsHeaders => "OpenSSL's headers and pkg-config",
            Self::Postgres => "PostgreSQL's server programs (initdb)",
            Self::Go => "Go 1.25 or later (an older one from 1.21 fetches that itself)",
            Self::Python => "Python 3 with venv",
        }
    }

    /// Debian's packages; Ubuntu has them under the same names.
    fn packages(self) -> &'static str {
        match self {
            Self::CCompiler => "build-essential",
            Self::Java => "default-jre-headless",
            Self::Maven => "maven",
            Self::OpenSsl => "openssl",
            Self::TlsHeaders => "libssl-dev pkg-config",
            Self::Postgres => "postgresql",
            Self::Go => "golang-go",
            Self::Python => "python3-venv",
        }
    }

    fn present(self) -> bool {
        match self {
            Self::CCompiler => on_path("cc").is_some() && on_path("make").is_some(),
            Self::Java => java(JAVA).is_some(),
            Self::Maven => on_path("mvn").is_some(),
            Self::OpenSsl => on_path("openssl").is_some(),
            Self::TlsHeaders => Command::new("pkg-config").args(["--exists", "openssl"]).status().is_ok_and(|status| status.success()),
            Self::Postgres => postgres_programs().is_some(),
            Self::Go => on_path("go").is_some(),
            Self::Python => {
                Command::new("python3").args(["-c", "import venv, ensurepip"]).output().is_ok_and(|output| output.status.success())
            }
        }
    }
}

/// Makes sure that every tool is there.
pub(crate) fn require(tools: &[Tool], missing: Missing) -> Result<()> {
    let absent = absent(tools);
    if absent.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = absent.iter().flat_map(|tool| tool.packages().split(' ')).collect();
    if missing == Missing::Install && rustix::process::geteuid().is_root() && on_path("apt-get").is_some() {
        install(&packages)?;
        let still: Vec<&str> = self::absent(tools).iter().map(|tool| tool.what()).collect();
        if still.is_empty() {
            return Ok(());
        }
        bail!("still missing after apt-get install {}: {}", packages.join(" "), still.join(", "));
    }
    let names: Vec<&str> = absent.iter().map(|tool| tool.what()).collect();
    bail!("missing: {}\n  on Debian or Ubuntu: sudo apt-get install -y {}", names.join(", "), packages.join(" "));
}

fn absent(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().copied().filter(|tool| !tool.present()).collect()
}

fn install(packages: &[&str]) -> Result<()> {
    let installation: Vec<&str> = ["install", "-y", "--no-install-recommends"].iter().chain(packages).copied().collect();
    for arguments in [vec!["update"], installation] {
        eprintln!("$ apt-get {}", arguments.join(" "));
        let status = Command::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive").args(["-q"]).args(&arguments).status()?;
        if !status.success() {
            bail!("apt-get {} failed: {status}", arguments.join(" "));
        }
    }
    Ok(())
}

/// The directory of `initdb` and `postgres`, which Debian keeps off the path.
pub(crate) fn postgres_programs() -> Option<PathBuf> {
    let by_config =
        Command::new("pg_config").arg("--bindir").output().ok().map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    let on_path = on_path("initdb").and_then(|program| program.parent().map(Path::to_path_buf));
    by_config.into_iter().chain(on_path).chain(debian_versions()).find(|dir| dir.join("initdb").is_file() && dir.join("postgres").is_file())
}

/// `/usr/lib/postgresql/*/bin`, the newest version first.
fn debian_versions() -> Vec<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    versions.into_iter().map(|(_, dir)| dir).collect()
}

/// The first Java of at least this version: the one of `JAVA_HOME`, the one on the path, then those that packages installed.
pub(crate) fn java(least: u32) -> Option<PathBuf> {
    let home = env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let installed = std::fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().map(|entry| entry.path().join("bin/java"));
    let mut candidates = home.into_iter().chain(on_path("java")).chain(installed);
    candidates.find(|java| java_version(java).is_some_and(|version| version >= least))
}

/// Which version a Java says it is; `None` if it does not run.
pub(crate) fn java_version(java: &Path) -> Option<u32> {
    let output = Command::new(java).arg("-version").output().ok()?;
    major_version(&String::from_utf8_lossy(&output.stderr))
}

/// The number behind `version "`; before Java 9 it read `1.8.0`.
fn major_version(banner: &str) -> Option<u32> {
    let (_, version) = banner.split_once("version \"")?;
    let version = version.strip_prefix("1.").unwrap_or(version);
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(program)).find(|candidate| candidate.is_file())
}

/// Runs a command to its end, with its output kept for the error message.
pub(crate) fn quietly(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    bail!("{} failed ({}):\n{}", called(&program, command.get_args()), output.status, String::from_utf8_lossy(&said).trim());
}

fn called<'a>(program: &'a OsStr, arguments: impl Iterator<Item = &'a OsStr>) -> String {
    let name = Path::new(program).file_name().unwrap_or(program);
    std::iter::once(name).chain(arguments).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_says_its_version_in_two_ways() {
        assert_eq!(major_version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(major_version("openjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major_version("java version \"1.8.0_402\""), Some(8));
        assert_eq!(major_version("command not found"), None);
    }

    #[test]
    fn a_failed_command_tells_what_it_said() {
        let error = quietly(Command::new("sh").args(["-c", "echo why >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("why") && error.contains("exit status: 3"), "{error}");
    }
}
