//! librdkafka's error codes and error objects as values of ours.

use std::ffi::{CStr, c_char};
use std::{ptr, slice};

use rdkafka::bindings as sys;
use sys::rd_kafka_resp_err_t as Code;

use crate::broker::ClientError;

/// What librdkafka says went wrong.
#[derive(Debug, Clone)]
pub(crate) struct NativeError {
    /// librdkafka's name of the code, such as `_TRANSPORT`.
    pub(crate) name: String,
    pub(crate) reason: String,
    pub(crate) fatal: bool,
}

impl NativeError {
    /// The error of a code, unless the code is success.
    pub(super) fn check(code: Code) -> Result<(), Self> {
        if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR { Ok(()) } else { Err(Self::of(code, describe(code))) }
    }

    pub(super) fn of(code: Code, reason: String) -> Self {
        Self { name: name(code), reason, fatal: code == Code::RD_KAFKA_RESP_ERR__FATAL }
    }

    /// Takes over an error object; null is success.
    ///
    /// # Safety
    /// The pointer is null or an error object that nobody else owns.
    pub(super) unsafe fn take(error: *mut sys::rd_kafka_error_t) -> Result<(), Self> {
        if error.is_null() {
            return Ok(());
        }
        // SAFETY: the object is alive until the destroy below, and the text is copied before.
        unsafe {
            let code = sys::rd_kafka_error_code(error);
            let reason = text(sys::rd_kafka_error_string(error));
            let fatal = sys::rd_kafka_error_is_fatal(error) != 0;
            sys::rd_kafka_error_destroy(error);
            Err(Self { fatal, ..Self::of(code, reason) })
        }
    }

    pub(crate) fn into_client(self) -> ClientError {
        if self.fatal { ClientError::fatal(self.name, self.reason) } else { ClientError::transient(self.name, self.reason) }
    }
}

/// librdkafka's name of a code, such as `_TRANSPORT`.
pub(super) fn name(code: Code) -> String {
    // SAFETY: librdkafka returns a string for every value, also for one that it does not know.
    unsafe { text(sys::rd_kafka_err2name(code)) }
}

/// librdkafka's name of a code that is known by its number only.
pub(crate) fn name_of(number: i32) -> String {
    let code = codes().find(|entry| entry.code as i32 == number);
    code.map_or_else(|| number.to_string(), |entry| name(entry.code))
}

/// The code that has this name, such as `TOPIC_AUTHORIZATION_FAILED`.
#[cfg(feature = "test-kit")]
pub(crate) fn code_of(wanted: &str) -> Option<Code> {
    codes().find(|entry| name(entry.code) == wanted).map(|entry| entry.code)
}

/// All codes that librdkafka knows.
fn codes() -> impl Iterator<Item = &'static sys::rd_kafka_err_desc> {
    let (mut list, mut count) = (ptr::null(), 0);
    // SAFETY: librdkafka gives a static list, in which numbers that no error has are without a name.
    let list = unsafe {
        sys::rd_kafka_get_err_descs(&raw mut list, &raw mut count);
        slice::from_raw_parts(list, count)
    };
    list.iter().filter(|entry| !entry.name.is_null())
}

/// librdkafka's words for a code.
pub(super) fn describe(code: Code) -> String {
    // SAFETY: as above.
    unsafe { text(sys::rd_kafka_err2str(code)) }
}

/// Copies a C string; null is empty.
///
/// # Safety
/// The pointer is null or a C string that lives during the call.
pub(super) unsafe fn text(string: *const c_char) -> String {
    if string.is_null() {
        return String::new();
    }
    // SAFETY: see above.
    unsafe { CStr::from_ptr(string) }.to_string_lossy().trim().to_owned()
}

/// Where librdkafka writes the reason of a refusal.
pub(super) struct Reason([c_char; 512]);

impl Reason {
    pub(super) fn new() -> Self {
        Self([0; 512])
    }

    pub(super) fn as_mut_ptr(&mut self) -> *mut c_char {
        self.0.as_mut_ptr()
    }

    pub(super) fn capacity(&self) -> usize {
        self.0.len()
    }

    pub(super) fn text(&self) -> String {
        // SAFETY: librdkafka ends what it writes with a NUL within the capacity, and untouched it is all NUL.
        unsafe { text(self.0.as_ptr()) }
    }
}
