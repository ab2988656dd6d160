//! The statements of a sink: arrays in, so that one text serves batches of any size.

use std::collections::HashSet;

use super::query::{Bind, Form, Sql};
use crate::sink::cell::{Cell, RowKey};
use crate::sink::guard::Position;
use crate::sink::reduce::{Clear, Fate, Group, Reduced, Removed};
use crate::sink::shape::{Column, GuardColumns, Kind, Shape, Skip};
use crate::table::quoted;

/// Everything that a reduced stretch of events wants done, in order.
pub(super) fn statements<'a>(reduced: &Reduced<'a>, shape: &'a Shape, skip: bool) -> Vec<Sql<'a>> {
    let mut statements = Vec::new();
    if reduced.clear == Clear::Everything {
        if shape.skip != Skip::None {
            let mut sql = Sql::default();
            sql.push("UPDATE ").push(&shape.quoted).push(" SET kafka_skip = ").bind(Bind::Flag(skip));
            sql.push(" WHERE kafka_skip IS DISTINCT FROM ").bind(Bind::Flag(skip));
            statements.push(sql);
        }
        let mut sql = Sql::default();
        sql.push("DELETE FROM ").push(&shape.quoted);
        statements.push(sql);
    }
    if !reduced.removed.is_empty() {
        let keys: Vec<_> = reduced.removed.iter().map(|removed| removed.key).collect();
        if shape.skip != Skip::None {
            statements.push(flag_first(&keys, shape, skip));
        }
        statements.push(remove(&keys, shape));
    }
    for group in &reduced.groups {
        statements.push(if shape.insertable(&group.mask) { upsert(group, shape, skip) } else { change_or_insert(group, shape, skip) });
    }
    statements
}

/// Values to be bound, a column at a time.
pub(super) trait Tuples<'a> {
    /// The values of one column.
    fn cells(&self, nth: usize) -> impl Iterator<Item = &'a Cell>;
}

impl<'a> Tuples<'a> for Group<'a> {
    fn cells(&self, nth: usize) -> impl Iterator<Item = &'a Cell> {
        let column = self.mask[nth];
        self.rows.iter().map(move |row| row.at(column))
    }
}

impl<'a> Tuples<'a> for [&'a RowKey] {
    fn cells(&self, nth: usize) -> impl Iterator<Item = &'a Cell> {
        self.iter().map(move |key| &key.0[nth])
    }
}

/// The forms of the columns of tuples.
pub(super) fn forms<'a>(columns: &[&Column], tuples: &(impl Tuples<'a> + ?Sized)) -> Vec<Form> {
    columns.iter().enumerate().map(|(nth, column)| Form::of(column.kind, tuples.cells(nth))).collect()
}

/// Arrays, one for each column of tuples.
pub(super) fn arrays<'a>(sql: &mut Sql<'a>, forms: &[Form], tuples: &(impl Tuples<'a> + ?Sized)) {
    sql.list(forms.iter().enumerate(), |sql, (nth, form)| {
        sql.bind(form.bind(tuples.cells(nth))).push(array_cast(*form));
    });
}

/// `unnest(…) AS u(c0, c1)` of tuples.
fn unnest<'a>(sql: &mut Sql<'a>, forms: &[Form], tuples: &(impl Tuples<'a> + ?Sized)) {
    arrays(sql.push("unnest("), forms, tuples);
    sql.push(") AS u(")
        .list(0..forms.len(), |sql, at| {
            sql.push(&format!("c{at}"));
        })
        .push(")");
}

fn array_cast(form: Form) -> &'static str {
    let Form::Plain(kind) = form else { return "::text[]" };
    match kind {
        Kind::Bool => "::bool[]",
        Kind::Int2 => "::int2[]",
        Kind::Int4 => "::int4[]",
        Kind::Int8 => "::int8[]",
        Kind::Float4 => "::float4[]",
        Kind::Float8 => "::float8[]",
        Kind::Bytes => "::bytea[]",
        Kind::Date => "::date[]",
        Kind::Timestamp => "::timestamp[]",
        Kind::TimestampTz => "::timestamptz[]",
        Kind::Text | Kind::Numeric | Kind::Json | Kind::Hstore | Kind::Other => "::text[]",
    }
}

/// A column of `u` as the table's column takes it.
fn taken(column: &Column, form: Form, at: usize) -> String {
    match form {
        Form::Spelled | Form::Plain(Kind::Numeric | Kind::Json | Kind::Hstore | Kind::Other) => format!("u.c{at}::{}", column.cast),
        Form::Plain(_) => format!("u.c{at}"),
    }
}

/// The same, to be compared: what is padded compares as what is padded, and by its index.
pub(super) fn compared(column: &Column, form: Form, at: usize) -> String {
    if column.cast == "bpchar" { format!("u.c{at}::bpchar") } else { taken(column, form, at) }
}

