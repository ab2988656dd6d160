//! The parts of arrays, maps and records, as a type gives them.

use serde::ser::{Impossible, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple};
use serde::ser::{SerializeTupleStruct, SerializeTupleVariant, Serializer};

use super::ser::{Given, Writer};
use super::{UnwritableDatum, put_blob, put_long};
use crate::format::avro::plan::{Field, Node, NodeId, Plan, Record};

/// The items of an array; or bytes that are given one by one.
pub(crate) struct Items<'a> {
    plan: &'a Plan,
    into: &'a mut Vec<u8>,
    form: Form,
}

enum Form {
    /// Items that were counted beforehand, with how many are still to come.
    Counted {
        item: NodeId,
        left: usize,
    },
    /// A block for each item.
    OneByOne {
        item: NodeId,
    },
    Bytes {
        node: NodeId,
        bytes: Vec<u8>,
    },
}

impl<'a> Items<'a> {
    pub(super) fn begin(writer: Writer<'a>, count: Option<usize>) -> Result<Self, UnwritableDatum> {
        let Writer { plan, node, into } = writer;
        let form = match (plan.node(node), count) {
            (Node::Array(item), Some(count)) => {
                if count > 0 {
                    put_long(i64::try_from(count).unwrap_or(i64::MAX), into);
                }
                Form::Counted { item: *item, left: count }
            }
            (Node::Array(item), None) => Form::OneByOne { item: *item },
            (Node::Bytes(_) | Node::Fixed { .. }, count) => Form::Bytes { node, bytes: Vec::with_capacity(count.unwrap_or(0)) },
            _ => return Err(Writer { plan, node, into }.misfit(Given::Sequence)),
        };
        Ok(Self { plan, into, form })
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), UnwritableDatum> {
        let item = match &mut self.form {
            Form::Counted { item, left } => {
                let Some(less) = left.checked_sub(1) else {
                    return Err(UnwritableDatum::new("a sequence has more items than it said"));
                };
                *left = less;
                *item
            }
            Form::OneByOne { item } => {
                put_long(1, self.into);
                *item
            }
            Form::Bytes { bytes, .. } => {
                bytes.push(value.serialize(OneByte)?);
                return Ok(());
            }
        };
        value.serialize(Writer { plan: self.plan, node: item, into: self.into })
    }

    fn finish(self) -> Result<(), UnwritableDatum> {
        match self.form {
            Form::Counted { left: 1.., .. } => return Err(UnwritableDatum::new("a sequence has fewer items than it said")),
            Form::Counted { .. } | Form::OneByOne { .. } => put_long(0, self.into),
            Form::Bytes { node, bytes } => return Writer { plan: self.plan, node, into: self.into }.bytes(&bytes),
        }
        Ok(())
    }
}

macro_rules! sequences {
    ($($kind:ident $method:ident),*) => {$(
        impl $kind for Items<'_> {
            type Ok = ();
            type Error = UnwritableDatum;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), UnwritableDatum> {
                self.item(value)
            }

            fn end(self) -> Result<(), UnwritableDatum> {
                self.finish()
            }
        }
    )*};
}
sequences!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

/// The fields of a record. In the order of the schema they go straight into the bytes; what comes early waits.
pub(crate) struct Fields<'a> {
    plan: &'a Plan,
    record: &'a Record,
    into: &'a mut Vec<u8>,
    next: usize,
    early: Vec<(usize, Vec<u8>)>,
}

impl<'a> Fields<'a> {
    pub(super) fn begin(writer: Writer<'a>, name: &str) -> Result<Self, UnwritableDatum> {
        let plan = writer.plan;
        match plan.node(writer.node) {
            Node::Record(record) => Ok(Self { plan, record, into: writer.into, next: 0, early: Vec::new() }),
            _ => Err(writer.misfit(Given::Struct(name))),
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), UnwritableDatum> {
        let fields = &self.record.fields;
        if fields.get(self.next).is_some_and(|field| *field.name == *name) {
            let field = &fields[self.next];
            let writer = Writer { plan: self.plan, node: field.node, into: self.into };
            value.serialize(writer).map_err(|error| error.within(name))?;
            self.next += 1;
            return self.catch_up();
        }
        let Some(at) = fields.iter().position(|field| *field.name == *name) else {
            return Err(UnwritableDatum::new(format!("the record `{}` has no field `{name}`", self.record.name.full())));
        };
        let mut bytes = Vec::new();
        value.serialize(Writer { plan: self.plan, node: fields[at].node, into: &mut bytes }).map_err(|error| error.within(name))?;
        self.early.push((at, bytes));
        Ok(())
    }

    /// Puts what waited for its place.
    fn catch_up(&mut self) -> Result<(), UnwritableDatum> {
        while let Some(waiting) = self.early.iter().position(|(at, _)| *at == self.next) {
            self.into.extend(self.early.swap_remove(waiting).1);
            self.next += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), UnwritableDatum> {
        while let Some(field) = self.record.fields.get(self.next) {
            self.left_out(field)?;
            self.next += 1;
            self.catch_up()?;
        }
        Ok(())
    }

    /// A field that the type did not give: its default, or null where it may be.
    fn left_out(&mut self, field: &Field) -> Result<(), UnwritableDatum> {
        let written = match &field.default {
            Some(default) => self.plan.put_default(field.node, default, self.into).map_err(|error| error.reason),
            None => self
                .plan
                .put_default(field.node, &serde_json::Value::Null, self.into)
                .map_err(|_| "it is missing and has no default".to_owned()),
        };
        written.map_err(|reason| UnwritableDatum::new(reason).within(&field.name))
    }
}

macro_rules! structs {
    ($($kind:ident),*) => {$(
        impl $kind for Fields<'_> {
            type Ok = ();
            type Error = UnwritableDatum;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), UnwritableDatum> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), UnwritableDatum> {
                self.finish()
            }
        }
    )*};
}
structs!(SerializeStruct, SerializeStructVariant);

