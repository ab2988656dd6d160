//! Kafka's second door: SASL over TLS, as production has it, with certificates of this checkout's own.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::place::{self, Place, Port};
use crate::tools::quietly;

pub(super) const SECURE: Port = Port { name: "secure", variable: "SERVICES_KAFKA_SECURE_PORT", default: 9094 };

/// Known to the broker by SCRAM-SHA-512, SCRAM-SHA-256 and PLAIN. It guards a test server that only this machine reaches.
const USER: &str = "kit";
const PASSWORD: &str = "kit-secret";

/// Makes a certificate authority and the broker's certificate for this machine, unless they are there.
pub(super) fn lay_out(place: &Place) -> Result<()> {
    if place.path("tls/broker.pem").exists() {
        return Ok(());
    }
    place::remove_dir(&place.path("tls"))?;
    fs::create_dir_all(place.path("tls"))?;
    fs::write(place.path("tls/broker.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")?;
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    let authority = "-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign";
    for arguments in [
        format!("req -x509 {key} -days 3650 -keyout ca.key -out ca.crt -subj /CN=kafka-kit-tests {authority}"),
        format!("req {key} -keyout broker.key -out broker.csr -subj /CN=localhost"),
        "x509 -req -in broker.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out broker.crt -extfile broker.ext".to_owned(),
    ] {
        quietly(Command::new("openssl").current_dir(place.path("tls")).args(arguments.split(' ')))?;
    }
    // Kafka's key store in PEM: the key, then the chain.
    let parts = ["broker.key", "broker.crt", "ca.crt"].map(|name| fs::read_to_string(place.path("tls").join(name)));
    let parts: Vec<String> = parts.into_iter().collect::<Result<_, _>>()?;
    fs::write(place.path("tls/broker.pem"), parts.concat())?;
    Ok(())
}

/// What `StorageTool format` is told, so that the user exists before the first connection.
pub(super) fn format_arguments() -> Vec<String> {
    let user = |mechanism: &str| ["--add-scram".to_owned(), format!("{mechanism}=[name={USER},password={PASSWORD}]")];
    ["SCRAM-SHA-512", "SCRAM-SHA-256"].into_iter().flat_map(user).collect()
}

/// The broker's properties for this listener, whose name is `SASL_SSL`.
pub(super) fn properties(place: &Place) -> Result<String> {
    let tls = place.path("tls");
    let tls = tls.to_str().context("the path of the checkout is not UTF-8")?;
    let login = "listener.name.sasl_ssl";
    Ok(format!(
        "sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
{login}.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
{login}.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
{login}.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\";
ssl.keystore.type=PEM
ssl.keystore.location={tls}/broker.pem
ssl.truststore.type=PEM
ssl.truststore.location={tls}/ca.crt
ssl.client.auth=none
"
    ))
}

pub(super) fn env(place: &Place) -> [(&'static str, String); 4] {
    [
        ("KAFKA_SECURE_BOOTSTRAP", place.address(SECURE).to_string()),
        ("KAFKA_SECURE_CA", place.path("tls/ca.crt").display().to_string()),
        ("KAFKA_SECURE_USER", USER.to_owned()),
        ("KAFKA_SECURE_PASSWORD", PASSWORD.to_owned()),
    ]
}
