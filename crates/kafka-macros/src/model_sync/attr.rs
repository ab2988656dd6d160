//! The keys of `#[model_sync(…)]`. Rules between keys are the model's.

use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Expr, Ident, LitBool, LitStr, Path, Type};

use crate::support::attr::{Attributes, Key, Slot};
use crate::support::item::Item;
use crate::support::root;

#[derive(Debug, Default)]
pub(super) struct ModelSyncAttrs {
    pub(super) table: Slot<Path>,
    pub(super) topic: Slot<LitStr>,
    pub(super) source: Slot<()>,
    pub(super) connector: Slot<LitStr>,
    pub(super) message_key: Slot<Vec<Ident>>,
    pub(super) sink: Slot<Type>,
    pub(super) jdbc: Slot<Expr>,
    pub(super) enricher: Slot<Expr>,
    pub(super) only: Slot<Vec<Ident>>,
    pub(super) except: Slot<Vec<Ident>>,
    pub(super) bidirectional: Slot<()>,
    pub(super) name: Slot<LitStr>,
    pub(super) register: Slot<LitBool>,
    pub(super) root: Slot<Path>,
}

impl Attributes for ModelSyncAttrs {
    const PLACE: &'static str = "#[model_sync(…)]";
    const EXAMPLE: &'static str = "#[model_sync(table = customers, source)]";
    const KEYS: &'static [Key<Self>] = &[
        Key::new("table", "table = customers", |attrs, item| item.once(&mut attrs.table, Item::path)),
        Key::new("topic", "topic = \"crm.customers\"", |attrs, item| item.once(&mut attrs.topic, Item::string)),
        Key::new("source", "source", |attrs, item| item.once(&mut attrs.source, Item::flag)),
        Key::new("connector", "connector = \"Source\"", |attrs, item| item.once(&mut attrs.connector, Item::string)),
        Key::new("message_key", "message_key(tenant, id)", |attrs, item| item.once(&mut attrs.message_key, columns)),
        Key::new("sink", "sink = CustomersTopic", |attrs, item| item.once(&mut attrs.sink, Item::ty)),
        Key::new("jdbc", "jdbc = JdbcSink::new(\"jdbc:postgresql://db/app\")", |attrs, item| item.once(&mut attrs.jdbc, Item::any)),
        Key::new("enricher", "enricher = with_city()", |attrs, item| item.once(&mut attrs.enricher, Item::any)),
        Key::new("only", "only(id, name)", |attrs, item| item.once(&mut attrs.only, columns)),
        Key::new("except", "except(password)", |attrs, item| item.once(&mut attrs.except, columns)),
        Key::new("bidirectional", "bidirectional", |attrs, item| item.once(&mut attrs.bidirectional, Item::flag)),
        Key::new("name", "name = \"Customers\"", |attrs, item| item.once(&mut attrs.name, Item::string)),
        Key::new("register", "register = false", |attrs, item| item.once(&mut attrs.register, Item::boolean)),
        Key::new("crate", root::EXAMPLE, |attrs, item| item.once(&mut attrs.root, Item::path)),
    ];
}

fn columns(item: &mut Item<'_>) -> syn::Result<Vec<Ident>> {
    item.list(|input: ParseStream<'_>| {
        let found = input.call(Ident::parse_any);
        found.map_err(|error| syn::Error::new(error.span(), "columns are named as in diesel's `table!`: `only(id, name)`"))
    })
}
