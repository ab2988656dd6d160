//! The serializer: what a type gives is put into the form that the schema says.

use serde::ser::{Serialize, Serializer};

use super::parts::{Entries, Fields, Items};
use super::{UnwritableDatum, put_blob, put_long};
use crate::format::avro::meaning_text as text;
use crate::format::avro::plan::{Meaning, Node, NodeId, Plan};

/// A place for one value.
pub(crate) struct Writer<'a> {
    pub(super) plan: &'a Plan,
    pub(super) node: NodeId,
    pub(super) into: &'a mut Vec<u8>,
}

/// What a type gives, in order to find a union's branch for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given<'a> {
    Null,
    Boolean,
    Integer,
    Float,
    Text(&'a str),
    Bytes(usize),
    Sequence,
    Map,
    Struct(&'a str),
}

impl Given<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Boolean => "a boolean",
            Self::Integer => "an integer",
            Self::Float => "a floating-point number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Sequence => "a sequence",
            Self::Map => "a map",
            Self::Struct(_) => "a struct",
        }
    }

    /// How well a type takes it; none for not at all.
    fn fit(self, plan: &Plan, id: NodeId) -> Option<u8> {
        let meant = |meaning: &Meaning| *meaning != Meaning::Plain;
        match (self, plan.node(id)) {
            (Self::Null, Node::Null) | (Self::Boolean, Node::Boolean) | (Self::Sequence, Node::Array(_)) => Some(0),
            (Self::Integer, Node::Long(_)) | (Self::Float, Node::Double) => Some(0),
            (Self::Integer, Node::Int(_)) | (Self::Float, Node::Float) => Some(1),
            (Self::Integer, Node::Double) => Some(2),
            (Self::Integer, Node::Float) => Some(3),
            (Self::Integer | Self::Float, Node::Bytes(Meaning::Decimal { .. }) | Node::Fixed { meaning: Meaning::Decimal { .. }, .. }) => {
                Some(4)
            }
            (Self::Text(symbol), Node::Enum { symbols, .. }) => symbols.iter().any(|known| **known == *symbol).then_some(0),
            (Self::Text(_), Node::String(_)) => Some(1),
            (Self::Text(digits), Node::Bytes(Meaning::Decimal { scale })) => text::parse_decimal(digits, *scale).map(|_| 0),
            (Self::Text(digits), Node::Int(meaning) | Node::Long(meaning)) => text::parse_moment(*meaning, digits).map(|_| 0),
            (Self::Text(_), Node::Bytes(meaning) | Node::Fixed { meaning, .. }) if meant(meaning) => Some(2),
            (Self::Text(_) | Self::Sequence, Node::Bytes(_)) => Some(3),
            (Self::Text(_) | Self::Integer | Self::Float, Node::Record(record)) if record.meaning == Meaning::VariableScaleDecimal => {
                Some(4)
            }
            (Self::Bytes(length), Node::Fixed { size, .. }) if length == *size => Some(0),
            (Self::Bytes(_), Node::Bytes(_)) => Some(1),
            (Self::Sequence, Node::Fixed { .. }) => Some(4),
            (Self::Struct(name), Node::Record(record)) => {
                Some(if record.name.short() == name || record.name.full() == name { 0 } else { 1 })
            }
            (Self::Map, Node::Map(_)) => Some(0),
            (Self::Map, Node::Record(_)) | (Self::Struct(_), Node::Map(_)) => Some(2),
            _ => None,
        }
    }
}

impl<'a> Writer<'a> {
    pub(crate) fn root(plan: &'a Plan, into: &'a mut Vec<u8>) -> Self {
        Self { plan, node: plan.root, into }
    }

