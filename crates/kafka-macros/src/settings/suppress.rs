//! `suppress` and `suppress("topic-a")`: what a handler produces is dropped, all of it or to these
//! topics.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::LitStr;
use syn::parse::ParseStream;

use crate::support::errors::Errors;
use crate::support::item::Item;
use crate::support::topic_name;

/// As it was written, and (after `check`) as it is meant; its tokens are the call on the spec.
#[derive(Clone, Debug)]
pub(crate) enum Suppress {
    All,
    Only(Vec<LitStr>),
}

impl Suppress {
    pub(crate) fn read(item: &mut Item<'_>) -> syn::Result<Self> {
        if item.stands_alone() {
            return Ok(Self::All);
        }
        let topics = item.list(|input: ParseStream<'_>| {
            let wrong = |error: syn::Error| {
                syn::Error::new(
                    error.span(),
                    "`suppress` takes names of topics; write them as strings: \
                    `suppress(\"orders\")`",
                )
            };
            input.parse().map_err(wrong)
        })?;
        Ok(Self::Only(topics))
    }

    pub(crate) fn check(&self, key: &syn::Ident, errors: &mut Errors) -> Self {
        if let Self::Only(topics) = self {
            if topics.is_empty() {
                errors.push(
                    key,
                    "`suppress()` names no topic; write `suppress` for all topics, or \
                    `suppress(\"orders\")`",
                );
            }
            for topic in topics {
                errors.keep(topic_name::check(topic));
            }
            errors.repeated(topics, "topic", LitStr::value);
        }
        self.clone()
    }
}

impl ToTokens for Suppress {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::All => quote!(.suppress_all()),
            Self::Only(topics) => quote!(.suppress([#(#topics),*])),
        });
    }
}
