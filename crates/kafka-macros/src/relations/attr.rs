//! The keys of `#[relations(…)]` on the struct and of `#[relation(…)]` on its fields. Rules between keys are the model's.

use syn::ext::IdentExt;
use syn::{Ident, LitStr, Path, Token};

use crate::support::attr::{Attributes, Key, Slot};
use crate::support::item::Item;
use crate::support::root;

/// `#[relations(…)]` on the struct.
#[derive(Debug, Default)]
pub(super) struct RelationsAttrs {
    pub(super) root: Slot<Path>,
}

impl Attributes for RelationsAttrs {
    const PLACE: &'static str = "#[relations(…)]";
    const EXAMPLE: &'static str = "#[relations(crate = ::kafka_kit)]";
    const KEYS: &'static [Key<Self>] = &[Key::new("crate", root::EXAMPLE, |attrs, item| item.once(&mut attrs.root, Item::path))];
}

/// `#[relation(…)]` on a field.
#[derive(Debug, Default)]
pub(super) struct FieldAttrs {
    pub(super) table: Slot<LitStr>,
    pub(super) column: Slot<LitStr>,
    pub(super) deleted: Slot<()>,
}

impl Attributes for FieldAttrs {
    const PLACE: &'static str = "#[relation(…)]";
    const EXAMPLE: &'static str = "#[relation(table = customers, column = id)]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("table", "table = customers", |attrs, item| item.once(&mut attrs.table, name)),
        Key::new("column", "column = id", |attrs, item| item.once(&mut attrs.column, name)),
        Key::new("deleted", "deleted", |attrs, item| item.once(&mut attrs.deleted, Item::flag)),
    ];
}

/// A name as a word, or as a string for what is no word: `"sales.customers"`.
fn name(item: &mut Item<'_>) -> syn::Result<LitStr> {
    let wrong = || item.wrong(&item.key, "takes a name, or a string");
    item.input.parse::<Token![=]>().map_err(|_| wrong())?;
    if item.input.peek(LitStr) {
        return item.input.parse();
    }
    let word = item.input.call(Ident::parse_any).map_err(|_| wrong())?;
    Ok(LitStr::new(&word.unraw().to_string(), word.span()))
}
