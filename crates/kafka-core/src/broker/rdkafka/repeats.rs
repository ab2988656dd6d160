//! Keeps a fault that librdkafka runs into many times a second from filling the log: one line of a kind in a while.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a line stands for the ones like it.
const WHILE: Duration = Duration::from_secs(10);

/// More kinds than this are not remembered at once.
const KINDS: usize = 200;

/// What was told, by the kind of line.
#[derive(Debug)]
pub(super) struct Repeats(LazyLock<Mutex<HashMap<String, Told>>>);

#[derive(Debug)]
struct Told {
    at: Instant,
    left_out: u64,
}

impl Repeats {
    pub(super) const fn new() -> Self {
        Self(LazyLock::new(Mutex::default))
    }

    /// Whether this line is to be told now, and how many like it were left out since the last; `None` leaves it out.
    ///
    /// Lines that differ in numbers only are alike: times, ports and counts change from try to try.
    pub(super) fn tell(&self, client: &str, line: &str, now: Instant) -> Option<u64> {
        let kind: String = client.chars().chain(['\n']).chain(line.chars().filter(|c| !c.is_ascii_digit())).collect();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(told) = told.get_mut(&kind) {
            if now < told.at + WHILE {
                told.left_out += 1;
                return None;
            }
            *told = Told { at: now, left_out: told.left_out };
            return Some(std::mem::take(&mut told.left_out));
        }
        if told.len() >= KINDS {
            told.retain(|_kind, told| now < told.at + WHILE);
        }
        if told.len() < KINDS {
            told.insert(kind, Told { at: now, left_out: 0 });
        }
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    #[test]
    fn one_line_stands_for_those_like_it() {
        let (repeats, now) = (Repeats::new(), Clock::System.now());
        assert_eq!(repeats.tell("c", "handshake failed after 3ms", now), Some(0));
        assert_eq!(repeats.tell("c", "handshake failed after 12ms", now), None);
        assert_eq!(repeats.tell("c", "handshake failed after 4ms", now + WHILE / 2), None);
        assert_eq!(repeats.tell("other", "handshake failed after 3ms", now), Some(0));
        assert_eq!(repeats.tell("c", "something else", now), Some(0));
        assert_eq!(repeats.tell("c", "handshake failed after 5ms", now + WHILE), Some(2));
        assert_eq!(repeats.tell("c", "handshake failed after 5ms", now + WHILE * 2), Some(0));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (repeats, now) = (Repeats::new(), Clock::System.now());
        for kind in 0..KINDS * 2 {
            let word: String = (0..kind).map(|_| 'x').collect();
            assert_eq!(repeats.tell("c", &word, now), Some(0));
        }
        assert_eq!(repeats.0.lock().unwrap().len(), KINDS);
    }
}
