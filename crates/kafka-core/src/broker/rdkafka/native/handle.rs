//! A librdkafka client.

use std::ffi::{CString, c_int};
use std::fmt;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use sys::rd_kafka_type_t as Kind;

use super::error::{NativeError, Reason};
use super::event::asked_for;
use super::list::{PartitionList, UNASSIGNED};
use super::{Conf, EventQueue};
use crate::broker::ClientError;
use crate::names::TopicPartition;

/// A librdkafka client. Dropping it joins librdkafka's threads, which takes some milliseconds.
///
/// Everything that points into the client (queues, messages) must be gone by then: librdkafka's `rd_kafka_destroy` joins broker
/// threads that wait for the last fetch buffer (rdkafka_broker.c:4532), so a message that is still out would hang it, and the last
/// steps of the message's own destroy would read freed memory. Queues of ours hold an `Arc` of the handle for that reason, messages
/// are covered by [`KeepAlive`](crate::message::KeepAlive).
pub(crate) struct Handle(NonNull<sys::rd_kafka_t>);

// SAFETY: librdkafka's clients are thread-safe by its documentation.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Handle {
    /// A consumer that reports rebalances, commits and errors as events.
    pub(crate) fn consumer(mut conf: Conf) -> Result<Self, ClientError> {
        conf.events(sys::RD_KAFKA_EVENT_REBALANCE | sys::RD_KAFKA_EVENT_OFFSET_COMMIT | sys::RD_KAFKA_EVENT_ERROR);
        conf.make(Kind::RD_KAFKA_CONSUMER).map(Self)
    }

    /// A producer that reports deliveries and errors as events.
    pub(crate) fn producer(mut conf: Conf) -> Result<Self, ClientError> {
        conf.events(sys::RD_KAFKA_EVENT_DR | sys::RD_KAFKA_EVENT_ERROR);
        conf.make(Kind::RD_KAFKA_PRODUCER).map(Self)
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_t {
        self.0.as_ptr()
    }

    /// Why the client is of no more use, once it is.
    pub(crate) fn fatal_error(&self) -> Option<ClientError> {
        let mut reason = Reason::new();
        // SAFETY: the client is alive, the buffer is as long as it says.
        let code = unsafe { sys::rd_kafka_fatal_error(self.as_ptr(), reason.as_mut_ptr(), reason.capacity()) };
        NativeError::check(code).err().map(|error| ClientError::fatal(error.name, reason.text()))
    }

    pub(crate) fn subscribe<'a>(&self, topics: impl IntoIterator<Item = &'a str>) -> Result<(), NativeError> {
        let mut list = PartitionList::with_capacity(1);
        topics.into_iter().for_each(|topic| list.add(topic, UNASSIGNED, None));
        // SAFETY: both are alive; librdkafka copies the list.
        NativeError::check(unsafe { sys::rd_kafka_subscribe(self.as_ptr(), list.as_ptr()) })
    }

    /// Whether the group moves single partitions (cooperative, KIP-848) rather than all of them.
    fn is_cooperative(&self) -> bool {
        // SAFETY: the client is alive; the result is null or a static string.
        unsafe { super::error::text(sys::rd_kafka_rebalance_protocol(self.as_ptr())) == "COOPERATIVE" }
    }

    /// Answers an assignment, also an empty one.
    pub(crate) fn assign(&self, partitions: &[(TopicPartition, Option<i64>)]) -> Result<(), NativeError> {
        let mut list = PartitionList::with_capacity(partitions.len());
        for (partition, position) in partitions {
            list.add(partition.topic.as_str(), partition.partition, *position);
        }
        // SAFETY: both are alive; librdkafka copies the list and gives an error object away.
        unsafe {
            if self.is_cooperative() {
                NativeError::take(sys::rd_kafka_incremental_assign(self.as_ptr(), list.as_ptr()))
            } else {
                NativeError::check(sys::rd_kafka_assign(self.as_ptr(), list.as_ptr()))
            }
        }
    }

    /// Answers a revocation, also an empty one. Without the cooperative protocol it always covers everything.
    pub(crate) fn unassign(&self, partitions: &[TopicPartition]) -> Result<(), NativeError> {
        // SAFETY: as for `assign`; a null list takes the whole assignment away.
        unsafe {
            if self.is_cooperative() {
                let mut list = PartitionList::with_capacity(partitions.len());
                partitions.iter().for_each(|partition| {
                    list.add(partition.topic.as_str(), partition.partition, None);
                });
                NativeError::take(sys::rd_kafka_incremental_unassign(self.as_ptr(), list.as_ptr()))
            } else {
                NativeError::check(sys::rd_kafka_assign(self.as_ptr(), ptr::null()))
            }
        }
    }

    /// Whether the partitions are already somebody else's.
    pub(crate) fn is_assignment_lost(&self) -> bool {
        // SAFETY: the client is alive.
        unsafe { sys::rd_kafka_assignment_lost(self.as_ptr()) != 0 }
    }

    /// Begins to commit what is stored of all assigned partitions; the event queue tells how it went.
    pub(crate) fn commit_stored(&self, events: &EventQueue) -> Result<(), NativeError> {
        // SAFETY: both are alive; a null list is the whole assignment; nobody follows the mark.
        NativeError::check(unsafe { sys::rd_kafka_commit_queue(self.as_ptr(), ptr::null(), events.as_ptr(), None, asked_for()) })
    }

    /// Begins to leave the group; the rest is told by the event queue. Fails on a client that is fatally broken.
    pub(crate) fn close(&self, events: &EventQueue) -> Result<(), NativeError> {
        // SAFETY: both are alive; librdkafka gives an error object away.
        unsafe { NativeError::take(sys::rd_kafka_consumer_close_queue(self.as_ptr(), events.as_ptr())) }
    }

    pub(crate) fn is_closed(&self) -> bool {
        // SAFETY: the client is alive.
        unsafe { sys::rd_kafka_consumer_closed(self.as_ptr()) != 0 }
    }

    /// The end of a partition as the last fetch told it.
    pub(crate) fn end_offset(&self, partition: &TopicPartition) -> Option<i64> {
        let topic = CString::new(partition.topic.as_str()).ok()?;
        let (mut low, mut high) = (-1, -1);
        // SAFETY: the client is alive; it writes two numbers.
        let code =
            unsafe { sys::rd_kafka_get_watermark_offsets(self.as_ptr(), topic.as_ptr(), partition.partition, &raw mut low, &raw mut high) };
        (NativeError::check(code).is_ok() && high >= 0).then_some(high)
    }

    /// Whether a broker that lets the client in answers within the timeout.
    pub(crate) fn answers(&self, timeout: Duration) -> bool {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        let mut metadata = ptr::null();
        // SAFETY: the client is alive; no topic is asked for; a successful answer is ours to destroy.
        unsafe {
            let code = sys::rd_kafka_metadata(self.as_ptr(), 0, ptr::null_mut(), &raw mut metadata, millis);
            let answered = NativeError::check(code).is_ok();
            if answered {
                sys::rd_kafka_metadata_destroy(metadata);
            }
            answered
        }
    }

    /// Waits until every delivery is reported, without lingering. Somebody else must serve the event queue.
    pub(crate) fn flush(&self, timeout: Duration) -> Result<(), NativeError> {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the client is alive.
        NativeError::check(unsafe { sys::rd_kafka_flush(self.as_ptr(), millis) })
    }

    /// Fails every record that is not acknowledged yet. Does not wait.
    pub(crate) fn purge(&self) {
        let flags = sys::RD_KAFKA_PURGE_F_QUEUE | sys::RD_KAFKA_PURGE_F_INFLIGHT | sys::RD_KAFKA_PURGE_F_NON_BLOCKING;
        // SAFETY: the client is alive. With these flags there is nothing that can fail on a producer.
        let _code = unsafe { sys::rd_kafka_purge(self.as_ptr(), flags) };
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // A consumer has been closed before, in bounds; without the flag destroy would do so again and wait for the broker.
        // SAFETY: nothing points into the client any more, see above.
        unsafe {
            sys::rd_kafka_destroy_flags(self.as_ptr(), sys::RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the client is alive, its name is part of it.
        f.debug_tuple("Handle").field(&unsafe { super::error::text(sys::rd_kafka_name(self.as_ptr())) }).finish()
    }
}
