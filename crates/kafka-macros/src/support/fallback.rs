//! What a derive writes when its input is wrong: the errors, and an empty implementation, so that
//! the user does not also get one error for every use of the type. The code never runs, because the
//! errors stop the build.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Generics;

use super::root::Root;

/// The errors, with `dummy` as stand-in for the implementations.
pub(crate) fn fallback(error: &syn::Error, root: Option<Root>, generics: &Generics, dummy: TokenStream) -> TokenStream {
    let errors = error.to_compile_error();
    let dummy = match root {
        // Nothing to implement against.
        None => TokenStream::new(),
        // The dummy cannot know which bounds the traits ask of the parameters, and a wrong guess is
        // one more error.
        Some(_) if !generics.params.is_empty() => TokenStream::new(),
        Some(root) => root.wrap(dummy),
    };
    quote!(#errors #dummy)
}
