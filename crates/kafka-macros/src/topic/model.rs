//! A topic as the derive understands it: checked, typed, with every default filled in. No tokens
//! are written here.

use syn::{Data, DeriveInput, Field, Fields, Ident, LitStr, Type};

use super::attr::{FieldAttrs, TopicAttrs};
use crate::settings::batch::Batch;
use crate::settings::concurrency::Concurrency;
use crate::settings::dead_letter_limit::DeadLetterLimit;
use crate::settings::relations::Relations;
use crate::settings::retry::Retry;
use crate::settings::subject::Subject;
use crate::settings::suppress::Suppress;
use crate::support::attr::{Attributes, Slot};
use crate::support::errors::Errors;
use crate::support::root::Root;
use crate::support::topic_name;

#[derive(Debug)]
pub(super) struct Topic {
    pub(super) root: Root,
    pub(super) ident: Ident,
    pub(super) name: Name,
    pub(super) key: Type,
    pub(super) value: Type,
    pub(super) faces: Faces,
    pub(super) discovery: Discovery,
    pub(super) style: Style,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) batch: Option<Batch>,
    pub(super) retry: Option<Retry>,
    pub(super) dead_letter_limit: Option<DeadLetterLimit>,
    pub(super) suppress: Option<Suppress>,
    pub(super) subject: Option<Subject>,
    pub(super) relations: Option<Relations>,
    pub(super) state: State,
}

#[derive(Debug)]
pub(super) enum Name {
    Literal(LitStr),
    Pattern(LitStr),
}

/// What the type can do. A topic that consumes may have a handler, which the user writes; one that
/// produces gets an impl from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Faces {
    Consume,
    Produce,
    Both,
}

/// Whether the application finds the topic by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discovery {
    Registered,
    Off,
}

/// The form of the handler.
#[derive(Clone, Copy, Debug)]
pub(super) enum Style {
    Single,
    Batched,
    Blocking,
}

/// The struct's fields, in the form in which it is constructed.
#[derive(Debug)]
pub(super) enum State {
    Unit,
    Tuple(Vec<Source>),
    Named(Vec<(Ident, Source)>),
}

/// Where a field's value comes from.
#[derive(Debug)]
pub(super) enum Source {
    State(Box<Type>),
    Default,
}

impl Topic {
    pub(super) fn check(input: &DeriveInput, attrs: &TopicAttrs, mut errors: Errors) -> syn::Result<Self> {
        let model = Self::model(input, attrs, &mut errors);
        errors.finish(model)
    }

    fn model(input: &DeriveInput, attrs: &TopicAttrs, errors: &mut Errors) -> Option<Self> {
        if !input.generics.params.is_empty() {
            errors.push(
                &input.generics,
                "a topic cannot be derived for a generic type; write the impl by hand: \
                see \"What it writes\" in the documentation of `Topic`",
            );
        }
        let at = input.attrs.iter().find(|attribute| attribute.path().is_ident("topic"));
        let at = at.and_then(|attribute| attribute.path().get_ident()).unwrap_or(&input.ident);
        let name = attrs.name.required::<TopicAttrs>("name", at, errors).map(|name| Name::check(name, errors));
        let faces = Faces::check(attrs, name.as_ref(), errors);
        if faces == Faces::Produce {
            without_handler(attrs, errors);
        }
        if let (Some(blocking), Some(batch)) = (attrs.blocking.key(), attrs.batch.key()) {
            errors.push(
                blocking,
                "`blocking` is not offered with `batch`; remove one of the two, or start \
                the blocking work inside the batch handler",
            );
            errors.push(batch, "`batch` is not offered with `blocking`; remove one of the two");
        }
        let root = Root::check(&attrs.root, errors);
        let state = State::check(input, errors);
        Some(Self {
            key: attrs.key(),
            value: attrs.value(),
            faces,
            discovery: Discovery::check(attrs, faces, errors),
            style: attrs.style(),
            concurrency: checked(&attrs.concurrency, Concurrency::check, errors),
            batch: checked(&attrs.batch, Batch::check, errors),
            retry: checked(&attrs.retry, Retry::check, errors),
            dead_letter_limit: checked(&attrs.dead_letter_limit, DeadLetterLimit::check, errors),
            suppress: checked(&attrs.suppress, |key, suppress, errors| Some(suppress.check(key, errors)), errors),
            subject: checked(&attrs.subject, |_, subject, errors| Subject::check(subject, errors), errors),
            relations: attrs.relations.given().cloned(),
            // Last, because the first `?` hides what comes after it.
            ident: input.ident.clone(),
            state: state?,
            root: root?,
            name: name?,
        })
    }
}

