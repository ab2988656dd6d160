//! The queue of one assigned partition, drained in batches.

use std::ffi::{CString, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::bindings as sys;

use super::error::NativeError;
use super::list::PartitionList;
use super::{Handle, NativeMessage};
use crate::broker::{PollWaker, QueueId};
use crate::message::RawMessage;
use crate::names::TopicPartition;

/// The queue of one assigned partition. Between its making and its drop librdkafka delivers the partition's messages to it alone.
pub(crate) struct PartitionQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// What the native callback is given.
    signal: Arc<Signal>,
    /// The partition, as `offsets_store` wants it: made once, librdkafka caches the lookup in it.
    position: PartitionList,
    handle: Arc<Handle>,
}

/// The queues that turned non-empty, told by callbacks from librdkafka's threads.
#[derive(Debug)]
pub(crate) struct ReadyList {
    queues: Mutex<Vec<Arc<Mark>>>,
    waker: PollWaker,
}

/// Whether a queue is on the list: it is there once.
#[derive(Debug)]
struct Mark {
    id: QueueId,
    listed: AtomicBool,
}

/// Lists a queue as ready.
#[derive(Debug)]
struct Signal {
    mark: Arc<Mark>,
    ready: Arc<ReadyList>,
}

// SAFETY: librdkafka's queues are thread-safe, and the rest of it is.
unsafe impl Send for PartitionQueue {}

impl ReadyList {
    pub(crate) fn new(waker: PollWaker) -> Arc<Self> {
        Arc::new(Self { queues: Mutex::default(), waker })
    }

    /// Wakes whoever takes from it.
    pub(crate) fn wake(&self) {
        self.waker.wake();
    }

    /// Moves the listed queues out.
    pub(crate) fn take(&self, into: &mut Vec<QueueId>) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        for mark in queues.drain(..) {
            // Before the queue is drained: what arrives from here on lists it again.
            mark.listed.store(false, Ordering::SeqCst);
            into.push(mark.id);
        }
    }
}

impl Signal {
    fn raise(&self) {
        if !self.mark.listed.swap(true, Ordering::SeqCst) {
            let queues = &self.ready.queues;
            queues.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&self.mark));
            self.ready.wake();
        }
    }
}

impl PartitionQueue {
    /// Takes the partition's messages out of the consumer's queue. To be called before the partition is assigned: librdkafka leaves
    /// a queue alone that the application has forwarded, even to nowhere (rdkafka_partition.c:2293).
    pub(crate) fn take(handle: &Arc<Handle>, partition: &TopicPartition, id: QueueId, ready: &Arc<ReadyList>) -> Option<Self> {
        let topic = CString::new(partition.topic.as_str()).ok()?;
        // SAFETY: the client is alive; the queue is ours to destroy.
        let queue = NonNull::new(unsafe { sys::rd_kafka_queue_get_partition(handle.as_ptr(), topic.as_ptr(), partition.partition) })?;
        let mark = Arc::new(Mark { id, listed: AtomicBool::new(false) });
        let signal = Arc::new(Signal { mark, ready: Arc::clone(ready) });
        let mut position = PartitionList::with_capacity(1);
        position.add(partition.topic.as_str(), partition.partition, None);
        let opaque = Arc::as_ptr(&signal);
        let this = Self { queue, signal, position, handle: Arc::clone(handle) };
        // SAFETY: the queue is alive; the opaque lives until drop has taken the callback away.
        unsafe {
            sys::rd_kafka_queue_forward(queue.as_ptr(), ptr::null_mut());
            sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(raise), opaque.cast_mut().cast());
        }
        // What an earlier assignment left in the queue keeps it non-empty, and a non-empty queue never calls back.
        this.signal.raise();
        Some(this)
    }

    /// Takes up to `max` messages without waiting. Nothing taken means that the queue is empty and will signal when it no longer is.
    pub(crate) fn fetch(&self, max: usize, buffer: &mut FetchBuffer, into: &mut Vec<RawMessage>, failed: &mut dyn FnMut(NativeError)) {
        buffer.0.reserve(max);
        let before = into.len();
        // Errors and outdated messages are no messages; to come back with none of them while some are left would lose the wake-up.
        while into.len() == before {
            // SAFETY: the queue is alive; the buffer has room for `max` pointers, of which librdkafka writes as many as it returns.
            let count = unsafe { sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), 0, buffer.0.as_mut_ptr(), max) };
            let count = usize::try_from(count).unwrap_or(0);
            if count == 0 {
                return;
            }
            into.reserve(count);
            for index in 0..count {
                // SAFETY: written by librdkafka as said above; each message is ours, once.
                let message = unsafe { NonNull::new(*buffer.0.as_ptr().add(index)).map(|message| NativeMessage::take(message)) };
                match message {
                    Some(Ok(message)) => into.push(message.into()),
                    Some(Err(error)) => failed(error),
                    None => {}
                }
            }
        }
    }

    /// Stores the position for the next commit.
    pub(crate) fn store(&mut self, position: i64) -> Result<(), NativeError> {
        self.position.set_first_offset(position);
        // Not `rd_kafka_offset_store`, which adds one (rdkafka_offset.c:648).
        // SAFETY: the client and the list are alive.
        NativeError::check(unsafe { sys::rd_kafka_offsets_store(self.handle.as_ptr(), self.position.as_ptr()) })
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: the queue is alive. The callback is called under the lock of the queue (rdkafka_queue.h:307) and taken away under
        // it, so none is in flight afterwards and the signal may go.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(self.queue.as_ptr(), None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

impl fmt::Debug for PartitionQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartitionQueue").field(&self.signal.mark.id).finish()
    }
}

/// Where a fetch puts its pointers, kept for the next one. Empty between fetches.
#[derive(Default)]
pub(crate) struct FetchBuffer(Vec<*mut sys::rd_kafka_message_t>);

// SAFETY: between fetches nothing in it is read.
unsafe impl Send for FetchBuffer {}

impl fmt::Debug for FetchBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FetchBuffer")
    }
}

unsafe extern "C" fn raise(_client: *mut sys::rd_kafka_t, signal: *mut c_void) {
    // SAFETY: the opaque is the signal of the queue, alive while the callback is set.
    unsafe { &*signal.cast::<Signal>() }.raise();
}
