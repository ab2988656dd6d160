//! librdkafka's lists of partitions.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;

use rdkafka::bindings as sys;

use crate::names::{TopicName, TopicPartition};

/// What librdkafka takes as the partition of a subscription and of a record that the partitioner places.
pub(super) const UNASSIGNED: i32 = -1;

/// An owned list of partitions, each with an offset.
pub(super) struct PartitionList(NonNull<sys::rd_kafka_topic_partition_list_t>);

// SAFETY: the list is plain memory; what librdkafka caches in it (references to partitions) is counted atomically.
unsafe impl Send for PartitionList {}

impl PartitionList {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        // SAFETY: librdkafka allocates or aborts.
        let list = unsafe { sys::rd_kafka_topic_partition_list_new(i32::try_from(capacity).unwrap_or(0)) };
        Self(NonNull::new(list).unwrap_or_else(|| unreachable!("librdkafka aborts when it is out of memory")))
    }

    /// Adds a partition; without an offset it has [`sys::RD_KAFKA_OFFSET_INVALID`], which means the committed one.
    ///
    /// A topic name with a NUL, which no broker has, is cut there.
    pub(super) fn add(&mut self, topic: &str, partition: i32, offset: Option<i64>) {
        let topic = CString::new(topic.split('\0').next().unwrap_or_default()).unwrap_or_default();
        // SAFETY: the list is ours; the name is copied; the entry stays valid until the next one is added.
        unsafe {
            let entry = sys::rd_kafka_topic_partition_list_add(self.0.as_ptr(), topic.as_ptr(), partition);
            if let Some(offset) = offset {
                (*entry).offset = offset;
            }
        }
    }

    /// Changes the offset of the first entry.
    pub(super) fn set_first_offset(&mut self, offset: i64) {
        // SAFETY: the list is ours; the entry exists as checked.
        unsafe {
            let list = self.0.as_mut();
            if list.cnt > 0 {
                (*list.elems).offset = offset;
            }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_topic_partition_list_t {
        self.0.as_ptr()
    }
}

impl Drop for PartitionList {
    fn drop(&mut self) {
        // SAFETY: the list is ours.
        unsafe { sys::rd_kafka_topic_partition_list_destroy(self.0.as_ptr()) }
    }
}

/// Copies the partitions of a list that somebody else owns.
///
/// # Safety
/// The pointer is null or a list that lives during the call.
pub(super) unsafe fn partitions(list: *const sys::rd_kafka_topic_partition_list_t) -> Vec<TopicPartition> {
    if list.is_null() {
        return Vec::new();
    }
    // SAFETY: a list has `cnt` entries at `elems`, each with a C string.
    unsafe {
        let count = usize::try_from((*list).cnt).unwrap_or(0);
        (0..count)
            .map(|index| {
                let entry = &*(*list).elems.add(index);
                let topic = CStr::from_ptr(entry.topic).to_string_lossy();
                TopicPartition::new(TopicName::from_broker(&topic), entry.partition)
            })
            .collect()
    }
}