    /// Chooses a union's branch by a rank, the lowest first.
    fn choose(mut self, given: Given<'_>, rank: impl Fn(&Plan, NodeId) -> Option<u8>) -> Result<Self, UnwritableDatum> {
        while let Node::Union(branches) = self.plan.node(self.node) {
            let ranked = branches.iter().enumerate().filter_map(|(at, branch)| Some((rank(self.plan, *branch)?, at, *branch)));
            let Some((_, at, branch)) = ranked.min_by_key(|(rank, at, _)| (*rank, *at)) else {
                let names: Vec<_> = branches.iter().map(|branch| self.plan.branch_names(*branch).1).collect();
                return Err(UnwritableDatum::new(format!("{} is none of {}", given.word(), names.join(", "))));
            };
            put_long(i64::try_from(at).unwrap_or(i64::MAX), self.into);
            self.node = branch;
        }
        Ok(self)
    }

    #[inline]
    pub(super) fn settle(self, given: Given<'_>) -> Result<Self, UnwritableDatum> {
        match self.plan.node(self.node) {
            Node::Union(_) => self.choose(given, |plan, id| given.fit(plan, id)),
            _ => Ok(self),
        }
    }

    /// Chooses the branch of this name, as the variants of an enum are named.
    fn settle_named(self, variant: &str) -> Result<Self, UnwritableDatum> {
        let of_name = |plan: &Plan, id: NodeId| {
            let (short, full) = plan.branch_names(id);
            let exact = (full == variant || short == variant).then_some(0);
            exact.or_else(|| short.eq_ignore_ascii_case(variant).then_some(1))
        };
        let named = self.choose(Given::Struct(variant), of_name);
        named.map_err(|error| {
            let advice = "name the variant as its type is named, by `#[serde(rename = \"…\")]`";
            UnwritableDatum::new(format!("the variant `{variant}` ({}); {advice}", error.reason))
        })
    }

    pub(super) fn misfit(&self, given: Given<'_>) -> UnwritableDatum {
        UnwritableDatum::new(format!("{} does not fit the type `{}`", given.word(), self.plan.branch_names(self.node).1))
    }

    fn integer(self, number: i128) -> Result<(), UnwritableDatum> {
        let this = self.settle(Given::Integer)?;
        let beyond = |kind: &str| UnwritableDatum::new(format!("{number} does not fit into {kind}"));
        #[allow(clippy::cast_precision_loss, reason = "the schema's type is a float")]
        match this.plan.node(this.node) {
            Node::Int(_) => put_long(i32::try_from(number).map_err(|_| beyond("an int"))?.into(), this.into),
            Node::Long(_) => put_long(i64::try_from(number).map_err(|_| beyond("a long"))?, this.into),
            Node::Float => this.into.extend((number as f32).to_le_bytes()),
            Node::Double => this.into.extend((number as f64).to_le_bytes()),
            Node::Bytes(Meaning::Decimal { .. }) | Node::Fixed { meaning: Meaning::Decimal { .. }, .. } | Node::Record(_) => {
                return this.meant_text(&number.to_string());
            }
            _ => return Err(this.misfit(Given::Integer)),
        }
        Ok(())
    }

    fn float(self, number: f64) -> Result<(), UnwritableDatum> {
        let this = self.settle(Given::Float)?;
        #[allow(clippy::cast_possible_truncation, reason = "the schema's type is a float")]
        match this.plan.node(this.node) {
            Node::Float => this.into.extend((number as f32).to_le_bytes()),
            Node::Double => this.into.extend(number.to_le_bytes()),
            Node::Bytes(Meaning::Decimal { scale }) | Node::Fixed { meaning: Meaning::Decimal { scale }, .. } => {
                // A float has more digits than it means; the scale says which of them count.
                let digits = format!("{number:.scale$}", scale = *scale as usize);
                return this.meant_text(&digits);
            }
            Node::Record(_) => return this.meant_text(&number.to_string()),
            _ => return Err(this.misfit(Given::Float)),
        }
        Ok(())
    }

