//! A message type's relations as the derive understands them. No tokens are written here.

use syn::{Data, DeriveInput, Field, Generics, Ident, LitStr, Member};

use super::attr::{FieldAttrs, RelationsAttrs};
use crate::support::attr::Attributes;
use crate::support::errors::Errors;
use crate::support::root::Root;

#[derive(Debug)]
pub(super) struct Relations {
    pub(super) root: Root,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) relations: Vec<Relation>,
    pub(super) deleted: Option<Member>,
}

/// A row that a field refers to.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) table: LitStr,
    pub(super) column: LitStr,
    pub(super) field: Member,
}

impl Relations {
    pub(super) fn check(input: &DeriveInput, attrs: &RelationsAttrs, mut errors: Errors) -> syn::Result<Self> {
        let model = Self::model(input, attrs, &mut errors);
        errors.finish(model)
    }

    fn model(input: &DeriveInput, attrs: &RelationsAttrs, errors: &mut Errors) -> Option<Self> {
        let root = Root::check(&attrs.root, errors);
        let Data::Struct(data) = &input.data else {
            errors.push(
                &input.ident,
                "relations are derived for structs; write `impl Relations` by hand: see \"What it writes\" in the documentation of `Relations`",
            );
            return None;
        };
        let (mut relations, mut deleted) = (Vec::new(), None);
        for (field, member) in data.fields.iter().zip(data.fields.members()) {
            field_relations(field, &member, &mut relations, &mut deleted, errors);
        }
        if relations.is_empty() && deleted.is_none() {
            errors.push(
                &input.ident,
                format!("no field says what it refers to; write `{}` on one, or remove the derive", FieldAttrs::EXAMPLE),
            );
        }
        Some(Self { root: root?, ident: input.ident.clone(), generics: input.generics.clone(), relations, deleted })
    }
}

fn field_relations(field: &Field, member: &Member, relations: &mut Vec<Relation>, deleted: &mut Option<Member>, errors: &mut Errors) {
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("relation")) {
        let attrs = FieldAttrs::read(std::slice::from_ref(attribute), "relation", errors);
        if let Some(key) = attrs.deleted.key() {
            if attrs.table.key().is_some() || attrs.column.key().is_some() {
                errors.push(
                    key,
                    "`deleted` is for a field that says whether the row was deleted, and refers to nothing; remove `table` and `column`",
                );
            } else if deleted.is_some() {
                errors.push(key, "`deleted` is on two fields; remove one of the two");
            }
            *deleted = Some(member.clone());
            continue;
        }
        let at = attribute.path().get_ident();
        let table = at.and_then(|at| attrs.table.required::<FieldAttrs>("table", at, errors));
        let column = at.and_then(|at| attrs.column.required::<FieldAttrs>("column", at, errors));
        if let (Some(table), Some(column)) = (table, column) {
            relations.push(Relation { table: table.clone(), column: column.clone(), field: member.clone() });
        }
    }
}
