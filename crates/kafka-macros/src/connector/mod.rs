//! `#[derive(Connector)]`: from the attributes of a type to its `Connector` implementation and its
//! registration.

mod attr;
mod expand;
mod model;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::attr::ConnectorAttrs;
use self::model::Connector;
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
    let attrs = ConnectorAttrs::read(&input.attrs, "connector", &mut errors);
    match Connector::check(&input, &attrs, errors) {
        Ok(connector) => expand::expand(&connector),
        Err(error) => fallback(&error, Root::as_written(&attrs.root), &input.generics, expand::dummy(&input.ident)),
    }
}
