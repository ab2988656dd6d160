//! How often a message is looked at again whose former row is not known, before that is its failure. Pure.
//!
//! Nobody can tell a deletion that is still to be read from one that is not in the topic any more. With the framework's back-off so many
//! looks take about twelve minutes.

use std::collections::HashMap;

use super::event::Place;

/// So many looks are nobody's failure.
const LOOKS: u32 = 30;

/// So many messages are remembered; who has more of them begins anew.
const MOST: usize = 10_000;

/// The messages that wait, by partition and offset, and how often each was looked at.
#[derive(Debug, Default)]
pub(super) struct Patience(HashMap<(i32, i64), u32>);

impl Patience {
    /// Whether the message at this place waits on. One that comes back by a retry topic has waited.
    pub(super) fn lasts(&mut self, place: Option<Place>) -> bool {
        let Some(Place { partition, offset }) = place else { return false };
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let looks = self.0.entry((partition, offset)).or_default();
        *looks = looks.saturating_add(1);
        *looks <= LOOKS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_is_looked_at_so_often() {
        let mut patience = Patience::default();
        let mut looks = |partition, offset| (0..100).take_while(|_| patience.lasts(Some(Place { partition, offset }))).count();
        assert_eq!((looks(0, 5), looks(0, 5)), (LOOKS as usize, 0));
        assert_eq!((looks(0, 6), looks(1, 6)), (LOOKS as usize, LOOKS as usize));
        assert!(!patience.lasts(None));
        assert!((0..3 * MOST as i64).all(|offset| patience.lasts(Some(Place { partition: 7, offset }))));
        assert!(patience.0.len() <= MOST, "what nobody asks for again is forgotten");
    }
}
