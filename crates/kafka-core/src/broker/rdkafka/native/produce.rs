//! Producing: a record into librdkafka's queue, and the outcome out of it.

use std::ffi::{CStr, CString, c_char, c_void};
use std::fmt;
use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;
use sys::{rd_kafka_resp_err_t as Code, rd_kafka_vtype_t as Field, rd_kafka_vu_s__bindgen_ty_1 as Union};
use tokio::sync::oneshot;

use super::error::{describe, text};
use super::list::UNASSIGNED;
use super::{Handle, NativeError};
use crate::broker::{ClientError, Delivered, Delivery};
use crate::message::{Headers, Record};

type Waiting = oneshot::Sender<Result<Delivered, ClientError>>;

/// What became of a record.
pub(crate) struct Outcome<'a> {
    message: &'a sys::rd_kafka_message_t,
}

impl<'a> Outcome<'a> {
    /// # Safety
    /// Only for a message of a delivery report, and once for each: it takes over who waits for it.
    pub(super) unsafe fn new(message: &'a sys::rd_kafka_message_t) -> Self {
        Self { message }
    }

    /// Tells whoever waits for it. A failure that nobody waits for is returned, with the topic it was for.
    pub(crate) fn settle(self) -> Option<(String, NativeError)> {
        let waiting = NonNull::new(self.message._private.cast::<Waiting>());
        if waiting.is_none() && self.message.err == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let result = match self.message.err {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(Delivered { partition: self.message.partition, offset: self.message.offset }),
            code => Err(NativeError::of(code, self.reason(code))),
        };
        let told = waiting.is_some_and(|waiting| {
            // SAFETY: `produce` puts a leaked box there or null, and a report comes once.
            let waiting = unsafe { Box::from_raw(waiting.as_ptr()) };
            waiting.send(result.clone().map_err(NativeError::into_client)).is_ok()
        });
        result.err().filter(|_| !told).map(|error| (self.topic(), error))
    }

    /// Not by `rd_kafka_message_errstr`, which takes the value of a sent record for the text (rdkafka_msg.c:51).
    fn reason(&self, code: Code) -> String {
        // SAFETY: the message is alive; the result is null or a C string that is part of it.
        let reason = unsafe { text(sys::rd_kafka_message_produce_errstr(self.message)) };
        if reason.is_empty() { describe(code) } else { reason }
    }

    fn topic(&self) -> String {
        // SAFETY: the topic lives as long as the message, and its name with it.
        unsafe { if self.message.rkt.is_null() { String::new() } else { text(sys::rd_kafka_topic_name(self.message.rkt)) } }
    }
}

impl fmt::Debug for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outcome").field("partition", &self.message.partition).field("offset", &self.message.offset).finish()
    }
}

