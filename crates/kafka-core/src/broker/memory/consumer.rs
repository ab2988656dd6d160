//! The consumer client of the in-memory broker: the port, word for word.

use std::sync::Arc;

use super::cluster::{Cluster, Shared};
use super::faults::Call;
use super::history::{ClientId, Event};
use super::member::{Pending, Question, Queue, Reset, Standing};
use super::transactions::MemoryMember;
use crate::broker::{ClientError, ClientEvent, ConsumerClient, Membership, QueueId};
use crate::message::{KeepAlive, RawMessage};
use crate::names::TopicPartition;

/// A consumer client. Dropping one that is not closed is a crash.
#[derive(Debug)]
pub(super) struct MemoryConsumer {
    pub(super) id: ClientId,
    pub(super) shared: Arc<Shared>,
    /// Needed by nobody; there so that waiting messages are copied out, as with librdkafka.
    pub(super) buffer: Arc<()>,
}

impl ConsumerClient for MemoryConsumer {
    fn poll(&mut self) -> Option<ClientEvent> {
        let by_clock = self.shared.config.commits_by_clock;
        self.shared.with(|cluster| {
            let now = cluster.now;
            let member = cluster.member(self.id)?;
            member.last_poll = now;
            if by_clock && now >= member.last_commit + member.commit_interval {
                member.last_commit = now;
                cluster.commit(self.id, None);
            }
            let event = cluster.member(self.id)?.next_event()?;
            match &event {
                ClientEvent::Revoked(partitions) => {
                    cluster.history.push(Event::Revoked { client: self.id, partitions: partitions.clone() });
                }
                ClientEvent::Lost(partitions) => cluster.history.push(Event::Lost { client: self.id, partitions: partitions.clone() }),
                ClientEvent::Assigned(_) | ClientEvent::Error(_) => {}
            }
            Some(event)
        })
    }

