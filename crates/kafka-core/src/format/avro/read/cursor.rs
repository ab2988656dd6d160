//! The bytes of a datum and how far they are read. Knows Avro's encodings of primitives, and how to pass over a type.

use super::UnreadableDatum;
use crate::format::avro::plan::{Node, NodeId, Plan};

/// Types may contain themselves, and bytes must not overflow our stack.
pub(crate) const DEEPEST: u8 = 96;

/// How many items of no bytes at all a block may claim.
const MOST_EMPTY: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Cursor<'de> {
    rest: &'de [u8],
}

impl<'de> Cursor<'de> {
    pub(crate) fn new(bytes: &'de [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'de [u8], UnreadableDatum> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(UnreadableDatum::new(format!("the bytes end where {count} more belong, {} are left", self.rest.len())));
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], UnreadableDatum> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    #[inline]
    pub(crate) fn long(&mut self) -> Result<i64, UnreadableDatum> {
        let (mut bits, mut shift) = (0_u64, 0);
        for (at, byte) in self.rest.iter().enumerate().take(10) {
            bits |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                self.rest = &self.rest[at + 1..];
                return Ok((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed());
            }
            shift += 7;
        }
        Err(UnreadableDatum::new(if self.rest.len() < 10 { "the bytes end within a number" } else { "a number does not end" }))
    }

    pub(crate) fn int(&mut self) -> Result<i32, UnreadableDatum> {
        let long = self.long()?;
        i32::try_from(long).map_err(|_| UnreadableDatum::new(format!("{long} is no int")))
    }

    pub(crate) fn boolean(&mut self) -> Result<bool, UnreadableDatum> {
        match self.take(1)? {
            [0] => Ok(false),
            [1] => Ok(true),
            other => Err(UnreadableDatum::new(format!("0x{:02x} is no boolean", other[0]))),
        }
    }

    pub(crate) fn blob(&mut self) -> Result<&'de [u8], UnreadableDatum> {
        let length = self.long()?;
        let count = usize::try_from(length).map_err(|_| UnreadableDatum::new(format!("{length} is no length")))?;
        self.take(count)
    }

    pub(crate) fn text(&mut self) -> Result<&'de str, UnreadableDatum> {
        std::str::from_utf8(self.blob()?).map_err(|error| UnreadableDatum::new(format!("a text is not UTF-8: {error}")))
    }

    /// How many items the next block of an array or map has; 0 ends it.
    pub(crate) fn block(&mut self) -> Result<usize, UnreadableDatum> {
        let count = self.long()?;
        if count < 0 {
            // The block's size in bytes, for those who pass over it.
            self.long()?;
        }
        let items = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        if items > self.rest.len().max(MOST_EMPTY) {
            return Err(UnreadableDatum::new(format!("a block claims {items} items, and {} bytes are left", self.rest.len())));
        }
        Ok(items)
    }

    /// The branch of a union.
    pub(crate) fn branch(&mut self, branches: &[NodeId]) -> Result<NodeId, UnreadableDatum> {
        let at = self.long()?;
        let branch = usize::try_from(at).ok().and_then(|at| branches.get(at));
        branch.copied().ok_or_else(|| UnreadableDatum::new(format!("a union has {} branches, and {at} is not one of them", branches.len())))
    }

    pub(crate) fn symbol<'a>(&mut self, symbols: &'a [Box<str>]) -> Result<&'a str, UnreadableDatum> {
        let at = self.long()?;
        let symbol = usize::try_from(at).ok().and_then(|at| symbols.get(at));
        symbol.map(|symbol| &**symbol).ok_or_else(|| UnreadableDatum::new(format!("an enum has no symbol {at}")))
    }

    /// Passes over a value.
    pub(crate) fn skip(&mut self, plan: &Plan, id: NodeId, depth: u8) -> Result<(), UnreadableDatum> {
        if depth >= DEEPEST {
            return Err(too_deep());
        }
        match plan.node(id) {
            Node::Null => {}
            Node::Boolean => {
                self.boolean()?;
            }
            Node::Int(_) | Node::Long(_) | Node::Enum { .. } => {
                self.long()?;
            }
            Node::Float => {
                self.take(4)?;
            }
            Node::Double => {
                self.take(8)?;
            }
            Node::Bytes(_) | Node::String(_) => {
                self.blob()?;
            }
            Node::Fixed { size, .. } => {
                self.take(*size)?;
            }
            Node::Array(item) => loop {
                match self.block()? {
                    0 => break,
                    count => (0..count).try_for_each(|_| self.skip(plan, *item, depth + 1))?,
                }
            },
            Node::Map(value) => loop {
                match self.block()? {
                    0 => break,
                    count => (0..count).try_for_each(|_| {
                        self.blob()?;
                        self.skip(plan, *value, depth + 1)
                    })?,
                }
            },
            Node::Union(branches) => {
                let branch = self.branch(branches)?;
                self.skip(plan, branch, depth + 1)?;
            }
            Node::Record(record) => record.fields.iter().try_for_each(|field| self.skip(plan, field.node, depth + 1))?,
            Node::Misfit(reason) => return Err(UnreadableDatum::new(&**reason)),
        }
        Ok(())
    }
}

pub(crate) fn too_deep() -> UnreadableDatum {
    UnreadableDatum::new(format!("it is nested more than {DEEPEST} times"))
}