impl Handle {
    /// Copies a record into the local queue. Never blocks; a refused delivery is given back.
    pub(crate) fn produce(&self, record: &Record<'_>, delivery: Delivery) -> Result<(), (Delivery, NativeError)> {
        let mut name = TopicCString::new();
        let Some(topic) = name.set(record.topic.as_str()) else {
            return Err((delivery, NativeError::of(Code::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION, "the topic name contains a NUL".to_owned())));
        };
        let opaque: *mut Waiting = match delivery {
            // Nothing is allocated when nobody waits.
            Delivery::Unattended => ptr::null_mut(),
            Delivery::Awaited(waiting) => Box::into_raw(Box::new(waiting)),
        };
        let headers = NativeHeaders::new(&record.headers);
        let partition = record.partition.unwrap_or(UNASSIGNED);
        // 0 is the time of sending.
        let timestamp = record.timestamp.unwrap_or(0);
        let fields = [
            (Field::RD_KAFKA_VTYPE_TOPIC, Union { cstr: topic }),
            (Field::RD_KAFKA_VTYPE_PARTITION, Union { i32_: partition }),
            (Field::RD_KAFKA_VTYPE_MSGFLAGS, Union { i: sys::RD_KAFKA_MSG_F_COPY }),
            (Field::RD_KAFKA_VTYPE_KEY, Union { mem: memory(record.key.as_deref()) }),
            (Field::RD_KAFKA_VTYPE_VALUE, Union { mem: memory(record.value.as_deref()) }),
            (Field::RD_KAFKA_VTYPE_TIMESTAMP, Union { i64_: timestamp }),
            (Field::RD_KAFKA_VTYPE_OPAQUE, Union { ptr: opaque.cast() }),
            (Field::RD_KAFKA_VTYPE_HEADERS, Union { headers: headers.as_ptr() }),
        ]
        .map(|(vtype, u)| sys::rd_kafka_vu_t { vtype, u });
        // SAFETY: the client is alive, and so is all that the fields point to; key and value are copied (`MSG_F_COPY`).
        let result = unsafe { NativeError::take(sys::rd_kafka_produceva(self.as_ptr(), fields.as_ptr(), fields.len())) };
        match result {
            Ok(()) => {
                headers.give_away();
                Ok(())
            }
            Err(error) => {
                let delivery = match NonNull::new(opaque) {
                    None => Delivery::Unattended,
                    // SAFETY: leaked above; librdkafka forgets the opaque of a record that it refuses.
                    Some(waiting) => Delivery::Awaited(*unsafe { Box::from_raw(waiting.as_ptr()) }),
                };
                Err((delivery, error))
            }
        }
    }
}

/// Longer than any name that Kafka takes, with its NUL.
const SHORT: usize = 256;

/// A topic's name for C, on the stack where it fits.
struct TopicCString {
    short: [u8; SHORT],
    long: CString,
}

impl TopicCString {
    fn new() -> Self {
        Self { short: [0; SHORT], long: CString::default() }
    }

    /// The name with its NUL; `None` when it contains one.
    fn set(&mut self, name: &str) -> Option<*const c_char> {
        if name.len() >= SHORT {
            self.long = CString::new(name).ok()?;
            return Some(self.long.as_ptr());
        }
        self.short[..name.len()].copy_from_slice(name.as_bytes());
        CStr::from_bytes_with_nul(&self.short[..=name.len()]).ok().map(CStr::as_ptr)
    }
}

/// Null for `None`; an empty slice has an address, so it stays empty.
fn memory(bytes: Option<&[u8]>) -> sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    let (ptr, size) = raw(bytes);
    sys::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 { ptr: ptr.cast_mut(), size }
}

fn raw(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

/// A list of headers, ours until a record has taken it. Names are passed with their length: none of them need be text.
struct NativeHeaders(Option<NonNull<sys::rd_kafka_headers_t>>);

impl NativeHeaders {
    fn new(headers: &Headers) -> Self {
        if headers.is_empty() {
            return Self(None);
        }
        // SAFETY: librdkafka allocates or aborts, and copies each name and value; the lengths are those of slices.
        unsafe {
            let list = sys::rd_kafka_headers_new(headers.len());
            for header in headers {
                let (name, name_length) = raw(Some(header.name()));
                let (value, value_length) = raw(header.value());
                // With explicit lengths it only fails when it is out of memory, and then it aborts.
                let _code = sys::rd_kafka_header_add(list, name.cast(), name_length.cast_signed(), value, value_length.cast_signed());
            }
            Self(NonNull::new(list))
        }
    }

    fn as_ptr(&self) -> *mut sys::rd_kafka_headers_t {
        self.0.map_or(ptr::null_mut(), NonNull::as_ptr)
    }

    fn give_away(mut self) {
        self.0 = None;
    }
}

impl Drop for NativeHeaders {
    fn drop(&mut self) {
        if let Some(list) = self.0 {
            // SAFETY: no record has taken the list.
            unsafe { sys::rd_kafka_headers_destroy(list.as_ptr()) }
        }
    }
}
