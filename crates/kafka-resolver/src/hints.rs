//! What a daemon of this process is worth telling: what exists by now, or that anything may.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::reason::Relation;

/// Hints for the daemon of this process. None of them is needed for anything but speed.
#[derive(Debug, Default)]
pub struct Hints {
    noted: Mutex<Noted>,
    rung: Notify,
}

#[derive(Debug, Default)]
struct Noted {
    appeared: HashSet<Relation>,
    many: bool,
}

/// What was noted since the last look.
#[derive(Debug, PartialEq, Eq)]
pub enum Hint {
    /// These exist by now.
    Appeared(Vec<Relation>),
    /// All reasons are worth a look.
    Many,
}

/// Beyond so many a look at all reasons is cheaper.
const MOST: usize = 10_000;

impl Hints {
    /// Notes that these exist now: a sink that has just written rows says so, and what waits for them is released at once.
    pub fn appeared(&self, relations: impl IntoIterator<Item = Relation>) {
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.appeared.extend(relations);
            if noted.appeared.len() > MOST {
                noted.appeared.clear();
                noted.many = true;
            }
        }
        self.rung.notify_one();
    }

    /// Notes that anything may exist now.
    pub fn many(&self) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).many = true;
        self.rung.notify_one();
    }

    /// Waits for a hint. Those that come together are one.
    pub async fn next(&self) -> Hint {
        loop {
            {
                let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
                if std::mem::take(&mut noted.many) {
                    noted.appeared.clear();
                    return Hint::Many;
                }
                if !noted.appeared.is_empty() {
                    return Hint::Appeared(std::mem::take(&mut noted.appeared).into_iter().collect());
                }
            }
            self.rung.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn hints_add_up_until_they_are_too_many() {
        let hints = Hints::default();
        assert!(hints.next().now_or_never().is_none());
        hints.appeared([Relation::row("a", "id", 1)]);
        hints.appeared([Relation::row("a", "id", 1)]);
        assert_eq!(hints.next().now_or_never(), Some(Hint::Appeared(vec![Relation::row("a", "id", 1)])));
        hints.appeared((0..=MOST as i64).map(|id| Relation::row("a", "id", id)));
        assert_eq!(hints.next().now_or_never(), Some(Hint::Many));
        assert!(hints.next().now_or_never().is_none());
    }
}
