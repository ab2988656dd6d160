//! A writer's schema read as a reader's: which fields are skipped, renamed, promoted, and which defaults come in.

use std::collections::HashMap;

use super::{Field, Meaning, Node, NodeId, Plan, Record, Take, UnusableSchema};

impl Plan {
    /// The plan for bytes of `self` that are to be read as `reader`.
    ///
    /// # Errors
    /// When the two have nothing to do with each other. What depends on the value (a branch of a union) is an error when it is met.
    pub(crate) fn resolve(&self, reader: &Self) -> Result<Self, UnusableSchema> {
        // The reader's nodes come along as they are: defaults are of their types.
        let mut resolver = Resolver { writer: self, reader, nodes: reader.nodes.clone(), known: HashMap::new(), depth: 0 };
        let root = resolver.pair(self.root, reader.root)?;
        Ok(Self { nodes: resolver.nodes, root, semantics: HashMap::new() })
    }
}

struct Resolver<'a> {
    writer: &'a Plan,
    reader: &'a Plan,
    nodes: Vec<Node>,
    known: HashMap<(NodeId, NodeId), NodeId>,
    depth: usize,
}

/// Schemas name one another, and must not overflow our stack. Deeper data is not read either.
const DEEPEST: usize = 250;

impl Resolver<'_> {
    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn pair(&mut self, from: NodeId, to: NodeId) -> Result<NodeId, UnusableSchema> {
        if let Some(known) = self.known.get(&(from, to)) {
            return Ok(*known);
        }
        if self.depth >= DEEPEST {
            return Err(UnusableSchema::new(format!("it is nested more than {DEEPEST} times")));
        }
        self.depth += 1;
        let paired = self.pair_anew(from, to);
        self.depth -= 1;
        paired
    }

    fn pair_anew(&mut self, from: NodeId, to: NodeId) -> Result<NodeId, UnusableSchema> {
        let (writer, reader) = (self.writer, self.reader);
        let misfit = || {
            let (from, to) = (writer.branch_names(from).1, reader.branch_names(to).1);
            UnusableSchema::new(format!("what was written as `{from}` cannot be read as `{to}`"))
        };
        Ok(match (writer.node(from), reader.node(to)) {
            (Node::Union(branches), _) => {
                let branches = branches.iter().map(|branch| {
                    let paired = self.pair(*branch, to);
                    paired.unwrap_or_else(|error| self.add(Node::Misfit(error.reason.into())))
                });
                let branches: Vec<_> = branches.collect();
                if branches.iter().all(|branch| matches!(self.nodes[*branch], Node::Misfit(_))) {
                    return Err(misfit());
                }
                self.add(Node::Union(branches))
            }
            (_, Node::Union(branches)) => self.branch(from, branches).ok_or_else(misfit)?,
            (Node::Null, Node::Null) => self.add(Node::Null),
            (Node::Boolean, Node::Boolean) => self.add(Node::Boolean),
            // Numbers grow: the bytes stay what they are, and the reader's type takes the number.
            (Node::Int(_), Node::Int(meaning) | Node::Long(meaning)) => self.add(Node::Int(*meaning)),
            (Node::Int(_), Node::Float | Node::Double) => self.add(Node::Int(Meaning::Plain)),
            (Node::Long(_), Node::Long(meaning)) => self.add(Node::Long(*meaning)),
            (Node::Long(_), Node::Float | Node::Double) => self.add(Node::Long(Meaning::Plain)),
            (Node::Float, Node::Float | Node::Double) => self.add(Node::Float),
            (Node::Double, Node::Double) => self.add(Node::Double),
            // The scale is the writer's, whatever the reader would have written.
            (Node::Bytes(written @ Meaning::Decimal { .. }), Node::Bytes(Meaning::Decimal { .. }) | Node::Fixed { .. }) => {
                self.add(Node::Bytes(*written))
            }
            (Node::Bytes(written), Node::Bytes(meaning) | Node::String(meaning)) => {
                self.add(Node::Bytes(if *meaning == Meaning::Plain { *written } else { *meaning }))
            }
            (Node::String(written), Node::String(meaning) | Node::Bytes(meaning)) => {
                self.add(Node::String(if *meaning == Meaning::Plain { *written } else { *meaning }))
            }
            (Node::Fixed { size, .. }, Node::Fixed { size: wanted, .. }) if size != wanted => return Err(misfit()),
            (fixed @ Node::Fixed { .. }, Node::Fixed { .. }) => self.add(fixed.clone()),
            (fixed @ Node::Fixed { meaning: Meaning::Decimal { .. }, .. }, Node::Bytes(Meaning::Decimal { .. })) => self.add(fixed.clone()),
            (Node::Enum { symbols, .. }, Node::Enum { name, symbols: wanted, default }) => {
                let read = |symbol: &str| if wanted.iter().any(|known| **known == *symbol) { None } else { default.clone() };
                let symbols = symbols.iter().map(|symbol| read(symbol).unwrap_or_else(|| symbol.clone())).collect();
                self.add(Node::Enum { name: name.clone(), symbols, default: None })
            }
            (Node::Array(from), Node::Array(to)) => {
                let items = self.pair(*from, *to)?;
                self.add(Node::Array(items))
            }
            (Node::Map(from), Node::Map(to)) => {
                let values = self.pair(*from, *to)?;
                self.add(Node::Map(values))
            }
            (Node::Record(written), Node::Record(read)) => {
                // A place first: a record may contain itself.
                let place = self.add(Node::Null);
                self.known.insert((from, to), place);
                match self.record(written, read) {
                    Ok(record) => self.nodes[place] = Node::Record(Box::new(record)),
                    Err(error) => {
                        self.known.remove(&(from, to));
                        return Err(error);
                    }
                }
                place
            }
            _ => return Err(misfit()),
        })
    }

    /// The branch of the reader's union that takes the type: one of the same name, else of the same kind, else any.
    fn branch(&mut self, from: NodeId, branches: &[NodeId]) -> Option<NodeId> {
        let (writer, reader) = (self.writer, self.reader);
        let (short, full) = writer.branch_names(from);
        let alike = |to: &NodeId| match reader.node(*to) {
            Node::Record(record) => record.aliases.iter().any(|alias| **alias == *full || **alias == *short),
            _ => false,
        };
        let ranks: [&dyn Fn(&NodeId) -> bool; 4] =
            [&|to| reader.branch_names(*to).1 == full, &alike, &|to| reader.branch_names(*to).0 == short, &|to| {
                // A record is not just any record.
                !(matches!(writer.node(from), Node::Record(_)) && branches.len() > 2 && matches!(reader.node(*to), Node::Record(_)))
            }];
        ranks.iter().find_map(|rank| branches.iter().filter(|to| rank(to)).find_map(|to| self.pair(from, *to).ok()))
    }

    fn record(&mut self, written: &Record, read: &Record) -> Result<Record, UnusableSchema> {
        let mut taken = vec![false; read.fields.len()];
        let mut fields = Vec::with_capacity(written.fields.len());
        for field in &written.fields {
            let by_name = read.fields.iter().position(|wanted| wanted.name == field.name);
            let wanted =
                by_name.or_else(|| read.fields.iter().position(|wanted| wanted.aliases.iter().any(|alias| **alias == *field.name)));
            let (name, node, take) = match wanted {
                Some(at) if !taken[at] => {
                    taken[at] = true;
                    let node = self.pair(field.node, read.fields[at].node);
                    let node = node.map_err(|error| UnusableSchema::new(format!("field `{}`: {}", field.name, error.reason)))?;
                    (read.fields[at].name.clone(), node, Take::Read)
                }
                _ => (field.name.clone(), self.copy(field.node), Take::Skip),
            };
            fields.push(Field { name, node, take, default: None, aliases: Vec::new() });
        }
        let mut added = Vec::new();
        for (field, _) in read.fields.iter().zip(taken).filter(|(_, taken)| !taken) {
            let Some(json) = &field.default else {
                let reason = format!("`{}` was written without the field `{}`, which has no default", written.name.full(), field.name);
                return Err(UnusableSchema::new(reason));
            };
            let mut bytes = Vec::new();
            self.reader.put_default(field.node, json, &mut bytes)?;
            added.push((field.name.clone(), field.node, bytes));
        }
        let meaning = if written.meaning == Meaning::Plain { read.meaning } else { written.meaning };
        Ok(Record { name: read.name.clone(), meaning, fields, added, aliases: Vec::new() })
    }

    /// The writer's type as it is, to be skipped.
    fn copy(&mut self, from: NodeId) -> NodeId {
        // No reader's place is as large as this mark.
        const SKIPPED: NodeId = NodeId::MAX;
        if let Some(known) = self.known.get(&(from, SKIPPED)) {
            return *known;
        }
        let place = self.add(Node::Null);
        self.known.insert((from, SKIPPED), place);
        if self.depth >= DEEPEST {
            self.nodes[place] = Node::Misfit(format!("it is nested more than {DEEPEST} times").into());
            return place;
        }
        self.depth += 1;
        let node = match self.writer.node(from).clone() {
            Node::Array(items) => Node::Array(self.copy(items)),
            Node::Map(values) => Node::Map(self.copy(values)),
            Node::Union(branches) => Node::Union(branches.into_iter().map(|branch| self.copy(branch)).collect()),
            Node::Record(mut record) => {
                for field in &mut record.fields {
                    field.node = self.copy(field.node);
                }
                Node::Record(record)
            }
            other => other,
        };
        self.depth -= 1;
        self.nodes[place] = node;
        place
    }
}
