//! `#[derive(Relations)]`: from the attributes of a message type's fields to its `Relations` implementation.

mod attr;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::attr::RelationsAttrs;
use self::model::Relations;
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
    let attrs = RelationsAttrs::read(&input.attrs, "relations", &mut errors);
    match Relations::check(&input, &attrs, errors) {
        Ok(relations) => expand::expand(&relations),
        Err(error) => fallback(&error, Root::as_written(&attrs.root), &input.generics, expand::dummy(&input.ident)),
    }
}
