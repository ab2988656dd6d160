//! Positions in the same transaction as rows.

use super::stage::{ITEMS, Stage, items, put, text};
use crate::change::Change;
use crate::sink::error::DatabaseError;

fn named(id: i64, name: &str) -> Change {
    put(id, &[("name", text(name))])
}

#[tokio::test]
async fn the_position_moves_with_the_rows_and_never_back() {
    let mut stage = Stage::new(ITEMS, items()).await;
    let claim = stage.claim("t").await;
    assert_eq!((claim.position, claim.epoch), (None, 1));
    stage.ledger = Some(("t".to_owned(), 1));
    assert_eq!(stage.write(10, &[named(1, "a"), named(2, "b")]).await.unwrap().0, 2);
    assert_eq!(stage.claim("t").await.position, Some(12));
    stage.ledger = Some(("t".to_owned(), 2));
    // Up to the message that failed, which the retry rules have now.
    assert_eq!(stage.write(12, &[named(3, "c"), named(4, "bad"), named(5, "e")]).await.unwrap().0, 1);
    assert_eq!(stage.claim("t").await.position, Some(13));
    stage.ledger = Some(("t".to_owned(), 3));
    assert_eq!(stage.write(5, &[named(1, "replayed")]).await.unwrap().0, 1);
    assert_eq!(stage.claim("t").await.position, Some(13));
}

#[tokio::test]
async fn who_lost_the_partition_writes_nothing() {
    let mut stage = Stage::new(ITEMS, items()).await;
    stage.claim("t").await;
    stage.claim("t").await;
    stage.ledger = Some(("t".to_owned(), 1));
    let error = stage.write(0, &[named(1, "a")]).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Fenced { partition: 0, .. }), "{error}");
    assert_eq!(stage.items().await, Vec::<String>::new());
    stage.ledger = Some(("t".to_owned(), 2));
    assert_eq!(stage.write(0, &[named(1, "a")]).await.unwrap().0, 1);
}
