//! A consumer as the derive understands it: checked, typed, with every default filled in. No tokens
//! are written here.

use quote::ToTokens;
use syn::ext::IdentExt;
use syn::{Attribute, Data, DeriveInput, Field, Ident, Lit, LitStr, TypePath};

use super::attr::{ConsumerAttrs, PropertyAttr};
use crate::settings::suppress::Suppress;
use crate::support::attr::Slot;
use crate::support::errors::Errors;
use crate::support::root::Root;

#[derive(Debug)]
pub(super) struct Consumer {
    pub(super) root: Root,
    pub(super) ident: Ident,
    pub(super) name: LitStr,
    pub(super) group: LitStr,
    pub(super) topics: Vec<TypePath>,
    pub(super) config: Vec<Property>,
    pub(super) suppress: Option<Suppress>,
    pub(super) positions: Positions,
    pub(super) discovery: Discovery,
}

/// A librdkafka property. Its value is text, as librdkafka takes it.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) key: LitStr,
    pub(super) value: LitStr,
}

/// How the consumer commits its positions.
#[derive(Clone, Copy, Debug)]
pub(super) enum Positions {
    /// After the work.
    Stored,
    /// With what the handlers produce, in one transaction.
    InTransactions,
}

/// Whether the application finds the consumer by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Discovery {
    Registered,
    Off,
}

impl Consumer {
    pub(super) fn check(input: &DeriveInput, attrs: &ConsumerAttrs, mut errors: Errors) -> syn::Result<Self> {
        let model = Self::model(input, attrs, &mut errors);
        errors.finish(model)
    }

    fn model(input: &DeriveInput, attrs: &ConsumerAttrs, errors: &mut Errors) -> Option<Self> {
        if !input.generics.params.is_empty() {
            errors.push(
                &input.generics,
                "a consumer cannot be derived for a generic type; write the impl by \
                hand: see \"What it writes\" in the documentation of `Consumer`",
            );
        }
        misplaced(input, errors);
        let at = input.attrs.iter().find(|attribute| attribute.path().is_ident("consumer"));
        let at = at.and_then(|attribute| attribute.path().get_ident()).unwrap_or(&input.ident);
        let group = attrs.group.required::<ConsumerAttrs>("group", at, errors);
        let default_name = LitStr::new(&input.ident.unraw().to_string(), input.ident.span());
        let name = attrs.name.given().unwrap_or(&default_name);
        if let Some(group) = group {
            not_empty(group, "the group is empty; write the group id: `group = \"billing\"`", errors);
        }
        not_empty(name, "the name is empty; remove it to use the type's name, or write `name = \"billing\"`", errors);
        let topics = attrs.topics.given().cloned().unwrap_or_default();
        errors.repeated(&topics, "topic", |path| path.to_token_stream().to_string().replace(' ', ""));
        let config = attrs.config.given().map(Vec::as_slice).unwrap_or_default();
        errors.repeated(config, "property", |property| property.key.value());
        let config = config.iter().filter_map(|property| Property::check(property, errors)).collect();
        let suppress = match &attrs.suppress {
            Slot::Given(key, suppress) => Some(suppress.check(key, errors)),
            Slot::Absent | Slot::Broken(_) => None,
        };
        let root = Root::check(&attrs.root, errors);
        Some(Self {
            root: root?,
            ident: input.ident.clone(),
            name: name.clone(),
            group: group?.clone(),
            topics,
            config,
            suppress,
            positions: if attrs.exactly_once.given().is_some() { Positions::InTransactions } else { Positions::Stored },
            discovery: match attrs.register.given() {
                Some(register) if !register.value => Discovery::Off,
                Some(_) | None => Discovery::Registered,
            },
        })
    }
}

fn not_empty(text: &LitStr, message: &str, errors: &mut Errors) {
    if text.value().trim().is_empty() {
        errors.push(text, message);
    }
}

/// The compiler lets the attribute stand on fields too, where nobody would read it.
fn misplaced(input: &DeriveInput, errors: &mut Errors) {
    let fields: Vec<&Field> = match &input.data {
        Data::Struct(data) => data.fields.iter().collect(),
        Data::Enum(data) => data.variants.iter().flat_map(|variant| &variant.fields).collect(),
        Data::Union(data) => data.fields.named.iter().collect(),
    };
    let on_fields = fields.into_iter().flat_map(|field| &field.attrs);
    for attribute in on_fields.filter(|attribute: &&Attribute| attribute.path().is_ident("consumer")) {
        errors.push(attribute, "`#[consumer]` on a field means nothing; write its keys into the one on the type");
    }
}

impl Property {
    fn check(written: &PropertyAttr, errors: &mut Errors) -> Option<Self> {
        let key = written.key.value();
        let digits = match &written.value {
            Lit::Str(text) if written.minus.is_none() => text.value(),
            Lit::Bool(value) if written.minus.is_none() => value.value.to_string(),
            Lit::Int(number) => number.base10_digits().to_owned(),
            Lit::Float(number) => number.base10_digits().to_owned(),
            other => {
                errors.push(
                    other,
                    "a property's value is a string, a number, `true` or `false`; write one \
                    of these",
                );
                return None;
            }
        };
        let value = if written.minus.is_some() { format!("-{digits}") } else { digits };
        if key.trim().is_empty() {
            errors.push(
                &written.key,
                "the property's name is empty; write one of librdkafka's, such as \
                \"auto.offset.reset\"",
            );
        }
        if let Some(reason) = refused(&key, &value) {
            errors.push(&written.key, reason);
        }
        Some(Self { value: LitStr::new(&value, written.value.span()), key: written.key.clone() })
    }
}

/// Why this property may not have this value. The framework's own check at start-up covers every
/// layer; here it is said earlier.
fn refused(key: &str, value: &str) -> Option<&'static str> {
    // The spellings of librdkafka.
    let truth = match value.to_ascii_lowercase().as_str() {
        "true" | "t" | "1" => Some(true),
        "false" | "f" | "0" => Some(false),
        _ => None,
    };
    match (key, truth) {
        ("group.id", _) => Some("\"group.id\" is set by `group`; write `group = \"…\"` and remove this property"),
        ("enable.auto.offset.store", Some(true)) => Some(
            "\"enable.auto.offset.store\" cannot be true, because an offset is \
            stored only after its message was handled (at-least-once); remove this \
            property",
        ),
        ("enable.auto.commit", Some(false)) => Some(
            "\"enable.auto.commit\" cannot be false, because what was handled is \
            stored and the client commits it in the background (at-least-once); \
            remove this property",
        ),
        _ => None,
    }
}
