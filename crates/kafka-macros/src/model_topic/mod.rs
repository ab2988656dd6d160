//! `#[derive(ModelTopic)]`: from the attributes of a struct to its `ModelTopic` implementation.

mod attr;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::attr::ModelTopicAttrs;
use self::model::ModelTopic;
use crate::support::attr::Attributes;
use crate::support::errors::Errors;
use crate::support::fallback::fallback;
use crate::support::root::Root;

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let attrs = ModelTopicAttrs::read(&input.attrs, "model_topic", &mut errors);
    match ModelTopic::check(&input, &attrs, errors) {
        Ok(topic) => expand::expand(&topic),
        Err(error) => {
            let dummy = expand::dummy(&input.ident, &attrs.key(), &attrs.value());
            fallback(&error, Root::as_written(&attrs.root), &input.generics, dummy)
        }
    }
}
