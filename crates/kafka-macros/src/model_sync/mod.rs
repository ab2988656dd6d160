//! `#[derive(ModelSync)]`: from the attributes of a type to its `ModelSync` implementation and its registration.

mod attr;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::attr::ModelSyncAttrs;
use self::model::ModelSync;
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
    let attrs = ModelSyncAttrs::read(&input.attrs, "model_sync", &mut errors);
    match ModelSync::check(&input, &attrs, errors) {
        Ok(sync) => expand::expand(&sync),
        Err(error) => fallback(&error, Root::as_written(&attrs.root), &input.generics, expand::dummy(&input.ident)),
    }
}
