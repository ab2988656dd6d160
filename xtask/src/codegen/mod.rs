//! `cargo xtask codegen`: pages of the documentation that are written from the source, and the check that they still say the same.

mod rust;
mod settings;

use std::fs;

use anyhow::{Context, Result};
use clap::Args;

use crate::repo::Repo;

/// Flags of `cargo xtask codegen`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write nothing; fail when a page is not as it would be written. A part of `tidy`, and so of `ci`.
    #[arg(long)]
    check: bool,
}

/// A page as it is to be.
#[derive(Debug)]
struct Page {
    path: &'static str,
    text: String,
}

/// A page that is not as it is to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stale {
    pub(crate) path: &'static str,
    /// The first line that differs.
    pub(crate) line: usize,
}

/// Gives the text of a file by its path from the root.
pub(crate) type Read<'a> = &'a dyn Fn(&str) -> Result<String>;

fn pages(read: Read<'_>) -> Result<[Page; 1]> {
    Ok([Page { path: "docs/reference/settings.md", text: settings::page(read)? }])
}

/// The pages that differ from what their sources say.
///
/// # Errors
/// When a source says it in a way that is not understood.
pub(crate) fn stale(read: Read<'_>) -> Result<Vec<Stale>> {
    let differing = |page: Page| {
        let there = read(page.path).unwrap_or_default();
        let (mut have, mut want) = (there.lines(), page.text.lines());
        let line =
            1 + std::iter::from_fn(|| Some((have.next(), want.next()))).take_while(|(have, want)| have == want && have.is_some()).count();
        (there != page.text).then_some(Stale { path: page.path, line })
    };
    Ok(pages(read)?.into_iter().filter_map(differing).collect())
}

/// Writes the pages, or only compares them. Tells whether they were, or now are, as they are to be.
pub(crate) fn run(repo: &Repo, options: &Options) -> Result<bool> {
    let read = |path: &str| fs::read_to_string(repo.root().join(path)).with_context(|| format!("cannot read {path}"));
    let stale = stale(&read)?;
    if options.check {
        stale.iter().for_each(|Stale { path, line }| println!("{path}:{line}: not what its sources say; run cargo xtask codegen"));
        return Ok(stale.is_empty());
    }
    for page in pages(&read)?.iter().filter(|page| stale.iter().any(|stale| stale.path == page.path)) {
        let path = repo.root().join(page.path);
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(&path, &page.text).with_context(|| format!("cannot write {}", page.path))?;
        println!("{} written", page.path);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_repo(path: &str) -> Result<String> {
        Ok(fs::read_to_string(Repo::here()?.root().join(path))?)
    }

    #[test]
    fn the_pages_are_what_the_sources_say() {
        assert_eq!(stale(&of_repo).unwrap(), []);
    }

    /// The source as it would be with one text of a file replaced.
    fn with(file: &'static str, from: &'static str, to: &'static str) -> impl Fn(&str) -> Result<String> {
        move |path| {
            let text = of_repo(path)?;
            assert!(path != file || text.contains(from), "{from:?} is to be in {file}");
            Ok(if path == file { text.replacen(from, to, 1) } else { text })
        }
    }

    #[test]
    fn a_setting_and_its_name_go_together() {
        let file = "crates/kafka-modelsync/src/sync/settings.rs";
        let field = "    /// The schema of tables that do not say one. Default `public`.\n    pub db_schema: String,\n";
        for planted in [
            with(file, field, "    /// New. Default none.\n    pub new: Option<String>,\n"),
            with(file, field, ""),
            with(file, "    \"model_sync_db_schema\",\n", ""),
        ] {
            let error = stale(&planted).unwrap_err().to_string();
            assert!(error.contains("SECTIONS are not the fields of ModelSyncSettings"), "{error}");
        }
    }

    #[test]
    fn a_changed_comment_a_changed_page_and_a_missing_page_are_found() {
        let page = "docs/reference/settings.md";
        for planted in [
            with("crates/kafka-core/src/settings/mod.rs", "Default 1 s.", "Default 2 s."),
            with("crates/kafka-core/src/settings/properties.rs", "linger.ms\", \"5\"", "linger.ms\", \"50\""),
            with("crates/kafka-core/src/settings/schema_registry.rs", "pub ca_file:", "pub ca:"),
            with(page, "Default 1 s.", "Default 2 s."),
        ] {
            let found = stale(&planted).unwrap();
            assert!(matches!(found[..], [Stale { path, line: 2.. }] if path == page), "{found:?}");
        }
        let without_page = |path: &str| if path == page { anyhow::bail!("not there") } else { of_repo(path) };
        assert_eq!(stale(&without_page).unwrap(), [Stale { path: page, line: 1 }]);
    }
}
