//! A checked topic becomes code. Cannot fail, and decides nothing: what is to be written was
//! settled by the model.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Ident, Type};

use super::model::{Discovery, Faces, Name, Source, State, Style, Topic};

pub(super) fn expand(topic: &Topic) -> TokenStream {
    let Topic {
        root,
        ident,
        name,
        key,
        value,
        faces,
        discovery,
        style,
        concurrency,
        batch,
        retry,
        dead_letter_limit,
        suppress,
        subject,
        relations,
        state,
    } = topic;
    let produce = produce(ident, *faces);
    let announcement = match discovery {
        Discovery::Off => None,
        Discovery::Registered => Some(quote!(__k::inventory::submit! { __k::ProducedTopic::of::<#ident>() })),
    };
    root.wrap(quote! {
        #[automatically_derived]
        impl __k::Topic for #ident {
            type Key = #key;
            type Value = #value;
            type Style = #style;

            fn spec() -> __k::TopicSpec {
                __k::TopicSpec::#name #concurrency #batch #retry #dead_letter_limit #suppress #subject #relations
            }

            fn from_state(__state: &__k::State) -> ::core::result::Result<Self, __k::MissingState> {
                ::core::result::Result::Ok(#state)
            }
        }
        #produce
        #announcement
    })
}

/// Stands in for the implementations of a topic whose attributes are wrong. Key, value and style
/// are kept as far as they are known, so that the user's handler does not disagree with them.
pub(super) fn dummy(ident: &Ident, key: &Type, value: &Type, style: Style) -> TokenStream {
    let produce = produce(ident, Faces::Both);
    quote! {
        #[automatically_derived]
        impl __k::Topic for #ident {
            type Key = #key;
            type Value = #value;
            type Style = #style;

            fn spec() -> __k::TopicSpec {
                ::core::unreachable!()
            }

            fn from_state(_: &__k::State) -> ::core::result::Result<Self, __k::MissingState> {
                ::core::unreachable!()
            }
        }
        #produce
    }
}

fn produce(ident: &Ident, faces: Faces) -> Option<TokenStream> {
    match faces {
        Faces::Consume => None,
        Faces::Produce | Faces::Both => Some(quote! {
            #[automatically_derived]
            impl __k::Produce for #ident {}
        }),
    }
}

impl ToTokens for Name {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Literal(name) => quote!(named(#name)),
            Self::Pattern(regex) => quote!(pattern(#regex)),
        });
    }
}

impl ToTokens for Style {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Single => quote!(__k::Single),
            Self::Batched => quote!(__k::Batched),
            Self::Blocking => quote!(__k::Blocking),
        });
    }
}

impl ToTokens for State {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::Unit => quote!(Self),
            Self::Tuple(sources) => quote!(Self(#(#sources),*)),
            Self::Named(fields) => {
                let (names, sources): (Vec<_>, Vec<_>) = fields.iter().map(|(name, source)| (name, source)).unzip();
                quote!(Self { #(#names: #sources),* })
            }
        });
    }
}

impl ToTokens for Source {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(match self {
            Self::State(ty) => quote!(__state.get::<#ty>()?),
            Self::Default => quote!(::core::default::Default::default()),
        });
    }
}
