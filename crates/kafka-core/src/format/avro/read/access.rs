//! The parts of arrays, maps, records and unions, one after the other.

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, VariantAccess, Visitor};

use super::UnreadableDatum;
use super::cursor::Cursor;
use super::de::Reader;
use crate::format::avro::plan::{NodeId, Record, Take};

/// The items of an array, block by block.
pub(super) struct Items<'a, 'de> {
    within: Reader<'a, 'de>,
    item: NodeId,
    blocks: Blocks,
}

/// How far the blocks of an array or map are read.
#[derive(Debug, Default)]
struct Blocks {
    left: usize,
    ended: bool,
}

impl Blocks {
    /// Whether there is another item.
    fn next(&mut self, cursor: &mut Cursor<'_>) -> Result<bool, UnreadableDatum> {
        if self.left == 0 && !self.ended {
            self.left = cursor.block()?;
            self.ended = self.left == 0;
        }
        self.left = self.left.saturating_sub(1);
        Ok(!self.ended)
    }
}

impl<'a, 'de> Items<'a, 'de> {
    pub(super) fn new(within: Reader<'a, 'de>, item: NodeId) -> Self {
        Self { within, item, blocks: Blocks::default() }
    }

    /// Passes over what was not asked for.
    pub(super) fn finish(&mut self) -> Result<(), UnreadableDatum> {
        while self.blocks.next(self.within.cursor)? {
            self.within.cursor.skip(self.within.plan, self.item, self.within.depth + 1)?;
        }
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut Items<'_, 'de> {
    type Error = UnreadableDatum;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, UnreadableDatum> {
        if !self.blocks.next(self.within.cursor)? {
            return Ok(None);
        }
        let within = &mut self.within;
        Reader { plan: within.plan, node: self.item, cursor: within.cursor, depth: within.depth + 1 }.read(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.blocks.left)
    }
}

/// The entries of a map, block by block.
pub(super) struct Pairs<'a, 'de> {
    within: Reader<'a, 'de>,
    value: NodeId,
    blocks: Blocks,
}

impl<'a, 'de> Pairs<'a, 'de> {
    pub(super) fn new(within: Reader<'a, 'de>, value: NodeId) -> Self {
        Self { within, value, blocks: Blocks::default() }
    }

    pub(super) fn finish(&mut self) -> Result<(), UnreadableDatum> {
        while self.blocks.next(self.within.cursor)? {
            self.within.cursor.blob()?;
            self.within.cursor.skip(self.within.plan, self.value, self.within.depth + 1)?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Pairs<'_, 'de> {
    type Error = UnreadableDatum;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, UnreadableDatum> {
        if !self.blocks.next(self.within.cursor)? {
            return Ok(None);
        }
        let key = self.within.cursor.text()?;
        seed.deserialize(text(key)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, UnreadableDatum> {
        let within = &mut self.within;
        Reader { plan: within.plan, node: self.value, cursor: within.cursor, depth: within.depth + 1 }.read(seed)
    }
}

/// The fields of a record: those in the bytes, then those that the reader's schema adds.
pub(super) struct Fields<'a, 'de> {
    within: Reader<'a, 'de>,
    record: &'de Record,
    /// How many are behind us, the added ones among them.
    at: usize,
}

impl<'a, 'de> Fields<'a, 'de> {
    pub(super) fn new(within: Reader<'a, 'de>, record: &'de Record) -> Self {
        Self { within, record, at: 0 }
    }

    pub(super) fn finish(&mut self) -> Result<(), UnreadableDatum> {
        for field in self.record.fields.iter().skip(self.at) {
            self.within.cursor.skip(self.within.plan, field.node, self.within.depth + 1)?;
        }
        Ok(())
    }
}

impl<'de> MapAccess<'de> for &mut Fields<'_, 'de> {
    type Error = UnreadableDatum;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, UnreadableDatum> {
        let record = self.record;
        while let Some(field) = record.fields.get(self.at) {
            if field.take == Take::Read {
                return seed.deserialize(text(&field.name)).map(Some);
            }
            self.within.cursor.skip(self.within.plan, field.node, self.within.depth + 1)?;
            self.at += 1;
        }
        let Some((name, ..)) = record.added.get(self.at - record.fields.len()) else { return Ok(None) };
        seed.deserialize(text(name)).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, UnreadableDatum> {
        let (within, at, record) = (&mut self.within, self.at, self.record);
        self.at += 1;
        if let Some(field) = record.fields.get(at) {
            let value = Reader { plan: within.plan, node: field.node, cursor: within.cursor, depth: within.depth + 1 };
            return value.read(seed).map_err(|error| error.within(&field.name));
        }
        let Some((name, node, bytes)) = record.added.get(at - record.fields.len()) else {
            return Err(UnreadableDatum::new("a field was asked for that is not there"));
        };
        let mut cursor = Cursor::new(bytes);
        let value = Reader { plan: within.plan, node: *node, cursor: &mut cursor, depth: within.depth + 1 };
        value.read(seed).map_err(|error| error.within(name))
    }
}

fn text(text: &str) -> BorrowedStrDeserializer<'_, UnreadableDatum> {
    BorrowedStrDeserializer::new(text)
}

/// Bytes for who asks for a sequence of numbers.
pub(super) struct Bytes<'de>(std::slice::Iter<'de, u8>);

impl<'de> Bytes<'de> {
    pub(super) fn new(bytes: &'de [u8]) -> Self {
        Self(bytes.iter())
    }
}

impl<'de> SeqAccess<'de> for Bytes<'de> {
    type Error = UnreadableDatum;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, UnreadableDatum> {
        self.0.next().map(|byte| seed.deserialize((*byte).into_deserializer())).transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A branch of a union as a variant of a Rust enum.
pub(super) struct Variant<'a, 'de> {
    pub(super) name: &'static str,
    pub(super) content: Reader<'a, 'de>,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = UnreadableDatum;
    type Variant = Reader<'a, 'de>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Reader<'a, 'de>), UnreadableDatum> {
        Ok((seed.deserialize(text(self.name))?, self.content))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_, 'de> {
    type Error = UnreadableDatum;

    fn unit_variant(self) -> Result<(), UnreadableDatum> {
        self.cursor.skip(self.plan, self.node, self.depth)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, UnreadableDatum> {
        self.read(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.deserialize_map(visitor)
    }
}
