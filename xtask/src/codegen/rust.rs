//! The little of Rust that the pages are written from: structs, enums and tables of defaults, as `rustfmt` lays them out.
//!
//! Lines, not a grammar. What is not understood is an error with its place: nothing is passed over.

use anyhow::{Context, Result, bail};

use super::Read;

/// A source file.
#[derive(Debug)]
pub(super) struct Source {
    path: String,
    text: String,
}

/// A struct or enum with its documentation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    /// The first paragraph.
    pub(super) doc: String,
    pub(super) members: Vec<Member>,
}

/// A public field, or a variant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) name: String,
    /// The field's type; empty for a variant.
    pub(super) ty: String,
    pub(super) doc: String,
}

/// A line `default("name", "value", "reason")`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Default {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) reason: String,
}

impl Source {
    pub(super) fn read(path: &str, read: Read<'_>) -> Result<Self> {
        Ok(Self { path: path.to_owned(), text: read(path)? })
    }

    /// The fields that are read from settings.
    pub(super) fn structure(&self, name: &str) -> Result<Item> {
        self.item(&format!("pub struct {name} {{"), |line, skipped| {
            let public = line.strip_prefix("pub ");
            let field = public.or(line.strip_prefix("pub(crate) ")).unwrap_or(line);
            let (name, ty) = field.strip_suffix(',')?.split_once(": ")?;
            let known = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            match (known, public, skipped) {
                (false, ..) | (_, None, false) => None,
                (_, _, true) => Some(None),
                (_, Some(_), false) => Some(Some((name.to_owned(), ty.to_owned()))),
            }
        })
    }

    /// The words for the variants of an enum whose words are written with hyphens.
    pub(super) fn words(&self, name: &str) -> Result<Item> {
        let mut item = self.item(&format!("pub enum {name} {{"), |line, _| {
            let variant = line.strip_suffix(',')?;
            variant.chars().all(|c| c.is_ascii_alphanumeric()).then(|| Some((hyphened(variant), String::new())))
        })?;
        if !self.above(&format!("pub enum {name} {{"))?.1.contains(&"#[serde(rename_all = \"kebab-case\")]") {
            bail!("{}: {name} is not written with hyphens; teach codegen its words", self.path);
        }
        item.members.retain(|member| !member.name.is_empty());
        Ok(item)
    }

    /// The lines of a table of defaults, and the paragraph above it.
    pub(super) fn defaults(&self, name: &str) -> Result<(String, Vec<Default>)> {
        let head = format!("pub const {name}: &[PropertyDefault] = &[");
        let (doc, _) = self.above(&head)?;
        let mut defaults = Vec::new();
        let mut begun = String::new();
        for (at, line) in self.below(&head)? {
            match line.trim() {
                "];" if begun.is_empty() => return Ok((doc, defaults)),
                line => begun += line,
            }
            if let Some(arguments) = begun.strip_prefix("default(").and_then(|rest| rest.strip_suffix("),")) {
                defaults.push(
                    default(arguments).with_context(|| format!("{}:{at}: not `default(\"name\", \"value\", \"reason\")`", self.path))?,
                );
                begun.clear();
            }
        }
        bail!("{}: {name} does not end in a line `];`, or has a line that is no `default(…),`: {begun}", self.path)
    }

    /// The texts of an array, `const NAME: [&str; n] = ["…", …];`.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let not_there = || format!("{} has no `const {name}: [&str; n] = [\"…\", …];`", self.path);
        let (_, after) = self.text.split_once(&format!("const {name}: [&str; ")).with_context(not_there)?;
        let (array, _) = after.split_once("];").with_context(not_there)?;
        let (_, array) = array.split_once('[').with_context(not_there)?;
        let texts = array.split(',').map(str::trim).filter(|text| !text.is_empty());
        texts
            .map(|text| {
                let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
                bare.map(str::to_owned).with_context(|| format!("{}: `{text}` in {name} is no text", self.path))
            })
            .collect()
    }

    fn item(&self, head: &str, member: impl Fn(&str, bool) -> Option<Option<(String, String)>>) -> Result<Item> {
        let (doc, _) = self.above(head)?;
        let mut members = Vec::new();
        let (mut said, mut skipped) = (Vec::new(), false);
        for (at, line) in self.below(head)? {
            if line == "}" {
                return Ok(Item { doc, members });
            }
            let line = line.trim();
            if let Some(text) = line.strip_prefix("///") {
                said.push(text);
            } else if line.starts_with("#[") && line.ends_with(']') {
                if line.contains("rename") || line.contains("flatten") {
                    bail!("{}:{at}: `{line}` changes the name of a setting; teach codegen what it is then", self.path);
                }
                skipped |= line == "#[serde(skip)]";
            } else if !line.is_empty() {
                let Some(understood) = member(line, skipped) else {
                    bail!("{}:{at}: `{line}` is not understood; write `pub name: Type,`, or teach codegen", self.path);
                };
                if let Some((name, ty)) = understood {
                    if said.is_empty() {
                        bail!("{}:{at}: `{name}` has no documentation", self.path);
                    }
                    members.push(Member { name, ty, doc: paragraph(&said) });
                }
                (said, skipped) = (Vec::new(), false);
            }
        }
        bail!("{}: `{head}` has no end", self.path)
    }

    /// The first paragraph of the documentation above a line, and the attributes there.
    fn above(&self, head: &str) -> Result<(String, Vec<&str>)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let at = lines.iter().position(|line| *line == head).with_context(|| format!("{} has no line `{head}`", self.path))?;
        let begin = lines[..at].iter().rposition(|line| !line.starts_with("///") && !line.starts_with("#[")).map_or(0, |above| above + 1);
        let (doc, attributes): (Vec<&str>, Vec<&str>) = lines[begin..at].iter().partition(|line| line.starts_with("///"));
        let doc: Vec<&str> = doc.into_iter().map(|line| &line[3..]).collect();
        Ok((paragraph(&doc), attributes))
    }

    /// The lines below, with their numbers.
    fn below(&self, head: &str) -> Result<impl Iterator<Item = (usize, &str)>> {
        let at = self.text.lines().position(|line| line == head).with_context(|| format!("{} has no line `{head}`", self.path))?;
        Ok(self.text.lines().enumerate().skip(at + 1).map(|(at, line)| (at + 1, line)))
    }
}

