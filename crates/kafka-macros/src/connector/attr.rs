//! The keys of `#[connector(…)]`. Rules between keys are the model's.

use syn::parse::ParseStream;
use syn::{Expr, LitBool, LitStr, Path};

use crate::support::attr::{Attributes, Key, Slot};
use crate::support::item::Item;
use crate::support::root;

#[derive(Debug, Default)]
pub(super) struct ConnectorAttrs {
    pub(super) class: Slot<LitStr>,
    pub(super) name: Slot<LitStr>,
    pub(super) prefix: Slot<LitStr>,
    pub(super) config: Slot<Expr>,
    pub(super) secret: Slot<Vec<LitStr>>,
    pub(super) default: Slot<()>,
    pub(super) mark_for_removal: Slot<()>,
    pub(super) register: Slot<LitBool>,
    pub(super) root: Slot<Path>,
}

impl Attributes for ConnectorAttrs {
    const PLACE: &'static str = "#[connector(…)]";
    const EXAMPLE: &'static str = "#[connector(config = \"customers.json\")]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("class", "class = \"org.example.Source\"", |attrs, item| item.once(&mut attrs.class, Item::string)),
        Key::new("name", "name = \"Customers\"", |attrs, item| item.once(&mut attrs.name, Item::string)),
        Key::new("prefix", "prefix = \"crm\"", |attrs, item| item.once(&mut attrs.prefix, Item::string)),
        Key::new("config", "config = \"customers.json\"", |attrs, item| item.once(&mut attrs.config, Item::any)),
        Key::new("secret", "secret(\"account.pin\")", |attrs, item| item.once(&mut attrs.secret, secrets)),
        Key::new("default", "default", |attrs, item| item.once(&mut attrs.default, Item::flag)),
        Key::new("mark_for_removal", "mark_for_removal", |attrs, item| item.once(&mut attrs.mark_for_removal, Item::flag)),
        Key::new("register", "register = false", |attrs, item| item.once(&mut attrs.register, Item::boolean)),
        Key::new("crate", root::EXAMPLE, |attrs, item| item.once(&mut attrs.root, Item::path)),
    ];
}

fn secrets(item: &mut Item<'_>) -> syn::Result<Vec<LitStr>> {
    item.list(|input: ParseStream<'_>| {
        input.parse().map_err(|error: syn::Error| {
            syn::Error::new(error.span(), "`secret` takes keys of the config; write them as strings: `secret(\"account.pin\")`")
        })
    })
}
