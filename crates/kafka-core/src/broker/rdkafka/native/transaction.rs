//! librdkafka's transactions. All calls but `begin` block for as long as they are told.

use std::ffi::c_int;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as sys;

use super::list::PartitionList;
use super::{Handle, NativeError};
use crate::broker::{ClientError, Remedy, TransactionError};
use crate::names::TopicPartition;

/// A consumer's place in its group, as it was when it was asked.
pub(crate) struct GroupMetadata(NonNull<sys::rd_kafka_consumer_group_metadata_t>);

impl Drop for GroupMetadata {
    fn drop(&mut self) {
        // SAFETY: it is ours.
        unsafe { sys::rd_kafka_consumer_group_metadata_destroy(self.0.as_ptr()) }
    }
}

fn millis(timeout: Duration) -> c_int {
    c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX)
}

/// Takes over an error object; null is success.
///
/// # Safety
/// The pointer is null or an error object that nobody else owns.
unsafe fn take(error: *mut sys::rd_kafka_error_t) -> Result<(), TransactionError> {
    if error.is_null() {
        return Ok(());
    }
    // SAFETY: the object is alive until `NativeError` destroys it, and these only look at it.
    let (fatal, abort, repeat) = unsafe {
        let is = |answer: c_int| answer != 0;
        let fatal = is(sys::rd_kafka_error_is_fatal(error));
        (fatal, is(sys::rd_kafka_error_txn_requires_abort(error)), is(sys::rd_kafka_error_is_retriable(error)))
    };
    // SAFETY: as the caller promises.
    let Err(error) = (unsafe { NativeError::take(error) }) else { return Ok(()) };
    let source = error.into_client();
    let remedy = match () {
        () if fatal => Remedy::End,
        () if abort => return Err(TransactionError::of_delivery(source)),
        () if repeat => Remedy::Repeat,
        // A state in which the call is not allowed: not to be mended by calling again.
        () => Remedy::End,
    };
    Err(TransactionError { remedy, source })
}

impl Handle {
    /// The consumer's place in its group; none while it has none.
    pub(crate) fn group_metadata(&self) -> Option<GroupMetadata> {
        // SAFETY: the client is alive; the answer is null or ours.
        NonNull::new(unsafe { sys::rd_kafka_consumer_group_metadata(self.as_ptr()) }).map(GroupMetadata)
    }

    /// Takes the transactional id: whoever had it before is fenced, and its open transaction aborted.
    pub(crate) fn init_transactions(&self, timeout: Duration) -> Result<(), TransactionError> {
        // SAFETY: the client is alive; it gives an error object away.
        unsafe { take(sys::rd_kafka_init_transactions(self.as_ptr(), millis(timeout))) }
    }

    pub(crate) fn begin_transaction(&self) -> Result<(), TransactionError> {
        // SAFETY: as above.
        unsafe { take(sys::rd_kafka_begin_transaction(self.as_ptr())) }
    }

    pub(crate) fn send_offset(
        &self,
        partition: &TopicPartition,
        position: i64,
        member: &GroupMetadata,
        timeout: Duration,
    ) -> Result<(), TransactionError> {
        let mut list = PartitionList::with_capacity(1);
        list.add(partition.topic.as_str(), partition.partition, Some(position));
        // SAFETY: all are alive; the list and the metadata are copied.
        unsafe { take(sys::rd_kafka_send_offsets_to_transaction(self.as_ptr(), list.as_ptr(), member.0.as_ptr(), millis(timeout))) }
    }

    pub(crate) fn commit_transaction(&self, timeout: Duration) -> Result<(), TransactionError> {
        // SAFETY: as above.
        unsafe { take(sys::rd_kafka_commit_transaction(self.as_ptr(), millis(timeout))) }
    }

    pub(crate) fn abort_transaction(&self, timeout: Duration) -> Result<(), TransactionError> {
        // SAFETY: as above.
        unsafe { take(sys::rd_kafka_abort_transaction(self.as_ptr(), millis(timeout))) }
    }
}

/// The error of who has no consumer to commit for.
pub(crate) fn no_member() -> TransactionError {
    let source = ClientError::transient("_STATE", "the consumer is no member of its group any more");
    TransactionError { remedy: Remedy::Abort, source }
}
