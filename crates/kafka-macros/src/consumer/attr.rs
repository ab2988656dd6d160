//! The keys of `#[consumer(…)]`. Rules between keys, and about what a property may be, are the
//! model's.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::ParseStream;
use syn::{Lit, LitBool, LitStr, Path, Token, TypePath};

use crate::settings::suppress::Suppress;
use crate::support::attr::{Attributes, Key, Slot};
use crate::support::item::Item;
use crate::support::root;

#[derive(Debug, Default)]
pub(super) struct ConsumerAttrs {
    pub(super) group: Slot<LitStr>,
    pub(super) name: Slot<LitStr>,
    pub(super) topics: Slot<Vec<TypePath>>,
    pub(super) config: Slot<Vec<PropertyAttr>>,
    pub(super) suppress: Slot<Suppress>,
    pub(super) exactly_once: Slot<()>,
    pub(super) register: Slot<LitBool>,
    pub(super) root: Slot<Path>,
}

/// `"fetch.min.bytes" = 1`
#[derive(Debug)]
pub(super) struct PropertyAttr {
    pub(super) key: LitStr,
    /// A minus before the value; librdkafka has properties for which -1 means something.
    pub(super) minus: Option<Token![-]>,
    pub(super) value: Lit,
}

impl Attributes for ConsumerAttrs {
    const PLACE: &'static str = "#[consumer(…)]";
    const EXAMPLE: &'static str = "#[consumer(group = \"billing\", topics(Orders))]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("group", "group = \"billing\"", |attrs, item| item.once(&mut attrs.group, Item::string)),
        Key::new("name", "name = \"billing\"", |attrs, item| item.once(&mut attrs.name, Item::string)),
        Key::new("topics", "topics(Orders)", |attrs, item| item.once(&mut attrs.topics, topics)),
        Key::new("config", "config(\"auto.offset.reset\" = \"earliest\")", |attrs, item| item.once(&mut attrs.config, properties)),
        Key::new("suppress", "suppress(\"orders\")", |attrs, item| item.once(&mut attrs.suppress, Suppress::read)),
        Key::new("exactly_once", "exactly_once", |attrs, item| item.once(&mut attrs.exactly_once, Item::flag)),
        Key::new("register", "register = false", |attrs, item| item.once(&mut attrs.register, Item::boolean)),
        Key::new("crate", root::EXAMPLE, |attrs, item| item.once(&mut attrs.root, Item::path)),
    ];
}

fn topics(item: &mut Item<'_>) -> syn::Result<Vec<TypePath>> {
    item.list(|input| {
        let wrong = |error: syn::Error| {
            syn::Error::new(
                error.span(),
                "topics are named by their types; write the path of a type that has \
                `Topic`: `topics(Orders)`",
            )
        };
        input.parse().map_err(wrong)
    })
}

fn properties(item: &mut Item<'_>) -> syn::Result<Vec<PropertyAttr>> {
    item.list(property)
}

fn property(input: ParseStream<'_>) -> syn::Result<PropertyAttr> {
    let wrong = |error: syn::Error| {
        syn::Error::new(
            error.span(),
            "a property is a string and its value a literal; write \
            `\"auto.offset.reset\" = \"earliest\"`",
        )
    };
    let key: LitStr = input.parse().map_err(wrong)?;
    let no_value = || syn::Error::new_spanned(&key, format!("the property has no value; write `\"{}\" = …`", key.value()));
    input.parse::<Token![=]>().map_err(|_| no_value())?;
    if input.is_empty() || input.peek(Token![,]) {
        return Err(no_value());
    }
    Ok(PropertyAttr { minus: input.parse().map_err(wrong)?, value: input.parse().map_err(wrong)?, key })
}

impl ToTokens for PropertyAttr {
    /// The key alone: errors about the property as a whole point at it.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.key.to_tokens(tokens);
    }
}
