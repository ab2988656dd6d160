//! Processes that outlive xtask: their pid files, whether they still run, and how they are stopped.
//!
//! A pid alone may have been given to another program since; the file also keeps when the process began, and only both together name it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// A process that was started by xtask, perhaps by an earlier run of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pid: u32,
    began: String,
}

impl Process {
    /// Starts `command` in a process group of its own, so that Ctrl-C at the terminal does not reach it, with both outputs in `log`.
    pub(crate) fn spawn(command: &mut Command, log: &Path, pid_file: &Path) -> Result<Self> {
        let output = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let Some(began) = began(child.id()) else {
            bail!("{} ended at once; its log: {}", command.get_program().display(), tail(log, 20));
        };
        let process = Self { pid: child.id(), began };
        fs::write(pid_file, format!("{} {}\n", process.pid, process.began))?;
        Ok(process)
    }

    /// The process that `pid_file` names, if it still runs.
    pub(crate) fn of(pid_file: &Path) -> Option<Self> {
        let text = fs::read_to_string(pid_file).ok()?;
        let (pid, began) = text.trim().split_once(' ')?;
        let process = Self { pid: pid.parse().ok()?, began: began.to_owned() };
        process.runs().then_some(process)
    }

    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Whether it has not ended.
    pub(crate) fn runs(&self) -> bool {
        began(self.pid).is_some_and(|began| began == self.began)
    }

    /// Asks with `signal`, waits up to `patience`, then kills the whole process group.
    pub(crate) fn stop(&self, signal: Signal, patience: Duration) -> Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("not a pid")?;
        if self.runs() {
            kill_process(pid, signal).with_context(|| format!("cannot signal process {}", self.pid))?;
        }
        if self.ends_within(patience) {
            return Ok(());
        }
        eprintln!("process {} did not end within {} s; killing it", self.pid, patience.as_secs());
        kill_process_group(pid, Signal::KILL).with_context(|| format!("cannot kill process {}", self.pid))?;
        if !self.ends_within(Duration::from_secs(5)) {
            bail!("process {} cannot be killed", self.pid);
        }
        Ok(())
    }

    fn ends_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while self.runs() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(20));
        }
        true
    }
}

/// When the process began, in the system's own words; `None` once it has ended, even if nobody has waited for it yet.
fn began(pid: u32) -> Option<String> {
    if Path::new("/proc/self/stat").exists() {
        return began_by_proc(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?);
    }
    let listing = Command::new("ps").args(["-o", "stat=,lstart=", "-p", &pid.to_string()]).output().ok()?;
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let (state, began) = listing.trim().split_once(char::is_whitespace)?;
    (!state.starts_with('Z')).then(|| began.trim().to_owned())
}

/// Field 22 of Linux's `stat` line. The name in parentheses may hold spaces, so fields are counted behind it.
fn began_by_proc(stat: &str) -> Option<String> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// The last lines of a log, for an error message.
pub(crate) fn tail(log: &Path, lines: usize) -> String {
    const ENOUGH: u64 = 16 * 1024;
    let text = File::open(log).and_then(|mut file| {
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    });
    match text {
        Ok(text) => {
            let all: Vec<&str> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) if error.kind() == ErrorKind::NotFound => "(no log was written)".to_owned(),
        Err(error) => format!("(the log cannot be read: {error})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sleeper(dir: &Path, script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::spawn(&mut command, &dir.join("log"), &dir.join("pid")).unwrap()
    }

    #[test]
    fn a_process_is_found_again_until_it_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let process = sleeper(dir.path(), "exec sleep 60");
        assert_eq!(Process::of(&dir.path().join("pid")), Some(process.clone()));
        process.stop(Signal::TERM, Duration::from_secs(5)).unwrap();
        assert_eq!(Process::of(&dir.path().join("pid")), None);
    }

    #[test]
    fn a_deaf_process_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let process = sleeper(dir.path(), "trap '' TERM; echo ready; while :; do sleep 0.05; done");
        while tail(&dir.path().join("log"), 1) != "ready" {
            thread::sleep(Duration::from_millis(10));
        }
        process.stop(Signal::TERM, Duration::from_millis(100)).unwrap();
        assert!(!process.runs());
    }

    #[test]
    fn a_pid_given_to_another_program_is_not_ours() {
        let dir = tempfile::tempdir().unwrap();
        let pid_file = dir.path().join("pid");
        fs::write(&pid_file, format!("{} 1\n", std::process::id())).unwrap();
        assert_eq!(Process::of(&pid_file), None);
    }

    #[test]
    fn the_name_in_a_stat_line_may_hold_anything() {
        let fields = (4..=21).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        assert_eq!(began_by_proc(&format!("7 (a) b (c) S {fields} 4711 23")), Some("4711".to_owned()));
        assert_eq!(began_by_proc(&format!("7 (java) Z {fields} 4711 23")), None);
    }

    #[test]
    fn a_log_is_cut_to_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        fs::write(&log, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&log, 2), "two\nthree");
        assert_eq!(tail(&dir.path().join("none"), 2), "(no log was written)");
    }
}
