//! The deserializer: the type that asks decides in which form it gets a value.

use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, Unexpected, Visitor};

use super::UnreadableDatum;
use super::access::{Bytes, Fields, Items, Pairs, Variant};
use super::cursor::{Cursor, DEEPEST, too_deep};
use crate::format::avro::meaning_text as text;
use crate::format::avro::plan::{Meaning, Node, NodeId, Plan, Record};

/// One value that is to be read.
pub(crate) struct Reader<'a, 'de> {
    /// Lives as long as the bytes: defaults and symbols are parts of the answer too.
    pub(super) plan: &'de Plan,
    pub(super) node: NodeId,
    pub(super) cursor: &'a mut Cursor<'de>,
    pub(super) depth: u8,
}

/// The form in which a type asks for a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Want {
    /// In whatever form it has.
    Any,
    Number,
    Float,
    Text,
    Bytes,
}

impl<'a, 'de> Reader<'a, 'de> {
    pub(crate) fn root(plan: &'de Plan, cursor: &'a mut Cursor<'de>) -> Self {
        Self { plan, node: plan.root, cursor, depth: 0 }
    }

    fn of(&mut self, node: NodeId) -> Reader<'_, 'de> {
        Reader { plan: self.plan, node, cursor: self.cursor, depth: self.depth + 1 }
    }

    /// Goes through unions to the branch that was written.
    #[inline]
    fn settle(mut self) -> Result<Self, UnreadableDatum> {
        while let Node::Union(branches) = self.plan.node(self.node) {
            self.node = self.cursor.branch(branches)?;
        }
        if self.depth >= DEEPEST { Err(too_deep()) } else { Ok(self) }
    }

    fn visit<V: Visitor<'de>>(self, want: Want, visitor: V) -> Result<V::Value, UnreadableDatum> {
        let this = self.settle()?;
        match this.plan.node(this.node) {
            Node::Null => visitor.visit_unit(),
            Node::Boolean => visitor.visit_bool(this.cursor.boolean()?),
            Node::Int(meaning) => {
                let number = this.cursor.int()?;
                match (meaning, want) {
                    (Meaning::Plain, _) | (_, Want::Any | Want::Number | Want::Float | Want::Bytes) => visitor.visit_i32(number),
                    (meaning, Want::Text) => visit_moment(*meaning, number.into(), visitor),
                }
            }
            Node::Long(meaning) => {
                let number = this.cursor.long()?;
                match (meaning, want) {
                    (Meaning::Plain, _) | (_, Want::Any | Want::Number | Want::Float | Want::Bytes) => visitor.visit_i64(number),
                    (meaning, Want::Text) => visit_moment(*meaning, number, visitor),
                }
            }
            Node::Float => visitor.visit_f32(f32::from_le_bytes(this.cursor.array()?)),
            Node::Double => visitor.visit_f64(f64::from_le_bytes(this.cursor.array()?)),
            Node::Bytes(meaning) => visit_blob(this.cursor.blob()?, *meaning, want, visitor),
            Node::Fixed { size, meaning, .. } => visit_blob(this.cursor.take(*size)?, *meaning, want, visitor),
            Node::String(meaning) => {
                let text = this.cursor.text()?;
                if *meaning == Meaning::Zoned
                    && let Some(text) = text::without_zone(text, std::any::type_name::<V::Value>())
                {
                    return visitor.visit_str(&text);
                }
                match want {
                    Want::Float => match text::float(text) {
                        Some(number) => visitor.visit_f64(number),
                        None => visitor.visit_borrowed_str(text),
                    },
                    Want::Bytes => visitor.visit_borrowed_bytes(text.as_bytes()),
                    Want::Any | Want::Number | Want::Text => visitor.visit_borrowed_str(text),
                }
            }
            Node::Enum { symbols, .. } => visitor.visit_borrowed_str(this.cursor.symbol(symbols)?),
            Node::Record(record) if record.meaning == Meaning::VariableScaleDecimal => {
                visit_decimal(&this.variable_decimal(record)?, want, visitor)
            }
            Node::Array(_) => this.items(visitor),
            Node::Map(_) | Node::Record(_) => this.entries(visitor),
            Node::Misfit(reason) => Err(UnreadableDatum::new(&**reason)),
            Node::Union(_) => Err(UnreadableDatum::new("a union within a union")),
        }
    }

    /// A record of scale and bytes, in whatever order, as text.
    fn variable_decimal(mut self, record: &Record) -> Result<String, UnreadableDatum> {
        let (mut scale, mut bytes) = (None, None);
        for field in &record.fields {
            match (&*field.name, self.plan.node(field.node)) {
                ("scale", Node::Int(_)) => scale = u32::try_from(self.cursor.int()?).ok(),
                ("value", Node::Bytes(_)) => bytes = Some(self.cursor.blob()?),
                _ => {
                    let field = self.of(field.node);
                    field.cursor.skip(field.plan, field.node, field.depth)?;
                }
            }
        }
        let (Some(scale), Some(bytes)) = (scale, bytes) else {
            return Err(UnreadableDatum::new("a variable-scale decimal has no scale of 0 or more, or no value"));
        };
        Ok(text::decimal(bytes, scale))
    }

    fn items<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UnreadableDatum> {
        let this = self.settle()?;
        match this.plan.node(this.node) {
            Node::Array(item) => {
                let mut items = Items::new(this, *item);
                let value = visitor.visit_seq(&mut items)?;
                items.finish()?;
                Ok(value)
            }
            // `Vec<u8>` asks for a sequence.
            Node::Bytes(_) => visitor.visit_seq(Bytes::new(this.cursor.blob()?)),
            Node::Fixed { size, .. } => visitor.visit_seq(Bytes::new(this.cursor.take(*size)?)),
            _ => this.visit(Want::Any, visitor),
        }
    }

    fn entries<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UnreadableDatum> {
        let this = self.settle()?;
        let plan = this.plan;
        match plan.node(this.node) {
            Node::Record(record) => {
                let mut fields = Fields::new(this, record);
                let value = visitor.visit_map(&mut fields)?;
                fields.finish()?;
                Ok(value)
            }
            Node::Map(value) => {
                let mut pairs = Pairs::new(this, *value);
                let value = visitor.visit_map(&mut pairs)?;
                pairs.finish()?;
                Ok(value)
            }
            _ => this.visit(Want::Any, visitor),
        }
    }
}

