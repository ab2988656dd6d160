//! A connector as the derive understands it: checked, typed, with every default filled in. No tokens are written here.

use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Expr, ExprLit, Fields, Ident, Lit, LitStr};

use super::attr::ConnectorAttrs;
use crate::support::errors::Errors;
use crate::support::root::Root;

#[derive(Debug)]
pub(super) struct Connector {
    pub(super) root: Root,
    pub(super) ident: Ident,
    pub(super) name: LitStr,
    pub(super) class: Option<LitStr>,
    pub(super) prefix: Option<LitStr>,
    pub(super) secrets: Vec<LitStr>,
    pub(super) value: Value,
    pub(super) config: Config,
    pub(super) intent: Intent,
    pub(super) discovery: Discovery,
}

/// Where the value of the type comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// It has no fields.
    Unit,
    /// From the application's state.
    State,
    /// `Default`
    Default,
}

/// Where the config comes from.
#[derive(Debug)]
pub(super) enum Config {
    /// The fields, by serde.
    Fields,
    /// A file beside the source.
    File(LitStr),
    /// Data.
    Data(Box<Expr>),
    /// There is none: the connector is to be deleted.
    None,
}

/// What publish does with it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Intent {
    Run,
    Remove,
}

/// Whether the application finds the connector by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Discovery {
    Registered,
    Off,
}

impl Connector {
    pub(super) fn check(input: &DeriveInput, attrs: &ConnectorAttrs, mut errors: Errors) -> syn::Result<Self> {
        let model = Self::model(input, attrs, &mut errors);
        errors.finish(model)
    }

    fn model(input: &DeriveInput, attrs: &ConnectorAttrs, errors: &mut Errors) -> Option<Self> {
        if !input.generics.params.is_empty() {
            errors.push(
                &input.generics,
                "a connector cannot be derived for a generic type; write the impl by hand: see \"What it writes\" in the documentation of \
                 `Connector`",
            );
        }
        misplaced(input, errors);
        let fields = match &input.data {
            Data::Struct(data) => Some(&data.fields),
            Data::Enum(_) | Data::Union(_) => {
                errors.push(&input.ident, "a connector is a struct; write `struct`, with fields that are its config or with none");
                None
            }
        }?;
        let default_name = LitStr::new(&input.ident.unraw().to_string(), input.ident.span());
        let name = attrs.name.given().unwrap_or(&default_name);
        for (text, what) in [(Some(name), "name"), (attrs.class.given(), "class")] {
            if let Some(text) = text.filter(|text| text.value().trim().is_empty()) {
                errors.push(text, format!("the {what} is empty; remove it or write one"));
            }
        }
        if let Some(prefix) = attrs.prefix.given().filter(|prefix| prefix.value().ends_with('.')) {
            errors.push(prefix, "the dot after the prefix comes by itself; remove it here");
        }
        let secrets = attrs.secret.given().cloned().unwrap_or_default();
        errors.repeated(&secrets, "key", LitStr::value);
        let intent = if attrs.mark_for_removal.key().is_some() { Intent::Remove } else { Intent::Run };
        let config = config(input, fields, attrs, intent, errors);
        let value = value(fields, attrs, errors);
        let root = Root::check(&attrs.root, errors);
        Some(Self {
            root: root?,
            ident: input.ident.clone(),
            name: name.clone(),
            class: attrs.class.given().cloned(),
            prefix: attrs.prefix.given().cloned(),
            secrets,
            value,
            config: config?,
            intent,
            discovery: match attrs.register.given() {
                Some(register) if !register.value => Discovery::Off,
                Some(_) | None => Discovery::Registered,
            },
        })
    }
}

fn config(input: &DeriveInput, fields: &Fields, attrs: &ConnectorAttrs, intent: Intent, errors: &mut Errors) -> Option<Config> {
    if let (Some(key), false) = (attrs.config.key(), fields.is_empty()) {
        errors.push(key, "the fields are the config already; remove `config` or the fields");
        return None;
    }
    match attrs.config.given() {
        Some(Expr::Lit(ExprLit { lit: Lit::Str(path), .. })) if !path.value().trim().is_empty() => Some(Config::File(path.clone())),
        Some(Expr::Lit(ExprLit { lit, .. })) => {
            errors.push(
                lit,
                "`config` is a file or data; write `config = \"customers.json\"`, a path from this source file, or `config = json!({…})`",
            );
            None
        }
        Some(data) => Some(Config::Data(Box::new(data.clone()))),
        None if attrs.config.key().is_some() => None,
        None if !fields.is_empty() => Some(Config::Fields),
        None => match intent {
            Intent::Remove => Some(Config::None),
            Intent::Run => {
                errors.push(
                    &input.ident,
                    "the connector has no config; write fields, `config = \"customers.json\"` or `config = json!({…})`",
                );
                None
            }
        },
    }
}

fn value(fields: &Fields, attrs: &ConnectorAttrs, errors: &mut Errors) -> Value {
    if let (Some(key), true) = (attrs.default.key(), fields.is_empty()) {
        errors.push(key, "a struct without fields needs no default value; remove `default`");
    }
    match (fields.is_empty(), attrs.default.key()) {
        (true, _) => Value::Unit,
        (false, Some(_)) => Value::Default,
        (false, None) => Value::State,
    }
}

/// The compiler lets the attribute stand on fields too, where nobody would read it.
fn misplaced(input: &DeriveInput, errors: &mut Errors) {
    let Data::Struct(data) = &input.data else { return };
    let on_fields = data.fields.iter().flat_map(|field| &field.attrs);
    for attribute in on_fields.filter(|attribute| attribute.path().is_ident("connector")) {
        errors.push(attribute, "`#[connector]` on a field means nothing; name keys with `#[serde(rename = \"…\")]`");
    }
}
