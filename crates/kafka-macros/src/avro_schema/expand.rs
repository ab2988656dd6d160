//! A checked schema becomes code. Cannot fail, and decides nothing.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Ident;

use super::fields::{RecordField, Source};
use super::model::{Kind, Schema, Text};

pub(super) fn expand(schema: &Schema) -> TokenStream {
    let Schema { root, ident, generics, name, doc, kind } = schema;
    let (parameters, arguments, bounds) = generics.split_for_impl();
    let doc = optional(doc.as_ref());
    let body = match kind {
        Kind::Record { aliases, fields } => quote!(__scope.record(#name, #doc, &[#(#aliases),*], |__record| { #(#fields)* })),
        Kind::Symbols { symbols, default } => {
            let default = optional(default.as_ref());
            quote!(__scope.symbols(#name, #doc, &[#(#symbols),*], #default))
        }
        Kind::Union(types) => quote! {
            let __branches = [#(<#types as __k::AvroSchema>::avro_schema(__scope)),*];
            __scope.union(__branches)
        },
        Kind::Inner(ty) => quote!(<#ty as __k::AvroSchema>::avro_schema(__scope)),
        Kind::Text(text) => quote!(__scope.literal(#text)),
    };
    root.wrap(quote! {
        #[automatically_derived]
        impl #parameters __k::AvroSchema for #ident #arguments #bounds {
            fn avro_schema(__scope: &mut __k::SchemaScope) -> __k::TypeSchema {
                #body
            }
        }
    })
}

/// Stands in for the implementation of a type whose attributes are wrong.
pub(super) fn dummy(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl __k::AvroSchema for #ident {
            fn avro_schema(_: &mut __k::SchemaScope) -> __k::TypeSchema {
                ::core::unreachable!()
            }
        }
    }
}

fn optional(text: Option<&String>) -> TokenStream {
    match text {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(::core::option::Option::None),
    }
}

impl ToTokens for RecordField {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { name, doc, aliases, default, of } = self;
        let mut more = TokenStream::new();
        if let Some(doc) = doc {
            more.extend(quote!(.doc(#doc)));
        }
        if let Some(default) = default {
            more.extend(quote!(.default(#default)));
        }
        if !aliases.is_empty() {
            more.extend(quote!(.aliases(&[#(#aliases),*])));
        }
        let more = if more.is_empty() { quote!(|_| {}) } else { quote!(|__field| { let _ = __field #more; }) };
        tokens.extend(match of {
            Source::Type(ty) => quote!(__record.field::<#ty>(#name, #more);),
            Source::Reference { field, inner } => quote! {
                __record.field_with(#name, |__scope| {
                    __scope.reference::<#inner>();
                    <#field as __k::AvroSchema>::avro_schema(__scope)
                }, #more);
            },
            Source::Said(schema) => quote!(__record.field_with(#name, |__scope| #schema, #more);),
            Source::Text(text) => quote!(__record.field_with(#name, |__scope| __scope.literal(#text), #more);),
        });
    }
}

impl ToTokens for Text {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Literal(text) => quote!(#text),
            Self::File(path) => quote!(::core::include_str!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path))),
        });
    }
}
