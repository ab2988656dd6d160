//! `#[derive(Consumer)]`: from the attributes of a type to its `Consumer` implementation and its
//! registration.

mod attr;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::attr::ConsumerAttrs;
use self::model::Consumer;
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
    let attrs = ConsumerAttrs::read(&input.attrs, "consumer", &mut errors);
    match Consumer::check(&input, &attrs, errors) {
        Ok(consumer) => expand::expand(&consumer),
        Err(error) => fallback(&error, Root::as_written(&attrs.root), &input.generics, expand::dummy(&input.ident)),
    }
}