fn upsert<'a>(group: &Group<'a>, shape: &'a Shape, skip: bool) -> Sql<'a> {
    let columns: Vec<_> = group.mask.iter().map(|at| &shape.columns[*at]).collect();
    let forms = forms(&columns, group);
    let mut sql = Sql::default();
    sql.push("INSERT INTO ").push(&shape.quoted).push(" (").list(&columns, |sql, column| {
        sql.push(&column.quoted);
    });
    if shape.skip != Skip::None {
        sql.push(", kafka_skip");
    }
    sql.push(") OVERRIDING SYSTEM VALUE SELECT ");
    sql.list(columns.iter().enumerate(), |sql, (at, column)| {
        sql.push(&taken(column, forms[at], at));
    });
    if shape.skip != Skip::None {
        sql.push(", ").bind(Bind::Flag(skip)).push("::bool");
    }
    sql.push(" FROM ");
    unnest(&mut sql, &forms, group);
    sql.push(" ON CONFLICT (")
        .list(&shape.key, |sql, at| {
            sql.push(&shape.columns[*at].quoted);
        })
        .push(") DO ");
    let mut set: Vec<String> = changed(group, shape).map(|column| format!("{0} = excluded.{0}", column.quoted)).collect();
    if shape.skip != Skip::None {
        set.push("kafka_skip = excluded.kafka_skip".to_owned());
    }
    if set.is_empty() {
        sql.push("NOTHING")
    } else {
        sql.push("UPDATE SET ").push(&set.join(", "))
    };
    sql
}

/// The columns of a group that are not of the key.
fn changed<'a>(group: &Group<'_>, shape: &'a Shape) -> impl Iterator<Item = &'a Column> {
    group.mask.iter().filter(|at| !shape.key.contains(at)).map(|at| &shape.columns[*at])
}

/// For rows without a value that an insert needs: `ON CONFLICT` would look for it before it looks for the row.
fn change_or_insert<'a>(group: &Group<'a>, shape: &'a Shape, skip: bool) -> Sql<'a> {
    let columns: Vec<_> = group.mask.iter().map(|at| &shape.columns[*at]).collect();
    let forms = forms(&columns, group);
    let same_row = |alias: &str| {
        let same = shape.key.iter().map(|at| format!("t.{0} = {alias}.{0}", shape.columns[*at].quoted));
        same.collect::<Vec<_>>().join(" AND ")
    };
    let mut sql = Sql::default();
    sql.push("WITH new AS MATERIALIZED (SELECT ").list(columns.iter().enumerate(), |sql, (at, column)| {
        let value = if column.kind == Kind::Text { compared(column, forms[at], at) } else { taken(column, forms[at], at) };
        sql.push(&value).push(" AS ").push(&column.quoted);
    });
    sql.push(" FROM ");
    unnest(&mut sql, &forms, group);
    sql.push(")");
    let mut set: Vec<String> = changed(group, shape).map(|column| format!("{0} = new.{0}", column.quoted)).collect();
    let last = set.pop();
    if last.is_some() || shape.skip != Skip::None {
        sql.push(", changed AS (UPDATE ").push(&shape.quoted).push(" AS t SET ");
        if shape.skip != Skip::None {
            sql.push("kafka_skip = ").bind(Bind::Flag(skip));
            sql.push(if last.is_some() { ", " } else { "" });
        }
        set.extend(last);
        sql.push(&set.join(", ")).push(" FROM new WHERE ").push(&same_row("new")).push(")");
    }
    sql.push(" INSERT INTO ").push(&shape.quoted).push(" (").list(&columns, |sql, column| {
        sql.push(&column.quoted);
    });
    if shape.skip != Skip::None {
        sql.push(", kafka_skip");
    }
    sql.push(") OVERRIDING SYSTEM VALUE SELECT ").list(&columns, |sql, column| {
        sql.push("new.").push(&column.quoted);
    });
    if shape.skip != Skip::None {
        sql.push(", ").bind(Bind::Flag(skip)).push("::bool");
    }
    sql.push(" FROM new WHERE NOT EXISTS (SELECT FROM ").push(&shape.quoted).push(" AS t WHERE ").push(&same_row("new")).push(")");
    sql
}

/// ` FROM unnest(…) WHERE t.id = u.c0` of keys.
fn of_keys<'a>(sql: &mut Sql<'a>, keys: &[&'a RowKey], shape: &'a Shape) {
    let columns: Vec<_> = shape.key.iter().map(|at| &shape.columns[*at]).collect();
    let forms = forms(&columns, keys);
    unnest(sql, &forms, keys);
    let same = columns.iter().enumerate().map(|(at, column)| format!("t.{} = {}", column.quoted, compared(column, forms[at], at)));
    sql.push(" WHERE ").push(&same.collect::<Vec<_>>().join(" AND "));
}

