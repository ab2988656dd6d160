//! The rule about pages that are written from the source: they are what it says.

use anyhow::Context;

use super::Finding;
use super::tree::Tree;
use crate::codegen;

pub(super) fn pages(tree: &Tree) -> Vec<Finding> {
    let read = |path: &str| {
        let file = tree.files.iter().find(|file| file.path == path);
        file.map(|file| file.text.clone()).with_context(|| format!("{path} is not there"))
    };
    match codegen::stale(&read) {
        Ok(stale) => {
            let what = "not what its sources say; run cargo xtask codegen";
            stale.iter().map(|stale| Finding::new(stale.path, stale.line, what)).collect()
        }
        Err(error) => vec![Finding::new("docs/reference", 1, format!("cannot be written: {error:#}"))],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::Repo;

    #[test]
    fn a_planted_difference_is_found() {
        let mut tree = Tree::read(Repo::here().unwrap().root()).unwrap();
        assert_eq!(pages(&tree), []);
        let page = tree.files.iter_mut().find(|file| file.path == "docs/reference/settings.md").unwrap();
        page.text = page.text.replacen("# Settings", "# Setings", 1);
        let found = pages(&tree);
        assert!(matches!(&found[..], [Finding { path, line: 1, .. }] if path == "docs/reference/settings.md"), "{found:?}");
        tree.files.retain(|file| !file.path.ends_with("/retry.rs"));
        assert_eq!(pages(&tree).len(), 1, "a source that is gone is a finding");
    }
}
