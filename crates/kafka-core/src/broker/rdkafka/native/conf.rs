//! A client's configuration, and librdkafka's log lines on their way to `tracing`.

use std::borrow::Cow;
use std::ffi::{CStr, CString, c_char, c_int};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;

use super::super::repeats::Repeats;
use super::error::Reason;
use crate::broker::{ClientError, Properties};
use crate::clock::Clock;

/// Properties of a client that is about to be made.
pub(crate) struct Conf(NonNull<sys::rd_kafka_conf_t>);

/// What is wrong with a property. librdkafka knows all names and checks values as it sets them.
pub(crate) fn check_property(name: &str, value: &str) -> Option<String> {
    Conf::empty().set(name, value).err().map(|error| error.message)
}

impl Conf {
    /// A configuration of these properties.
    pub(crate) fn new(properties: &Properties) -> Result<Self, ClientError> {
        let mut conf = Self::empty();
        for (name, value) in properties {
            conf.set(name, value)?;
        }
        Ok(conf)
    }

    fn empty() -> Self {
        // SAFETY: librdkafka allocates or aborts.
        let conf = unsafe { sys::rd_kafka_conf_new() };
        Self(NonNull::new(conf).unwrap_or_else(|| unreachable!("librdkafka aborts when it is out of memory")))
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), ClientError> {
        let invalid = |reason: String| ClientError::fatal("_INVALID_ARG", reason);
        // The one property that librdkafka would take as the address of a function.
        if name.starts_with("ut_handle_") {
            return Err(invalid(format!("No such configuration property: \"{name}\"")));
        }
        let (Ok(c_name), Ok(c_value)) = (CString::new(name), CString::new(value)) else {
            return Err(invalid(format!("configuration property {name:?} contains a NUL")));
        };
        let mut reason = Reason::new();
        // SAFETY: all pointers live during the call; librdkafka copies what it keeps.
        let result =
            unsafe { sys::rd_kafka_conf_set(self.0.as_ptr(), c_name.as_ptr(), c_value.as_ptr(), reason.as_mut_ptr(), reason.capacity()) };
        match result {
            sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK => Ok(()),
            _ => {
                let reason = without_secret(name, value, reason.text());
                // librdkafka speaks of `queue.buffering.max.ms` to who wrote `linger.ms`.
                let reason = with_advice(reason);
                Err(invalid(if reason.contains(name) { reason } else { format!("{name}: {reason}") }))
            }
        }
    }

    /// Which events the client reports; [`sys::RD_KAFKA_EVENT_REBALANCE`] and the like.
    pub(super) fn events(&mut self, events: c_int) {
        // SAFETY: the configuration is ours.
        unsafe { sys::rd_kafka_conf_set_events(self.0.as_ptr(), events) }
    }

    /// Makes the client.
    pub(super) fn make(self, kind: sys::rd_kafka_type_t) -> Result<NonNull<sys::rd_kafka_t>, ClientError> {
        let mut reason = Reason::new();
        // SAFETY: on success librdkafka owns the configuration, so it must not be destroyed; on failure it stays ours.
        unsafe {
            sys::rd_kafka_conf_set_log_cb(self.0.as_ptr(), Some(log));
            let client = sys::rd_kafka_new(kind, self.0.as_ptr(), reason.as_mut_ptr(), reason.capacity());
            match NonNull::new(client) {
                Some(client) => {
                    let _owned_by_the_client = ManuallyDrop::new(self);
                    Ok(client)
                }
                None => Err(ClientError::fatal("_INVALID_ARG", with_advice(reason.text()))),
            }
        }
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        // SAFETY: no client owns it.
        unsafe { sys::rd_kafka_conf_destroy(self.0.as_ptr()) }
    }
}

/// librdkafka quotes a value that it refuses.
fn without_secret(name: &str, value: &str, reason: String) -> String {
    let secret = ["password", "secret", "key", "token", "pem", "credential", "oauthbearer.config"].iter().any(|part| name.contains(part));
    if secret && !value.is_empty() { reason.replace(value, "[redacted]") } else { reason }
}