fn remove<'a>(keys: &[&'a RowKey], shape: &'a Shape) -> Sql<'a> {
    let mut sql = Sql::default();
    sql.push("DELETE FROM ").push(&shape.quoted).push(" AS t USING ");
    of_keys(&mut sql, keys, shape);
    sql
}

/// A deletion carries the flag when the row got it before.
fn flag_first<'a>(keys: &[&'a RowKey], shape: &'a Shape, skip: bool) -> Sql<'a> {
    let mut sql = Sql::default();
    sql.push("UPDATE ").push(&shape.quoted).push(" AS t SET kafka_skip = ").bind(Bind::Flag(skip)).push(" FROM ");
    of_keys(&mut sql, keys, shape);
    sql.push(" AND t.kafka_skip IS DISTINCT FROM ").bind(Bind::Flag(skip));
    sql
}

/// The positions of rows that are there: which of the keys, and where it stands.
pub(super) fn known_rows<'a>(keys: &[&'a RowKey], shape: &'a Shape) -> Sql<'a> {
    let columns: Vec<_> = shape.key.iter().map(|at| &shape.columns[*at]).collect();
    let position = |at: usize| format!("t.{}", shape.columns[at].quoted);
    let positions = match shape.guard {
        GuardColumns::Off => "NULL::int8 AS lsn, NULL::int4 AS kafka_partition, NULL::int8 AS kafka_offset".to_owned(),
        GuardColumns::Lsn(lsn) => format!("{}::int8 AS lsn, NULL::int4 AS kafka_partition, NULL::int8 AS kafka_offset", position(lsn)),
        GuardColumns::Offset { partition, offset } => {
            format!("NULL::int8 AS lsn, {}::int4 AS kafka_partition, {}::int8 AS kafka_offset", position(partition), position(offset))
        }
    };
    let forms = forms(&columns, keys);
    let mut sql = Sql::default();
    arrays(sql.push("SELECT u.nth AS nth, ").push(&positions).push(" FROM unnest("), &forms, keys);
    sql.push(") WITH ORDINALITY AS u(")
        .list(0..columns.len(), |sql, at| {
            sql.push(&format!("c{at}"));
        })
        .push(", nth) JOIN ");
    let same = columns.iter().enumerate().map(|(at, column)| format!("t.{} = {}", column.quoted, compared(column, forms[at], at)));
    sql.push(&shape.quoted).push(" AS t ON ").push(&same.collect::<Vec<_>>().join(" AND "));
    sql
}

/// The positions of rows that were deleted.
pub(super) fn known_tombstones<'a>(texts: &'a [String], shape: &'a Shape) -> Sql<'a> {
    let mut sql = Sql::default();
    sql.push("SELECT u.nth AS nth, t.lsn, t.kafka_partition, t.kafka_offset FROM unnest(");
    sql.bind(Bind::Words(texts.iter().map(String::as_str).collect()));
    sql.push("::text[]) WITH ORDINALITY AS u(row_key, nth) JOIN kafka_row_tombstones AS t ON t.table_name = ");
    sql.bind(Bind::Word(&shape.name)).push(" AND t.row_key = u.row_key");
    sql
}

/// Tombstones for the rows that go, and none for those that are put again.
pub(super) fn tombstones<'a>(
    reduced: &Reduced<'a>,
    buried: &HashSet<&RowKey>,
    texts: &'a mut Vec<String>,
    shape: &'a Shape,
) -> Vec<Sql<'a>> {
    let gone: Vec<&Removed<'_>> = reduced.removed.iter().filter(|removed| removed.fate == Fate::Gone).collect();
    let back: Vec<&RowKey> = reduced.groups.iter().flat_map(|group| &group.keys).copied().filter(|key| buried.contains(key)).collect();
    texts.extend(gone.iter().map(|removed| removed.key.to_text()).chain(back.iter().map(|key| key.to_text())));
    let (gone_texts, back_texts) = texts.split_at(gone.len());
    let mut statements = Vec::new();
    if !gone.is_empty() {
        let (mut lsns, mut partitions, mut offsets) = (Vec::new(), Vec::new(), Vec::new());
        for removed in &gone {
            let (lsn, partition, offset) = match removed.position {
                None => (None, None, None),
                Some(Position::Lsn(lsn)) => (Some(lsn), None, None),
                Some(Position::Offset { partition, offset }) => (None, Some(partition), Some(offset)),
            };
            lsns.push(lsn);
            partitions.push(partition);
            offsets.push(offset);
        }
        let mut sql = Sql::default();
        sql.push("INSERT INTO kafka_row_tombstones (table_name, row_key, lsn, kafka_partition, kafka_offset) SELECT ");
        sql.bind(Bind::Word(&shape.name)).push(", u.* FROM unnest(").bind(Bind::Words(gone_texts.iter().map(String::as_str).collect()));
        sql.push("::text[], ").bind(Bind::Longs(lsns)).push("::int8[], ").bind(Bind::Ints(partitions)).push("::int4[], ");
        sql.bind(Bind::Longs(offsets)).push(
            "::int8[]) AS u ON CONFLICT (table_name, row_key) DO UPDATE SET lsn = excluded.lsn, \
             kafka_partition = excluded.kafka_partition, kafka_offset = excluded.kafka_offset, deleted_at = now()",
        );
        statements.push(sql);
    }
    if !back.is_empty() {
        let mut sql = Sql::default();
        sql.push("DELETE FROM kafka_row_tombstones WHERE table_name = ").bind(Bind::Word(&shape.name));
        sql.push(" AND row_key = ANY(").bind(Bind::Words(back_texts.iter().map(String::as_str).collect())).push("::text[])");
        statements.push(sql);
    }
    statements
}

