//! Rules about the shape of a file: how it begins, how long it is, and that a manifest takes the workspace's lints.

use super::Finding;
use super::tree::{Text, Tree};

/// A file of more lines must be cut.
const LONGEST: usize = 600;

/// A file of more lines is worth a thought.
const LONG: usize = 400;

/// A file says what it is before anything else.
pub(super) fn head_comment(tree: &Tree) -> Vec<Finding> {
    let bare = tree.sources().filter(|file| !has_head_comment(&file.text));
    bare.map(|file| Finding::new(&file.path, 1, "no head comment; say with //! what the file is and what it is not")).collect()
}

/// Tests are not counted.
pub(super) fn size(tree: &Tree) -> Vec<Finding> {
    let longest = tree.sources().filter(|file| lines(file) > LONGEST);
    longest
        .map(|file| {
            let what = format!("{} lines without tests, more than {LONGEST}; cut it by concept", lines(file));
            Finding::new(&file.path, LONGEST + 1, what)
        })
        .collect()
}

/// Files that are on their way to being too long; no findings yet.
pub(super) fn growing(tree: &Tree) -> Vec<String> {
    let long = tree.sources().filter(|file| (LONG + 1..=LONGEST).contains(&lines(file)));
    long.map(|file| format!("{}:{}: {} lines without tests; think about its parts", file.path, LONG + 1, lines(file))).collect()
}

/// Every package takes the workspace's lints.
pub(super) fn lints(tree: &Tree) -> Vec<Finding> {
    let members = tree.files.iter().filter(|file| is_member(&file.path) && !takes_lints(&file.text));
    members.map(|file| Finding::new(&file.path, 1, "the workspace's lints are off; write [lints] workspace = true")).collect()
}

/// Attributes may stand before it.
fn has_head_comment(text: &str) -> bool {
    let mut rest = text.trim_start();
    while let Some(attribute) = rest.strip_prefix("#![") {
        if attribute.trim_start().starts_with("doc") {
            return true;
        }
        let mut depth = 1;
        let end = attribute.find(|c| {
            depth += match c {
                '[' => 1,
                ']' => -1,
                _ => 0,
            };
            depth == 0
        });
        rest = end.map_or("", |end| attribute[end + 1..].trim_start());
    }
    rest.starts_with("//!")
}

/// The lines before the unit tests; a file that is all tests has none.
fn lines(file: &Text) -> usize {
    let all_tests = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    if all_tests {
        return 0;
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let tests = lines.windows(2).rposition(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod tests {"));
    tests.unwrap_or(lines.len())
}

fn is_member(path: &str) -> bool {
    let folders: Vec<&str> = path.split('/').collect();
    matches!(folders[..], ["crates", _, "Cargo.toml"] | ["tests" | "xtask", "Cargo.toml"])
}

fn takes_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").skip(1);
    lines.by_ref().take_while(|line| !line.starts_with('[')).any(|line| line.replace(' ', "") == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::super::{found, planted};
    use super::*;

    const PATH: &str = "crates/a/src/lib.rs";

    #[test]
    fn a_file_without_head_comment_is_found() {
        assert_eq!(found(head_comment, &[(PATH, "use std::fmt;\n//! Late.\n")]), ["crates/a/src/lib.rs:1"]);
        assert_eq!(found(head_comment, &[(PATH, "// Not one.\n")]), ["crates/a/src/lib.rs:1"]);
        assert_eq!(found(head_comment, &[(PATH, "")]).len(), 1);
        assert_eq!(found(head_comment, &[("crates/a/tests/it.rs", "use std::fmt;")]), [""; 0]);
    }

    #[test]
    fn attributes_may_stand_before_the_head_comment() {
        for right in ["//! A.\n", "#![allow(x, reason = \"[1]\")]\n//! A.\n", "#![doc = include_str!(\"../README.md\")]\n"] {
            assert_eq!(found(head_comment, &[(PATH, right)]), [""; 0], "{right}");
        }
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let code = |lines: usize| "fn f() {}\n".repeat(lines);
        let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", code(500));
        assert_eq!(found(size, &[(PATH, &code(601))]), ["crates/a/src/lib.rs:601"]);
        assert_eq!(found(size, &[(PATH, &(code(600) + &tests))]), [""; 0]);
        assert_eq!(found(size, &[("crates/a/src/x/tests.rs", &code(900))]), [""; 0]);
        assert_eq!(found(size, &[("crates/a/src/tests/topic.rs", &code(900))]), [""; 0]);
        assert_eq!(growing(&planted(&[(PATH, &(code(401) + &tests))])).len(), 1);
        assert_eq!(growing(&planted(&[(PATH, &(code(400) + &tests))])), [""; 0]);
    }

    #[test]
    fn a_manifest_without_the_lints_is_found() {
        let faults = |text: &str| found(lints, &[("crates/a/Cargo.toml", text)]).len();
        assert_eq!(faults("[package]\nname = \"a\"\n"), 1);
        assert_eq!(faults("[lints]\nworkspace = false\n"), 1);
        assert_eq!(faults("[lints]\n[dependencies]\nworkspace = true\n"), 1);
        assert_eq!(faults("[lints]\nworkspace = true\n"), 0);
        assert_eq!(found(lints, &[("Cargo.toml", "[workspace]\n")]), [""; 0]);
    }
}
