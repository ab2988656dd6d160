//! `relations` and `relations = Type`: what messages wait for is said by their value, or by a type that stands in for it.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Type;

use crate::support::item::Item;

/// As it was written; its tokens are the call on the spec.
#[derive(Clone, Debug)]
pub(crate) enum Relations {
    OfValues,
    SaidBy(Box<Type>),
}

impl Relations {
    pub(crate) fn read(item: &mut Item<'_>) -> syn::Result<Self> {
        if item.stands_alone() { Ok(Self::OfValues) } else { item.ty().map(|by| Self::SaidBy(Box::new(by))) }
    }
}

impl ToTokens for Relations {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::OfValues => quote!(.declare(__k::DeclaredRelations::of_values::<Self>())),
            Self::SaidBy(by) => quote!(.declare(__k::DeclaredRelations::said_by::<Self, #by>())),
        });
    }
}
