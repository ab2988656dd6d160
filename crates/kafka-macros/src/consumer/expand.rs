//! A checked consumer becomes code. Cannot fail, and decides nothing: what is to be written was
//! settled by the model.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::model::{Consumer, Discovery, Positions};

pub(super) fn expand(consumer: &Consumer) -> TokenStream {
    let Consumer { root, ident, name, group, topics, config, suppress, positions, discovery } = consumer;
    let (keys, values) = (config.iter().map(|property| &property.key), config.iter().map(|property| &property.value));
    let exactly_once = match positions {
        Positions::Stored => None,
        Positions::InTransactions => Some(quote!(.exactly_once())),
    };
    let registration = match discovery {
        Discovery::Off => None,
        Discovery::Registered => Some(quote! {
            __k::inventory::submit! {
                __k::Registration::consumer(#name, ::core::module_path!(), <#ident as __k::Consumer>::spec)
            }
        }),
    };
    root.wrap(quote! {
        #[automatically_derived]
        impl __k::Consumer for #ident {
            fn spec() -> __k::ConsumerSpec {
                __k::ConsumerSpec::new(#name, #group) #(.topic::<#topics>())* #(.config(#keys, #values))* #suppress #exactly_once
            }
        }
        #registration
    })
}

/// Stands in for the implementation of a consumer whose attributes are wrong. It is not registered.
pub(super) fn dummy(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl __k::Consumer for #ident {
            fn spec() -> __k::ConsumerSpec {
                ::core::unreachable!()
            }
        }
    }
}
