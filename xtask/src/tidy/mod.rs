//! `cargo xtask tidy`: the house rules that neither rustc nor clippy checks.
//!
//! A rule is a function from the files to its findings, with a test that plants the defect in a tree of its own.

mod edges;
mod generated;
mod places;
mod shape;
mod tree;
mod words;

use std::fmt;

use anyhow::Result;

use self::tree::Tree;
use crate::repo::Repo;

/// A place where a rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    path: String,
    line: usize,
    /// What is wrong; what to do.
    what: String,
}

impl Finding {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// The rules that look at files; who may import whom comes from `cargo metadata` instead.
const RULES: [fn(&Tree) -> Vec<Finding>; 10] = [
    places::drivers,
    places::unsafe_code,
    places::time,
    shape::head_comment,
    shape::size,
    shape::lints,
    words::unfinished,
    words::absolute_paths,
    words::banned_names,
    generated::pages,
];

/// Prints a line for each finding, or one that says that all is clean. Tells whether it is.
pub(crate) fn run(repo: &Repo) -> Result<bool> {
    let tree = Tree::read(repo.root())?;
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(&tree)).collect();
    findings.extend(edges::edges(&repo.metadata()?));
    findings.sort();
    for notice in shape::growing(&tree) {
        eprintln!("{notice}");
    }
    if findings.is_empty() {
        println!("tidy: {} rules, {} files, clean", RULES.len() + 1, tree.files.len());
        return Ok(true);
    }
    findings.iter().for_each(|finding| println!("{finding}"));
    println!("tidy: {} findings", findings.len());
    Ok(false)
}

/// A tree in a temporary directory, for the rules' tests.
#[cfg(test)]
fn planted(files: &[(&str, &str)]) -> Tree {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Tree::read(dir.path()).unwrap()
}

/// Where a rule finds something in such a tree, as `path:line`.
#[cfg(test)]
fn found(rule: fn(&Tree) -> Vec<Finding>, files: &[(&str, &str)]) -> Vec<String> {
    let findings = rule(&planted(files));
    findings.iter().map(|finding| format!("{}:{}", finding.path, finding.line)).collect()
}
