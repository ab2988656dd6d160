//! The one path through which all written code reaches the framework. It is never read from a
//! Cargo.toml: a renamed or re-exported framework is named with `crate = ::path`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Path;

use super::attr::Slot;
use super::errors::Errors;

/// What to write, for error messages.
pub(crate) const EXAMPLE: &str = "crate = ::kafka_kit";

/// The crate or module that has `__private`.
#[derive(Debug)]
pub(crate) struct Root(TokenStream);

impl Root {
    /// The root of this derive. A path that depends on where it is written is an error.
    pub(crate) fn check(slot: &Slot<Path>, errors: &mut Errors) -> Option<Self> {
        if let Some(path) = slot.given()
            && !is_absolute(path)
        {
            errors.push(path, format!("`crate` is not an absolute path; write `crate = {}`", corrected(path)));
        }
        Self::as_written(slot)
    }

    /// The root for the fallback: a relative path is taken as it is, for it was reported and mostly
    /// resolves all the same.
    pub(crate) fn as_written(slot: &Slot<Path>) -> Option<Self> {
        match slot {
            Slot::Absent => Some(Self(quote!(::kafka_kit))),
            Slot::Broken(_) => None,
            Slot::Given(_, path) => Some(Self(path.to_token_stream())),
        }
    }

    /// Puts items into a scope of their own, where `__k` is the framework and nothing else of ours
    /// is visible.
    pub(crate) fn wrap(&self, items: impl ToTokens) -> TokenStream {
        let Self(root) = self;
        quote! {
            const _: () = {
                use #root::__private as __k;
                #items
            };
        }
    }
}

fn is_absolute(path: &Path) -> bool {
    // `$crate` arrives as one identifier when the derive is used inside a `macro_rules!`.
    path.leading_colon.is_some()
        || path.segments.first().is_some_and(|first| matches!(first.ident.to_string().as_str(), "crate" | "$crate"))
}

fn corrected(path: &Path) -> String {
    let segments: Vec<_> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    match segments.first().map(String::as_str) {
        // Where `self` and `super` lead only the compiler knows; the user has to spell it.
        Some("self" | "super" | "Self") => {
            let names = segments.iter().filter(|name| !matches!(name.as_str(), "self" | "super" | "Self"));
            ["crate", "…"].into_iter().chain(names.map(String::as_str)).collect::<Vec<_>>().join("::")
        }
        _ => format!("::{}", segments.join("::")),
    }
}
