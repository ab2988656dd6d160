//! Finds the message that fails: halves what was refused until one is left. Pure.

use std::ops::Range;

/// The search. What is before the range that it gives out is done.
#[derive(Debug)]
pub(crate) struct Search {
    ranges: Vec<Range<usize>>,
}

impl Search {
    /// Among so many messages, one of which was refused together with the others.
    pub(crate) fn among(messages: usize) -> Self {
        let mut search = Self { ranges: Vec::new() };
        search.halve(&(0..messages));
        search
    }

    /// The next messages to try.
    pub(crate) fn next(&mut self) -> Option<Range<usize>> {
        self.ranges.pop().filter(|range| !range.is_empty())
    }

    /// All before this one is done.
    pub(crate) fn done_until(&mut self, message: usize) {
        for range in &mut self.ranges {
            range.start = range.start.max(message).min(range.end);
        }
        self.ranges.retain(|range| !range.is_empty());
    }

    /// These were refused; the one that fails, if it is found.
    pub(crate) fn refused(&mut self, range: &Range<usize>) -> Option<usize> {
        if range.len() == 1 {
            return Some(range.start);
        }
        self.halve(range);
        None
    }

    fn halve(&mut self, range: &Range<usize>) {
        if range.len() < 2 {
            self.ranges.push(range.clone());
            return;
        }
        let middle = range.start + range.len() / 2;
        self.ranges.push(middle..range.end);
        self.ranges.push(range.start..middle);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_by_another_way_is_not_tried_again() {
        let mut search = Search::among(8);
        assert_eq!((search.next(), search.refused(&(0..4))), (Some(0..4), None));
        assert_eq!(search.next(), Some(0..2));
        search.done_until(5);
        assert_eq!((search.next(), search.next()), (Some(5..8), None));
    }

    #[test]
    fn the_first_that_fails_is_found_and_all_before_it_are_done() {
        for messages in 1..40 {
            for bad in 0..=messages {
                let (mut done, mut found, mut tries) = (0, None, 0);
                let mut search = Search::among(messages);
                while let Some(range) = search.next() {
                    assert_eq!(range.start, done, "in order");
                    tries += 1;
                    if range.contains(&bad) {
                        found = search.refused(&range);
                        if found.is_some() {
                            break;
                        }
                    } else {
                        done = range.end;
                    }
                }
                let expected = (bad < messages).then_some(bad);
                assert_eq!((found, done), (expected, bad.min(messages)), "{bad} of {messages}");
                assert!(tries <= 2 * (usize::BITS - messages.leading_zeros()) as usize + 1, "{tries} tries for {bad} of {messages}");
            }
        }
    }
}
