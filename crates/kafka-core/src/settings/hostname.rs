//! The name of this machine, for the default `client.id`. Never fails.

use std::{env, fs, process};

/// The host's name, or `localhost` where nobody knows it.
pub(super) fn hostname() -> String {
    let variable = |name: &str| env::var(name).ok();
    let file = |path: &str| fs::read_to_string(path).ok();
    let known = |name: String| Some(name.trim().to_owned()).filter(|name| !name.is_empty());
    variable("HOSTNAME")
        .and_then(known)
        .or_else(|| file("/proc/sys/kernel/hostname").and_then(known))
        .or_else(|| variable("COMPUTERNAME").and_then(known))
        // macOS and the BSDs tell it neither by a file nor by an exported variable.
        .or_else(|| {
            process::Command::new("hostname").output().ok().and_then(|output| String::from_utf8(output.stdout).ok()).and_then(known)
        })
        .unwrap_or_else(|| "localhost".to_owned())
}