/// What librdkafka was built without is a feature here.
fn with_advice(reason: String) -> String {
    let lacks_tls = ["OpenSSL not available", "openssl support", "not supported in this build: OpenSSL"];
    if lacks_tls.iter().any(|words| reason.contains(words)) {
        format!("{reason}; build with the feature `tls` of kafka-kit (the system's OpenSSL), or `tls-vendored` (one that is compiled in)")
    } else {
        reason
    }
}

/// Called from librdkafka's threads. Lines carry no secrets: librdkafka redacts sensitive properties in its dumps.
unsafe extern "C" fn log(client: *const sys::rd_kafka_t, level: c_int, facility: *const c_char, line: *const c_char) {
    // SAFETY: librdkafka passes C strings that live during the call; a name is part of its client.
    let (client, facility, line) = unsafe {
        let client = if client.is_null() { ptr::null() } else { sys::rd_kafka_name(client) };
        (lossy(client), lossy(facility), lossy(line))
    };
    log_line(level, &client, &facility, line.trim_end());
}

/// Lines that were logged lately; what is asked for by `debug` is never left out.
static LOGGED: Repeats = Repeats::new();

/// Logs a line at the level of ours that matches syslog's, unless one like it was logged just now.
pub(crate) fn log_line(level: c_int, client: &str, facility: &str, line: &str) {
    if level <= 6 {
        match LOGGED.tell(client, line, Clock::System.now()) {
            None => return,
            Some(0) => {}
            Some(left_out) => tracing::info!(target: "librdkafka", client, facility, left_out, "lines like the next one were left out"),
        }
    }
    match level {
        ..=3 => tracing::error!(target: "librdkafka", client, facility, "{line}"),
        4 => tracing::warn!(target: "librdkafka", client, facility, "{line}"),
        5 | 6 => tracing::info!(target: "librdkafka", client, facility, "{line}"),
        _ => tracing::debug!(target: "librdkafka", client, facility, "{line}"),
    }
}

/// # Safety
/// The pointer is null or a C string that lives as long as the result is used.
unsafe fn lossy<'a>(string: *const c_char) -> Cow<'a, str> {
    if string.is_null() {
        return Cow::Borrowed("");
    }
    // SAFETY: see above.
    unsafe { CStr::from_ptr(string) }.to_string_lossy()
}

#[cfg(all(test, not(any(feature = "tls", feature = "tls-vendored"))))]
mod tests {
    use rdkafka::bindings as sys;

    use super::Conf;
    use crate::broker::ClientError;

    /// What is said of these properties, when they are set or when the client is made.
    fn refusal(properties: &[(&str, &str)]) -> ClientError {
        let mut conf = Conf::empty();
        let set = properties.iter().try_for_each(|(name, value)| conf.set(name, value));
        let made = set.and_then(|()| conf.make(sys::rd_kafka_type_t::RD_KAFKA_PRODUCER).map(|_client| ()));
        made.expect_err("without TLS it is refused")
    }

    #[test]
    fn without_tls_every_way_to_ask_for_it_names_the_feature() {
        for properties in [
            &[("security.protocol", "ssl")][..],
            &[("security.protocol", "sasl_ssl")],
            &[("security.protocol", "SASL_SSL")],
            &[("ssl.ca.location", "/etc/ca.pem")],
            &[("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "SCRAM-SHA-512"), ("sasl.username", "a"), ("sasl.password", "b")],
        ] {
            let error = refusal(properties).to_string();
            assert!(error.contains("feature `tls` of kafka-kit") && error.contains("`tls-vendored`"), "{properties:?}: {error}");
            assert_eq!(error.matches("feature `tls`").count(), 1, "{properties:?}: {error}");
        }
    }

    #[test]
    fn another_mistake_is_not_blamed_on_the_feature() {
        let error = refusal(&[("security.protocol", "tls")]).to_string();
        assert!(error.contains("security.protocol") && !error.contains("feature"), "{error}");
    }
}
