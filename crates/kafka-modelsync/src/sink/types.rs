//! What the types of polymorphic references are called here, and whose rows they are: found out once from the tables that say it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use diesel::QueryableByName;
use diesel::sql_types::Text;
use kafka_resolver::Relation;

use super::database::Database;
use super::error::DatabaseError;
use super::referral::ReferralKind;
use crate::model::{Called, Polymorphic, Referent, TypeTable};
use crate::table::{Table, quoted};
use crate::transform::Otherwise;
use crate::value::Value;

/// The types of one polymorphic reference.
#[derive(Debug)]
pub(crate) struct Types {
    pub(super) reference: Polymorphic,
    /// The names of the ids that are sent, if there is a table of them.
    names: Option<HashMap<String, String>>,
    here: HashMap<String, Here>,
}

/// A type as it is known here.
#[derive(Debug)]
struct Here {
    referent: Referent,
    kind: ReferralKind,
    called: Option<Value>,
}

/// Why a type is not known, as the end of a sentence.
#[derive(Debug)]
pub(super) struct Unknown(String);

impl Types {
    /// Asks the tables that say what types are called, and those that they refer to.
    pub(super) async fn found(database: &dyn Database, table: &Table, reference: &Polymorphic) -> Result<Self, DatabaseError> {
        let names = match &reference.sent {
            Some(types) => Some(names_by_id(database, types).await?),
            None => None,
        };
        let ids = match &reference.written {
            Some(types) => Some((types, names_by_id(database, types).await?)),
            None => None,
        };
        let mut here = HashMap::with_capacity(reference.types.len());
        for (sent, referent) in &reference.types {
            let kind = kind_of(database, referent, || format!("`{}` of `{table}`", reference.id_column)).await?;
            let called = match (&referent.called, &ids) {
                (Called::AsSent, None) => None,
                (Called::This(value), None) => Some(value.clone()),
                (called, Some((types, ids))) => Some(id_of(called, sent, types, ids)?),
                // The model's problems say so before.
                (Called::Named(name), None) => Some(Value::Text(name.clone())),
            };
            here.insert(sent.clone(), Here { referent: referent.clone(), kind, called });
        }
        Ok(Self { reference: reference.clone(), names, here })
    }

    /// What is written for what was sent.
    pub(super) fn called(&self, sent: Value) -> Result<Value, Unknown> {
        if let Value::Null | Value::Unavailable = sent {
            return Ok(sent);
        }
        match (self.here(&sent), &self.reference.otherwise) {
            (Ok(here), _) => Ok(here.called.clone().unwrap_or(sent)),
            (Err(_), Otherwise::Value(value)) => Ok(value.clone()),
            (Err(unknown), Otherwise::Fail) => Err(unknown),
        }
    }

    /// The row that is referred to; none where it refers to nothing, or is for the database to judge.
    pub(super) fn row(&self, sent: &Value, id: Value) -> Option<(&Referent, Relation)> {
        let Here { referent, kind, .. } = self.here(sent).ok()?;
        Some((referent, Relation::row(&*referent.table, &*referent.column, kind.value(id)?)))
    }