impl Discovery {
    /// A topic with a handler is known by the consumers that take it, or taken by another service.
    fn check(attrs: &TopicAttrs, faces: Faces, errors: &mut Errors) -> Self {
        if let (Some(key), Faces::Consume | Faces::Both) = (attrs.register.key(), faces) {
            errors.push(
                key,
                "`register` is for a topic with `produce` alone, and others are known by the consumers that take them; \
                remove it, or add `produce`",
            );
        }
        match (faces, attrs.register.given()) {
            (Faces::Consume | Faces::Both, _) => Self::Off,
            (Faces::Produce, Some(register)) if !register.value => Self::Off,
            (Faces::Produce, _) => Self::Registered,
        }
    }
}

fn checked<A, T>(slot: &Slot<A>, check: fn(&Ident, &A, &mut Errors) -> Option<T>, errors: &mut Errors) -> Option<T> {
    match slot {
        Slot::Given(key, attrs) => check(key, attrs, errors),
        Slot::Absent | Slot::Broken(_) => None,
    }
}

/// Settings of a handler mean nothing on a topic that has none.
fn without_handler(attrs: &TopicAttrs, errors: &mut Errors) {
    let keys = [
        attrs.blocking.key(),
        attrs.batch.key(),
        attrs.concurrency.key(),
        attrs.retry.key(),
        attrs.dead_letter_limit.key(),
        attrs.suppress.key(),
        attrs.relations.key(),
    ];
    for key in keys.into_iter().flatten() {
        errors.push(
            key,
            format!(
                "`{key}` is for a handler, and a topic with `produce` alone has none; \
                remove it, or add `consume`"
            ),
        );
    }
}

impl Name {
    fn check(name: &LitStr, errors: &mut Errors) -> Self {
        let text = name.value();
        if !text.starts_with('^') {
            errors.keep(topic_name::check(name));
            return Self::Literal(name.clone());
        }
        if text == "^" {
            errors.push(
                name,
                "the pattern is empty and matches every topic; write what the names \
                begin with: `^orders-.*`",
            );
        }
        Self::Pattern(name.clone())
    }
}

impl Faces {
    fn check(attrs: &TopicAttrs, name: Option<&Name>, errors: &mut Errors) -> Self {
        let pattern = matches!(name, Some(Name::Pattern(_)));
        if let (true, Some(produce)) = (pattern, attrs.produce.key()) {
            errors.push(
                produce,
                "`produce` with a pattern, which names no topic to send to; remove \
                `produce`, or write a literal `name`",
            );
        }
        match (attrs.consume.key(), attrs.produce.key()) {
            _ if pattern => Self::Consume,
            (Some(_), None) => Self::Consume,
            (None, Some(_)) => Self::Produce,
            (None, None) | (Some(_), Some(_)) => Self::Both,
        }
    }
}

impl State {
    fn check(input: &DeriveInput, errors: &mut Errors) -> Option<Self> {
        let fields = match &input.data {
            Data::Struct(data) => &data.fields,
            Data::Enum(data) => {
                errors.push(data.enum_token, "a topic is a struct, and this is an enum; write `struct`");
                return None;
            }
            Data::Union(data) => {
                errors.push(data.union_token, "a topic is a struct, and this is a union; write `struct`");
                return None;
            }
        };
        let sources: Vec<_> = fields.iter().map(|field| Source::check(field, errors)).collect();
        let sources = sources.into_iter().collect::<Option<Vec<_>>>()?;
        Some(match fields {
            Fields::Unit => Self::Unit,
            Fields::Unnamed(_) => Self::Tuple(sources),
            Fields::Named(_) => Self::Named(fields.iter().filter_map(|field| field.ident.clone()).zip(sources).collect()),
        })
    }
}

impl Source {
    fn check(field: &Field, errors: &mut Errors) -> Option<Self> {
        let attrs = FieldAttrs::read(&field.attrs, "topic", errors);
        match (attrs.state, attrs.default) {
            (Slot::Absent, Slot::Absent) => {
                let name = field.ident.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
                let message = format!(
                    "nothing says where the field{name} comes from; write `#[topic(state)]` \
                    to take it from the application's state, or `#[topic(default)]`"
                );
                match &field.ident {
                    Some(name) => errors.push(name, message),
                    None => errors.push(&field.ty, message),
                }
                None
            }
            (state, default) => {
                if let (Some(_), Some(default)) = (state.key(), default.key()) {
                    errors.push(default, "`default` stands beside `state`; write only one of them");
                }
                Some(if state.key().is_some() { Self::State(Box::new(field.ty.clone())) } else { Self::Default })
            }
        }
    }
}
