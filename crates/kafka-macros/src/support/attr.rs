//! Reads `key = value, key(…), key` into a struct, by a table of its keys. Not the values
//! themselves (see `item`), nor any rule between keys: those are the model's.

use proc_macro2::TokenTree;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Attribute, Ident, Meta, Token};

use super::errors::Errors;
use super::item::Item;
use super::nearest::nearest;

/// A struct of slots that is filled from the keys of one attribute, or of one list inside it.
pub(crate) trait Attributes: Default + Sized + 'static {
    /// How errors call the place: `#[topic(…)]`, `retry(…)`.
    const PLACE: &'static str;
    /// A short and complete example of it, for errors that say what to write.
    const EXAMPLE: &'static str;
    /// All keys, in the order in which errors list them.
    const KEYS: &'static [Key<Self>];

    /// Reads all attributes with this name on one item. What is wrong is left out and reported.
    fn read(attributes: &[Attribute], name: &str, errors: &mut Errors) -> Self {
        let mut read = Self::default();
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident(name)) {
            match &attribute.meta {
                Meta::List(list) => {
                    let result = list.parse_args_with(|input: ParseStream<'_>| {
                        fill(&mut read, input, errors);
                        Ok(())
                    });
                    errors.keep(result);
                }
                // The same as empty parentheses: what is missing is said where it is required.
                Meta::Path(_) => {}
                Meta::NameValue(meta) => {
                    errors.push(meta, format!("`#[{name}]` takes its settings in parentheses; write `{}`", Self::EXAMPLE));
                }
            }
        }
        read
    }
}

/// One key: its name, what to write for it, and how its value gets into the slot.
pub(crate) struct Key<A> {
    name: &'static str,
    write: &'static str,
    read: fn(&mut A, &mut Item<'_>) -> syn::Result<()>,
}

impl<A> Key<A> {
    pub(crate) const fn new(name: &'static str, write: &'static str, read: fn(&mut A, &mut Item<'_>) -> syn::Result<()>) -> Self {
        Self { name, write, read }
    }
}

/// The place of one key's value. The keyword is kept, because errors between keys point at it.
#[derive(Debug, Default)]
pub(crate) enum Slot<T> {
    /// The key was not written.
    #[default]
    Absent,
    /// The key was written, and its value was wrong and reported: it is not missing.
    Broken(Ident),
    /// The key and its value.
    Given(Ident, T),
}

impl<T> Slot<T> {
    pub(crate) fn given(&self) -> Option<&T> {
        match self {
            Self::Given(_, value) => Some(value),
            Self::Absent | Self::Broken(_) => None,
        }
    }

    pub(crate) fn key(&self) -> Option<&Ident> {
        match self {
            Self::Given(key, _) | Self::Broken(key) => Some(key),
            Self::Absent => None,
        }
    }

    /// The value of a key that must be there; `at` is what to point at when it is not.
    pub(crate) fn required<A: Attributes>(&self, name: &str, at: &Ident, errors: &mut Errors) -> Option<&T> {
        if let Self::Absent = self {
            errors.push(at, format!("`{name}` is missing in `{}`; write `{}`", A::PLACE, A::EXAMPLE));
        }
        self.given()
    }
}

/// Fills the slots from all that is left of the input. After an error it goes on behind the next
/// comma.
pub(crate) fn fill<A: Attributes>(attributes: &mut A, input: ParseStream<'_>, errors: &mut Errors) {
    each(input, errors, |errors| one(attributes, input, errors));
}

/// Reads elements separated by commas. After an error it goes on behind the next comma.
pub(crate) fn each(input: ParseStream<'_>, errors: &mut Errors, mut read: impl FnMut(&mut Errors) -> syn::Result<()>) {
    while !input.is_empty() {
        let end = read(errors).and_then(|()| {
            if input.is_empty() || input.peek(Token![,]) {
                Ok(())
            } else {
                Err(input.error("the value has ended here; write `,` before the next one"))
            }
        });
        if errors.keep(end).is_none() {
            skip(input);
        }
        errors.keep(input.parse::<Option<Token![,]>>());
    }
}

fn one<A: Attributes>(attributes: &mut A, input: ParseStream<'_>, errors: &mut Errors) -> syn::Result<()> {
    let known = || A::KEYS.iter().map(|key| key.name);
    let list = || known().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let key = input
        .call(Ident::parse_any)
        .map_err(|error| syn::Error::new(error.span(), format!("`{}` takes keys; write one of {}", A::PLACE, list())))?;
    let name = key.unraw().to_string();
    let Some(found) = A::KEYS.iter().find(|key| key.name == name) else {
        let advice = match nearest(&name, known()) {
            Some(near) => format!("did you mean `{near}`? Known are {}", list()),
            None => format!("known are {}", list()),
        };
        errors.push(&key, format!("unknown key `{name}` in `{}`; {advice}", A::PLACE));
        skip(input);
        return Ok(());
    };
    (found.read)(attributes, &mut Item { key, input, errors, write: found.write })
}

/// Goes to the next comma that is not inside `<…>`.
fn skip(input: ParseStream<'_>) {
    let mut depth = 0_usize;
    while !(input.is_empty() || depth == 0 && input.peek(Token![,])) {
        if let Ok(TokenTree::Punct(punct)) = input.parse() {
            match punct.as_char() {
                '<' => depth += 1,
                '>' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
}
