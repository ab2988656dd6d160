//! The baseline of the batch case: librdkafka's batch call on each partition's own queue, by hand, without a framework.

#![allow(unsafe_code, reason = "the baseline calls librdkafka's batch interface, which the crate does not wrap")]

use std::ffi::{CString, c_void};
use std::ptr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::ensure;
use rdkafka::bindings as sys;
use rdkafka::client::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;

use crate::side::{Figures, processor_time};

/// A partition's queue, and whether it may have messages.
struct Queue {
    native: *mut sys::rd_kafka_queue_t,
    signal: Box<Signal>,
    position: TopicPartitionList,
}

struct Signal {
    ready: AtomicBool,
    thread: Thread,
}

#[derive(Default)]
struct Recorded(Mutex<Option<Vec<(String, i32)>>>);

impl ClientContext for Recorded {}

impl ConsumerContext for Recorded {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, error: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        if error == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            let names = partitions.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect();
            *self.0.lock().expect("nobody panics with it") = Some(names);
        } else {
            // The close at the end waits for this answer.
            consumer.unassign().expect("a consumer that closes");
        }
    }
}

unsafe extern "C" fn raise(_: *mut sys::rd_kafka_t, signal: *mut c_void) {
    // SAFETY: the signal is boxed and outlives its queue.
    let signal = unsafe { &*signal.cast::<Signal>() };
    if !signal.ready.swap(true, Ordering::SeqCst) {
        signal.thread.unpark();
    }
}

pub(crate) fn consume(name: &str, messages: u64, properties: &[(String, String)]) -> anyhow::Result<Figures> {
    let mut config = ClientConfig::new();
    config.extend(properties.iter().cloned());
    let consumer: BaseConsumer<Recorded> = config.create_with_context(Recorded::default())?;
    consumer.subscribe(&[name])?;
    let client = consumer.client().native_ptr();
    let assigned = loop {
        drop(consumer.poll(Duration::from_millis(5)));
        if let Some(partitions) = consumer.context().0.lock().expect("nobody panics with it").take() {
            break partitions;
        }
    };
    let mut list = TopicPartitionList::new();
    let mut queues = Vec::new();
    for (topic, partition) in &assigned {
        list.add_partition(topic, *partition);
        let mut position = TopicPartitionList::new();
        position.add_partition(topic, *partition);
        let signal = Box::new(Signal { ready: AtomicBool::new(true), thread: thread::current() });
        let topic = CString::new(topic.as_str())?;
        // SAFETY: client and queue are alive until the end of this function, the signal as long as its queue.
        let native = unsafe {
            let native = sys::rd_kafka_queue_get_partition(client, topic.as_ptr(), *partition);
            sys::rd_kafka_queue_forward(native, ptr::null_mut());
            sys::rd_kafka_queue_cb_event_enable(native, Some(raise), ptr::from_ref(&*signal).cast_mut().cast());
            native
        };
        queues.push(Queue { native, signal, position });
    }
    consumer.assign(&list)?;

    let mut buffer: Vec<*mut sys::rd_kafka_message_t> = Vec::with_capacity(1_000);
    let (mut count, mut bytes, mut first, mut before) = (0_u64, 0_usize, None, Duration::ZERO);
    let mut events = Instant::now();
    while count < messages {
        let mut idle = true;
        for queue in &mut queues {
            if !queue.signal.ready.swap(false, Ordering::SeqCst) {
                continue;
            }
            // SAFETY: the queue is alive, and the buffer has room for as many pointers as are asked for; each message is destroyed once.
            let taken = unsafe {
                let taken = sys::rd_kafka_consume_batch_queue(queue.native, 0, buffer.as_mut_ptr(), 1_000);
                let taken = usize::try_from(taken).unwrap_or(0);
                buffer.set_len(taken);
                let mut last = -1;
                for message in buffer.drain(..) {
                    bytes += (*message).len;
                    last = (*message).offset;
                    sys::rd_kafka_message_destroy(message);
                }
                if taken > 0 {
                    queue.position.elements()[0].set_offset(rdkafka::Offset::Offset(last + 1))?;
                }
                taken
            };
            if taken > 0 {
                if first.is_none() {
                    (first, before) = (Some(Instant::now()), processor_time());
                }
                count += taken as u64;
                queue.signal.ready.store(true, Ordering::SeqCst);
                consumer.store_offsets(&queue.position)?;
                idle = false;
            }
        }
        if idle || events.elapsed() > Duration::from_millis(5) {
            drop(consumer.poll(Duration::ZERO));
            events = Instant::now();
        }
        if idle {
            thread::park_timeout(Duration::from_millis(5));
        }
    }
    let took = first.map_or(Duration::ZERO, |first| first.elapsed());
    ensure!(bytes as u64 == messages * 100, "{bytes} bytes");
    let figures = Figures::of(messages, took, before);
    for queue in queues {
        // SAFETY: the callback is taken away before the signal goes.
        unsafe {
            sys::rd_kafka_queue_cb_event_enable(queue.native, None, ptr::null_mut());
            sys::rd_kafka_queue_destroy(queue.native);
        }
    }
    Ok(figures)
}
