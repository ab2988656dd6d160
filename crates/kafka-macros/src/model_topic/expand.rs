//! A checked topic into a table becomes code. Cannot fail, and decides nothing.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Ident, Type};

use super::model::{Column, ForeignKeys, Guard, ModelTopic, Reroute, RerouteTo, Said, Truncations};

pub(super) fn expand(topic: &ModelTopic) -> TokenStream {
    let ModelTopic { root, ident, name, key, value, table, columns, lookup, deletion_key, deletion, .. } = topic;
    let ModelTopic { guard, truncations, transforms, foreign_keys, polymorphic, reroute, batch, concurrency, retry, suppress, .. } = topic;
    let columns = columns.iter().map(|Column { column, said }| {
        // Diesel's own name for it, so that the compiler says which column there is none of.
        let column = quote!(__k::column_name(#table::#column));
        match said {
            Said::Exclude => quote!(.exclude(#column)),
            Said::Rename(field) => quote!(.rename(#column, #field)),
            Said::Transform(function) => quote!(.transform(#column, #function)),
            Said::Relation { table, column: parent } => quote!(.relation(#column, #table, #parent)),
        }
    });
    let lookup = (!lookup.is_empty()).then(|| quote!(.lookup([#(__k::column_name(#table::#lookup)),*])));
    let deletion_key = deletion_key.as_ref().map(|field| quote!(.deletion_key(#field)));
    let deletion = deletion.as_ref().map(|function| quote!(.deletion(#function)));
    let guard = guard.as_ref().map(|guard| match guard {
        Guard::Lsn(column) => quote!(.guard(__k::Guard::lsn(#column))),
        Guard::Offset { partition, offset } => quote!(.guard(__k::Guard::offset(#partition, #offset))),
    });
    let truncations = match truncations {
        Truncations::Ignored => None,
        Truncations::Applied => Some(quote!(.truncations(__k::Truncations::Applied))),
    };
    let transforms = transforms.as_ref().map(|transforms| quote!(.transforms(#transforms)));
    let foreign_keys = foreign_keys.map(|said| match said {
        ForeignKeys::Ignored => quote!(.foreign_keys(__k::ForeignKeys::Ignored)),
        ForeignKeys::WaitedFor => quote!(.foreign_keys(__k::ForeignKeys::WaitedFor)),
    });
    let reroute = reroute.iter().map(|Reroute { table, to }| match to {
        RerouteTo::Own => quote!(.reroute_own(#table)),
        RerouteTo::Other(to) => quote!(.reroute(#table, <#to as __k::ModelTopic>::model())),
    });
    root.wrap(quote! {
        #[automatically_derived]
        impl __k::ModelTopic for #ident {
            type Key = #key;
            type Value = #value;

            fn spec() -> __k::TopicSpec {
                __k::TopicSpec::named(#name) #concurrency #batch #retry #suppress
            }

            fn model() -> __k::Model {
                __k::Model::of(__k::Table::of(#table::table)) #(#columns)* #lookup #deletion_key #deletion #guard #truncations #transforms #foreign_keys #(.polymorphic(#polymorphic))* #(#reroute)*
            }
        }
    })
}

/// Stands in for the implementation of a type whose attributes are wrong.
pub(super) fn dummy(ident: &Ident, key: &Type, value: &Type) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl __k::ModelTopic for #ident {
            type Key = #key;
            type Value = #value;

            fn spec() -> __k::TopicSpec {
                ::core::unreachable!()
            }

            fn model() -> __k::Model {
                ::core::unreachable!()
            }
        }
    }
}
