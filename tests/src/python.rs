//! Scripts in Python: other clients than ours, and other frameworks.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Runs a script of `tests/python` to its end, and gives the JSON lines that it printed.
///
/// # Panics
/// When there is no Python with what the scripts need (`cargo xtask services up` makes one), or the script fails.
#[track_caller]
#[must_use]
pub fn run(script: &str, arguments: &[&str]) -> Vec<Value> {
    let python = std::env::var("KAFKA_KIT_PYTHON").expect("KAFKA_KIT_PYTHON; `cargo xtask services env` prints it");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python").join(script);
    let output = Command::new(python).arg(&script).args(arguments).output().expect("Python starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed:\n{errors}", script.display());
    let lines = String::from_utf8_lossy(&output.stdout);
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line:?} is no JSON\n{errors}"))).collect()
}
