//! Requests to the registry: one address after the other, and what an answer means.

use std::collections::HashSet;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, perform_sr_call};
use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::{RawError, RawRegisteredSchema, SrCall};
use serde_json::json;

use super::error::{IncompatibleSchema, InvalidSchema, NotRegistered, RegistryRefused, RegistryUnreachable, UnknownSchemaId};
use super::{Referenced, Registered, RegistryError, SchemaKind, Written};
use crate::error::ConfigError;
use crate::settings::{RegistryAuth, SchemaRegistrySettings, redacted};

/// Where to ask, and whether we may register.
pub(super) struct Caller {
    addresses: Vec<Address>,
    register: bool,
}

struct Address {
    /// As it may be shown.
    shown: String,
    settings: SrSettings,
}

/// An answer that is no success.
enum Failed {
    /// This address cannot say; another may.
    Unreachable(RegistryUnreachable),
    Refused(RegistryRefused),
    /// The registry's own word.
    Said {
        address: String,
        status: u16,
        reason: String,
    },
}

impl Caller {
    pub(super) fn new(settings: &SchemaRegistrySettings) -> Result<Self, ConfigError> {
        let wrong = |what: &str, error: &dyn fmt::Display| ConfigError::new(format!("schema_registry.{what}"), error.to_string());
        let mut certificates = Vec::new();
        if let Some(path) = &settings.ca_file {
            let pem = std::fs::read(path).map_err(|error| wrong("ca_file", &format!("`{}` cannot be read: {error}", path.display())))?;
            let none = |error: &dyn fmt::Display| wrong("ca_file", &format!("`{}` has no certificates in PEM: {error}", path.display()));
            certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| none(&error))?;
            if certificates.is_empty() {
                return Err(none(&"none was found"));
            }
        }
        let address = |url: &str| {
            // Each address is a client of its own, so that we see which one says what.
            let mut builder = SrSettings::new_builder(url.trim_end_matches('/').to_owned());
            builder.set_timeout(settings.timeout);
            if let Some(proxy) = &settings.proxy {
                builder.set_proxy(proxy);
            }
            match settings.auth() {
                RegistryAuth::Anonymous => {}
                RegistryAuth::Basic { username, password } => {
                    builder.set_basic_authorization(username, Some(password.expose()));
                }
                RegistryAuth::Bearer(token) => {
                    builder.set_token_authorization(token.expose());
                }
            }
            let client = certificates.iter().cloned().fold(reqwest::Client::builder(), reqwest::ClientBuilder::add_root_certificate);
            let made = builder.build_with(client).map_err(|error| wrong("url", &format!("no client can be made: {}", reason(&error))))?;
            Ok(Address { shown: redacted("url", url), settings: made })
        };
        Ok(Self { addresses: settings.urls().map(address).collect::<Result<_, _>>()?, register: settings.auto_register })
    }

    /// The schema of an id, and what it refers to.
    pub(super) async fn schema(&self, id: u32) -> Result<Registered, RegistryError> {
        let raw = self.call(SrCall::GetById(id), Unknown::AskOthers).await.map_err(|failed| match failed {
            Failed::Said { address, status: 404, .. } => RegistryError::Unknown(UnknownSchemaId { id, address }),
            other => other.trouble(),
        })?;
        let (kind, text) = (SchemaKind::parse(raw.schema_type.as_deref()), text(&raw));
        let mut references = Vec::new();
        self.references(raw, &mut HashSet::new(), &mut references).await?;
        Ok(Registered { kind, text, references })
    }

    /// Adds what a schema refers to, each after those that it refers to itself.
    ///
    /// A name means one schema in all of it, the one that is met first, as for the registry and its clients: where two versions of a
    /// subject are referred to by one name, writers wrote by the first.
    fn references<'a>(
        &'a self,
        of: RawRegisteredSchema,
        met: &'a mut HashSet<String>,
        into: &'a mut Vec<Referenced>,
    ) -> BoxFuture<'a, Result<(), RegistryError>> {
        Box::pin(async move {
            for reference in of.references.unwrap_or_default() {
                if !met.insert(reference.name.clone()) {
                    continue;
                }
                let call = SrCall::GetBySubjectAndVersion(&reference.subject, reference.version);
                // The registry has no schema that refers to nothing: a gap here is a replica's, and passes.
                let raw = self.call(call, Unknown::AskOthers).await.map_err(Failed::trouble)?;
                let text = text(&raw);
                self.references(raw, met, into).await?;
                into.push(Referenced { name: reference.name, text });
            }
            Ok(())
        })
    }

    /// The id of a schema under a subject.
    pub(super) async fn id(&self, kind: &SchemaKind, subject: &str, schema: &Written) -> Result<u32, RegistryError> {
        let body = self.body(kind, schema).await?;
        let call = if self.register { SrCall::PostNew(subject, &body) } else { SrCall::PostForVersion(subject, &body) };
        let raw = self.call(call, Unknown::Final).await.map_err(|failed| failed.of_subject(subject))?;
        raw.id.ok_or_else(|| self.strange("it gave no id"))
    }

    /// The request's body, once all that the schema refers to is registered.
    fn body<'a>(&'a self, kind: &'a SchemaKind, schema: &'a Written) -> BoxFuture<'a, Result<String, RegistryError>> {
        Box::pin(async move {
            let mut references = Vec::new();
            for reference in &schema.references {
                let subject = reference.subject.as_str();
                let body = self.body(kind, &reference.schema).await?;
                if self.register {
                    self.call(SrCall::PostNew(subject, &body), Unknown::Final).await.map_err(|failed| failed.of_subject(subject))?;
                }
                let found = self.call(SrCall::PostForVersion(subject, &body), Unknown::Final).await;
                let version = found.map_err(|failed| failed.of_subject(subject))?.version;
                let version = version.ok_or_else(|| self.strange("it gave no version"))?;
                references.push(json!({ "name": reference.name, "subject": subject, "version": version }));
            }
            let mut body = json!({ "schema": &*schema.text });
            if *kind != SchemaKind::Avro {
                body["schemaType"] = json!(kind.as_str());
            }
            if !references.is_empty() {
                body["references"] = json!(references);
            }
            Ok(body.to_string())
        })
    }

    /// Asks one address after the other until one can say.
    async fn call(&self, call: SrCall<'_>, unknown: Unknown) -> Result<RawRegisteredSchema, Failed> {
        let mut failure = None;
        for address in &self.addresses {
            let failed = match address.call(call).await {
                Ok(raw) => return Ok(raw),
                Err(failed) => failed,
            };
            match &failed {
                // Who cannot be reached might have known: that outweighs a "not found".
                Failed::Unreachable(_) => failure = Some(failed),
                Failed::Said { status: 404, .. } if unknown == Unknown::AskOthers => {
                    failure.get_or_insert(failed);
                }
                Failed::Said { .. } | Failed::Refused(_) => return Err(failed),
            }
        }
        Err(failure.unwrap_or_else(|| unreachable("", "no address is configured")))
    }

    fn strange(&self, reason: &str) -> RegistryError {
        let addresses: Vec<_> = self.addresses.iter().map(|address| address.shown.as_str()).collect();
        unreachable(&addresses.join(", "), reason).trouble()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.addresses.iter().map(|address| &address.shown)).finish()
    }
}