/// Lines of documentation up to the first empty one, on one line; links to items lose their brackets.
fn paragraph(lines: &[&str]) -> String {
    let lines: Vec<&str> = lines.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
    lines.join(" ").replace("[`", "`").replace("`]", "`")
}

/// `TopicRecord` as `topic-record`.
fn hyphened(variant: &str) -> String {
    let mut word = String::new();
    for c in variant.chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('-');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

/// Three string literals.
fn default(arguments: &str) -> Option<Default> {
    let mut literals = Vec::new();
    let mut rest = arguments.trim();
    while let Some(inside) = rest.strip_prefix('"') {
        let (text, behind) = inside.split_once('"')?;
        if text.contains('\\') {
            return None;
        }
        literals.push(text.to_owned());
        rest = behind.trim_start().trim_start_matches(',').trim_start();
    }
    let [name, value, reason] = literals.try_into().ok()?;
    rest.is_empty().then_some(Default { name, value, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source { path: "a.rs".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_struct_is_its_documented_fields() {
        let text = "/// Not it.\n\n/// The [`Link`].\n/// Goes on.\n///\n/// More.\n#[derive(Debug)]\npub struct A {\n    /// One\n    /// and [`Two`].\n    \
                    #[serde(default)]\n    pub one: Option<u32>,\n\n    #[serde(skip)]\n    hidden: X,\n    #[serde(skip)]\n    pub(crate) y: crate::Y,\n}\n";
        let one = Member { name: "one".to_owned(), ty: "Option<u32>".to_owned(), doc: "One and `Two`.".to_owned() };
        assert_eq!(source(text).structure("A").unwrap(), Item { doc: "The `Link`. Goes on.".to_owned(), members: vec![one] });
    }

    #[test]
    fn what_is_not_understood_is_an_error_with_its_place() {
        let wrong = |field: &str| source(&format!("/// A.\npub struct A {{\n{field}\n}}\n")).structure("A").unwrap_err().to_string();
        for (field, place) in [
            ("    pub one: u32,", "a.rs:3: `one` has no documentation"),
            ("    /// One.\n    one: u32,", "a.rs:4: `one: u32,` is not understood"),
            ("    /// One.\n    pub one: BTreeMap<\n", "a.rs:4"),
            ("    /// One.\n    /* one */\n", "a.rs:4"),
            ("    /// One.\n    #[serde(rename = \"two\")]\n    pub one: u32,", "a.rs:4"),
            ("    /// One.\n    #[serde(\n        skip\n    )]\n    pub one: u32,", "a.rs:4"),
        ] {
            assert!(wrong(field).starts_with(place), "{field}: {}", wrong(field));
        }
        assert!(source("pub struct A {\n    /// One.\n    pub one: u32,\n").structure("A").unwrap_err().to_string().contains("no end"));
        assert!(source("struct A {\n}\n").structure("A").unwrap_err().to_string().contains("has no line"));
    }

    #[test]
    fn an_enum_is_its_words() {
        let text = "/// A.\n#[serde(rename_all = \"kebab-case\")]\npub enum A {\n    /// One.\n    #[default]\n    OneTwo,\n    /// Three.\n    Three,\n}\n";
        let words =
            |text: &str| Ok::<_, anyhow::Error>(source(text).words("A")?.members.into_iter().map(|word| word.name).collect::<Vec<_>>());
        assert_eq!(words(text).unwrap(), ["one-two", "three"]);
        assert!(words(&text.replace("kebab-case", "snake_case")).is_err());
        assert!(words(&text.replace("Three,", "Three(u8),")).is_err());
    }

    #[test]
    fn defaults_are_lines_of_three_texts() {
        let table = |lines: &str| format!("/// Ours.\npub const D: &[PropertyDefault] = &[\n{lines}\n];\n");
        let right =
            table("    default(\"a\", \"1\", \"so, or so\"),\n    default(\n        \"b\",\n        \"2\",\n        \"long\",\n    ),");
        let (doc, defaults) = source(&right).defaults("D").unwrap();
        let of = |name: &str, value: &str, reason: &str| Default { name: name.into(), value: value.into(), reason: reason.into() };
        assert_eq!((doc.as_str(), defaults), ("Ours.", vec![of("a", "1", "so, or so"), of("b", "2", "long")]));
        for wrong in
            ["    default(\"a\", \"1\"),", "    default(\"a\", ONE, \"so\"),", "    other(\"a\"),", "    default(\"a\", \"\\\"\", \"b\"),"]
        {
            assert!(source(&table(wrong)).defaults("D").is_err(), "{wrong}");
        }
    }
}
