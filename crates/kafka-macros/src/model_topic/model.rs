//! A topic into a table as the derive understands it: checked, typed. No tokens are written here; that columns exist is checked by the
//! compiler, for they are written as diesel's.

use syn::{Data, DeriveInput, Expr, Ident, LitStr, Path, Type};

use super::attr::{FieldAttrs, GuardAttrs, ModelTopicAttrs, RelationAttrs, RerouteAttr, of_diesel};
use crate::settings::batch::Batch;
use crate::settings::concurrency::Concurrency;
use crate::settings::retry::Retry;
use crate::settings::suppress::Suppress;
use crate::support::attr::{Attributes, Slot};
use crate::support::errors::Errors;
use crate::support::root::Root;
use crate::support::topic_name;

#[derive(Debug)]
pub(super) struct ModelTopic {
    pub(super) root: Root,
    pub(super) ident: Ident,
    pub(super) name: LitStr,
    pub(super) key: Type,
    pub(super) value: Type,
    pub(super) table: Path,
    pub(super) columns: Vec<Column>,
    pub(super) lookup: Vec<Ident>,
    pub(super) deletion_key: Option<LitStr>,
    pub(super) deletion: Option<Path>,
    pub(super) guard: Option<Guard>,
    pub(super) truncations: Truncations,
    pub(super) transforms: Option<Expr>,
    /// None where nothing is said.
    pub(super) foreign_keys: Option<ForeignKeys>,
    pub(super) polymorphic: Vec<Expr>,
    pub(super) reroute: Vec<Reroute>,
    pub(super) batch: Option<Batch>,
    pub(super) concurrency: Option<Concurrency>,
    pub(super) retry: Option<Retry>,
    pub(super) suppress: Option<Suppress>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum ForeignKeys {
    Ignored,
    WaitedFor,
}

/// Whose rows those of a table in the key are.
#[derive(Debug)]
pub(super) struct Reroute {
    pub(super) table: LitStr,
    pub(super) to: RerouteTo,
}

#[derive(Debug)]
pub(super) enum RerouteTo {
    Own,
    Other(Box<Type>),
}

/// What is special about a column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) column: Ident,
    pub(super) said: Said,
}

#[derive(Debug)]
pub(super) enum Said {
    Exclude,
    Rename(LitStr),
    Transform(Path),
    Relation { table: LitStr, column: LitStr },
}

#[derive(Debug)]
pub(super) enum Guard {
    Lsn(LitStr),
    Offset { partition: LitStr, offset: LitStr },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Truncations {
    Ignored,
    Applied,
}

impl ModelTopic {
    pub(super) fn check(input: &DeriveInput, attrs: &ModelTopicAttrs, mut errors: Errors) -> syn::Result<Self> {
        let model = Self::model(input, attrs, &mut errors);
        errors.finish(model)
    }

