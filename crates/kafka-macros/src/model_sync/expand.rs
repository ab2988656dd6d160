//! A checked declaration becomes code. Cannot fail, and decides nothing: what is to be written was settled by the model.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Ident, LitStr};

use super::model::{Discovery, Fields, ModelSync, Sink, Source};

pub(super) fn expand(sync: &ModelSync) -> TokenStream {
    let ModelSync { root, ident, name, table, topic, source, enricher, sink, fields, bidirectional, discovery } = sync;
    let topic = topic.as_ref().map(|topic| quote!(.topic(#topic)));
    let source = source.as_ref().map(|Source { connector, message_key }| {
        let source = match connector {
            Some(connector) => quote!(__k::sync::Source::of_connector(#connector)),
            None => quote!(__k::sync::Source::shared()),
        };
        let columns = texts(message_key);
        let key = (!message_key.is_empty()).then(|| quote!(.message_key([#(#columns),*])));
        quote!(.source(#source #key))
    });
    let enricher = enricher.as_ref().map(|enricher| quote!(.enricher(#enricher)));
    let sink = sink.as_ref().map(|sink| match sink {
        Sink::Here(topic) => quote!(.sink(__k::sync::Sink::of::<#topic>())),
        Sink::Jdbc(sink) => quote!(.sink(__k::sync::Sink::Jdbc(#sink))),
    });
    let fields = match fields {
        Fields::All => None,
        Fields::Only(columns) => Some((quote!(only), columns)),
        Fields::Except(columns) => Some((quote!(except), columns)),
    };
    let said = fields.as_ref().map(|(rule, columns)| {
        let columns = texts(columns);
        quote!(.#rule([#(#columns),*]))
    });
    let both = bidirectional.as_ref().map(|_| quote!(.bidirectional()));
    // A column that the table does not have is the compiler's word, where it was written.
    let named = fields.iter().flat_map(|(_, columns)| columns.iter()).chain(sync.source.iter().flat_map(|source| &source.message_key));
    let named = named
        .map(|column| quote!(#table::#column))
        .chain(bidirectional.as_ref().map(|key| quote_spanned!(key.span()=> #table::kafka_skip)));
    let checks: Vec<TokenStream> = named.map(|column| quote!(let _ = #column;)).collect();
    let check = (!checks.is_empty()).then(|| quote!(const _: () = { #(#checks)* };));
    let registration = match discovery {
        Discovery::Off => None,
        Discovery::Registered => Some(quote! {
            __k::inventory::submit! {
                __k::sync::SyncRegistration::new::<#ident>(::core::module_path!())
            }
        }),
    };
    root.wrap(quote! {
        #[automatically_derived]
        impl __k::sync::ModelSync for #ident {
            fn spec() -> __k::sync::SyncSpec {
                __k::sync::SyncSpec::new(#name, __k::Table::of(#table::table)) #topic #said #both #source #enricher #sink
            }
        }
        #check
        #registration
    })
}

fn texts(columns: &[Ident]) -> Vec<LitStr> {
    columns.iter().map(|column| LitStr::new(&column.unraw().to_string(), column.span())).collect()
}

/// Stands in for the implementation of a declaration whose attributes are wrong. It is not registered.
pub(super) fn dummy(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl __k::sync::ModelSync for #ident {
            fn spec() -> __k::sync::SyncSpec {
                ::core::unreachable!()
            }
        }
    }
}
