//! The keys of `#[model_topic(…)]`, on the struct and on its fields. Rules between keys are the model's.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Expr, Ident, LitBool, LitStr, Path, Token, Type, parse_quote};

use crate::settings::batch::BatchAttrs;
use crate::settings::concurrency::ConcurrencyAttrs;
use crate::settings::retry::RetryAttrs;
use crate::settings::suppress::Suppress;
use crate::support::attr::{Attributes, Key, Slot};
use crate::support::item::Item;
use crate::support::root;

/// `#[model_topic(…)]` on the struct.
#[derive(Debug, Default)]
pub(super) struct ModelTopicAttrs {
    pub(super) name: Slot<LitStr>,
    key: Slot<Type>,
    value: Slot<Type>,
    pub(super) table: Slot<Path>,
    pub(super) exclude: Slot<Vec<Ident>>,
    pub(super) lookup: Slot<Vec<Ident>>,
    pub(super) deletion_key: Slot<LitStr>,
    pub(super) deletion: Slot<Path>,
    pub(super) guard: Slot<GuardAttrs>,
    pub(super) truncations: Slot<()>,
    pub(super) transforms: Slot<Expr>,
    pub(super) foreign_keys: Slot<LitBool>,
    pub(super) polymorphic: Slot<Vec<Expr>>,
    pub(super) reroute: Slot<Vec<RerouteAttr>>,
    pub(super) batch: Slot<BatchAttrs>,
    pub(super) concurrency: Slot<ConcurrencyAttrs>,
    pub(super) retry: Slot<RetryAttrs>,
    pub(super) suppress: Slot<Suppress>,
    pub(super) root: Slot<Path>,
}

impl Attributes for ModelTopicAttrs {
    const PLACE: &'static str = "#[model_topic(…)]";
    const EXAMPLE: &'static str = "#[model_topic(name = \"shop.customers\", table = customers)]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("name", "name = \"shop.customers\"", |attrs, item| item.once(&mut attrs.name, Item::string)),
        Key::new("key", "key = Json<Key>", |attrs, item| item.once(&mut attrs.key, Item::ty)),
        Key::new("value", "value = Json<Value>", |attrs, item| item.once(&mut attrs.value, Item::ty)),
        Key::new("table", "table = customers", |attrs, item| item.once(&mut attrs.table, Item::path)),
        Key::new("exclude", "exclude(internal)", |attrs, item| item.once(&mut attrs.exclude, columns)),
        Key::new("lookup", "lookup(email)", |attrs, item| item.once(&mut attrs.lookup, columns)),
        Key::new("deletion_key", "deletion_key = \"__deleted\"", |attrs, item| item.once(&mut attrs.deletion_key, Item::string)),
        Key::new("deletion", "deletion = is_deletion", |attrs, item| item.once(&mut attrs.deletion, Item::path)),
        Key::new("guard", GuardAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.guard, Item::nested)),
        Key::new("truncations", "truncations", |attrs, item| item.once(&mut attrs.truncations, Item::flag)),
        Key::new("transforms", "transforms = with_city()", |attrs, item| item.once(&mut attrs.transforms, Item::any)),
        Key::new("foreign_keys", "foreign_keys = true", |attrs, item| item.once(&mut attrs.foreign_keys, Item::boolean)),
        Key::new("polymorphic", "polymorphic(subject())", |attrs, item| item.once(&mut attrs.polymorphic, references)),
        Key::new("reroute", RerouteAttr::EXAMPLE, |attrs, item| item.once(&mut attrs.reroute, |item| item.list(RerouteAttr::read))),
        Key::new("batch", BatchAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.batch, Item::nested)),
        Key::new("concurrency", ConcurrencyAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.concurrency, Item::nested)),
        Key::new("retry", RetryAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.retry, Item::nested)),
        Key::new("suppress", "suppress(\"orders\")", |attrs, item| item.once(&mut attrs.suppress, Suppress::read)),
        Key::new("crate", root::EXAMPLE, |attrs, item| item.once(&mut attrs.root, Item::path)),
    ];
}

impl ModelTopicAttrs {
    pub(super) fn key(&self) -> Type {
        self.key.given().cloned().unwrap_or_else(avro)
    }

    pub(super) fn value(&self) -> Type {
        self.value.given().cloned().unwrap_or_else(avro)
    }
}

/// The format of keys and values that say none: what Debezium's converter for a registry writes.
fn avro() -> Type {
    parse_quote!(__k::Avro<__k::AvroValue>)
}