/// The table's name for an advisory lock.
pub(super) fn lock_name(shape: &Shape) -> String {
    format!("kafka-kit sink {}", quoted(&shape.name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Model;
    use crate::sink::event::{Act, Event};
    use crate::sink::reduce::reduce;
    use crate::sink::shape::{Demand, Description, Found, SelfReference, SkipTriggers};
    use crate::table::Table;

    fn shape() -> Shape {
        let found = |name: &str, sql_type: &str, kind, demand| Found {
            name: name.to_owned(),
            sql_type: sql_type.to_owned(),
            cast: sql_type.to_owned(),
            kind,
            demand,
        };
        let columns = vec![
            found("id", "bigint", Kind::Int8, Demand::Required),
            found("mood", "mood", Kind::Other, Demand::Required),
            found("kafka_skip", "boolean", Kind::Bool, Demand::Optional),
        ];
        let model = Model::of(Table::named("shop.items", ["id", "mood", "kafka_skip"], ["id"]));
        Shape::new(
            &model,
            &Description {
                columns,
                self_reference: SelfReference::None,
                skip_triggers: SkipTriggers::None,
                unique: None,
                foreign_keys: Vec::new(),
            },
        )
        .unwrap()
    }

    fn put(id: i64, mood: Option<&str>) -> Event {
        let cells = vec![Some(Cell::Int(id)), mood.map(|mood| Cell::Text(mood.to_owned()))];
        Event { at: 0, act: Act::Put { key: RowKey(vec![Cell::Int(id)]), cells }, position: None }
    }

    #[test]
    fn one_text_serves_batches_of_any_size() {
        let (shape, remove) = (shape(), Event { at: 0, act: Act::Remove { key: RowKey(vec![Cell::Int(9)]) }, position: None });
        let texts = |events: &[Event]| statements(&reduce(events), &shape, true).iter().map(Sql::text).collect::<Vec<_>>();
        let few = texts(&[put(1, Some("happy")), put(2, None), remove.clone()]);
        let many: Vec<_> = (0..100).flat_map(|id| [put(id, Some("sad")), put(id + 100, None)]).chain([remove]).collect();
        assert_eq!(few, texts(&many));
        assert_eq!(
            few,
            [
                "UPDATE \"shop\".\"items\" AS t SET kafka_skip = $1 FROM unnest($2::int8[]) AS u(c0) WHERE t.\"id\" = u.c0 \
                 AND t.kafka_skip IS DISTINCT FROM $3",
                "DELETE FROM \"shop\".\"items\" AS t USING unnest($1::int8[]) AS u(c0) WHERE t.\"id\" = u.c0",
                "INSERT INTO \"shop\".\"items\" (\"id\", \"mood\", kafka_skip) OVERRIDING SYSTEM VALUE SELECT u.c0, u.c1::mood, $1::bool \
                 FROM unnest($2::int8[], $3::text[]) AS u(c0, c1) ON CONFLICT (\"id\") DO UPDATE SET \"mood\" = excluded.\"mood\", \
                 kafka_skip = excluded.kafka_skip",
                "WITH new AS MATERIALIZED (SELECT u.c0 AS \"id\" FROM unnest($1::int8[]) AS u(c0)), \
                 changed AS (UPDATE \"shop\".\"items\" AS t SET kafka_skip = $2 FROM new WHERE t.\"id\" = new.\"id\") \
                 INSERT INTO \"shop\".\"items\" (\"id\", kafka_skip) OVERRIDING SYSTEM VALUE SELECT new.\"id\", $3::bool FROM new \
                 WHERE NOT EXISTS (SELECT FROM \"shop\".\"items\" AS t WHERE t.\"id\" = new.\"id\")",
            ]
        );
    }
}
