//! The messages that a `.proto` text declares, and how they nest. Nothing else of it is looked at.

/// A message and those within it, in the order of the text.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    /// With its package and the messages around it.
    name: String,
    nested: Vec<Node>,
}

/// All messages of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Messages(Vec<Node>);

/// What is open at a place of the text.
enum Open {
    Message(Node),
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
                    let around = match open.last() {
                        None => Some(package.as_str()),
                        Some(Open::Message(node)) => Some(node.name.as_str()),
                        Some(Open::Other) => None,
                    };
                    open.push(match (statement.as_slice(), around) {
                        (["message", name], Some(around)) => Open::Message(Node { name: joined(around, name), nested: Vec::new() }),
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

    /// The way to a message by its full name.
    pub(super) fn indexes(&self, name: &str) -> Option<Vec<i32>> {
        fn find(nodes: &[Node], name: &str, way: &mut Vec<i32>) -> bool {
            nodes.iter().zip(0..).any(|(node, index)| {
                way.push(index);
                let found = node.name == name || find(&node.nested, name, way);
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
    pub(super) fn name(&self, indexes: &[i32]) -> Option<&str> {
        let (mut nodes, mut name) = (&self.0, None);
        for index in indexes {
            let node = nodes.get(usize::try_from(*index).ok()?)?;
            (nodes, name) = (&node.nested, Some(node.name.as_str()));
        }
        name
    }

    /// The names of the outermost messages, for an error's text.
    pub(super) fn outermost(&self) -> String {
        self.0.iter().map(|node| format!("`{}`", node.name)).collect::<Vec<_>>().join(", ")
    }
}

fn joined(around: &str, name: &str) -> String {
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
