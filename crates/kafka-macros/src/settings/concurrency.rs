//! `concurrency(order = "key", max = 100)`: how many messages of one partition are handled at the
//! same time, and in which order.

use proc_macro2::{Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::{Ident, LitStr};

use crate::support::attr::{Attributes, Key, Slot};
use crate::support::errors::Errors;
use crate::support::item::{Item, Written};
use crate::support::nearest::nearest;

/// As it was written.
#[derive(Debug, Default)]
pub(crate) struct ConcurrencyAttrs {
    order: Slot<LitStr>,
    max: Slot<Written<i64>>,
}

impl Attributes for ConcurrencyAttrs {
    const PLACE: &'static str = "concurrency(…)";
    const EXAMPLE: &'static str = "concurrency(order = \"key\", max = 100)";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("order", "order = \"key\"", |attrs, item| item.once(&mut attrs.order, Item::string)),
        Key::new("max", "max = 100", |attrs, item| item.once(&mut attrs.max, Item::integer)),
    ];
}

/// As it is meant; its tokens are the call on the spec.
#[derive(Debug)]
pub(crate) enum Concurrency {
    Partition,
    Key { max: i64 },
    Unordered { max: i64 },
}

const ORDERS: [&str; 3] = ["partition", "key", "unordered"];

impl Concurrency {
    pub(crate) fn check(key: &Ident, attrs: &ConcurrencyAttrs, errors: &mut Errors) -> Option<Self> {
        let order = attrs.order.required::<ConcurrencyAttrs>("order", key, errors)?;
        match order.value().as_str() {
            "partition" => {
                if let Slot::Given(key, max) = &attrs.max
                    && max.value != 1
                {
                    errors.push(
                        key,
                        "`max` with the order \"partition\", which handles one message of a \
                        partition at a time; remove `max`, or write `order = \"key\"`",
                    );
                }
                Some(Self::Partition)
            }
            "key" => Self::max(key, attrs, errors).map(|max| Self::Key { max }),
            "unordered" => Self::max(key, attrs, errors).map(|max| Self::Unordered { max }),
            other => {
                let advice = nearest(other, ORDERS).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
                errors.push(
                    order,
                    format!(
                        "unknown order \"{other}\"; {advice}write \"partition\", \"key\" or \
                        \"unordered\""
                    ),
                );
                None
            }
        }
    }

    fn max(key: &Ident, attrs: &ConcurrencyAttrs, errors: &mut Errors) -> Option<i64> {
        let max = attrs.max.required::<ConcurrencyAttrs>("max", key, errors)?;
        if max.value < 1 {
            errors.push(&max.tokens, "at least one message is handled at a time; write `max = 1` or more");
        }
        Some(max.value)
    }
}

impl ToTokens for Concurrency {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let max = |max: &i64| Literal::i64_unsuffixed(*max);
        let variant = match self {
            Self::Partition => quote!(Partition),
            Self::Key { max: limit } => {
                let max = max(limit);
                quote!(Key { max: #max })
            }
            Self::Unordered { max: limit } => {
                let max = max(limit);
                quote!(Unordered { max: #max })
            }
        };
        tokens.extend(quote!(.concurrency(__k::Concurrency::#variant)));
    }
}
