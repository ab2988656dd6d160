//! What is wrong with a model, as far as it can be seen without the database.

use super::{Called, Guard, Model, Polymorphic, RelationOf, Rerouted, Truncations, Written};

impl Model {
    /// Everything that is wrong with it, as far as it can be seen without the database.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let table = &self.table;
        for column in self.fields.keys().filter(|column| !table.has(column)) {
            problems.push(format!("`{table}` has no column `{column}`; name one of its columns"));
        }
        if self.key().is_empty() {
            problems
                .push(format!("nothing says by which columns rows of `{table}` are found; give the table a primary key, or say `lookup`"));
        }
        for column in self.key().iter().filter(|column| !table.has(column)) {
            problems.push(format!("`{table}` has no column `{column}` to find rows by; name one of its columns in `lookup`"));
        }
        for RelationOf { column, .. } in self.relations.iter().filter(|relation| !table.has(&relation.column)) {
            problems.push(format!("`{table}` has no column `{column}` that could refer to another table; name one of its columns"));
        }
        for column in self.key() {
            if self.fields.get(column).is_some_and(|field| field.written != Written::Yes) {
                problems.push(format!("rows of `{table}` are found by `{column}`, which is excluded; exclude another, or say `lookup`"));
            }
        }
        if self.guard != Guard::Off && self.truncations == Truncations::Applied {
            problems
                .push("truncations are applied beside a guard, and an old one would empty a newer table; leave out one of the two".into());
        }
        problems.extend(self.problems_of_polymorphic());
        problems.extend(self.problems_of_reroute());
        problems.sort_unstable();
        problems
    }

    fn problems_of_polymorphic(&self) -> Vec<String> {
        let (mut problems, table) = (Vec::new(), &self.table);
        for (at, reference) in self.polymorphic.iter().enumerate() {
            let Polymorphic { type_column, id_column, types, .. } = reference;
            for column in reference.columns() {
                if !table.has(column) {
                    problems.push(format!(
                        "`{table}` has no column `{column}` that a polymorphic reference could be of; name one of its columns"
                    ));
                }
                if self.fields.get(column).is_some_and(|field| field.written == Written::Never) {
                    problems.push(format!("`{column}` of `{table}` is of a polymorphic reference, and excluded; leave out one of the two"));
                }
            }
            if type_column == id_column {
                problems.push(format!("`{type_column}` of `{table}` is both type and id of a polymorphic reference; name two columns"));
            }
            if self.relations.iter().any(|relation| relation.column == *id_column) {
                problems
                    .push(format!("`{id_column}` of `{table}` has a relation beside a polymorphic reference; leave out one of the two"));
            }
            if self.polymorphic[..at].iter().any(|other| other.type_column == *type_column) {
                problems.push(format!("`{type_column}` of `{table}` is the type of two polymorphic references; leave out one of the two"));
            }
            if types.is_empty() {
                problems.push(format!("nothing says which tables `{id_column}` of `{table}` refers to; name them by `Polymorphic::to`"));
            }
            for (at, (sent, referent)) in types.iter().enumerate() {
                if types[..at].iter().any(|(known, _)| known == sent) {
                    problems.push(format!("`Polymorphic::to` names the type `{sent}` of `{type_column}` twice; remove one of the two"));
                }
                if let (Called::Named(name), None) = (&referent.called, &reference.written) {
                    problems.push(format!(
                        "`{name}` is a type's name, and nothing says where its id is; add `written_ids`, or say `written_as`"
                    ));
                }
            }
        }
        problems
    }

    fn problems_of_reroute(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if !self.reroute.is_empty() && self.truncations == Truncations::Applied {
            problems.push(
                "truncations are applied beside `reroute`, and a truncation has no key that says which table it empties; leave out one of \
                 the two"
                    .into(),
            );
        }
        for (at, (name, rerouted)) in self.reroute.iter().enumerate() {
            if self.reroute[..at].iter().any(|(known, _)| known == name) {
                problems.push(format!("`reroute` names `{name}` twice; remove one of the two"));
            }
            let Rerouted::To(model) = rerouted else { continue };
            problems.extend(model.problems());
            if !model.reroute.is_empty() {
                problems
                    .push(format!("`{name}` is rerouted to `{}`, which reroutes itself; name all tables in one `reroute`", model.table));
            }
            if model.deletion.is_some() || model.truncations == Truncations::Applied {
                problems.push(format!(
                    "`{name}` is rerouted to `{}`, whose `deletion` or `truncations` would not be asked; say them of the topic's own model",
                    model.table
                ));
            }
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Referent, TypeTable};
    use crate::row::Row;
    use crate::table::Table;
    use crate::value::Value;

    fn model() -> Model {
        Model::of(Table::named("customers", ["id", "name"], ["id"]))
    }

    fn row(field: &str, value: Value) -> Row {
        [(field, value)].into_iter().collect()
    }

    #[test]
    fn deletions_are_told_in_any_case() {
        for (value, deleted) in [
            (Value::Bool(true), true),
            (Value::Bool(false), false),
            (Value::Text("true".into()), true),
            (Value::Text("True".into()), true),
            (Value::Text("TRUE".into()), true),
            (Value::Text("false".into()), false),
            (Value::Text("yes".into()), false),
            (Value::Int(1), false),
            (Value::Null, false),
        ] {
            assert_eq!(model().is_deletion(&row("__deleted", value.clone())), deleted, "{value:?}");
        }
        assert!(!model().is_deletion(&row("gone", Value::Bool(true))));
        assert!(model().deletion_key("gone").is_deletion(&row("gone", Value::Bool(true))));
        let archived = model().deletion(|row| row.get("state") == Some(&Value::Text("archived".into())));
        assert!(archived.is_deletion(&row("state", Value::Text("archived".into()))));
        assert!(!archived.is_deletion(&row("__deleted", Value::Bool(true))));
    }

    #[test]
    fn problems_are_all_told() {
        assert_eq!(model().problems(), Vec::<String>::new());
        let guard = Guard::Lsn { column: "lsn".into() };
        let wrong = model().exclude("id").rename("nam", "x").guard(guard).truncations(Truncations::Applied);
        let problems = wrong.problems().join("\n");
        assert!(problems.contains("no column `nam`") && problems.contains("`id`, which is excluded"), "{problems}");
        assert!(problems.contains("truncations") && wrong.problems().len() == 3, "{problems}");
        let pets = || Model::of(Table::named("pets", ["id"], ["id"]));
        assert_eq!(model().reroute("a", pets()).reroute_own("b").problems(), Vec::<String>::new());
        let wrong = model().reroute("a", pets().reroute_own("c")).reroute_own("a").truncations(Truncations::Applied);
        let wrong = wrong.reroute("d", pets().deletion(|_| true).exclude("x")).problems();
        for said in ["names `a` twice", "which reroutes itself", "which table it empties", "would not be asked", "no column `x`"] {
            assert!(wrong.iter().any(|problem| problem.contains(said)), "{said}: {wrong:?}");
        }
        assert_eq!(wrong.len(), 5);
        assert!(model().lookup(["email"]).problems()[0].contains("no column `email` to find rows by"));
        assert!(Model::of(Table::named("t", ["a"], [])).problems()[0].contains("nothing says by which columns"));
    }
    #[test]
    fn polymorphic_references_need_two_columns_and_known_types() {
        let table = || Model::of(Table::named("notes", ["id", "type", "of"], ["id"]));
        let people = || Referent::row("people", "id");
        let right = || Polymorphic::of("type", "of").to(1, people()).to(2, people());
        let named = right().to("x", people().written_as_named("y"));
        let types = TypeTable::new("types", "id", "name");
        for (model, said) in [
            (table().polymorphic(right()), vec![]),
            (table().polymorphic(named.clone().written_ids(types)), vec![]),
            (table().polymorphic(named), vec!["nothing says where its id is"]),
            (table().polymorphic(Polymorphic::of("type", "of")), vec!["nothing says which tables `of` of `notes` refers to"]),
            (table().polymorphic(right().to("2", people())), vec!["names the type `2` of `type` twice"]),
            (table().polymorphic(Polymorphic::of("tpe", "of").to(1, people())), vec!["no column `tpe`"]),
            (table().polymorphic(Polymorphic::of("of", "of").to(1, people())), vec!["both type and id"]),
            (table().polymorphic(right()).polymorphic(right()), vec!["two polymorphic references"]),
            (table().polymorphic(right()).exclude("of"), vec!["and excluded"]),
            (table().polymorphic(right()).relation("of", "people", "id"), vec!["has a relation beside"]),
        ] {
            let problems = model.problems();
            assert_eq!(problems.len(), said.len(), "{problems:?}");
            assert!(problems.iter().zip(said).all(|(problem, said)| problem.contains(said)), "{problems:?}");
        }
    }
}
