//! A producer client: records into librdkafka's queue, outcomes out of it on a thread of its own.
//!
//! Not what a user sends with: encoding, suppression and waiting for room are the producer's, above the port.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use tokio::sync::Notify;

use super::native::{Conf, Event, EventQueue, Handle, NativeError, Outcome};
use super::repeats::Repeats;
use crate::broker::{ClientError, Delivery, ProducerClient, Properties, Refused, Unflushed};
use crate::clock::Clock;
use crate::message::Record;

/// How often the thread looks up when nothing happens: the net under every wake-up.
const TICK: Duration = Duration::from_millis(50);
/// How long the purge of a dropped producer may take to tell everyone who waits.
const PURGE: Duration = Duration::from_secs(2);
/// At most one line about failed records in this time.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// A librdkafka producer with the thread that serves it.
#[derive(Debug)]
pub(super) struct RdkafkaProducer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    events: EventQueue,
    handle: Arc<Handle>,
    /// Somebody was refused since room was last made.
    full: AtomicBool,
    room: Notify,
    failed: AtomicU64,
    /// What was warned of lately.
    troubles: Repeats,
}

impl RdkafkaProducer {
    pub(super) fn new(properties: &Properties) -> Result<Self, ClientError> {
        let handle = Arc::new(Handle::producer(Conf::new(properties)?)?);
        let events = EventQueue::of_producer(&handle);
        let shared = Arc::new(Shared {
            events,
            handle,
            full: AtomicBool::new(false),
            room: Notify::new(),
            failed: AtomicU64::new(0),
            troubles: Repeats::new(),
        });
        let serving = Arc::clone(&shared);
        thread::Builder::new()
            .name("kafka-producer".to_owned())
            .spawn(move || serve(&serving))
            .map_err(|error| ClientError::fatal("_CRIT_SYS_RESOURCE", format!("no thread for a producer: {error}")))?;
        Ok(Self { shared })
    }
}

impl RdkafkaProducer {
    pub(super) fn handle(&self) -> &Arc<Handle> {
        &self.shared.handle
    }
}

impl ProducerClient for RdkafkaProducer {
    fn send(&self, record: &Record<'_>, delivery: Delivery) -> Result<(), Refused> {
        let shared = &*self.shared;
        let delivery = match shared.handle.produce(record, delivery) {
            Ok(()) => return Ok(()),
            Err((delivery, error)) if is_full(&error) => delivery,
            Err((delivery, error)) => {
                return Err(Refused::Failed(delivery, shared.client_error(error)));
            }
        };
        // Asked again once the mark is set: whatever makes room after that sees the mark and wakes.
        shared.full.store(true, Ordering::SeqCst);
        shared.handle.produce(record, delivery).map_err(|(delivery, error)| {
            if is_full(&error) { Refused::Full(delivery) } else { Refused::Failed(delivery, shared.client_error(error)) }
        })
    }

    fn room(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            let mut woken = std::pin::pin!(self.shared.room.notified());
            woken.as_mut().enable();
            // Room made between the refusal and the line above has cleared the mark.
            if self.shared.full.load(Ordering::SeqCst) {
                woken.await;
            }
        })
    }

    fn flush(&self, timeout: Duration) -> Result<(), Unflushed> {
        match self.shared.handle.flush(timeout) {
            Ok(()) => Ok(()),
            Err(_) => Err(Unflushed { records: self.shared.events.in_flight().max(1) }),
        }
    }

    fn in_flight(&self) -> usize {
        self.shared.events.in_flight()
    }

    fn fatal_error(&self) -> Option<ClientError> {
        self.shared.handle.fatal_error()
    }

    fn failed_deliveries(&self) -> u64 {
        self.shared.failed.load(Ordering::Relaxed)
    }
}

impl Drop for RdkafkaProducer {
    fn drop(&mut self) {
        let left = self.shared.events.in_flight();
        if left > 0 {
            tracing::warn!(records = left, "a producer was dropped before everything was acknowledged: flush it first; these are lost");
        }
        // The thread ends when it alone holds the client, and destroys it there.
        self.shared.events.interrupt();
    }
}

impl Shared {
    fn make_room(&self) {
        if self.full.swap(false, Ordering::SeqCst) {
            self.room.notify_waiters();
        }
    }

    fn client_error(&self, error: NativeError) -> ClientError {
        if error.name == "_FATAL" { self.handle.fatal_error().unwrap_or_else(|| error.into_client()) } else { error.into_client() }
    }

    /// Serves what happened, waiting no longer than the timeout for something to happen.
    fn serve(&self, timeout: Duration, failures: &mut Failures) {
        let event = self.events.poll(timeout, &mut |outcome: Outcome<'_>| {
            if let Some((topic, error)) = outcome.settle() {
                self.failed.fetch_add(1, Ordering::Relaxed);
                failures.note(&topic, &error);
            }
        });
        if let Some(Event::Error(error)) = event {
            if error.fatal {
                tracing::error!(code = %error.name, reason = %error.reason, "the producer is of no more use");
            } else if let Some(left_out) = self.troubles.tell("", &error.reason, Clock::System.now()) {
                tracing::warn!(code = %error.name, reason = %error.reason, left_out, "the producer has trouble");
            }
        }
        self.make_room();
    }
}

/// The body of a producer's thread.
fn serve(shared: &Arc<Shared>) {
    let mut failures = Failures::default();
    while Arc::strong_count(shared) > 1 {
        shared.serve(TICK, &mut failures);
    }
    // Nobody can send any more. Whoever still waits for an acknowledgement is told that it will not come.
    shared.handle.purge();
    let deadline = Clock::System.now() + PURGE;
    while shared.events.in_flight() > 0 && Clock::System.now() < deadline {
        shared.serve(TICK, &mut failures);
    }
}

/// Records that failed with nobody waiting, for the log.
#[derive(Default)]
struct Failures {
    reported: Option<Instant>,
    unreported: u64,
}

impl Failures {
    fn note(&mut self, topic: &str, error: &NativeError) {
        self.unreported += 1;
        let now = Clock::System.now();
        if self.reported.is_none_or(|reported| now.duration_since(reported) >= REPORT_EVERY) {
            let (code, reason) = (&error.name, &error.reason);
            tracing::warn!(topic, %code, %reason, records = self.unreported, "records that nobody waits for were not delivered");
            self.reported = Some(now);
            self.unreported = 0;
        }
    }
}

fn is_full(error: &NativeError) -> bool {
    error.name == "_QUEUE_FULL"
}
