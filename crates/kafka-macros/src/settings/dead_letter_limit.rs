//! `dead_letter_limit(consecutive = 100, ratio = 0.5)`: how many dead letters are too many.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::Ident;

use crate::support::attr::{Attributes, Key, Slot};
use crate::support::errors::Errors;
use crate::support::item::{Item, Written};

/// As it was written.
#[derive(Debug, Default)]
pub(crate) struct DeadLetterLimitAttrs {
    consecutive: Slot<Written<i64>>,
    ratio: Slot<Written<f64>>,
    window: Slot<Written<i64>>,
}

impl Attributes for DeadLetterLimitAttrs {
    const PLACE: &'static str = "dead_letter_limit(…)";
    const EXAMPLE: &'static str = "dead_letter_limit(consecutive = 100)";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("consecutive", "consecutive = 100", |attrs, item| item.once(&mut attrs.consecutive, Item::integer)),
        Key::new("ratio", "ratio = 0.5", |attrs, item| item.once(&mut attrs.ratio, Item::number)),
        Key::new("window", "window = 1000", |attrs, item| item.once(&mut attrs.window, Item::integer)),
    ];
}

/// As it is meant; its tokens are the call on the spec.
#[derive(Debug)]
pub(crate) struct DeadLetterLimit {
    consecutive: Option<i64>,
    ratio: Option<f64>,
    window: Option<i64>,
}

impl DeadLetterLimit {
    pub(crate) fn check(key: &Ident, attrs: &DeadLetterLimitAttrs, errors: &mut Errors) -> Option<Self> {
        if let (Slot::Absent, Slot::Absent) = (&attrs.consecutive, &attrs.ratio) {
            errors.push(key, format!("`{key}` limits nothing; write `consecutive = 100`, `ratio = 0.5`, or both"));
        }
        if let Some(limit) = attrs.consecutive.given()
            && limit.value < 1
        {
            errors.push(&limit.tokens, "no dead letter would be let through; write `consecutive = 1` or more");
        }
        if let Some(limit) = attrs.ratio.given()
            && !(0.0..=1.0).contains(&limit.value)
        {
            errors.push(&limit.tokens, "`ratio` is a part of all messages; write a number from 0 to 1, such as `ratio = 0.5`");
        }
        if let Some(window) = attrs.window.given()
            && window.value < 1
        {
            errors.push(&window.tokens, "`window` counts messages; write `window = 1` or more");
        }
        if let (Slot::Absent, Some(window)) = (&attrs.ratio, attrs.window.key()) {
            errors.push(window, "`window` says how many messages `ratio` looks at, and there is no `ratio`; add it, or remove `window`");
        }
        let number = |slot: &Slot<Written<i64>>| slot.given().map(|number| number.value);
        Some(Self {
            consecutive: number(&attrs.consecutive),
            ratio: attrs.ratio.given().map(|limit| limit.value),
            window: number(&attrs.window),
        })
    }
}

impl ToTokens for DeadLetterLimit {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let consecutive = option(self.consecutive.map(Literal::i64_unsuffixed));
        let ratio = option(self.ratio.map(Literal::f64_unsuffixed));
        let window = match self.window.map(Literal::i64_unsuffixed) {
            Some(window) => quote!(#window),
            None => quote!(__k::DeadLetterLimit::WINDOW),
        };
        tokens.extend(quote!(.dead_letter_limit(__k::DeadLetterLimit { consecutive: #consecutive, ratio: #ratio, window: #window })));
    }
}

fn option(value: Option<Literal>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
