//! The ids of schedules and workflows: a contract with what runs on the server, and with the workers of other versions.

use crate::reason::Reason;

/// The longest part of an id that is there for people only, in bytes. Temporal takes 1,000 for the whole.
const READABLE: usize = 300;

/// The schedule of a task queue, and what the ids of the workflows that it starts begin with.
pub(super) fn schedule(task_queue: &str) -> String {
    format!("{task_queue}/find")
}

/// The search that somebody wants at once. Those who want it at the same time share one.
pub(super) fn search(task_queue: &str) -> String {
    format!("{task_queue}/find-now")
}

/// The release of what a group has waiting for a reason. Starts of one id collapse while it runs.
pub(super) fn release(task_queue: &str, group: &str, reason: &Reason) -> String {
    let readable = reason.to_string();
    let end = readable.char_indices().map(|(at, letter)| at + letter.len_utf8()).take_while(|end| *end <= READABLE).last().unwrap_or(0);
    // What people read is the same for the number 1 and the text "1"; the number is not.
    format!("{task_queue}/release/{group}/{} ({:x})", readable.get(..end).unwrap_or_default(), reason.id().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reason::Relation;

    #[test]
    fn ids_are_a_contract() {
        assert_eq!(schedule("shop"), "shop/find");
        assert_eq!(search("shop"), "shop/find-now");
        assert_eq!(release("shop", "g", &Relation::row("a", "id", 1).into()), "shop/release/g/a.id = 1 (1da7309dbee7de19)");
    }

    #[test]
    fn every_reason_of_every_group_has_its_own() {
        let [number, text]: [Reason; 2] = [Relation::row("a", "id", 1).into(), Relation::row("a", "id", "1").into()];
        assert_ne!(release("q", "g", &number), release("q", "g", &text));
        assert_ne!(release("q", "g", &number), release("q", "h", &number));
        assert_ne!(release("q", "g", &number), release("r", "g", &number));
        let long = |end: &str| release("q", "g", &Relation::row("a", "id", "ä".repeat(1_000) + end).into());
        assert!(long("1").len() < 400);
        assert_ne!(long("1"), long("2"));
    }
}
