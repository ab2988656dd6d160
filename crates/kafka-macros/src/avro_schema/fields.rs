//! The fields of a record: their names, and where the schema of each comes from.

use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Attribute, Field, GenericArgument, LitStr, PathArguments, Type};

use super::attr::FieldAttrs;
use super::model::{Text, avro_name, doc};
use super::serde::{Of, Serde, renamed};
use crate::support::attr::{Attributes, Slot};
use crate::support::errors::Errors;
use crate::support::item::Written;

#[derive(Debug)]
pub(super) struct RecordField {
    pub(super) name: String,
    pub(super) doc: Option<String>,
    pub(super) aliases: Vec<LitStr>,
    pub(super) default: Option<String>,
    pub(super) of: Source,
}

/// Where a field's schema comes from.
#[derive(Debug)]
pub(super) enum Source {
    /// From its type.
    Type(Box<Type>),
    /// From its type, and that of the inner one is registered on its own.
    Reference {
        field: Box<Type>,
        inner: Box<Type>,
    },
    /// Said here. The tokens are an expression over `__scope`.
    Said(TokenStream),
    Text(Text),
}

impl RecordField {
    /// `None` for a field that is not written.
    pub(super) fn check(field: &Field, rename_all: Option<&LitStr>, errors: &mut Errors) -> Option<Self> {
        let attrs = FieldAttrs::read(&field.attrs, "avro", errors);
        let serde = Serde::read(&field.attrs);
        let ident = field.ident.as_ref()?;
        if serde.skip {
            return None;
        }
        if let Some(flatten) = &serde.flatten {
            errors.push(flatten, "a record of Avro cannot take in the fields of another; remove `flatten`, or write the fields here");
        }
        let name = match (&serde.rename, rename_all) {
            (Some(name), _) => name.value(),
            (None, Some(rule)) => renamed(&ident.unraw().to_string(), &rule.value(), Of::Field),
            (None, None) => ident.unraw().to_string(),
        };
        avro_name(&name, ident, errors);
        let aliases = attrs.alias.given().cloned().unwrap_or_default();
        aliases.iter().for_each(|alias| avro_name(&alias.value(), alias, errors));
        Some(Self {
            name,
            doc: doc(&field.attrs),
            aliases,
            default: attrs.default.given().map(|default| default.0.clone()),
            of: Source::check(&field.ty, &attrs, errors),
        })
    }
}

impl Source {
    fn check(ty: &Type, attrs: &FieldAttrs, errors: &mut Errors) -> Self {
        let said = [attrs.precision.key(), attrs.reference.key(), attrs.schema.key(), attrs.schema_file.key()];
        let said: Vec<_> = said.into_iter().flatten().collect();
        if let [first, second, ..] = said.as_slice() {
            errors.push(second, format!("`{second}` beside `{first}`, and each says the field's schema; remove one of the two"));
        }
        if let (Slot::Absent, Some(scale)) = (&attrs.precision, attrs.scale.key()) {
            errors.push(scale, "`scale` without `precision`; write `precision = 10, scale = 2`");
        }
        if let Some(precision) = attrs.precision.given() {
            let (precision, scale) = digits(precision, attrs.scale.given(), errors);
            return Self::Said(shaped(ty, &quote!(__scope.decimal(#precision, #scale))));
        }
        if attrs.reference.given().is_some() {
            return Self::Reference { field: Box::new(ty.clone()), inner: Box::new(innermost(ty).clone()) };
        }
        if let Some(text) = Text::of(&attrs.schema, &attrs.schema_file) {
            return Self::Text(text);
        }
        if is_bytes(ty) || inner_types(ty).any(is_bytes) {
            return Self::Said(shaped(ty, &quote!(__scope.primitive("bytes"))));
        }
        Self::Type(Box::new(ty.clone()))
    }
}

fn digits(precision: &Written<i64>, scale: Option<&Written<i64>>, errors: &mut Errors) -> (u32, u32) {
    if precision.value < 1 {
        errors.push(&precision.tokens, "a decimal has at least one digit; write `precision = 1` or more");
    }
    if let Some(scale) = scale
        && !(0..=precision.value.max(0)).contains(&scale.value)
    {
        errors.push(&scale.tokens, "`scale` is a part of the digits; write a number from 0 to `precision`");
    }
    let number = |value: i64| u32::try_from(value).unwrap_or_default();
    (number(precision.value), scale.map(|scale| number(scale.value)).unwrap_or_default())
}

/// The words of a type that hold another: their last parameter.
const AROUND: [&str; 6] = ["Option", "Vec", "Box", "Arc", "HashMap", "BTreeMap"];

/// What the type holds, and under which word.
fn held(ty: &Type) -> Option<(String, &Type)> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last()?;
    let word = last.ident.to_string();
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.last()? {
        GenericArgument::Type(inner) if AROUND.contains(&word.as_str()) => Some((word, inner)),
        _ => None,
    }
}

fn inner_types(ty: &Type) -> impl Iterator<Item = &Type> {
    std::iter::successors(Some(ty), |ty| held(ty).map(|(_, inner)| inner))
}

fn innermost(ty: &Type) -> &Type {
    inner_types(ty).last().unwrap_or(ty)
}

fn is_bytes(ty: &Type) -> bool {
    let is_u8 = |inner: &Type| matches!(inner, Type::Path(path) if path.path.is_ident("u8"));
    held(ty).is_some_and(|(word, inner)| word == "Vec" && is_u8(inner))
}

/// The schema of the innermost type, with what is around it.
fn shaped(ty: &Type, leaf: &TokenStream) -> TokenStream {
    match held(ty) {
        Some((word, inner)) if !is_bytes(ty) => {
            let inner = shaped(inner, leaf);
            match word.as_str() {
                "Option" => quote!(__scope.optional(#inner)),
                "Vec" => quote!(__scope.array(#inner)),
                "HashMap" | "BTreeMap" => quote!(__scope.map(#inner)),
                _ => inner,
            }
        }
        _ => leaf.clone(),
    }
}

/// Whether the item has one of our attributes, for where none is read.
pub(super) fn ours(attributes: &[Attribute]) -> Option<&Attribute> {
    attributes.iter().find(|attribute| attribute.path().is_ident("avro"))
}
