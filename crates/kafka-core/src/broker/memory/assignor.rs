//! Who reads which partition: the fewest moves to an even spread. Pure, and the same for every protocol.

use std::collections::BTreeMap;

use super::history::ClientId;
use crate::names::TopicPartition;

/// The reader of each partition, given who may read it and who does so at present.
pub(super) fn spread(
    eligible: &BTreeMap<TopicPartition, Vec<ClientId>>,
    current: &BTreeMap<TopicPartition, ClientId>,
) -> BTreeMap<TopicPartition, ClientId> {
    let mut load: BTreeMap<ClientId, usize> = eligible.values().flatten().map(|client| (*client, 0)).collect();
    let mut target = BTreeMap::new();
    let mut free = Vec::new();
    for (partition, clients) in eligible {
        match current.get(partition).filter(|owner| clients.contains(owner)) {
            Some(owner) => {
                *load.entry(*owner).or_default() += 1;
                target.insert(partition.clone(), *owner);
            }
            None => free.push(partition),
        }
    }
    for partition in free {
        if let Some(client) = least(&eligible[partition], &load) {
            *load.entry(client).or_default() += 1;
            target.insert(partition.clone(), client);
        }
    }
    while let Some((partition, from, to)) = next_move(eligible, &target, &load) {
        *load.entry(from).or_default() -= 1;
        *load.entry(to).or_default() += 1;
        target.insert(partition, to);
    }
    target
}

fn least(clients: &[ClientId], load: &BTreeMap<ClientId, usize>) -> Option<ClientId> {
    clients.iter().copied().min_by_key(|client| (load.get(client).copied(), *client))
}

/// A partition of the fullest reader that another one, emptier by two or more, may read.
fn next_move(
    eligible: &BTreeMap<TopicPartition, Vec<ClientId>>,
    target: &BTreeMap<TopicPartition, ClientId>,
    load: &BTreeMap<ClientId, usize>,
) -> Option<(TopicPartition, ClientId, ClientId)> {
    let of = |client: &ClientId| load.get(client).copied().unwrap_or(0);
    let moves = target.iter().filter_map(|(partition, from)| {
        let to = least(&eligible[partition], load)?;
        (of(from) > of(&to) + 1).then(|| (partition.clone(), *from, to))
    });
    moves.max_by_key(|(_, from, _)| of(from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::TopicName;

    #[test]
    fn evens_out_with_the_fewest_moves() {
        let partitions: Vec<_> = (0..5).map(|partition| TopicPartition::new(TopicName::from_broker("t"), partition)).collect();
        let both: BTreeMap<_, _> = partitions.iter().map(|partition| (partition.clone(), vec![ClientId(0), ClientId(1)])).collect();
        let current: BTreeMap<_, _> = partitions.iter().map(|partition| (partition.clone(), ClientId(0))).collect();
        let target = spread(&both, &current);
        assert_eq!(target.values().filter(|client| **client == ClientId(0)).count(), 3);
        assert_eq!(spread(&both, &target), target, "an even spread stays");
    }
}