    /// A text for a type that means something.
    fn meant_text(self, given: &str) -> Result<(), UnwritableDatum> {
        let misfit = || UnwritableDatum::new(format!("`{given}` is not a value of its type"));
        match self.plan.node(self.node) {
            Node::Int(meaning) => {
                let number = text::parse_moment(*meaning, given).ok_or_else(misfit)?;
                put_long(i32::try_from(number).map_err(|_| misfit())?.into(), self.into);
            }
            Node::Long(meaning) => put_long(text::parse_moment(*meaning, given).ok_or_else(misfit)?, self.into),
            Node::Bytes(Meaning::Decimal { scale }) => put_blob(&decimal(given, *scale)?, self.into),
            Node::Bytes(Meaning::BigDecimal) => {
                let (scale, unscaled) = scaled(given)?;
                let mut inner = Vec::new();
                put_blob(&unscaled, &mut inner);
                put_long(scale.into(), &mut inner);
                put_blob(&inner, self.into);
            }
            Node::Record(record) if record.meaning == Meaning::VariableScaleDecimal => {
                let (scale, unscaled) = scaled(given)?;
                for field in &record.fields {
                    match (&*field.name, self.plan.node(field.node)) {
                        ("scale", Node::Int(_)) => put_long(scale.into(), self.into),
                        ("value", Node::Bytes(_)) => put_blob(&unscaled, self.into),
                        (name, _) => {
                            let what = "a variable-scale decimal cannot be written to a record that has more than `scale` and `value`";
                            return Err(UnwritableDatum::new(what).within(name));
                        }
                    }
                }
            }
            Node::Fixed { size, meaning: Meaning::Decimal { scale }, .. } => {
                let digits = decimal(given, *scale)?;
                let sign = if digits.first().is_some_and(|first| first & 0x80 != 0) { 0xff } else { 0 };
                let Some(padding) = size.checked_sub(digits.len()) else {
                    return Err(UnwritableDatum::new(format!("the decimal {given} does not fit into {size} bytes")));
                };
                self.into.extend(std::iter::repeat_n(sign, padding));
                self.into.extend(digits);
            }
            Node::Bytes(Meaning::Uuid) => put_blob(uuid::Uuid::parse_str(given).map_err(|_| misfit())?.as_bytes(), self.into),
            Node::Fixed { meaning: Meaning::Uuid, .. } => self.into.extend(uuid::Uuid::parse_str(given).map_err(|_| misfit())?.as_bytes()),
            Node::Bytes(Meaning::Plain) => put_blob(given.as_bytes(), self.into),
            _ => return Err(self.misfit(Given::Text(given))),
        }
        Ok(())
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Result<(), UnwritableDatum> {
        let given = Given::Bytes(bytes.len());
        let this = self.settle(given)?;
        match this.plan.node(this.node) {
            Node::Bytes(_) => put_blob(bytes, this.into),
            Node::Fixed { size, .. } if *size == bytes.len() => this.into.extend_from_slice(bytes),
            Node::Fixed { size, .. } => return Err(UnwritableDatum::new(format!("{} bytes do not fit into {size}", bytes.len()))),
            _ => return Err(this.misfit(given)),
        }
        Ok(())
    }
}

fn decimal(given: &str, scale: u32) -> Result<Vec<u8>, UnwritableDatum> {
    text::parse_decimal(given, scale)
        .ok_or_else(|| UnwritableDatum::new(format!("`{given}` is no decimal with {scale} digits behind the point; round it before")))
}

/// A decimal's scale, as it is given, and its digits as bytes.
fn scaled(given: &str) -> Result<(u32, Vec<u8>), UnwritableDatum> {
    let scale = given.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = u32::try_from(scale).ok();
    let unscaled = scale.and_then(|scale| Some((scale, text::parse_decimal(given, scale)?)));
    unscaled.ok_or_else(|| UnwritableDatum::new(format!("`{given}` is no decimal; write digits, with a point at most")))
}

macro_rules! integers {
    ($($method:ident $number:ty),*) => {$(
        fn $method(self, number: $number) -> Result<(), UnwritableDatum> {
            self.integer(i128::from(number))
        }
    )*};
}

impl<'a> Serializer for Writer<'a> {
    type Ok = ();
    type Error = UnwritableDatum;
    type SerializeSeq = Items<'a>;
    type SerializeTuple = Items<'a>;
    type SerializeTupleStruct = Items<'a>;
    type SerializeTupleVariant = Items<'a>;
    type SerializeMap = Entries<'a>;
    type SerializeStruct = Fields<'a>;
    type SerializeStructVariant = Fields<'a>;