    fn here(&self, sent: &Value) -> Result<&Here, Unknown> {
        let spelled = spelled(sent).ok_or_else(|| Unknown("which is no type".to_owned()))?;
        let (name, among) = match (&self.names, &self.reference.sent) {
            (Some(names), Some(TypeTable { table, .. })) => {
                let name = names.get(&spelled).ok_or_else(|| Unknown(format!("which `{table}` does not have")))?;
                (name, format!("which is `{name}` in `{table}`, and"))
            }
            _ => (&spelled, "which".to_owned()),
        };
        self.here.get(name).ok_or_else(|| {
            let mut known: Vec<_> = self.here.keys().map(|name| format!("`{name}`")).collect();
            known.sort_unstable();
            Unknown(format!("{among} is none of {}", known.join(", ")))
        })
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A type as messages and tables spell it.
fn spelled(value: &Value) -> Option<String> {
    match value {
        Value::Int(number) => Some(number.to_string()),
        Value::Decimal(number) => Some(number.to_string()),
        Value::Text(text) => Some(text.clone()),
        Value::Uuid(uuid) => Some(uuid.to_string()),
        _ => None,
    }
}

/// What a table of types has.
async fn names_by_id(database: &dyn Database, types: &TypeTable) -> Result<HashMap<String, String>, DatabaseError> {
    let table = Table::named::<&str>(&types.table, [], []);
    let found = database.describe(&table).await?;
    let problem = |problem: String| DatabaseError::Table { problem };
    if found.columns.is_empty() {
        return Err(problem(format!("the table of types `{table}` is not in the database; create it, or mend its name")));
    }
    for column in [&types.id, &types.name] {
        if found.columns.iter().all(|found| found.name != **column) {
            return Err(problem(format!("the table of types `{table}` has no column `{column}`; mend the name in `TypeTable::new`")));
        }
    }
    Ok(database.types(types).await?.into_iter().collect())
}

/// A row of a table of types.
#[derive(QueryableByName)]
pub(super) struct TypeRow {
    #[diesel(sql_type = Text)]
    pub(super) id: String,
    #[diesel(sql_type = Text)]
    pub(super) name: String,
}

/// Asks for them, in any database.
pub(super) fn select_types(types: &TypeTable) -> String {
    let table = Table::named::<&str>(&types.table, [], []).quoted();
    let (id, name) = (quoted(&types.id), quoted(&types.name));
    format!("SELECT CAST({id} AS text) AS id, CAST({name} AS text) AS name FROM {table} WHERE {id} IS NOT NULL AND {name} IS NOT NULL")
}

/// How the rows of a type are looked up.
async fn kind_of(database: &dyn Database, referent: &Referent, who: impl Fn() -> String) -> Result<ReferralKind, DatabaseError> {
    let Referent { table, column, .. } = referent;
    let problem = |problem: String| DatabaseError::Table { problem };
    let described = database.describe(&Table::named::<&str>(table, [], [])).await?;
    if described.columns.is_empty() {
        let who = who();
        return Err(problem(format!("table `{table}`, to which {who} refers, is not in the database; create it, or mend its name")));
    }
    let found = described.columns.iter().find(|found| found.name == **column);
    let found = found.ok_or_else(|| {
        let who = who();
        problem(format!("table `{table}` has no column `{column}` in the database, to which {who} refers; mend the name"))
    })?;
    ReferralKind::of(found.kind, &found.sql_type).ok_or_else(|| {
        let (who, sql_type) = (who(), &found.sql_type);
        problem(format!("{who} refers to `{column}` of `{table}`, which is {sql_type}; name a column of an integer, a text or a UUID"))
    })
}

/// The id that a table has for a type.
fn id_of(called: &Called, sent: &str, types: &TypeTable, ids: &HashMap<String, String>) -> Result<Value, DatabaseError> {
    let wanted = match called {
        Called::This(value) => return Ok(value.clone()),
        Called::Named(name) => name.as_str(),
        Called::AsSent => sent,
    };
    let mut of_name = ids.iter().filter(|(_, name)| *name == wanted).map(|(id, _)| id);
    let TypeTable { table, name, .. } = types;
    let problem = match (of_name.next(), of_name.next()) {
        (Some(id), None) => return Ok(id.parse().map_or_else(|_| Value::Text(id.clone()), Value::Int)),
        (None, _) => format!("`{table}` has no row whose `{name}` is `{wanted}`; insert it, or say the type's id by `written_as`"),
        (Some(_), Some(_)) => format!("`{table}` has several rows whose `{name}` is `{wanted}`; say the type's id by `written_as`"),
    };
    Err(DatabaseError::Table { problem })
}

/// The types of one of the references, if they are known.
pub(super) fn of<'a>(types: &'a [Arc<Types>], reference: &Polymorphic) -> Option<&'a Types> {
    types.iter().map(|types| &**types).find(|types| types.reference == *reference)
}