    fn model(input: &DeriveInput, attrs: &ModelTopicAttrs, errors: &mut Errors) -> Option<Self> {
        if !input.generics.params.is_empty() {
            errors.push(
                &input.generics,
                "a topic cannot be derived for a generic type; write the impl by hand: see \"What it writes\" in the documentation of \
                 `ModelTopic`",
            );
        }
        let at = input.attrs.iter().find(|attribute| attribute.path().is_ident("model_topic"));
        let at = at.and_then(|attribute| attribute.path().get_ident()).unwrap_or(&input.ident);
        let name = attrs.name.required::<ModelTopicAttrs>("name", at, errors);
        if let Some(name) = name
            && !name.value().starts_with('^')
        {
            errors.keep(topic_name::check(name));
        }
        let table = table(input, attrs, at, errors);
        let columns = columns(input, attrs, errors);
        let lookup = attrs.lookup.given().cloned().unwrap_or_default();
        if let (Slot::Given(key, _), true) = (&attrs.lookup, lookup.is_empty()) {
            errors.push(key, "`lookup()` names no column; name those of a unique index, or remove it");
        }
        errors.repeated(&lookup, "column", Ident::to_string);
        if let (Some(_), Some(key)) = (attrs.deletion_key.key(), attrs.deletion.key()) {
            errors.push(key, "`deletion` judges in place of `deletion_key`; remove one of the two");
        }
        let guard = if let Slot::Given(key, guard) = &attrs.guard { Guard::check(key, guard, errors) } else { None };
        if let (Some(_), Some(key)) = (attrs.guard.key(), attrs.truncations.key()) {
            errors.push(key, "`truncations` beside `guard`: an old one would empty a newer table; remove one of the two");
        }
        let polymorphic = attrs.polymorphic.given().cloned().unwrap_or_default();
        if let (Slot::Given(key, _), true) = (&attrs.polymorphic, polymorphic.is_empty()) {
            errors.push(key, "`polymorphic()` names no reference; write `polymorphic(subject())`, or remove it");
        }
        let reroute = reroute(input, attrs, errors);
        let root = Root::check(&attrs.root, errors);
        Some(Self {
            key: attrs.key(),
            value: attrs.value(),
            columns,
            lookup,
            deletion_key: attrs.deletion_key.given().cloned(),
            deletion: attrs.deletion.given().cloned(),
            guard,
            truncations: if attrs.truncations.key().is_some() { Truncations::Applied } else { Truncations::Ignored },
            transforms: attrs.transforms.given().cloned(),
            foreign_keys: attrs.foreign_keys.given().map(|wait| if wait.value { ForeignKeys::WaitedFor } else { ForeignKeys::Ignored }),
            polymorphic,
            reroute,
            batch: checked(&attrs.batch, Batch::check, errors),
            concurrency: checked(&attrs.concurrency, Concurrency::check, errors),
            retry: checked(&attrs.retry, Retry::check, errors),
            suppress: checked(&attrs.suppress, |key, suppress, errors| Some(suppress.check(key, errors)), errors),
            // Last, because the first `?` hides what comes after it.
            ident: input.ident.clone(),
            name: name?.clone(),
            table: table?,
            root: root?,
        })
    }
}

fn checked<A, T>(slot: &Slot<A>, check: fn(&Ident, &A, &mut Errors) -> Option<T>, errors: &mut Errors) -> Option<T> {
    if let Slot::Given(key, attrs) = slot { check(key, attrs, errors) } else { None }
}

/// As it is said, or as diesel is told.
fn table(input: &DeriveInput, attrs: &ModelTopicAttrs, at: &Ident, errors: &mut Errors) -> Option<Path> {
    match (&attrs.table, of_diesel(&input.attrs, "table_name")) {
        (Slot::Given(_, table), _) => Some(table.clone()),
        (Slot::Absent, Some(table)) => Some(table),
        (Slot::Broken(_), _) => None,
        (Slot::Absent, None) => {
            let message =
                "nothing says which table is written; write `table = customers`, with the path of the module that diesel's `table!` makes";
            errors.push(at, message);
            None
        }
    }
}

/// The topic's own type and `Self` are the same.
fn reroute(input: &DeriveInput, attrs: &ModelTopicAttrs, errors: &mut Errors) -> Vec<Reroute> {
    let Slot::Given(key, said) = &attrs.reroute else { return Vec::new() };
    if said.is_empty() {
        errors.push(key, "`reroute()` names no table; name those of the topic, its own among them, or remove it");
    }
    if let Some(truncations) = attrs.truncations.key() {
        let message = "`truncations` beside `reroute`: a truncation has no key that says which table it empties; remove one of the two";
        errors.push(truncations, message);
    }
    let tables: Vec<LitStr> = said.iter().map(|said| said.table.clone()).collect();
    errors.repeated(&tables, "table", LitStr::value);
    let own = |to: &Type| matches!(to, Type::Path(path) if path.path.is_ident("Self") || path.path.is_ident(&input.ident));
    let to = |to: &Type| if own(to) { RerouteTo::Own } else { RerouteTo::Other(Box::new(to.clone())) };
    said.iter().map(|RerouteAttr { table, to: said }| Reroute { table: table.clone(), to: to(said) }).collect()
}

fn columns(input: &DeriveInput, attrs: &ModelTopicAttrs, errors: &mut Errors) -> Vec<Column> {
    let excluded = attrs.exclude.given().cloned().unwrap_or_default();
    errors.repeated(&excluded, "column", Ident::to_string);
    let mut columns: Vec<_> = excluded.into_iter().map(|column| Column { column, said: Said::Exclude }).collect();
    let Data::Struct(data) = &input.data else {
        errors.push(&input.ident, "a topic into a table is a struct; write `struct`");
        return columns;
    };
    for field in &data.fields {
        let said = FieldAttrs::read(&field.attrs, "model_topic", errors);
        let any = [said.rename.key(), said.transform.key(), said.exclude.key(), said.relation.key()].into_iter().flatten().next();
        let Some(any) = any else { continue };
        let column = of_diesel(&field.attrs, "column_name").and_then(|path| path.get_ident().cloned()).or_else(|| field.ident.clone());
        let Some(column) = column else {
            errors.push(any, "the field has no name, so it is no column; name it");
            continue;
        };
        let others = [said.rename.key(), said.transform.key(), said.relation.key()];
        if let (Some(exclude), true) = (said.exclude.key(), others.iter().any(Option::is_some)) {
            errors.push(exclude, "what is excluded needs no other key; remove the others, or `exclude`");
        }
        let said = [
            said.exclude.key().map(|_| Said::Exclude),
            said.rename.given().cloned().map(Said::Rename),
            said.transform.given().cloned().map(Said::Transform),
            relation(&said.relation, errors),
        ];
        columns.extend(said.into_iter().flatten().map(|said| Column { column: column.clone(), said }));
    }
    columns
}

/// The row that a column refers to.
fn relation(slot: &Slot<RelationAttrs>, errors: &mut Errors) -> Option<Said> {
    let Slot::Given(key, attrs) = slot else { return None };
    let table = attrs.table.required::<RelationAttrs>("table", key, errors).cloned();
    let column = attrs.column.required::<RelationAttrs>("column", key, errors).cloned();
    Some(Said::Relation { table: table?, column: column? })
}

impl Guard {
    fn check(key: &Ident, attrs: &GuardAttrs, errors: &mut Errors) -> Option<Self> {
        match (&attrs.lsn, &attrs.partition, &attrs.offset) {
            (Slot::Given(_, lsn), Slot::Absent, Slot::Absent) => Some(Self::Lsn(lsn.clone())),
            (Slot::Absent, Slot::Given(_, partition), Slot::Given(_, offset)) => {
                Some(Self::Offset { partition: partition.clone(), offset: offset.clone() })
            }
            (Slot::Broken(_), _, _) | (_, Slot::Broken(_), _) | (_, _, Slot::Broken(_)) => None,
            _ => {
                errors.push(
                    key,
                    "`guard` compares log sequence numbers, or partition and offset; write `guard(lsn = \"source_lsn\")`, or \
                     `guard(partition = \"kafka_partition\", offset = \"kafka_offset\")`",
                );
                None
            }
        }
    }
}
