//! Gathers the errors of one derive, so that the user sees all of them at once. Not a place for
//! messages: those stand beside their rule.

use std::collections::HashSet;
use std::fmt::Display;

use proc_macro2::Span;
use quote::ToTokens;

/// The errors found so far.
///
/// A message has the form "what is wrong; what to write", and stands at the narrowest span that
/// shows the mistake.
#[derive(Debug, Default)]
pub(crate) struct Errors {
    found: Option<syn::Error>,
}

impl Errors {
    /// Adds an error at these tokens.
    pub(crate) fn push(&mut self, at: impl ToTokens, message: impl Display) {
        self.add(syn::Error::new_spanned(at, message));
    }

    /// Adds an error that was made elsewhere.
    pub(crate) fn add(&mut self, error: syn::Error) {
        match &mut self.found {
            Some(found) => found.combine(error),
            None => self.found = Some(error),
        }
    }

    /// Takes the value out of a result; an error is kept for the end.
    pub(crate) fn keep<T>(&mut self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.add(error)).ok()
    }

    /// Says for every element that was already in the list that it is there twice.
    pub(crate) fn repeated<'a, T, K>(&mut self, list: &'a [T], what: &str, key: impl Fn(&'a T) -> K)
    where
        T: ToTokens,
        K: ToString,
    {
        let mut seen = HashSet::new();
        for element in list {
            let key = key(element).to_string();
            if !seen.insert(key.clone()) {
                self.push(element, format!("{what} `{key}` is listed twice; remove one of the two"));
            }
        }
    }

    /// Ends the collection: the value, if nothing was wrong.
    pub(crate) fn finish<T>(self, value: Option<T>) -> syn::Result<T> {
        match (self.found, value) {
            (None, Some(value)) => Ok(value),
            (Some(error), _) => Err(error),
            // Every rule that gives no value adds an error, so this is a mistake of ours, and must
            // not become silence.
            (None, None) => Err(syn::Error::new(
                Span::call_site(),
                "the derive found nothing wrong and still has no result; please report \
                this as a bug of kafka-kit",
            )),
        }
    }
}
