//! A checked connector becomes code. Cannot fail, and decides nothing: what is to be written was settled by the model.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use super::model::{Config, Connector, Discovery, Intent, Value};

pub(super) fn expand(connector: &Connector) -> TokenStream {
    let Connector { root, ident, name, class, prefix, secrets, value, config, intent, discovery } = connector;
    let class = class.as_ref().map(|class| quote!(.class(#class)));
    let prefix = prefix.as_ref().map(|prefix| quote!(.prefix(#prefix)));
    let removal = match intent {
        Intent::Run => None,
        Intent::Remove => Some(quote!(.mark_for_removal())),
    };
    let value = match value {
        Value::Unit => quote!(::core::result::Result::Ok(Self {})),
        Value::State => quote!(state.get()),
        Value::Default => quote!(::core::result::Result::Ok(::core::default::Default::default())),
    };
    let config = match config {
        Config::Fields => quote!(__k::ConnectorConfig::from_serialize(self)),
        Config::File(path) => quote!(__k::ConnectorConfig::from_json(::core::include_str!(#path))),
        Config::Data(data) => quote!(__k::IntoConfig::into_config(#data)),
        Config::None => quote!(::core::result::Result::Ok(__k::ConnectorConfig::new())),
    };
    let state = if matches!(connector.value, Value::State) { quote!(state) } else { quote!(_) };
    let registration = match discovery {
        Discovery::Off => None,
        Discovery::Registered => Some(quote! {
            __k::inventory::submit! {
                __k::ConnectorRegistration::new::<#ident>(#name, ::core::module_path!())
            }
        }),
    };
    root.wrap(quote! {
        #[automatically_derived]
        impl __k::Connector for #ident {
            fn spec() -> __k::ConnectorSpec {
                __k::ConnectorSpec::new(#name) #class #prefix #(.secret(#secrets))* #removal
            }
            fn from_state(#state: &__k::State) -> ::core::result::Result<Self, __k::MissingState> {
                #value
            }
            fn config(&self) -> ::core::result::Result<__k::ConnectorConfig, __k::ConfigProblem> {
                #config
            }
        }
        #registration
    })
}

/// Stands in for the implementation of a connector whose attributes are wrong. It is not registered.
pub(super) fn dummy(ident: &Ident) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl __k::Connector for #ident {
            fn spec() -> __k::ConnectorSpec {
                ::core::unreachable!()
            }
            fn from_state(_: &__k::State) -> ::core::result::Result<Self, __k::MissingState> {
                ::core::unreachable!()
            }
            fn config(&self) -> ::core::result::Result<__k::ConnectorConfig, __k::ConfigProblem> {
                ::core::unreachable!()
            }
        }
    }
}
