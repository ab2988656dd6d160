//! `batch(max = 500, wait = "50ms")`: the handler takes several messages at once.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::Ident;

use crate::support::attr::{Attributes, Key, Slot};
use crate::support::duration::Duration;
use crate::support::errors::Errors;
use crate::support::item::{Item, Written};

/// As it was written.
#[derive(Debug, Default)]
pub(crate) struct BatchAttrs {
    max: Slot<Written<i64>>,
    wait: Slot<Written<Duration>>,
}

impl Attributes for BatchAttrs {
    const PLACE: &'static str = "batch(…)";
    const EXAMPLE: &'static str = "batch(max = 500)";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("max", "max = 500", |attrs, item| item.once(&mut attrs.max, Item::integer)),
        Key::new("wait", "wait = \"50ms\"", |attrs, item| item.once(&mut attrs.wait, Item::duration)),
    ];
}

/// As it is meant; its tokens are the call on the spec.
#[derive(Debug)]
pub(crate) struct Batch {
    max: i64,
    wait: Duration,
}

impl Batch {
    pub(crate) fn check(key: &Ident, attrs: &BatchAttrs, errors: &mut Errors) -> Option<Self> {
        let max = attrs.max.required::<BatchAttrs>("max", key, errors)?;
        if max.value < 1 {
            errors.push(&max.tokens, "a batch has at least one message; write `max = 1` or more");
        }
        let wait = attrs.wait.given().map_or(Duration::ZERO, |wait| wait.value);
        Some(Self { max: max.value, wait })
    }
}

impl ToTokens for Batch {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let (max, wait) = (Literal::i64_unsuffixed(self.max), self.wait);
        tokens.extend(quote!(.batch(#max, #wait)));
    }
}
