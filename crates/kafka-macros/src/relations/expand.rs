//! Checked relations become code. Cannot fail, and decides nothing.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Ident;

use super::model::{Relation, Relations};

pub(super) fn expand(relations: &Relations) -> TokenStream {
    let Relations { root, ident, generics, relations, deleted } = relations;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let deletion = deleted.iter().map(|field| {
        quote! {
            fn is_deletion(&self) -> bool {
                __k::DeletionMark::is_deletion(&self.#field)
            }
        }
    });
    root.wrap(quote! {
        #[automatically_derived]
        impl #parameters __k::Relations for #ident #arguments #bounds {
            fn relations(&self, __needs: &mut __k::Needs) {
                #(#relations)*
            }
            #(#deletion)*
        }
    })
}

/// Stands in for the implementation of a type whose attributes are wrong.
pub(super) fn dummy(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl __k::Relations for #ident {
            fn relations(&self, _: &mut __k::Needs) {
                ::core::unreachable!()
            }
        }
    }
}

impl ToTokens for Relation {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { table, column, field } = self;
        tokens.extend(quote!(__needs.row(#table, #column, &self.#field);));
    }
}