/// The entries of a map; or the fields of a record whose type gives them as a map (`#[serde(flatten)]`).
pub(crate) enum Entries<'a> {
    Map { plan: &'a Plan, value: NodeId, into: &'a mut Vec<u8> },
    Record { fields: Fields<'a>, key: String },
}

impl<'a> Entries<'a> {
    pub(super) fn begin(writer: Writer<'a>) -> Result<Self, UnwritableDatum> {
        match writer.plan.node(writer.node) {
            Node::Map(value) => Ok(Self::Map { plan: writer.plan, value: *value, into: writer.into }),
            Node::Record(_) => Ok(Self::Record { fields: Fields::begin(writer, "map")?, key: String::new() }),
            _ => Err(writer.misfit(Given::Map)),
        }
    }
}

impl SerializeMap for Entries<'_> {
    type Ok = ();
    type Error = UnwritableDatum;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), UnwritableDatum> {
        let text = key.serialize(Key)?;
        match self {
            Self::Map { into, .. } => {
                // How many will come is not known for sure: a block for each.
                put_long(1, into);
                put_blob(text.as_bytes(), into);
            }
            Self::Record { key, .. } => *key = text,
        }
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, given: &T) -> Result<(), UnwritableDatum> {
        match self {
            Self::Map { plan, value, into } => given.serialize(Writer { plan, node: *value, into }),
            Self::Record { fields, key } => fields.field(&std::mem::take(key), given),
        }
    }

    fn end(self) -> Result<(), UnwritableDatum> {
        match self {
            Self::Map { into, .. } => put_long(0, into),
            Self::Record { fields, .. } => fields.finish()?,
        }
        Ok(())
    }
}

/// A serializer that takes one kind of thing.
macro_rules! only {
    ($name:ident -> $ok:ty, $what:literal { $($taken:tt)* } refuses { $($method:ident $number:ty),* }) => {
        struct $name;

        impl Serializer for $name {
            type Ok = $ok;
            type Error = UnwritableDatum;
            type SerializeSeq = Impossible<$ok, UnwritableDatum>;
            type SerializeTuple = Impossible<$ok, UnwritableDatum>;
            type SerializeTupleStruct = Impossible<$ok, UnwritableDatum>;
            type SerializeTupleVariant = Impossible<$ok, UnwritableDatum>;
            type SerializeMap = Impossible<$ok, UnwritableDatum>;
            type SerializeStruct = Impossible<$ok, UnwritableDatum>;
            type SerializeStructVariant = Impossible<$ok, UnwritableDatum>;

            $($taken)*

            $(fn $method(self, _: $number) -> Result<$ok, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            })*

            fn serialize_bytes(self, _: &[u8]) -> Result<$ok, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_none(self) -> Result<$ok, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<$ok, UnwritableDatum> {
                value.serialize(self)
            }
            fn serialize_unit(self) -> Result<$ok, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_unit_struct(self, _: &'static str) -> Result<$ok, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<$ok, UnwritableDatum> {
                value.serialize(self)
            }
            fn serialize_newtype_variant<T: Serialize + ?Sized>(
                self, _: &'static str, _: u32, _: &'static str, _: &T,
            ) -> Result<$ok, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_tuple_variant(
                self, _: &'static str, _: u32, _: &'static str, _: usize,
            ) -> Result<Self::SerializeTupleVariant, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
            fn serialize_struct_variant(
                self, _: &'static str, _: u32, _: &'static str, _: usize,
            ) -> Result<Self::SerializeStructVariant, UnwritableDatum> {
                Err(UnwritableDatum::new($what))
            }
        }
    };
}

only!(OneByte -> u8, "the items of bytes are numbers from 0 to 255" {
    fn serialize_u8(self, byte: u8) -> Result<u8, UnwritableDatum> {
        Ok(byte)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<u8, UnwritableDatum> {
        Err(UnwritableDatum::new("the items of bytes are numbers from 0 to 255"))
    }
} refuses {
    serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
    serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_f32 f32, serialize_f64 f64,
    serialize_char char, serialize_str &str
});

only!(Key -> String, "the keys of a map are texts" {
    fn serialize_str(self, text: &str) -> Result<String, UnwritableDatum> {
        Ok(text.to_owned())
    }
    fn serialize_char(self, character: char) -> Result<String, UnwritableDatum> {
        Ok(character.to_string())
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<String, UnwritableDatum> {
        Ok(variant.to_owned())
    }
} refuses {
    serialize_bool bool, serialize_i8 i8, serialize_i16 i16, serialize_i32 i32, serialize_i64 i64,
    serialize_u8 u8, serialize_u16 u16, serialize_u32 u32, serialize_u64 u64, serialize_f32 f32, serialize_f64 f64
});