/// What "not found" means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    /// Another address may know more already.
    AskOthers,
    /// It is the answer.
    Final,
}

impl Address {
    async fn call(&self, call: SrCall<'_>) -> Result<RawRegisteredSchema, Failed> {
        perform_sr_call(&self.settings, call).await.map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &SRCError) -> Failed {
        let (address, reason) = (self.shown.clone(), reason(error));
        match status(error) {
            Some(status @ (401 | 403)) => Failed::Refused(RegistryRefused { address, status, reason }),
            // A wrong path, or a proxy before it: not the registry's word that a schema is unknown.
            Some(404) if !code(error).is_some_and(|code| (40_400..40_500).contains(&code)) => unreachable(
                &address,
                &format!("status 404, and not the answer of a schema registry; is the path of `schema_registry.url` right? {reason}"),
            ),
            Some(status @ (400..=428 | 430..=499)) => Failed::Said { address, status, reason },
            Some(status) => unreachable(&address, &format!("status {status}, {reason}")),
            // No answer at all, or one that is not a registry's.
            None => unreachable(&address, &reason),
        }
    }
}

impl Failed {
    /// What this means for who needs the schema of an id.
    fn trouble(self) -> RegistryError {
        match self {
            Self::Unreachable(error) => RegistryError::Unreachable(error),
            Self::Refused(error) => RegistryError::Refused(error),
            Self::Said { address, status, reason } => unreachable(&address, &format!("status {status}, {reason}")).trouble(),
        }
    }

    /// What this means for who writes under a subject.
    fn of_subject(self, subject: &str) -> RegistryError {
        let subject = subject.to_owned();
        match self {
            Self::Said { status: 409, reason, .. } => RegistryError::Incompatible(IncompatibleSchema { subject, reason }),
            Self::Said { status: 404, reason, .. } => RegistryError::NotRegistered(NotRegistered { subject, reason }),
            Self::Said { status: 422, reason, .. } => RegistryError::Invalid(InvalidSchema { subject, reason }),
            other => other.trouble(),
        }
    }
}

fn unreachable(address: &str, reason: &str) -> Failed {
    Failed::Unreachable(RegistryUnreachable { address: address.to_owned(), reason: reason.to_owned() })
}

fn text(raw: &RawRegisteredSchema) -> Arc<str> {
    raw.schema.as_deref().unwrap_or_default().into()
}

/// The status of an answer that was no success. The library says it in its text only.
fn status(error: &SRCError) -> Option<u16> {
    error.source().and_then(|source| source.downcast_ref::<RawError>())?;
    let (_, said) = error.error.rsplit_once("status ")?;
    said.split(' ').next()?.parse().ok()
}

/// The registry's own code of the error.
fn code(error: &SRCError) -> Option<u32> {
    error.source()?.downcast_ref::<RawError>().map(|said| said.error_code)
}

/// What the registry said, or what happened on the way to it, down to the cause.
fn reason(error: &SRCError) -> String {
    if let Some(said) = error.source().and_then(|source| source.downcast_ref::<RawError>()) {
        return said.message.clone();
    }
    let (mut causes, mut cause) = (Vec::new(), error.source());
    while let Some(error) = cause {
        causes.push(error.to_string());
        cause = error.source();
    }
    if causes.is_empty() { error.error.clone() } else { redacted("url", &causes.join(": ")) }
}
