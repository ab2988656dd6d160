//! The keys of `#[topic(…)]`, on the struct and on its fields. Rules between keys are the model's.

use syn::{LitBool, LitStr, Path, Type, parse_quote};

use super::model::Style;
use crate::settings::batch::BatchAttrs;
use crate::settings::concurrency::ConcurrencyAttrs;
use crate::settings::dead_letter_limit::DeadLetterLimitAttrs;
use crate::settings::relations::Relations;
use crate::settings::retry::RetryAttrs;
use crate::settings::suppress::Suppress;
use crate::support::attr::{Attributes, Key, Slot};
use crate::support::item::Item;
use crate::support::root;

/// `#[topic(…)]` on the struct.
#[derive(Debug, Default)]
pub(super) struct TopicAttrs {
    pub(super) name: Slot<LitStr>,
    key: Slot<Type>,
    value: Slot<Type>,
    pub(super) consume: Slot<()>,
    pub(super) produce: Slot<()>,
    pub(super) blocking: Slot<()>,
    pub(super) batch: Slot<BatchAttrs>,
    pub(super) concurrency: Slot<ConcurrencyAttrs>,
    pub(super) retry: Slot<RetryAttrs>,
    pub(super) dead_letter_limit: Slot<DeadLetterLimitAttrs>,
    pub(super) suppress: Slot<Suppress>,
    pub(super) subject: Slot<LitStr>,
    pub(super) register: Slot<LitBool>,
    pub(super) relations: Slot<Relations>,
    pub(super) root: Slot<Path>,
}

impl Attributes for TopicAttrs {
    const PLACE: &'static str = "#[topic(…)]";
    const EXAMPLE: &'static str = "#[topic(name = \"orders\")]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("name", "name = \"orders\"", |attrs, item| item.once(&mut attrs.name, Item::string)),
        Key::new("key", "key = i64", |attrs, item| item.once(&mut attrs.key, Item::ty)),
        Key::new("value", "value = Json<Order>", |attrs, item| item.once(&mut attrs.value, Item::ty)),
        Key::new("consume", "consume", |attrs, item| item.once(&mut attrs.consume, Item::flag)),
        Key::new("produce", "produce", |attrs, item| item.once(&mut attrs.produce, Item::flag)),
        Key::new("blocking", "blocking", |attrs, item| item.once(&mut attrs.blocking, Item::flag)),
        Key::new("batch", BatchAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.batch, Item::nested)),
        Key::new("concurrency", ConcurrencyAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.concurrency, Item::nested)),
        Key::new("retry", RetryAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.retry, Item::nested)),
        Key::new("dead_letter_limit", DeadLetterLimitAttrs::EXAMPLE, |attrs, item| item.once(&mut attrs.dead_letter_limit, Item::nested)),
        Key::new("suppress", "suppress(\"orders\")", |attrs, item| item.once(&mut attrs.suppress, Suppress::read)),
        Key::new("subject", "subject = \"record\"", |attrs, item| item.once(&mut attrs.subject, Item::string)),
        Key::new("register", "register = false", |attrs, item| item.once(&mut attrs.register, Item::boolean)),
        Key::new("relations", "relations", |attrs, item| item.once(&mut attrs.relations, Relations::read)),
        Key::new("crate", root::EXAMPLE, |attrs, item| item.once(&mut attrs.root, Item::path)),
    ];
}

// What the model and the dummy of the fallback both take from the attributes.
impl TopicAttrs {
    pub(super) fn key(&self) -> Type {
        self.key.given().cloned().unwrap_or_else(text)
    }

    pub(super) fn value(&self) -> Type {
        self.value.given().cloned().unwrap_or_else(text)
    }

    pub(super) fn style(&self) -> Style {
        if self.batch.key().is_some() {
            Style::Batched
        } else if self.blocking.key().is_some() {
            Style::Blocking
        } else {
            Style::Single
        }
    }
}

/// The format of keys and values that say none.
fn text() -> Type {
    parse_quote!(__k::Text)
}

/// `#[topic(…)]` on a field.
#[derive(Debug, Default)]
pub(super) struct FieldAttrs {
    pub(super) state: Slot<()>,
    pub(super) default: Slot<()>,
}

impl Attributes for FieldAttrs {
    const PLACE: &'static str = "#[topic(…)] on a field";
    const EXAMPLE: &'static str = "#[topic(state)]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("state", "state", |attrs, item| item.once(&mut attrs.state, Item::flag)),
        Key::new("default", "default", |attrs, item| item.once(&mut attrs.default, Item::flag)),
    ];
}