/// One element of `reroute(…)`: a table's name, and the type whose model its rows are.
#[derive(Debug)]
pub(super) struct RerouteAttr {
    pub(super) table: LitStr,
    pub(super) to: Type,
}

impl RerouteAttr {
    const EXAMPLE: &'static str = "reroute(\"app.public.customers\" = Self, \"app.public.dogs\" = Dogs)";

    fn read(input: ParseStream<'_>) -> syn::Result<Self> {
        let at = input.span();
        let read = |input: ParseStream<'_>| {
            let table = input.parse()?;
            input.parse::<Token![=]>()?;
            Ok(Self { table, to: input.parse()? })
        };
        read(input).map_err(|_: syn::Error| {
            let message = format!("`reroute` takes names of tables, each with the type of its rows; write `{}`", Self::EXAMPLE);
            syn::Error::new(at, message)
        })
    }
}

/// `guard(…)`
#[derive(Debug, Default)]
pub(super) struct GuardAttrs {
    pub(super) lsn: Slot<LitStr>,
    pub(super) partition: Slot<LitStr>,
    pub(super) offset: Slot<LitStr>,
}

impl Attributes for GuardAttrs {
    const PLACE: &'static str = "guard(…)";
    const EXAMPLE: &'static str = "guard(lsn = \"source_lsn\")";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("lsn", "lsn = \"source_lsn\"", |attrs, item| item.once(&mut attrs.lsn, Item::string)),
        Key::new("partition", "partition = \"kafka_partition\"", |attrs, item| item.once(&mut attrs.partition, Item::string)),
        Key::new("offset", "offset = \"kafka_offset\"", |attrs, item| item.once(&mut attrs.offset, Item::string)),
    ];
}

/// `#[model_topic(…)]` on a field.
#[derive(Debug, Default)]
pub(super) struct FieldAttrs {
    pub(super) rename: Slot<LitStr>,
    pub(super) transform: Slot<Path>,
    pub(super) exclude: Slot<()>,
    pub(super) relation: Slot<RelationAttrs>,
}

/// `relation(…)`
#[derive(Debug, Default)]
pub(super) struct RelationAttrs {
    pub(super) table: Slot<LitStr>,
    pub(super) column: Slot<LitStr>,
}

impl Attributes for RelationAttrs {
    const PLACE: &'static str = "relation(…)";
    const EXAMPLE: &'static str = "relation(table = \"customers\", column = \"id\")";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("table", "table = \"customers\"", |attrs, item| item.once(&mut attrs.table, Item::string)),
        Key::new("column", "column = \"id\"", |attrs, item| item.once(&mut attrs.column, Item::string)),
    ];
}

impl Attributes for FieldAttrs {
    const PLACE: &'static str = "#[model_topic(…)] on a field";
    const EXAMPLE: &'static str = "#[model_topic(rename = \"name\")]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("rename", "rename = \"name\"", |attrs, item| item.once(&mut attrs.rename, Item::string)),
        Key::new("transform", "transform = upper", |attrs, item| item.once(&mut attrs.transform, Item::path)),
        Key::new("exclude", "exclude", |attrs, item| item.once(&mut attrs.exclude, Item::flag)),
        Key::new("relation", RelationAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.relation, Item::nested)),
    ];
}

/// `#[diesel(…)]`, as far as it concerns us; diesel judges the rest.
pub(super) fn of_diesel(attributes: &[syn::Attribute], wanted: &str) -> Option<Path> {
    let mut found = None;
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("diesel")) {
        let read = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident(wanted) {
                found = Some(meta.value()?.call(Path::parse_mod_style)?);
            } else if meta.input.peek(syn::token::Paren) {
                let content;
                syn::parenthesized!(content in meta.input);
                content.parse::<proc_macro2::TokenStream>()?;
            } else if meta.input.peek(Token![=]) {
                meta.value()?.parse::<Expr>()?;
            }
            Ok(())
        });
        drop(read);
    }
    found
}

fn references(item: &mut Item<'_>) -> syn::Result<Vec<Expr>> {
    item.list(|input: ParseStream<'_>| {
        let found = input.parse();
        found.map_err(|error: syn::Error| {
            syn::Error::new(error.span(), "`polymorphic` takes values of `Polymorphic`; write `polymorphic(subject())`")
        })
    })
}

fn columns(item: &mut Item<'_>) -> syn::Result<Vec<Ident>> {
    item.list(|input: ParseStream<'_>| {
        let found = input.call(Ident::parse_any);
        found.map_err(|error| syn::Error::new(error.span(), "columns are named as in diesel's `table!`: `exclude(internal)`"))
    })
}
