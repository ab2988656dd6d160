//! News by LISTEN/NOTIFY: what triggers, gates and daemons tell.
//!
//! A payload is a JSON array `[table, column, text, value]`, or without the value, `drained`, or nothing at all for "many rows".

use std::fmt;

use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
use futures_util::StreamExt;

use crate::reason::{Relation, RelationValue};
use crate::store::rows::failed;
use crate::store::{Answer, Listener, News, StoreError};

pub(super) struct PgListener(pub(super) AsyncPgConnection);

impl fmt::Debug for PgListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PgListener")
    }
}

impl Listener for PgListener {
    fn next(&mut self) -> Answer<'_, News> {
        Box::pin(async {
            let mut notifications = std::pin::pin!(self.0.notifications_stream());
            match notifications.next().await {
                Some(Ok(notification)) => Ok(read(&notification.payload)),
                Some(Err(error)) => Err(failed("listening")(error)),
                None => Err(StoreError::Unreachable { source: "the connection that listens is gone".into() }),
            }
        })
    }

    fn check(&mut self) -> Answer<'_, ()> {
        Box::pin(async { self.0.batch_execute("SELECT 1").await.map_err(failed("listening")) })
    }
}

/// PostgreSQL refuses notifications from this length on, in bytes.
const LONGEST: usize = 8000;

/// What a trigger or a gate tells of a row.
pub(super) fn news_of(relation: &Relation) -> String {
    let news = match relation.kind() {
        Relation::ROW => {
            serde_json::json!([relation.table(), relation.column(), relation.value().to_string(), relation.value()]).to_string()
        }
        // Kinds of the user's own are theirs to look up.
        _ => String::new(),
    };
    if news.len() < LONGEST { news } else { String::new() }
}

/// Of a value whose type says little a trigger tells the text only. What it means is the number if it is one, else a uuid if it is one.
fn read(payload: &str) -> News {
    if payload == "drained" {
        return News::Drained;
    }
    if let Ok((table, column, _, value)) = serde_json::from_str::<(String, String, String, RelationValue)>(payload) {
        return News::Appeared(Relation::row(table, column, value));
    }
    match serde_json::from_str::<(String, String, String)>(payload) {
        Ok((table, column, text)) => match (text.parse::<i64>(), uuid::Uuid::parse_str(&text)) {
            (Ok(number), _) if number.to_string() == text => News::Appeared(Relation::row(table, column, number)),
            (_, Ok(uuid)) if uuid.to_string() == text => News::Appeared(Relation::row(table, column, uuid)),
            _ => News::Appeared(Relation::row(table, column, text)),
        },
        Err(_) => News::Many,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_come_back_as_they_were_told() {
        for relation in [Relation::row("a", "id", 7), Relation::row("a", "code", "7"), Relation::row("s.a", "u", uuid::Uuid::nil())] {
            assert_eq!(read(&news_of(&relation)), News::Appeared(relation));
        }
        assert_eq!(read(r#"["a", "id", "42"]"#), News::Appeared(Relation::row("a", "id", 42)));
        assert_eq!(read(r#"["a", "code", "x"]"#), News::Appeared(Relation::row("a", "code", "x")));
        assert_eq!((read("drained"), read("")), (News::Drained, News::Many));
    }
}
