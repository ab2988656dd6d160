//! The queue that a client's events come from.

use std::ffi::{c_int, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t as Code;

use super::error::{describe, text};
use super::list::partitions;
use super::produce::Outcome;
use super::{Handle, NativeError};
use crate::broker::PollWaker;
use crate::names::TopicPartition;

/// The queue that a client's events come from.
pub(crate) struct EventQueue {
    queue: NonNull<sys::rd_kafka_queue_t>,
    /// What the native callback is given. Declared before the client: freed while that is alive.
    waker: Option<Arc<PollWaker>>,
    handle: Arc<Handle>,
}

/// What a client reports.
#[derive(Debug)]
pub(crate) enum Event {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
    Error(NativeError),
    /// A commit that librdkafka made by itself.
    CommitFailed(NativeError),
    /// One that was asked for.
    Committed(Result<(), NativeError>),
    /// A message outside its partition's own queue.
    StrayMessage,
    /// Outcomes of sent records were handed over.
    Deliveries,
    /// Nothing that is of interest here.
    Other,
}

// SAFETY: librdkafka's queues are thread-safe; the waker is.
unsafe impl Send for EventQueue {}
// SAFETY: as above.
unsafe impl Sync for EventQueue {}

impl EventQueue {
    /// The queue of a consumer; the client's own events (errors, commits) come by it too. `None` without a group.
    pub(crate) fn of_consumer(handle: &Arc<Handle>, waker: PollWaker) -> Option<Self> {
        // SAFETY: the client is alive; the queue is ours to destroy.
        let queue = unsafe {
            if sys::rd_kafka_poll_set_consumer(handle.as_ptr()) != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            NonNull::new(sys::rd_kafka_queue_get_consumer(handle.as_ptr()))?
        };
        let waker = Arc::new(waker);
        let opaque = Arc::as_ptr(&waker);
        // SAFETY: the waker stays where it is until the callback is taken away in drop, under the lock it is called under.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(queue.as_ptr(), Some(wake), opaque.cast_mut().cast());
        };
        Some(Self { queue, waker: Some(waker), handle: Arc::clone(handle) })
    }

    /// The queue of a producer.
    pub(crate) fn of_producer(handle: &Arc<Handle>) -> Self {
        // SAFETY: the client is alive; the queue is ours to destroy; librdkafka allocates or aborts.
        let queue = unsafe { sys::rd_kafka_queue_get_main(handle.as_ptr()) };
        let queue = NonNull::new(queue).unwrap_or_else(|| unreachable!("librdkafka aborts when it is out of memory"));
        Self { queue, waker: None, handle: Arc::clone(handle) }
    }

    pub(super) fn as_ptr(&self) -> *mut sys::rd_kafka_queue_t {
        self.queue.as_ptr()
    }

    /// Records handed to a producer whose outcome was not handed over yet.
    pub(crate) fn in_flight(&self) -> usize {
        // librdkafka counts the events in this queue too (rdkafka.c, `rd_kafka_outq_len`).
        // SAFETY: the client and the queue are alive.
        let (all, events) = unsafe { (sys::rd_kafka_outq_len(self.handle.as_ptr()), sys::rd_kafka_queue_length(self.as_ptr())) };
        usize::try_from(all).unwrap_or(0).saturating_sub(events)
    }

    /// Makes a wait in [`EventQueue::poll`] end.
    pub(crate) fn interrupt(&self) {
        // SAFETY: the queue is alive.
        unsafe { sys::rd_kafka_queue_yield(self.as_ptr()) }
    }

    /// The next event, waiting for one no longer than the timeout. Outcomes of records go to `delivered`.
    pub(crate) fn poll(&self, timeout: Duration, delivered: &mut dyn FnMut(Outcome<'_>)) -> Option<Event> {
        let millis = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        loop {
            // SAFETY: the queue is alive; an event is ours to destroy.
            let event = unsafe { sys::rd_kafka_queue_poll(self.as_ptr(), millis) };
            if let Some(event) = NonNull::new(event) {
                return Some(NativeEvent(event).read(delivered));
            }
            // An internal operation ends a poll early (rdkafka_queue.c:465), and the wake-up callback comes only when an *empty*
            // queue turns non-empty: to report nothing while something is there would lose it.
            // SAFETY: the queue is alive.
            if millis != 0 || unsafe { sys::rd_kafka_queue_length(self.as_ptr()) } == 0 {
                return None;
            }
        }
    }
}

impl Drop for EventQueue {
    fn drop(&mut self) {
        // SAFETY: the callback is called under the lock of the queue (rdkafka_queue.h:307) and taken away under it, so none is in
        // flight afterwards and the waker may go.
        unsafe {
            if self.waker.is_some() {
                sys::rd_kafka_queue_cb_event_enable(self.as_ptr(), None, ptr::null_mut());
            }
            sys::rd_kafka_queue_destroy(self.as_ptr());
        }
    }
}

impl fmt::Debug for EventQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EventQueue").field(&self.handle).finish()
    }
}