/// A date or time as text: in the one spelling that the asking type reads.
fn visit_moment<'de, V: Visitor<'de>>(meaning: Meaning, number: i64, visitor: V) -> Result<V::Value, UnreadableDatum> {
    // chrono's types all ask for text, and one without a zone refuses a text that has one, and the reverse.
    let zone = if std::any::type_name::<V::Value>().contains("NaiveDateTime") { text::Zone::Left } else { text::Zone::Said };
    match text::moment(meaning, number, zone) {
        Some(text) => visitor.visit_str(&text),
        None => Err(UnreadableDatum::invalid_value(Unexpected::Signed(number), &visitor)),
    }
}

fn visit_blob<'de, V: Visitor<'de>>(bytes: &'de [u8], meaning: Meaning, want: Want, visitor: V) -> Result<V::Value, UnreadableDatum> {
    if want == Want::Bytes {
        return visitor.visit_borrowed_bytes(bytes);
    }
    match (meaning, want) {
        (Meaning::Decimal { scale: 0 }, Want::Number) => match text::integer(bytes) {
            Some(number) => match i64::try_from(number) {
                Ok(number) => visitor.visit_i64(number),
                Err(_) => visitor.visit_i128(number),
            },
            None => visitor.visit_str(&text::decimal(bytes, 0)),
        },
        (Meaning::Decimal { scale }, want) => visit_decimal(&text::decimal(bytes, scale), want, visitor),
        (Meaning::BigDecimal, want) => {
            let mut inner = Cursor::new(bytes);
            let unscaled = inner.blob()?;
            let scale = inner.long()?;
            let scale = u32::try_from(scale).map_err(|_| UnreadableDatum::new(format!("{scale} is no scale")))?;
            visit_decimal(&text::decimal(unscaled, scale), want, visitor)
        }
        (Meaning::Uuid, _) => match uuid::Uuid::from_slice(bytes) {
            Ok(id) => visitor.visit_str(id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer())),
            Err(error) => Err(UnreadableDatum::new(error.to_string())),
        },
        (_, Want::Text) => match std::str::from_utf8(bytes) {
            Ok(text) => visitor.visit_borrowed_str(text),
            Err(_) => visitor.visit_borrowed_bytes(bytes),
        },
        _ => visitor.visit_borrowed_bytes(bytes),
    }
}

fn visit_decimal<'de, V: Visitor<'de>>(digits: &str, want: Want, visitor: V) -> Result<V::Value, UnreadableDatum> {
    match (want, text::float(digits)) {
        (Want::Float, Some(number)) => visitor.visit_f64(number),
        _ => visitor.visit_str(digits),
    }
}

macro_rules! answers {
    ($($want:ident: $($method:ident)*;)*) => {$($(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UnreadableDatum> {
            self.visit(Want::$want, visitor)
        }
    )*)*};
}

impl<'de> Deserializer<'de> for Reader<'_, 'de> {
    type Error = UnreadableDatum;

    answers! {
        Any: deserialize_any deserialize_bool deserialize_unit;
        Number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
                deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128;
        Float: deserialize_f32 deserialize_f64;
        Text: deserialize_char deserialize_str deserialize_string deserialize_identifier;
        Bytes: deserialize_bytes deserialize_byte_buf;
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UnreadableDatum> {
        let this = self.settle()?;
        match this.plan.node(this.node) {
            Node::Null => visitor.visit_none(),
            _ => visitor.visit_some(this),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.visit(Want::Any, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, UnreadableDatum> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.items(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.items(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(self, _: &'static str, _: usize, visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.items(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.entries(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, UnreadableDatum> {
        self.entries(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, UnreadableDatum> {
        let this = self.settle()?;
        match this.plan.node(this.node) {
            Node::Enum { symbols, .. } => visitor.visit_enum(this.cursor.symbol(symbols)?.into_deserializer()),
            // Debezium's enumerations are texts.
            Node::String(_) if !variants.iter().any(|name| name.eq_ignore_ascii_case("string")) => {
                visitor.visit_enum(this.cursor.text()?.into_deserializer())
            }
            // A variant for each branch, by the type's name.
            _ => {
                let (short, full) = this.plan.branch_names(this.node);
                let exact = variants.iter().find(|variant| **variant == full || **variant == short);
                let near = || variants.iter().find(|variant| variant.eq_ignore_ascii_case(short));
                match exact.or_else(near) {
                    Some(name) => visitor.visit_enum(Variant { name, content: this }),
                    None => Err(UnreadableDatum::unknown_variant(full, variants)),
                }
            }
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, UnreadableDatum> {
        self.cursor.skip(self.plan, self.node, self.depth)?;
        visitor.visit_unit()
    }
}

impl<'de> Reader<'_, 'de> {
    pub(super) fn read<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, UnreadableDatum> {
        seed.deserialize(self)
    }
}
