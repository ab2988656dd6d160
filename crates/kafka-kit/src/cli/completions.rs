//! `completions`: what a shell needs to complete this command line.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::command::Arguments;
use super::output::Output;
use super::program;

/// Print the completions of a shell, to be read by it: `source <(app completions bash)`
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Needs no application: it works where the configuration does not.
    pub(super) fn run(&self, output: &Output) -> ExitCode {
        output.raw(&self.script(&program()));
        ExitCode::SUCCESS
    }

    pub(super) fn script(&self, program: &str) -> String {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), program, &mut script);
        String::from_utf8_lossy(&script).into_owned()
    }
}
