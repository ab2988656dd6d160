//! The look at a connection before an application starts: does it stand, and if not, is it the settings' fault?
//!
//! librdkafka goes on trying for ever, also with a wrong password. Here a client of its own tries once. What ends in a fault that
//! time does not mend is an error; what may be an outage is not.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::oneshot;

use super::native::{Conf, Event, EventQueue, Handle, NativeError};
use super::probe;
use crate::broker::{ConnectionError, Properties};
use crate::clock::Clock;

/// How long the start of an application waits for a cluster that answers slowly.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first wait for an answer; each next one is twice as long, with a look at the errors in between.
const FIRST_TRY: Duration = Duration::from_millis(25);

/// What of a client's properties decides about its connections.
const CONNECTION: [&str; 8] =
    ["bootstrap.servers", "metadata.broker.list", "security.", "sasl.", "ssl.", "enable.ssl.", "enable.sasl.", "client.dns.lookup"];

/// Only these, so that clients that connect in the same way are looked at once.
pub(super) fn connection(properties: &Properties) -> Properties {
    let of_connection = |name: &&String| CONNECTION.iter().any(|part| name.starts_with(part));
    properties.iter().filter(|(name, _)| of_connection(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Looks on a thread of its own: librdkafka's calls block, and so does the look-up of a host's name, without a bound.
pub(super) fn check(properties: &Properties) -> BoxFuture<'static, Result<(), ConnectionError>> {
    let attempt = Attempt::new(connection(properties));
    if attempt.servers.is_empty() {
        return futures_util::future::ready(Ok(())).boxed();
    }
    let (tell, told) = oneshot::channel();
    let look = move || {
        // Nobody listens any more after the time is over.
        attempt.run(|outcome| drop(tell.send(outcome)));
    };
    if let Err(error) = thread::Builder::new().name("kafka-connect".to_owned()).spawn(look) {
        tracing::warn!(%error, "no thread to look at the connection with");
        return futures_util::future::ready(Ok(())).boxed();
    }
    async move {
        tokio::select! {
            outcome = told => outcome.unwrap_or(Ok(())),
            () = Clock::System.sleep(PATIENCE + PATIENCE) => Ok(()),
        }
    }
    .boxed()
}

struct Attempt {
    properties: Properties,
    servers: String,
    protocol: String,
}

impl Attempt {
    fn new(properties: Properties) -> Self {
        let either = |one: &str, other: &str| properties.get(one).or_else(|| properties.get(other)).cloned();
        let servers = either("bootstrap.servers", "metadata.broker.list").unwrap_or_default();
        let protocol = properties.get("security.protocol").map_or_else(|| "plaintext".to_owned(), |protocol| protocol.to_lowercase());
        Self { properties, servers, protocol }
    }

    /// The client is destroyed after the outcome is told: that waits for whatever its threads are at.
    fn run(&self, tell: impl FnOnce(Result<(), ConnectionError>)) {
        match self.client() {
            Ok(client) => tell(self.outcome(&client)),
            Err(source) => tell(Err(self.unreadable().unwrap_or(ConnectionError::Refused { source: Box::new(source) }))),
        }
    }

    /// The first file that a property names and that is not there.
    fn unreadable(&self) -> Option<ConnectionError> {
        self.properties.iter().filter(|(name, _)| name.starts_with("ssl.") && name.ends_with(".location")).find_map(|(name, path)| {
            let source = Arc::new(std::fs::metadata(path).err()?);
            Some(ConnectionError::File { property: name.clone(), path: path.clone(), source })
        })
    }

    fn client(&self) -> Result<Arc<Handle>, crate::broker::ClientError> {
        let mut conf = Conf::new(&self.properties)?;
        // What it would log is what the error says.
        conf.set("log_level", "0")?;
        Handle::producer(conf).map(Arc::new)
    }

    fn outcome(&self, client: &Arc<Handle>) -> Result<(), ConnectionError> {
        let events = EventQueue::of_producer(client);
        let (deadline, mut wait) = (Clock::System.now() + PATIENCE, FIRST_TRY);
        // One server of several may have its certificate wrong and the others be fine.
        let mut fault = None;
        loop {
            let left = deadline.saturating_duration_since(Clock::System.now());
            if client.answers(wait.min(left)) {
                return Ok(());
            }
            while let Some(event) = events.poll(Duration::ZERO, &mut |_outcome| ()) {
                match event {
                    Event::Error(error) if error.name == "_ALL_BROKERS_DOWN" => return self.verdict(fault),
                    Event::Error(error) => fault = fault.or_else(|| self.fault(error)),
                    _ => {}
                }
            }
            if left.is_zero() {
                return self.verdict(fault);
            }
            wait *= 2;
        }
    }

    fn verdict(&self, fault: Option<ConnectionError>) -> Result<(), ConnectionError> {
        match fault {
            Some(fault) => Err(fault),
            None => self.servers.split(',').try_for_each(|server| self.ask(server.trim())),
        }
    }

    /// The wrong kind of listener looks like an outage to librdkafka: it closes the connection. So it is asked what it speaks.
    fn ask(&self, server: &str) -> Result<(), ConnectionError> {
        let address = server.rsplit_once("://").map_or(server, |(_protocol, address)| address);
        let (server, protocol) = (address.to_owned(), self.protocol.clone());
        match self.protocol.as_str() {
            "ssl" | "sasl_ssl" if probe::speaks_plaintext(address) => Err(ConnectionError::SpeaksPlaintext { server, protocol }),
            "plaintext" | "sasl_plaintext" if probe::speaks_tls(address) => Err(ConnectionError::SpeaksTls { server, protocol }),
            "ssl" if probe::speaks_tls(address) => {
                tracing::warn!(server, "it speaks TLS but ends the connection; where users log in, `security.protocol` is sasl_ssl");
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What time does not mend.
    fn fault(&self, error: NativeError) -> Option<ConnectionError> {
        let servers = self.servers.clone();
        let property = |name: &str| self.properties.get(name).cloned();
        match error.name.as_str() {
            "_AUTHENTICATION" => Some(ConnectionError::Credentials {
                servers,
                user: property("sasl.username").unwrap_or_default(),
                mechanism: property("sasl.mechanism").or_else(|| property("sasl.mechanisms")).unwrap_or_else(|| "GSSAPI".to_owned()),
                source: Box::new(error.into_client()),
            }),
            "_SSL" if error.reason.contains("certificate verify failed") => {
                let ca = property("ssl.ca.location").map_or_else(String::new, |file| format!(" (now {file})"));
                Some(ConnectionError::Certificate { servers, ca, source: Box::new(error.into_client()) })
            }
            // The broker's own refusal; any other end of a handshake may be that of an outage.
            "_SSL" if error.reason.contains("alert") => Some(ConnectionError::Tls { servers, source: Box::new(error.into_client()) }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(properties: &[(&str, &str)]) -> Attempt {
        Attempt::new(properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn error(name: &str, reason: &str) -> NativeError {
        NativeError { name: name.to_owned(), reason: reason.to_owned(), fatal: false }
    }

    #[test]
    fn only_what_connects_is_compared() {
        let properties = [("bootstrap.servers", "b:1"), ("group.id", "g"), ("ssl.ca.location", "f"), ("enable.auto.commit", "true")];
        let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        assert_eq!(connection(&properties).into_keys().collect::<Vec<_>>(), ["bootstrap.servers", "ssl.ca.location"]);
    }

    #[test]
    fn a_refused_user_is_named_and_its_password_is_not() {
        let wrong =
            attempt(&[("bootstrap.servers", "b:1"), ("sasl.username", "alice"), ("sasl.password", "hunter2"), ("sasl.mechanism", "PLAIN")]);
        let fault = wrong.fault(error("_AUTHENTICATION", "invalid credentials")).unwrap();
        let words = format!("{fault} {fault:?}");
        assert!(words.contains("b:1") && words.contains("alice") && words.contains("PLAIN"), "{words}");
        assert!(!words.contains("hunter2"), "{words}");
    }

    #[test]
    fn what_an_outage_may_cause_is_no_fault() {
        let tls = attempt(&[("bootstrap.servers", "b:1"), ("security.protocol", "SSL")]);
        for (name, reason) in [("_SSL", "SSL handshake failed: Disconnected"), ("_TRANSPORT", "refused"), ("_RESOLVE", "no such host")] {
            assert!(tls.fault(error(name, reason)).is_none(), "{name} {reason}");
        }
        let untrusted = tls.fault(error("_SSL", "SSL routines::certificate verify failed: …")).unwrap().to_string();
        assert!(untrusted.contains("ssl.ca.location"), "{untrusted}");
    }
}
