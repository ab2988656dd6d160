//! A declaration of model sync as the derive understands it: checked, typed, with every default filled in. No tokens are written here.

use syn::ext::IdentExt;
use syn::{DeriveInput, Expr, Ident, LitStr, Path, Type};

use super::attr::ModelSyncAttrs;
use crate::support::errors::Errors;
use crate::support::root::Root;

#[derive(Debug)]
pub(super) struct ModelSync {
    pub(super) root: Root,
    pub(super) ident: Ident,
    pub(super) name: LitStr,
    pub(super) table: Path,
    pub(super) topic: Option<LitStr>,
    pub(super) source: Option<Source>,
    pub(super) enricher: Option<Expr>,
    pub(super) sink: Option<Sink>,
    pub(super) fields: Fields,
    /// The keyword, where it is said.
    pub(super) bidirectional: Option<Ident>,
    pub(super) discovery: Discovery,
}

#[derive(Debug)]
pub(super) struct Source {
    pub(super) connector: Option<LitStr>,
    pub(super) message_key: Vec<Ident>,
}

#[derive(Debug)]
pub(super) enum Sink {
    /// A topic of the application, by the type that declares it.
    Here(Type),
    /// A connector.
    Jdbc(Expr),
}

#[derive(Debug)]
pub(super) enum Fields {
    All,
    Only(Vec<Ident>),
    Except(Vec<Ident>),
}

/// Whether the application finds it by itself.
#[derive(Clone, Copy, Debug)]
pub(super) enum Discovery {
    Registered,
    Off,
}

impl ModelSync {
    pub(super) fn check(input: &DeriveInput, attrs: &ModelSyncAttrs, mut errors: Errors) -> syn::Result<Self> {
        let model = Self::model(input, attrs, &mut errors);
        errors.finish(model)
    }

    fn model(input: &DeriveInput, attrs: &ModelSyncAttrs, errors: &mut Errors) -> Option<Self> {
        if !input.generics.params.is_empty() {
            errors.push(
                &input.generics,
                "a sync cannot be derived for a generic type; write the impl by hand: see \"What it writes\" in the documentation of `ModelSync`",
            );
        }
        let table = attrs.table.required::<ModelSyncAttrs>("table", &input.ident, errors);
        let default_name = LitStr::new(&input.ident.unraw().to_string(), input.ident.span());
        for (text, what) in [(attrs.name.given(), "name"), (attrs.topic.given(), "topic"), (attrs.connector.given(), "connector")] {
            if let Some(text) = text.filter(|text| text.value().trim().is_empty()) {
                errors.push(text, format!("the {what} is empty; remove it or write one"));
            }
        }
        let source = source(attrs, errors);
        let sink = sink(attrs, errors);
        let fields = fields(attrs, errors);
        together(input, attrs, errors);
        let root = Root::check(&attrs.root, errors);
        Some(Self {
            root: root?,
            ident: input.ident.clone(),
            name: attrs.name.given().unwrap_or(&default_name).clone(),
            table: table?.clone(),
            topic: attrs.topic.given().cloned(),
            source,
            enricher: attrs.enricher.given().cloned(),
            sink,
            fields,
            bidirectional: attrs.bidirectional.key().cloned(),
            discovery: match attrs.register.given() {
                Some(register) if !register.value => Discovery::Off,
                Some(_) | None => Discovery::Registered,
            },
        })
    }
}

fn source(attrs: &ModelSyncAttrs, errors: &mut Errors) -> Option<Source> {
    if attrs.source.key().is_none() {
        for key in [attrs.connector.key(), attrs.message_key.key()].into_iter().flatten() {
            errors.push(key, format!("`{key}` is the source's, and there is none; write `source` beside it"));
        }
        return None;
    }
    let message_key = attrs.message_key.given().cloned().unwrap_or_default();
    errors.repeated(&message_key, "column", Ident::to_string);
    Some(Source { connector: attrs.connector.given().cloned(), message_key })
}

fn sink(attrs: &ModelSyncAttrs, errors: &mut Errors) -> Option<Sink> {
    if let (Some(_), Some(key)) = (attrs.sink.key(), attrs.jdbc.key()) {
        errors.push(key, "the topic and a connector would both write the table; remove `sink` or `jdbc`");
    }
    let here = attrs.sink.given().cloned().map(Sink::Here);
    here.or_else(|| attrs.jdbc.given().cloned().map(Sink::Jdbc))
}

fn fields(attrs: &ModelSyncAttrs, errors: &mut Errors) -> Fields {
    if let (Some(_), Some(key)) = (attrs.only.key(), attrs.except.key()) {
        errors.push(key, "`only` says already which columns are sent; remove one of the two");
    }
    let named = |columns: &Vec<Ident>, errors: &mut Errors| {
        errors.repeated(columns, "column", Ident::to_string);
        columns.clone()
    };
    match (attrs.only.given(), attrs.except.given()) {
        (Some(columns), _) => Fields::Only(named(columns, errors)),
        (None, Some(columns)) => Fields::Except(named(columns, errors)),
        (None, None) => Fields::All,
    }
}

/// Rules between source, sink, topic and direction.
fn together(input: &DeriveInput, attrs: &ModelSyncAttrs, errors: &mut Errors) {
    let (source, topic) = (attrs.source.key(), attrs.topic.key());
    let sink = attrs.sink.key().or_else(|| attrs.jdbc.key());
    if source.is_none() && sink.is_none() {
        errors.push(&input.ident, "it has neither a source nor a sink and would do nothing; write `source`, or `sink = CustomersTopic`");
    }
    if let Some(key) = attrs.enricher.key() {
        if source.is_none() {
            errors.push(key, "an enricher reads what the source sends, and there is none; write `source` beside it");
        }
        if topic.is_none() {
            errors.push(key, "the raw topic has the table's name, so the public one needs another; write `topic = \"…\"` beside it");
        }
    }
    if let Some(key) = attrs.bidirectional.key() {
        if topic.is_none() {
            errors.push(key, "both sides of a bidirectional sync share one topic; write `topic = \"…\"` beside it");
        }
        if source.is_none() || sink.is_none() {
            errors.push(key, "a bidirectional sync needs both a source and a sink; write both");
        }
    }
}