/// What tells a commit that was asked for from librdkafka's own. Only compared.
pub(super) fn asked_for() -> *mut c_void {
    static MARK: u8 = 0;
    (&raw const MARK).cast_mut().cast()
}

unsafe extern "C" fn wake(_client: *mut sys::rd_kafka_t, waker: *mut c_void) {
    // SAFETY: the opaque is the waker of the queue, alive while the callback is set.
    unsafe { &*waker.cast::<PollWaker>() }.wake();
}

/// An event of librdkafka's, destroyed on drop.
struct NativeEvent(NonNull<sys::rd_kafka_event_t>);

impl NativeEvent {
    fn read(&self, delivered: &mut dyn FnMut(Outcome<'_>)) -> Event {
        let event = self.0.as_ptr();
        // SAFETY: the event is alive, and each accessor is asked for the type of event that has it; what is borrowed of it is copied
        // or handed to a callback that cannot keep it.
        unsafe {
            match sys::rd_kafka_event_type(event) {
                sys::RD_KAFKA_EVENT_REBALANCE => {
                    let list = partitions(sys::rd_kafka_event_topic_partition_list(event));
                    match sys::rd_kafka_event_error(event) {
                        Code::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => Event::Assigned(list),
                        // librdkafka wants any other answered as a revocation.
                        _ => Event::Revoked(list),
                    }
                }
                sys::RD_KAFKA_EVENT_ERROR => Event::Error(self.error()),
                sys::RD_KAFKA_EVENT_OFFSET_COMMIT => {
                    let result = match sys::rd_kafka_event_error(event) {
                        Code::RD_KAFKA_RESP_ERR_NO_ERROR | Code::RD_KAFKA_RESP_ERR__NO_OFFSET => Ok(()),
                        // Not as below: only an error event has a mark that it is fatal, elsewhere librdkafka reads another field
                        // for it (rdkafka_event.c:223).
                        code => Err(NativeError::of(code, describe(code))),
                    };
                    match result {
                        result if sys::rd_kafka_event_opaque(event) == asked_for() => Event::Committed(result),
                        Ok(()) => Event::Other,
                        Err(error) => Event::CommitFailed(error),
                    }
                }
                sys::RD_KAFKA_EVENT_FETCH => Event::StrayMessage,
                sys::RD_KAFKA_EVENT_DR => {
                    while let Some(message) = NonNull::new(sys::rd_kafka_event_message_next(event).cast_mut()) {
                        delivered(Outcome::new(message.as_ref()));
                    }
                    Event::Deliveries
                }
                _ => Event::Other,
            }
        }
    }

    /// What an error event says.
    fn error(&self) -> NativeError {
        let event = self.0.as_ptr();
        // SAFETY: the event is alive; the text is copied.
        unsafe {
            let code = sys::rd_kafka_event_error(event);
            let fatal = sys::rd_kafka_event_error_is_fatal(event) != 0;
            let error = NativeError::of(code, text(sys::rd_kafka_event_error_string(event)));
            NativeError { fatal: fatal || error.fatal, ..error }
        }
    }
}

impl Drop for NativeEvent {
    fn drop(&mut self) {
        // SAFETY: the event is ours.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) }
    }
}