    integers!(
        serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i128 i128,
        serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64
    );

    fn serialize_i64(self, number: i64) -> Result<(), UnwritableDatum> {
        match self.plan.node(self.node) {
            Node::Long(_) => {
                put_long(number, self.into);
                Ok(())
            }
            _ => self.integer(number.into()),
        }
    }

    fn serialize_u128(self, number: u128) -> Result<(), UnwritableDatum> {
        let number = i128::try_from(number).map_err(|_| UnwritableDatum::new(format!("{number} does not fit into a long")))?;
        self.integer(number)
    }

    fn serialize_bool(self, value: bool) -> Result<(), UnwritableDatum> {
        let this = self.settle(Given::Boolean)?;
        match this.plan.node(this.node) {
            Node::Boolean => {
                this.into.push(u8::from(value));
                Ok(())
            }
            _ => Err(this.misfit(Given::Boolean)),
        }
    }

    fn serialize_f32(self, number: f32) -> Result<(), UnwritableDatum> {
        self.float(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), UnwritableDatum> {
        self.float(number)
    }

    fn serialize_char(self, character: char) -> Result<(), UnwritableDatum> {
        self.serialize_str(character.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, given: &str) -> Result<(), UnwritableDatum> {
        let this = self.settle(Given::Text(given))?;
        match this.plan.node(this.node) {
            Node::String(_) => {
                put_blob(given.as_bytes(), this.into);
                Ok(())
            }
            Node::Enum { .. } => this.symbol(given),
            _ => this.meant_text(given),
        }
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), UnwritableDatum> {
        self.bytes(bytes)
    }

    fn serialize_none(self) -> Result<(), UnwritableDatum> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), UnwritableDatum> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), UnwritableDatum> {
        let this = self.settle(Given::Null)?;
        match this.plan.node(this.node) {
            Node::Null => Ok(()),
            Node::Record(record) if record.fields.is_empty() => Ok(()),
            _ => Err(this.misfit(Given::Null)),
        }
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<(), UnwritableDatum> {
        let this = self.settle(Given::Struct(name))?;
        this.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), UnwritableDatum> {
        self.symbol(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), UnwritableDatum> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), UnwritableDatum> {
        value.serialize(self.settle_named(variant)?)
    }

    fn serialize_seq(self, count: Option<usize>) -> Result<Items<'a>, UnwritableDatum> {
        Items::begin(self.settle(Given::Sequence)?, count)
    }

    fn serialize_tuple(self, count: usize) -> Result<Items<'a>, UnwritableDatum> {
        self.serialize_seq(Some(count))
    }

    fn serialize_tuple_struct(self, _: &'static str, count: usize) -> Result<Items<'a>, UnwritableDatum> {
        self.serialize_seq(Some(count))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, count: usize) -> Result<Items<'a>, UnwritableDatum> {
        Items::begin(self.settle_named(variant)?, Some(count))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries<'a>, UnwritableDatum> {
        Entries::begin(self.settle(Given::Map)?)
    }

    fn serialize_struct(self, name: &'static str, _: usize) -> Result<Fields<'a>, UnwritableDatum> {
        Fields::begin(self.settle(Given::Struct(name))?, name)
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Fields<'a>, UnwritableDatum> {
        Fields::begin(self.settle_named(variant)?, variant)
    }
}

impl Writer<'_> {
    fn symbol(self, symbol: &str) -> Result<(), UnwritableDatum> {
        let given = Given::Text(symbol);
        let this = self.settle(given)?;
        match this.plan.node(this.node) {
            Node::Enum { symbols, name, .. } => match symbols.iter().position(|known| **known == *symbol) {
                Some(at) => put_long(i64::try_from(at).unwrap_or(i64::MAX), this.into),
                None => return Err(UnwritableDatum::new(format!("`{symbol}` is no symbol of the enum `{}`", name.full()))),
            },
            Node::String(_) => put_blob(symbol.as_bytes(), this.into),
            _ => return Err(this.misfit(given)),
        }
        Ok(())
    }
}