    fn assign(&mut self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<Vec<QueueId>, ClientError> {
        self.shared.with(|cluster| {
            let names: Vec<_> = partitions.iter().map(|(partition, _)| partition.clone()).collect();
            cluster.check_answer(self.id, &[Question::Assign], &names, Call::Assign)?;
            let queues = partitions.iter().map(|(partition, explicit)| cluster.take_up(self.id, partition, *explicit)).collect();
            let is_down = cluster.is_down();
            cluster.in_group(self.id, |group, history| {
                let Some(pending) = group.members.get_mut(&self.id).and_then(|member| member.pending.take()) else { return };
                let missing = pending.partitions.iter().filter(|partition| !names.contains(partition)).cloned().collect::<Vec<_>>();
                group.owners.retain(|partition, owner| *owner != self.id || !missing.contains(partition));
                group.take_all_of_closing(self.id, is_down, history);
            });
            Ok(queues)
        })
    }

    fn unassign(&mut self, partitions: &[TopicPartition]) -> Result<(), ClientError> {
        self.shared.with(|cluster| {
            let question = cluster.check_answer(self.id, &[Question::Revoke, Question::Lost], partitions, Call::Unassign)?;
            if question == Question::Revoke {
                cluster.commit(self.id, Some(partitions));
            }
            let is_down = cluster.is_down();
            cluster.in_group(self.id, |group, history| {
                group.release(self.id, partitions, history);
                let Some(member) = group.members.get_mut(&self.id) else { return };
                // An answer in parts is an answer once the last part came.
                member.pending =
                    member.pending.take().filter(|pending| pending.partitions.iter().any(|name| member.assigned.contains_key(name)));
                group.take_all_of_closing(self.id, is_down, history);
            });
            Ok(())
        })
    }

    fn take_ready(&mut self, ready: &mut Vec<QueueId>) {
        self.shared.with(|cluster| {
            let Some(member) = cluster.member(self.id) else { return };
            let waiting = member.assigned.iter().filter(|(_, queue)| !queue.reported);
            let waiting: Vec<_> = waiting.map(|(partition, queue)| (partition.clone(), queue.position)).collect();
            for (partition, position) in waiting {
                if cluster.available(&partition, position) > 0
                    && let Some(queue) = cluster.member(self.id).and_then(|member| member.assigned.get_mut(&partition))
                {
                    queue.reported = true;
                    ready.push(queue.id);
                }
            }
        });
    }

    fn fetch(&mut self, queue: QueueId, max: usize, into: &mut Vec<RawMessage>) {
        self.shared.with(|cluster| {
            let Some(member) = cluster.member(self.id) else { return };
            let standing = member.standing;
            let Some((partition, position)) = member.queue_mut(queue).map(|(partition, queue)| (partition.clone(), queue.position)) else {
                if standing != Standing::Crashed {
                    cluster.history.violation(self.id, format!("fetched from {queue:?} after it was unassigned"));
                }
                return;
            };
            let count = cluster.available(&partition, position).min(max).min(cluster.faults.fetch_limit.unwrap_or(max));
            let from = into.len();
            into.extend(
                cluster.log.visible_from(&partition, position, cluster.now)[..count].iter().map(|stored| stored.message.clone().into()),
            );
            let offsets: Vec<_> = into[from..].iter().map(RawMessage::offset).collect();
            let Some((_, queue)) = cluster.member(self.id).and_then(|member| member.queue_mut(queue)) else { return };
            match offsets.last() {
                Some(last) => {
                    queue.position = last + 1;
                    cluster.history.push(Event::Fetched { client: self.id, partition, offsets });
                }
                None if max > 0 => queue.reported = false,
                None => {}
            }
        });
    }

    fn keep_alive(&self) -> Option<KeepAlive> {
        Some(KeepAlive::new(Arc::<()>::clone(&self.buffer)))
    }

    fn store(&mut self, partition: &TopicPartition, position: i64) -> Result<(), ClientError> {
        self.shared.with(|cluster| {
            if let Some(error) = cluster.faults.take_call(self.id, Call::Store) {
                return Err(error);
            }
            let refused = ClientError::transient("_STATE", format!("{partition} is not assigned"));
            let Some(member) = cluster.member(self.id).filter(|member| member.standing != Standing::Crashed) else { return Err(refused) };
            let told = |pending: &Pending| pending.seen && pending.question == Question::Lost;
            let lost = member.pending.as_ref().is_some_and(told);
            match member.assigned.get_mut(partition).filter(|_| !lost) {
                Some(queue) => {
                    queue.stored = Some(position);
                    cluster.history.push(Event::Stored { client: self.id, partition: partition.clone(), position });
                    Ok(())
                }
                None => {
                    cluster.history.violation(self.id, format!("stored {position} of {partition}, which is not its own any more"));
                    Err(refused)
                }
            }
        })
    }

    fn membership(&self) -> Option<Membership> {
        Some(Membership::new(MemoryMember(self.id)))
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        self.shared.with(|cluster| {
            cluster.member(self.id)?.assigned.get(partition)?;
            cluster.log.bounds(partition).map(|(_, end)| end)
        })
    }

    fn begin_close(&mut self) {
        self.shared.with(|cluster| {
            cluster.in_group(self.id, |group, _| {
                if let Some(member) = group.members.get_mut(&self.id) {
                    member.closing = true;
                }
            });
        });
    }

    fn is_closed(&self) -> bool {
        self.shared
            .with(|cluster| cluster.member(self.id).is_none_or(|member| matches!(member.standing, Standing::Left | Standing::Crashed)))
    }
}

impl Drop for MemoryConsumer {
    fn drop(&mut self) {
        // Out of the lock before it is dropped: a waker may own anything.
        let member = self.shared.with(|cluster| {
            if cluster.member(self.id).is_some_and(|member| matches!(member.standing, Standing::Joined | Standing::Expired)) {
                cluster.throw_out(self.id, Standing::Crashed);
            }
            let member = cluster.in_group(self.id, |group, _| group.members.remove(&self.id));
            cluster.consumers.remove(&self.id);
            member
        });
        drop(member);
    }
}

impl Cluster {
    /// Whether the call answers what was asked, with the injected error if there is one.
    fn check_answer(&mut self, client: ClientId, to: &[Question], names: &[TopicPartition], call: Call) -> Result<Question, ClientError> {
        let refused = || ClientError::transient("_STATE", "nothing was asked that this answers");
        let injected = self.faults.take_call(client, call);
        let Some(member) = self.member(client) else { return Err(refused()) };
        if member.standing == Standing::Crashed {
            return Err(refused());
        }
        let Some(pending) = member.pending.as_mut().filter(|pending| pending.seen && to.contains(&pending.question)) else {
            self.history.violation(client, format!("{call:?} of {names:?} answers nothing"));
            return Err(refused());
        };
        if let Some(error) = injected {
            pending.refused = true;
            return Err(error);
        }
        let question = pending.question;
        if let Some(foreign) = names.iter().find(|name| !pending.partitions.contains(name)) {
            let what = format!("{call:?} of {foreign}, which was not asked for");
            self.history.violation(client, what);
            return Err(refused());
        }
        Ok(question)
    }

    /// Puts a partition into the member's hands, at the position where it is to begin.
    fn take_up(&mut self, client: ClientId, partition: &TopicPartition, explicit: Option<i64>) -> QueueId {
        let id = QueueId(self.next_queue());
        let (start, end) = self.log.bounds(partition).unwrap_or((0, 0));
        let committed = self.consumers.get(&client).and_then(|group| self.groups.get(group)?.committed.get(partition).copied());
        let reset = self.member(client).map_or(Reset::Latest, |member| member.reset);
        let wanted = explicit.or(committed).filter(|position| (start..=end).contains(position));
        let begin = wanted.unwrap_or(match reset {
            Reset::Earliest => start,
            Reset::Latest | Reset::Error => end,
        });
        let rewind = self.faults.rewinds.remove(partition);
        let position = rewind.map_or(begin, |records| self.log.before(partition, begin, records));
        if let Some(member) = self.member(client) {
            if wanted.is_none() && reset == Reset::Error {
                member.errors.push_back(ClientError::transient(
                    "_AUTO_OFFSET_RESET",
                    format!("no valid offset of {partition} and auto.offset.reset=error"),
                ));
            }
            member.assigned.insert(partition.clone(), Queue { id, position, stored: None, committed: None, reported: false });
        }
        self.history.push(Event::Assigned { client, partition: partition.clone(), position });
        self.wake_readers(partition);
        id
    }
}
