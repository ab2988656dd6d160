//! The Avro schemas of the types that are not the user's: numbers, texts, dates, and what holds other types.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::schema::{AvroSchema, SchemaScope, TypeSchema};

macro_rules! schemas {
    ($($rust:ty => $method:ident($($word:literal),*);)*) => {$(
        impl AvroSchema for $rust {
            fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
                scope.$method($($word),*)
            }
        }
    )*};
}

schemas! {
    () => primitive("null");
    bool => primitive("boolean");
    i8 => primitive("int");
    i16 => primitive("int");
    i32 => primitive("int");
    u8 => primitive("int");
    u16 => primitive("int");
    u32 => primitive("long");
    i64 => primitive("long");
    f32 => primitive("float");
    f64 => primitive("double");
    String => primitive("string");
    str => primitive("string");
    char => primitive("string");
    bytes::Bytes => primitive("bytes");
    chrono::NaiveDate => logical("int", "date");
    chrono::NaiveTime => logical("long", "time-micros");
    chrono::DateTime<chrono::Utc> => logical("long", "timestamp-micros");
    chrono::NaiveDateTime => logical("long", "local-timestamp-micros");
    uuid::Uuid => logical("string", "uuid");
}

impl<T: AvroSchema> AvroSchema for Option<T> {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        let inner = T::avro_schema(scope);
        scope.optional(inner)
    }
}

impl<T: AvroSchema> AvroSchema for Vec<T> {
    fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
        let items = T::avro_schema(scope);
        scope.array(items)
    }
}

macro_rules! maps {
    ($($map:ty),*) => {$(
        impl<T: AvroSchema> AvroSchema for $map {
            fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
                let values = T::avro_schema(scope);
                scope.map(values)
            }
        }
    )*};
}
maps!(HashMap<String, T>, BTreeMap<String, T>);

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<T: AvroSchema + ?Sized> AvroSchema for $pointer {
            fn avro_schema(scope: &mut SchemaScope) -> TypeSchema {
                T::avro_schema(scope)
            }
        }
    )*};
}
pointers!(Box<T>, Arc<T>, &T);
