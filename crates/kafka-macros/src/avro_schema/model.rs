//! A schema as the derive understands it: checked, with every name as it will be written. No impl is written here.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DataEnum, DeriveInput, Expr, ExprLit, Fields, GenericParam, Generics, Ident, Lit, LitStr, Meta, Type};

use super::attr::{AvroAttrs, VariantAttrs};
use super::fields::{RecordField, ours};
use super::serde::{Of, Serde, renamed};
use crate::support::attr::{Attributes, Slot};
use crate::support::errors::Errors;
use crate::support::root::Root;

#[derive(Debug)]
pub(super) struct Schema {
    pub(super) root: Root,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) name: String,
    pub(super) doc: Option<String>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Record {
        aliases: Vec<LitStr>,
        fields: Vec<RecordField>,
    },
    Symbols {
        symbols: Vec<String>,
        default: Option<String>,
    },
    Union(Vec<Type>),
    /// That of the one field.
    Inner(Box<Type>),
    Text(Text),
}

/// A schema that the user wrote.
#[derive(Debug)]
pub(super) enum Text {
    Literal(LitStr),
    File(LitStr),
}

impl Text {
    pub(super) fn of(schema: &Slot<LitStr>, file: &Slot<LitStr>) -> Option<Self> {
        schema.given().cloned().map(Self::Literal).or_else(|| file.given().cloned().map(Self::File))
    }
}

impl Schema {
    pub(super) fn check(input: &DeriveInput, attrs: &AvroAttrs, mut errors: Errors) -> syn::Result<Self> {
        let model = Self::model(input, attrs, &mut errors);
        errors.finish(model)
    }

    fn model(input: &DeriveInput, attrs: &AvroAttrs, errors: &mut Errors) -> Option<Self> {
        if let Some(parameter) = input.generics.params.iter().find(|parameter| !matches!(parameter, GenericParam::Lifetime(_))) {
            errors.push(parameter, "a schema has one name, and a generic type is many types; derive it for a type without parameters");
        }
        let serde = Serde::read(&input.attrs);
        let short = attrs.name.given().or(serde.rename.as_ref());
        let short_name = short.map_or_else(|| input.ident.unraw().to_string(), LitStr::value);
        match short {
            Some(short) => avro_name(&short_name, short, errors),
            None => avro_name(&short_name, &input.ident, errors),
        }
        let name = match attrs.namespace.given() {
            Some(namespace) => {
                namespace.value().split('.').for_each(|part| avro_name(part, namespace, errors));
                format!("{}.{short_name}", namespace.value())
            }
            None => short_name,
        };
        let root = Root::check(&attrs.root, errors);
        let kind = Kind::check(input, attrs, serde.rename_all.as_ref(), errors);
        if let Some(kind) = &kind {
            kind.unused(attrs, errors);
        }
        Some(Self { ident: input.ident.clone(), generics: input.generics.clone(), name, doc: doc(&input.attrs), root: root?, kind: kind? })
    }
}

impl Kind {
    fn check(input: &DeriveInput, attrs: &AvroAttrs, rename_all: Option<&LitStr>, errors: &mut Errors) -> Option<Self> {
        if let (Some(_), Some(file)) = (attrs.schema.key(), attrs.schema_file.key()) {
            errors.push(file, "`schema_file` beside `schema`; write only one of them");
        }
        if let Some(text) = Text::of(&attrs.schema, &attrs.schema_file) {
            return Some(Self::Text(text));
        }
        match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) => Some(Self::Record {
                    aliases: attrs.alias.given().cloned().unwrap_or_default(),
                    fields: fields.named.iter().filter_map(|field| RecordField::check(field, rename_all, errors)).collect(),
                }),
                Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                    let field = fields.unnamed.first()?;
                    if let Some(attribute) = ours(&field.attrs) {
                        errors.push(
                            attribute,
                            "the schema is that of the one field; write `#[avro(schema = \"…\")]` on the struct for another",
                        );
                    }
                    Some(Self::Inner(Box::new(field.ty.clone())))
                }
                Fields::Unnamed(_) | Fields::Unit => {
                    errors.push(&input.ident, "a record of Avro has fields with names; write `struct Order { id: i64 }`");
                    None
                }
            },
            Data::Enum(data) => Self::of_variants(&input.ident, data, rename_all, errors),
            Data::Union(data) => {
                errors.push(data.union_token, "a union of Rust has no schema; write `struct` or `enum`");
                None
            }
        }
    }

    fn of_variants(ident: &Ident, data: &DataEnum, rename_all: Option<&LitStr>, errors: &mut Errors) -> Option<Self> {
        let Some(first) = data.variants.first() else {
            errors.push(ident, "an enum without variants has no schema; write a variant");
            return None;
        };
        let (mut symbols, mut types, mut default) = (Vec::new(), Vec::new(), None);
        for variant in &data.variants {
            let attrs = VariantAttrs::read(&variant.attrs, "avro", errors);
            match (&first.fields, &variant.fields) {
                (Fields::Unit, Fields::Unit) => {
                    let (serde, name) = (Serde::read(&variant.attrs), variant.ident.unraw().to_string());
                    let name = match (&serde.rename, rename_all) {
                        (Some(name), _) => name.value(),
                        (None, Some(rule)) => renamed(&name, &rule.value(), Of::Variant),
                        (None, None) => name,
                    };
                    avro_name(&name, &variant.ident, errors);
                    if let Some(key) = attrs.default.key()
                        && default.replace(name.clone()).is_some()
                    {
                        errors.push(key, "a variant before it is the default; remove one of the two");
                    }
                    symbols.push(name);
                }
                (Fields::Unnamed(_), Fields::Unnamed(fields)) if fields.unnamed.len() == 1 => {
                    if let Some(key) = attrs.default.key() {
                        errors.push(key, "a union has no default of its own; remove `default`");
                    }
                    types.extend(fields.unnamed.iter().map(|field| field.ty.clone()));
                }
                _ => errors.push(
                    &variant.ident,
                    "the variants of an enum are all names (`Red, Blue`), or each holds one type (`Card(Card), Transfer(Transfer)`); \
                    write one of the two",
                ),
            }
        }
        Some(if let Fields::Unit = first.fields { Self::Symbols { symbols, default } } else { Self::Union(types) })
    }

    /// Keys that would change nothing.
    fn unused(&self, attrs: &AvroAttrs, errors: &mut Errors) {
        let (what, keys) = match self {
            Self::Record { .. } => return,
            Self::Symbols { .. } => ("an enum has no earlier names here", vec![attrs.alias.key()]),
            Self::Union(_) => ("a union has no name", vec![attrs.name.key(), attrs.namespace.key(), attrs.alias.key()]),
            Self::Inner(_) => ("the schema is that of the one field", vec![attrs.name.key(), attrs.namespace.key(), attrs.alias.key()]),
            Self::Text(_) => ("the schema is written out", vec![attrs.name.key(), attrs.namespace.key(), attrs.alias.key()]),
        };
        for key in keys.into_iter().flatten() {
            errors.push(key, format!("{what}; remove `{key}`"));
        }
    }
}

/// Reports what Avro does not take for a name.
pub(super) fn avro_name(name: &str, at: impl ToTokens, errors: &mut Errors) {
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !first || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        errors.push(at, format!("`{name}` is no name for Avro; write letters, digits and `_`, with no digit first"));
    }
}

/// The text of the doc comments.
pub(super) fn doc(attributes: &[Attribute]) -> Option<String> {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(meta) if meta.path.is_ident("doc") => match &meta.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    };
    let text = attributes.iter().filter_map(line).collect::<Vec<_>>().join("\n");
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}
