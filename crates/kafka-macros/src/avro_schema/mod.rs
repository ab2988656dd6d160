//! `#[derive(AvroSchema)]`: from a type and its attributes to the Avro schema that it says.

mod attr;
mod default;
mod expand;
mod fields;
mod model;
mod serde;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use self::attr::AvroAttrs;
use self::model::Schema;
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
    let attrs = AvroAttrs::read(&input.attrs, "avro", &mut errors);
    match Schema::check(&input, &attrs, errors) {
        Ok(schema) => expand::expand(&schema),
        Err(error) => fallback(&error, Root::as_written(&attrs.root), &input.generics, expand::dummy(&input.ident)),
    }
}
