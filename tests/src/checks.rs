//! What must hold of a ledger. Each check says what is wrong first, and can fail: its tests tamper with a good ledger.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use crate::calls::Call;

/// What is wrong, or nothing.
pub type Verdict = Result<(), String>;

/// Positions by partition.
pub type Positions = BTreeMap<i32, i64>;

/// Within what messages keep their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// A partition.
    Partition,
    /// A key within a partition.
    Key,
}

type Lane<'a> = (&'a str, i32, Option<&'a str>);

fn lane(order: Order, call: &Call) -> Lane<'_> {
    match order {
        Order::Partition => (&call.topic, call.partition, None),
        Order::Key => (&call.topic, call.partition, call.key.as_deref()),
    }
}

/// Every number of `sent` was handled with success at least once.
///
/// # Errors
/// How many were not, and the first of them.
pub fn none_lost(calls: &[Call], sent: Range<i64>) -> Verdict {
    let handled: HashSet<i64> = calls.iter().filter(|call| call.is_ok()).filter_map(|call| call.n).collect();
    let lost: Vec<i64> = sent.filter(|n| !handled.contains(n)).collect();
    if lost.is_empty() { Ok(()) } else { Err(format!("{} lost, first {:?}", lost.len(), &lost[..lost.len().min(10)])) }
}

/// Messages came in the order of their offsets; those that came again are left out.
///
/// # Errors
/// The first message whose first delivery came too late.
pub fn order_kept(calls: &[Call], order: Order) -> Verdict {
    let mut highest: HashMap<Lane<'_>, i64> = HashMap::new();
    let mut seen: HashSet<(&str, i32, i64)> = HashSet::new();
    for call in calls {
        if !seen.insert((&call.topic, call.partition, call.offset)) {
            continue;
        }
        let before = highest.insert(lane(order, call), call.offset);
        if let Some(before) = before.filter(|before| *before > call.offset) {
            return Err(format!("offset {} came first after offset {before}: {call:?}", call.offset));
        }
    }
    Ok(())
}

/// No two calls of one lane overlapped in time. The calls may come from the files of several members, one after the other.
///
/// # Errors
/// The first two that did.
pub fn never_beside(calls: &[Call], order: Order) -> Verdict {
    let mut by_time: Vec<&Call> = calls.iter().collect();
    by_time.sort_by_key(|call| (call.t_start_ms, call.t_end_ms));
    let mut last: HashMap<Lane<'_>, &Call> = HashMap::new();
    for call in by_time {
        if let Some(before) = last.insert(lane(order, call), call)
            && call.t_start_ms < before.t_end_ms
        {
            return Err(format!("began before its predecessor ended: {before:?}, {call:?}"));
        }
    }
    Ok(())
}

/// Every message was handled with success at most once.
///
/// # Errors
/// How many came again, and the first of them.
pub fn handled_once(calls: &[Call]) -> Verdict {
    let mut seen = HashSet::new();
    let again: Vec<&Call> = calls.iter().filter(|call| call.is_ok() && !seen.insert((&call.topic, call.partition, call.offset))).collect();
    again.first().map_or(Ok(()), |first| Err(format!("{} handled twice, first {first:?}", again.len())))
}

/// The group is at the end of every partition.
///
/// # Errors
/// The partitions where it is not.
pub fn committed_equals_end(committed: &Positions, ends: &Positions) -> Verdict {
    let off: Vec<String> = ends
        .iter()
        .filter(|(partition, end)| committed.get(partition).copied().unwrap_or(0) != **end)
        .map(|(partition, end)| format!("partition {partition}: committed {:?}, end {end}", committed.get(partition)))
        .collect();
    if off.is_empty() { Ok(()) } else { Err(off.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::Outcome;

    /// Twenty messages on two partitions with three keys, each handled once, 1 ms each.
    fn good() -> Vec<Call> {
        let call = |n: i64| {
            let (partition, offset) = (i32::try_from(n % 2).unwrap(), n / 2);
            let (t_start_ms, t_end_ms) = (n.unsigned_abs(), n.unsigned_abs() + 1);
            Call {
                topic: "t".into(),
                partition,
                offset,
                key: Some(format!("k{}", n % 3)),
                n: Some(n),
                attempt: 1,
                outcome: Outcome::Ok,
                t_start_ms,
                t_end_ms,
            }
        };
        (0..20).map(call).collect()
    }

    fn verdicts(calls: &[Call]) -> [bool; 5] {
        [
            none_lost(calls, 0..20).is_ok(),
            order_kept(calls, Order::Partition).is_ok(),
            order_kept(calls, Order::Key).is_ok(),
            never_beside(calls, Order::Partition).is_ok(),
            handled_once(calls).is_ok(),
        ]
    }

    #[test]
    fn a_good_ledger_passes() {
        assert_eq!(verdicts(&good()), [true; 5]);
    }

    #[test]
    fn a_line_taken_out_is_a_loss() {
        for at in 0..20 {
            let mut calls = good();
            calls.remove(at);
            assert_eq!(verdicts(&calls), [false, true, true, true, true], "line {at}");
        }
    }

    #[test]
    fn a_failure_is_not_a_success() {
        let mut calls = good();
        calls[7].outcome = Outcome::Failed;
        assert!(none_lost(&calls, 0..20).unwrap_err().contains("[7]"));
        calls.push(Call { outcome: Outcome::Ok, attempt: 2, ..calls[7].clone() });
        assert!(none_lost(&calls, 0..20).is_ok() && handled_once(&calls).is_ok());
    }

    #[test]
    fn a_line_twice_is_handled_twice_and_no_disorder() {
        let mut calls = good();
        calls.push(calls[4].clone());
        assert_eq!(verdicts(&calls), [true, true, true, false, false]);
    }

    #[test]
    fn swapped_lines_are_disorder_in_their_lane() {
        let mut calls = good();
        // Offsets 0 and 3 of partition 0, both with key k0.
        calls.swap(0, 6);
        assert_eq!(verdicts(&calls), [true, false, false, true, true]);
        let mut calls = good();
        // Offsets 0 and 1 of partition 0, with different keys.
        calls.swap(0, 2);
        assert_eq!(verdicts(&calls), [true, false, true, true, true]);
    }

    #[test]
    fn overlap_in_time_is_found() {
        let mut calls = good();
        calls[8].t_end_ms = 11;
        assert!(never_beside(&calls, Order::Partition).is_err());
        assert!(never_beside(&calls, Order::Key).is_ok());
    }

    #[test]
    fn a_lane_that_came_back_to_a_member_is_beside_nobody() {
        let mut calls = good();
        // The second member had it in the middle, and its file comes last.
        let middle: Vec<_> = calls.drain(5..12).collect();
        calls.extend(middle);
        assert!(never_beside(&calls, Order::Partition).is_ok());
        calls[17].t_end_ms = 30;
        assert!(never_beside(&calls, Order::Partition).is_err());
    }

    #[test]
    fn positions_must_be_equal_and_present() {
        let ends = Positions::from([(0, 5), (1, 7), (2, 0)]);
        assert!(committed_equals_end(&Positions::from([(0, 5), (1, 7)]), &ends).is_ok(), "an empty partition needs no commit");
        for wrong in [vec![(0, 5)], vec![(0, 4), (1, 7)], vec![(0, 5), (1, 8)], vec![]] {
            assert!(committed_equals_end(&wrong.into_iter().collect(), &ends).is_err());
        }
    }
}
