//! The keys of `#[avro(…)]`, on the type, on its fields and on its variants. Rules between keys are the model's.

use syn::parse::ParseStream;
use syn::{LitStr, Path};

use super::default::Default as FieldDefault;
use crate::support::attr::{Attributes, Key, Slot};
use crate::support::item::{Item, Written};
use crate::support::root;

/// `#[avro(…)]` on the type.
#[derive(Debug, Default)]
pub(super) struct AvroAttrs {
    pub(super) name: Slot<LitStr>,
    pub(super) namespace: Slot<LitStr>,
    pub(super) alias: Slot<Vec<LitStr>>,
    pub(super) schema: Slot<LitStr>,
    pub(super) schema_file: Slot<LitStr>,
    pub(super) root: Slot<Path>,
}

impl Attributes for AvroAttrs {
    const PLACE: &'static str = "#[avro(…)]";
    const EXAMPLE: &'static str = "#[avro(namespace = \"shop.orders\")]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("name", "name = \"Order\"", |attrs, item| item.once(&mut attrs.name, Item::string)),
        Key::new("namespace", "namespace = \"shop.orders\"", |attrs, item| item.once(&mut attrs.namespace, Item::string)),
        Key::new("alias", ALIAS, |attrs, item| item.once(&mut attrs.alias, aliases)),
        Key::new("schema", SCHEMA, |attrs, item| item.once(&mut attrs.schema, Item::string)),
        Key::new("schema_file", SCHEMA_FILE, |attrs, item| item.once(&mut attrs.schema_file, Item::string)),
        Key::new("crate", root::EXAMPLE, |attrs, item| item.once(&mut attrs.root, Item::path)),
    ];
}

/// `#[avro(…)]` on a field.
#[derive(Debug, Default)]
pub(super) struct FieldAttrs {
    pub(super) alias: Slot<Vec<LitStr>>,
    pub(super) default: Slot<FieldDefault>,
    pub(super) precision: Slot<Written<i64>>,
    pub(super) scale: Slot<Written<i64>>,
    pub(super) reference: Slot<()>,
    pub(super) schema: Slot<LitStr>,
    pub(super) schema_file: Slot<LitStr>,
}

impl Attributes for FieldAttrs {
    const PLACE: &'static str = "#[avro(…)] on a field";
    const EXAMPLE: &'static str = "#[avro(default = 0)]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("alias", ALIAS, |attrs, item| item.once(&mut attrs.alias, aliases)),
        Key::new("default", "default = 0", |attrs, item| item.once(&mut attrs.default, FieldDefault::read)),
        Key::new("precision", "precision = 10", |attrs, item| item.once(&mut attrs.precision, Item::integer)),
        Key::new("scale", "scale = 2", |attrs, item| item.once(&mut attrs.scale, Item::integer)),
        Key::new("reference", "reference", |attrs, item| item.once(&mut attrs.reference, Item::flag)),
        Key::new("schema", SCHEMA, |attrs, item| item.once(&mut attrs.schema, Item::string)),
        Key::new("schema_file", SCHEMA_FILE, |attrs, item| item.once(&mut attrs.schema_file, Item::string)),
    ];
}

/// `#[avro(…)]` on a variant.
#[derive(Debug, Default)]
pub(super) struct VariantAttrs {
    pub(super) default: Slot<()>,
}

impl Attributes for VariantAttrs {
    const PLACE: &'static str = "#[avro(…)] on a variant";
    const EXAMPLE: &'static str = "#[avro(default)]";
    const KEYS: &'static [Key<Self>] = &[Key::new("default", "default", |attrs, item| item.once(&mut attrs.default, Item::flag))];
}

const ALIAS: &str = "alias(\"old_name\")";
const SCHEMA: &str = "schema = \"bytes\"";
const SCHEMA_FILE: &str = "schema_file = \"schemas/order.avsc\"";

fn aliases(item: &mut Item<'_>) -> syn::Result<Vec<LitStr>> {
    item.list(|input: ParseStream<'_>| {
        input.parse().map_err(|error: syn::Error| {
            syn::Error::new(error.span(), "`alias` takes earlier names; write them as strings: `alias(\"old_name\")`")
        })
    })
}
