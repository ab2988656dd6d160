//! The text files of the repository, and Rust source cut into words.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// What holds nothing of the repository's own; `.git` is a file in a linked worktree.
const SKIPPED: [&str; 3] = [".git", ".services", "target"];

/// The repository's text files, in the order of their paths.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) files: Vec<Text>,
}

/// A text file.
#[derive(Debug)]
pub(super) struct Text {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

/// An identifier, a number, `::`, or one other character of Rust source; comments and literals leave none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<'a> {
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
}

impl Tree {
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        walk(root, "", &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { files })
    }

    /// Rust files of all packages.
    pub(super) fn rust(&self) -> impl Iterator<Item = &Text> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// Rust files in `crates/*/src`.
    pub(super) fn libraries(&self) -> impl Iterator<Item = &Text> {
        self.rust().filter(|file| file.is_in_library())
    }

    /// Rust files in `crates/*/src` and `xtask/src`.
    pub(super) fn sources(&self) -> impl Iterator<Item = &Text> {
        self.rust().filter(|file| file.is_in_library() || file.path.starts_with("xtask/src/"))
    }
}

impl Text {
    /// The source as words, so that a rule does not trip over comments and strings.
    pub(super) fn words(&self) -> Vec<Word<'_>> {
        words(&self.text)
    }

    fn is_in_library(&self) -> bool {
        let mut folders = self.path.split('/');
        folders.next() == Some("crates") && folders.nth(1) == Some("src")
    }
}

fn walk(dir: &Path, prefix: &str, files: &mut Vec<Text>) -> Result<()> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if SKIPPED.contains(&name) {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), files)?;
        } else if kind.is_file()
            // What is not UTF-8 is not text; what is gone by now was somebody's temporary file.
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push(Text { path, text });
        }
    }
    Ok(())
}

fn words(source: &str) -> Vec<Word<'_>> {
    let mut words = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(first) = source[at..].chars().next() {
        let rest = &source[at..];
        let skipped = comment(rest).or_else(|| literal(rest));
        let length = skipped.unwrap_or_else(|| word(rest, first));
        let text = &rest[..length];
        if skipped.is_none() && !first.is_whitespace() {
            words.push(Word { text, line });
        }
        line += text.matches('\n').count();
        at += length;
    }
    words
}

fn word(rest: &str, first: char) -> usize {
    if first.is_alphanumeric() || first == '_' {
        return rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
    }
    if rest.starts_with("::") { 2 } else { first.len_utf8() }
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

/// The length of a string, byte string or character at the start; a lifetime is none of them.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let behind = rest.strip_prefix(prefix);
        behind.is_some_and(|behind| behind.trim_start_matches('#').starts_with(['"', '\'']))
    })?;
    let body = &rest[prefix.len()..];
    let hashes = body.len() - body.trim_start_matches('#').len();
    if prefix.ends_with('r') {
        let inside = body[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        let length = inside.find(&end).map_or(inside.len(), |found| found + end.len());
        return Some(prefix.len() + hashes + 1 + length);
    }
    if hashes > 0 {
        return None;
    }
    if let Some(inside) = body.strip_prefix('"') {
        return Some(prefix.len() + 1 + closing(inside, '"'));
    }
    let inside = body.strip_prefix('\'')?;
    let mut characters = inside.chars();
    let (first, second) = (characters.next()?, characters.next());
    (first == '\\' || second == Some('\'')).then(|| prefix.len() + 1 + closing(inside, '\''))
}

/// The length up to and with the closing quote, escapes respected.
fn closing(inside: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in inside.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    inside.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        words(source).into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn comments_and_literals_are_no_words() {
        assert_eq!(texts("a // b\n/* c /* d */ e */ f"), ["a", "f"]);
        assert_eq!(texts(r##"x("a \" b", b'"', 'c', '\'', r#"d " e"#, br"f\") y"##).join(""), "x(,,,,,)y");
        assert_eq!(texts("fn f<'a>(r: &'a str, r#type: B)").len(), 20);
    }

    #[test]
    fn lines_are_counted_through_literals() {
        let all = words("a \"\n\n\" b\n/*\n*/ c::d");
        let lines: Vec<_> = all.iter().map(|word| (word.text, word.line)).collect();
        assert_eq!(lines, [("a", 1), ("b", 3), ("c", 5), ("::", 5), ("d", 5)]);
    }

    #[test]
    fn the_git_file_of_a_worktree_is_not_read() {
        let tree = crate::tidy::planted(&[(".git", "gitdir: elsewhere"), ("target/x", ""), (".gitignore", "")]);
        let paths: Vec<&str> = tree.files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, [".gitignore"]);
    }

    #[test]
    fn libraries_are_the_src_folders_of_crates() {
        let tree = crate::tidy::planted(&[
            ("crates/a/src/lib.rs", ""),
            ("crates/a/tests/it.rs", ""),
            ("tests/src/lib.rs", ""),
            ("target/crates/a/src/lib.rs", ""),
            ("xtask/src/main.rs", ""),
            (".git", "gitdir: somewhere else"),
        ]);
        assert_eq!(tree.files.len(), 4);
        let paths = |files: Vec<&Text>| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(tree.libraries().collect()), ["crates/a/src/lib.rs"]);
        assert_eq!(paths(tree.sources().collect()), ["crates/a/src/lib.rs", "xtask/src/main.rs"]);
        assert_eq!(tree.rust().count(), 4);
    }
}
