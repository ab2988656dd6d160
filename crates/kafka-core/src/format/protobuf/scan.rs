//! The messages that a `.proto` text declares, and how they nest. Nothing else of it is looked at.

/// A message and those within it, in the order of the text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// With its package and the messages around it.
    pub(super) name: String,
    pub(super) nested: Vec<Message>,
    /// Whether it is no message of the text, but what a compiler makes of a `map` field.
    pub(super) entry: bool,
}

/// All messages of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Messages(pub(super) Vec<Message>);

/// What counts as a message on a way. A compiler makes a message of each `map` field, and puts it among those that are nested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Messages of the text: so the registry's own clients count.
    AsWritten,
    /// Those of `map` fields too: so clients count that stand on descriptors, in Python and Go.
    WithEntries,
}

/// What is open at a place of the text.
enum Open {
    Message(Message),
    /// An enum, a service, a `oneof`, an option's value.
    Other,
}

impl Messages {
    pub(super) fn scan(text: &str) -> Self {
        let (mut package, mut found, mut open) = (String::new(), Vec::new(), Vec::<Open>::new());
        let mut statement: Vec<&str> = Vec::new();
        for word in words(text) {
            match word {
                "{" => {
                    // Of a field's options.
                    note_entry(&statement, &mut open);
                    let around = match open.last() {
                        None => Some(package.as_str()),
                        Some(Open::Message(node)) => Some(node.name.as_str()),
                        Some(Open::Other) => None,
                    };
                    open.push(match (statement.as_slice(), around) {
                        (["message", name], Some(around)) => Open::Message(message(joined(around, name), false)),
                        _ => Open::Other,
                    });
                    statement.clear();
                }
                "}" => {
                    if let Some(Open::Message(node)) = open.pop() {
                        match open.last_mut() {
                            Some(Open::Message(outer)) => outer.nested.push(node),
                            _ => found.push(node),
                        }
                    }
                    statement.clear();
                }
                ";" => {
                    note_entry(&statement, &mut open);
                    if let (["package", name @ ..], true) = (statement.as_slice(), open.is_empty()) {
                        package = name.concat();
                    }
                    statement.clear();
                }
                word => statement.push(word),
            }
        }
        Self(found)
    }

    /// The way to a message by its full name, as the registry counts: messages as they stand in the text.
    pub(super) fn indexes(&self, name: &str) -> Option<Vec<i32>> {
        fn find(messages: &[Message], name: &str, way: &mut Vec<i32>) -> bool {
            messages.iter().filter(|message| !message.entry).zip(0..).any(|(message, index)| {
                way.push(index);
                let found = message.name == name || find(&message.nested, name, way);
                if !found {
                    way.pop();
                }
                found
            })
        }
        let mut way = Vec::new();
        find(&self.0, name, &mut way).then_some(way)
    }

    /// The full name of the message that a way leads to.
    pub(super) fn name(&self, indexes: &[i32], counted: Counted) -> Option<&str> {
        let (mut messages, mut name) = (&self.0, None);
        for index in indexes {
            let mut counting = messages.iter().filter(|message| counted == Counted::WithEntries || !message.entry);
            let message = counting.nth(usize::try_from(*index).ok()?)?;
            (messages, name) = (&message.nested, Some(message.name.as_str()));
        }
        name
    }

    /// The files that a text imports.
    pub(super) fn imports(text: &str) -> Vec<String> {
        let words: Vec<_> = words(text).collect();
        let statements = words.split(|word| matches!(*word, ";" | "{" | "}"));
        let imported = statements.filter_map(|statement| match statement {
            ["import", "public" | "weak", file] | ["import", file] => Some(file.trim_matches(['"', '\'']).to_owned()),
            _ => None,
        });
        imported.collect()
    }

    /// The names of the outermost messages, for an error's text.
    pub(super) fn outermost(&self) -> String {
        self.0.iter().map(|message| format!("`{}`", message.name)).collect::<Vec<_>>().join(", ")
    }
}

/// Adds what a compiler makes of a `map` field.
fn note_entry(statement: &[&str], open: &mut [Open]) {
    if let (Some(name), Some(Open::Message(around))) = (map_entry(statement), open.last_mut()) {
        let name = joined(&around.name, &name);
        around.nested.push(message(name, true));
    }
}

/// The entry of a `map` field, as compilers name it; none for another statement.
fn map_entry(statement: &[&str]) -> Option<String> {
    let ["map", "<", rest @ ..] = statement else { return None };
    let name = rest.get(rest.iter().position(|word| *word == ">")? + 1)?;
    let parts = name.split('_').map(|part| {
        let mut letters = part.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    });
    Some(parts.collect::<String>() + "Entry")
}

fn message(name: String, entry: bool) -> Message {
    Message { name, nested: Vec::new(), entry }
}

pub(super) fn joined(around: &str, name: &str) -> String {
    if around.is_empty() { name.to_owned() } else { format!("{around}.{name}") }
}

/// Words and signs; comments are left out, and a string is one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut left = text;
    std::iter::from_fn(move || {
        loop {
            left = left.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
            if left.starts_with("//") {
                left = left.find('\n').map_or("", |end| &left[end..]);
            } else if let Some(comment) = left.strip_prefix("/*") {
                left = comment.find("*/").map_or("", |end| &comment[end + 2..]);
            } else {
                break;
            }
        }
        let first = left.chars().next()?;
        let end = match first {
            '"' | '\'' => string(left, first),
            _ if is_word(first) => left.find(|c| !is_word(c)).unwrap_or(left.len()),
            _ => first.len_utf8(),
        };
        let word;
        (word, left) = left.split_at(end);
        Some(word)
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '.'
}

/// Where a string ends that the text begins with.
fn string(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return at + c.len_utf8(),
            _ => {}
        }
    }
    text.len()
}
