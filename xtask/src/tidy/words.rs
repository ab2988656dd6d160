//! Rules about words that do not stand in this repository: unfinished code, one machine's paths, names that say nothing.

use super::Finding;
use super::places::occurrences;
use super::tree::Tree;

/// Code that is not done, or a test that nobody runs.
const UNFINISHED: [&[&str]; 6] = [
    &["#", "[", "ignore", "]"],
    &["#", "[", "ignore", "="],
    &["todo", "!", "("],
    &["todo", "!", "["],
    &["unimplemented", "!", "("],
    &["dbg", "!", "("],
];

/// Where one machine's directories begin; written in two parts so that this file does not break its own rule.
const MACHINE: [&str; 3] = [concat!("/", "work/"), concat!("/", "root/"), concat!("/", "home/")];

/// Endings of type names that say nothing of what the type is.
const BANNED: [&str; 8] = ["Manager", "Helper", "Helpers", "Util", "Utils", "Impl", "Base", "Wrapper"];

/// Nothing is left undone, and every test runs; a tier is a package or a feature.
pub(super) fn unfinished(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let words = file.words();
        for sought in UNFINISHED {
            findings.extend(occurrences(&words, sought).into_iter().map(|line| {
                let what = format!("{} is left in; finish it or take it out", sought.concat());
                Finding::new(&file.path, line, what)
            }));
        }
    }
    findings
}

/// The repository works at any place of any machine.
pub(super) fn absolute_paths(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.files {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(path) = MACHINE.iter().find(|path| begins_a_path(line, path)) {
                let what = format!("a path of one machine ({path}…); write it from the root of the repository");
                findings.push(Finding::new(&file.path, at + 1, what));
            }
        }
    }
    findings
}

/// A type's name says what it is.
pub(super) fn banned_names(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for window in file.words().windows(3) {
            let [before, keyword, name] = window else {
                continue;
            };
            // `)` ends `pub(crate)`.
            let is_public = matches!(before.text, "pub" | ")");
            let is_type = matches!(keyword.text, "struct" | "enum" | "trait");
            if let Some(ending) = BANNED.iter().find(|ending| name.text.ends_with(*ending))
                && is_public
                && is_type
            {
                let what = format!("{} ends in {ending}; name it after what it is or does", name.text);
                findings.push(Finding::new(&file.path, name.line, what));
            }
        }
    }
    findings
}

/// Whether the line has `path` where a path begins, and not in the middle of one.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "_-.~*})>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::super::found;
    use super::*;

    const PATH: &str = "crates/a/src/lib.rs";

    #[test]
    fn unfinished_code_is_found() {
        let source = "#[test]\n#[ignore]\nfn a() { todo!() }\n#[ignore = \"slow\"]\nfn b() { unimplemented!(\"x\"); dbg!(1); }\n";
        let mut lines = found(unfinished, &[(PATH, source)]);
        lines.sort();
        assert_eq!(lines, [2, 3, 4, 5, 5].map(|line| format!("{PATH}:{line}")));
    }

    #[test]
    fn a_word_for_it_is_not_the_thing() {
        assert_eq!(found(unfinished, &[(PATH, "// todo!()\nfn todo() { ignore(\"dbg!(1)\") }")]), [""; 0]);
    }

    #[test]
    fn a_path_of_one_machine_is_found_in_any_file() {
        for path in MACHINE {
            let line = format!("first\nsee \"{path}main\"\n");
            assert_eq!(found(absolute_paths, &[("docs/a.md", &line)]), ["docs/a.md:2"]);
            let relative = format!("src{path}mod.rs, ${{X}}{path}y\n");
            assert_eq!(found(absolute_paths, &[("docs/a.md", &relative)]), [""; 0]);
        }
    }

    #[test]
    fn a_name_that_says_nothing_is_found() {
        let faults = |source: &str| found(banned_names, &[(PATH, source)]).len();
        assert_eq!(faults("pub struct TopicManager;"), 1);
        assert_eq!(faults("pub(crate) enum OffsetUtils {}"), 1);
        assert_eq!(faults("pub trait StoreImpl {}"), 1);
        assert_eq!(faults("struct TopicManager;"), 0);
        assert_eq!(faults("pub struct Database;"), 0);
    }
}
