//! A received message in librdkafka's memory.

use std::ffi::{CStr, c_void};
use std::fmt;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Mutex, PoisonError};

use rdkafka::bindings as sys;
use sys::{rd_kafka_resp_err_t as Code, rd_kafka_timestamp_type_t as TimestampType};

use super::NativeError;
use super::error::describe;
use crate::message::Timestamp;

/// What is shown each header's name and value.
type VisitHeader<'a> = dyn FnMut(&[u8], Option<&[u8]>) + 'a;

/// A received message in librdkafka's memory: nothing is copied, and dropping it frees it, from any thread.
///
/// Its client must be alive until then; see [`KeepAlive`](crate::message::KeepAlive).
pub struct NativeMessage(NonNull<sys::rd_kafka_message_t>);

// SAFETY: a received message is written to by nobody but `visit_headers`, which locks; what its destroy releases (fetch buffer,
// partition) is counted atomically, and librdkafka lets any thread do it.
unsafe impl Send for NativeMessage {}
// SAFETY: as above.
unsafe impl Sync for NativeMessage {}

impl NativeMessage {
    /// Takes over a message as fetched; what librdkafka reports in the place of a message is an error.
    ///
    /// # Safety
    /// The pointer is a message from a consumer's queue that nobody else owns.
    pub(super) unsafe fn take(message: NonNull<sys::rd_kafka_message_t>) -> Result<Self, NativeError> {
        let this = Self(message);
        match this.native().err {
            Code::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(this),
            code => {
                // The reason stands where a message has its value.
                let reason = this.value().map(String::from_utf8_lossy).unwrap_or_default();
                let reason = if reason.is_empty() { describe(code) } else { reason.into_owned() };
                Err(NativeError::of(code, reason))
            }
        }
    }

    fn native(&self) -> &sys::rd_kafka_message_t {
        // SAFETY: the message is ours and alive; its plain fields are not written any more.
        unsafe { self.0.as_ref() }
    }

    pub(crate) fn offset(&self) -> i64 {
        self.native().offset
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        let mut kind = TimestampType::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive and only read.
        let millis = unsafe { sys::rd_kafka_message_timestamp(self.0.as_ptr(), &raw mut kind) };
        match kind {
            TimestampType::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => Timestamp::NotAvailable,
            TimestampType::RD_KAFKA_TIMESTAMP_CREATE_TIME => Timestamp::CreateTime(millis),
            TimestampType::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => Timestamp::LogAppendTime(millis),
        }
    }

    pub(crate) fn key(&self) -> Option<&[u8]> {
        // SAFETY: the bytes live as long as the message.
        unsafe { bytes(self.native().key, self.native().key_len) }
    }

    pub(crate) fn value(&self) -> Option<&[u8]> {
        // SAFETY: as above.
        unsafe { bytes(self.native().payload, self.native().len) }
    }

    /// Shows each header in order. librdkafka ends names with a NUL, so a name that contains one is cut there.
    pub(crate) fn visit_headers(&self, visit: &mut VisitHeader<'_>) {
        let mut headers = ptr::null_mut();
        {
            let _parsing = parsing(self.0).lock().unwrap_or_else(PoisonError::into_inner);
            // SAFETY: the message is alive, and no other thread is in this call for it: the first call parses into the message.
            let code = unsafe { sys::rd_kafka_message_headers(self.0.as_ptr(), &raw mut headers) };
            if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return;
            }
        }
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        for index in 0.. {
            // SAFETY: the list is part of the message and does not change once parsed; names are C strings, values `length` bytes.
            unsafe {
                let code = sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length);
                if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                    return;
                }
                visit(CStr::from_ptr(name).to_bytes(), bytes(value, length));
            }
        }
    }
}

impl Drop for NativeMessage {
    fn drop(&mut self) {
        // SAFETY: the message is ours; its client is alive, see the type.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) }
    }
}

impl fmt::Debug for NativeMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeMessage").field("offset", &self.offset()).finish_non_exhaustive()
    }
}

/// The lock of the first look at a message's headers, which parses them in place without a lock of its own (rdkafka_msg.c,
/// `rd_kafka_message_headers`). Striped, as a lock in each message would cost more than all else of it.
fn parsing(message: NonNull<sys::rd_kafka_message_t>) -> &'static Mutex<()> {
    static LOCKS: [Mutex<()>; 64] = [const { Mutex::new(()) }; 64];
    // A message is some 500 bytes long; the bits below tell nothing.
    &LOCKS[(message.as_ptr() as usize >> 9) % LOCKS.len()]
}

/// Bytes of librdkafka's; null is `None`, which differs from empty.
///
/// # Safety
/// The pointer is null or points to `length` bytes that do not change for the lifetime.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> Option<&'a [u8]> {
    // SAFETY: see above.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start.cast(), length) })
}
