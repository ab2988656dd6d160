//! Ctrl-C and TERM: they end the program that is run at the moment, and xtask goes on to stop what it started.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Runs programs one after another, until a signal comes.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    stage: Arc<Mutex<Stage>>,
}

/// What a signal finds.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Idle,
    /// A program runs as the head of its process group.
    Running(Pid),
    Interrupted,
}

impl Runner {
    /// From now on a signal does not end xtask itself.
    pub(crate) fn install() -> Result<Self> {
        let runner = Self { stage: Arc::new(Mutex::new(Stage::Idle)) };
        let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).context("cannot watch signals")?;
        let watcher = runner.clone();
        thread::spawn(move || signals.forever().for_each(|_signal| watcher.interrupt()));
        Ok(runner)
    }

    /// Runs a program to its end; `on_line` sees each line of its stdout, which is passed on.
    pub(crate) fn run(&self, command: &mut Command, mut on_line: impl FnMut(&str)) -> Result<ExitStatus> {
        let program = command.get_program().to_owned();
        let mut stage = self.stage();
        if matches!(*stage, Stage::Interrupted) {
            bail!("interrupted");
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        *stage = Stage::Running(Pid::from_child(&child));
        drop(stage);
        let mut output = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut line = Vec::new();
        while output.read_until(b'\n', &mut line)? > 0 {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(&line)?;
            stdout.flush()?;
            on_line(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
        let status = child.wait()?;
        let mut stage = self.stage();
        if matches!(*stage, Stage::Interrupted) {
            bail!("interrupted");
        }
        *stage = Stage::Idle;
        Ok(status)
    }

    fn interrupt(&self) {
        let mut stage = self.stage();
        if let Stage::Running(group) = *stage {
            // It may have ended just now; then there is nothing left to do.
            kill_process_group(group, Signal::TERM).ok();
        }
        *stage = Stage::Interrupted;
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn runner() -> Runner {
        Runner { stage: Arc::new(Mutex::new(Stage::Idle)) }
    }

    #[test]
    fn every_line_is_seen() {
        let mut lines = Vec::new();
        let script = "echo a; printf b; exit 3";
        let status = runner().run(&mut shell(script), |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["a", "b"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn an_interrupt_ends_the_program_with_its_children_and_starts_no_other() {
        let runner = runner();
        let begin = Instant::now();
        let interrupter = runner.clone();
        let outcome = runner.run(&mut shell("sh -c 'echo; exec sleep 60'; sleep 60"), |_line| {
            interrupter.interrupt();
        });
        assert_eq!(outcome.unwrap_err().to_string(), "interrupted");
        assert!(begin.elapsed() < Duration::from_secs(30));
        assert!(runner.run(&mut shell("exit 0"), |_line| ()).is_err());
    }
}
