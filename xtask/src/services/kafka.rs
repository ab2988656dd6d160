//! Kafka: one KRaft node, broker and controller in one Java process, from the jars that `xtask/services/kafka/pom.xml` names.

use std::fs::{self, File};
use std::io::Read;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::kafka_secure::{self, SECURE};
use super::kafka_wire;
use super::maven::Artifacts;
use super::place::{self, Place, Port};
use super::{Health, Service};
use crate::process::Process;
use crate::tools::{self, Tool, quietly};

pub(super) const CLIENTS: Port = Port { name: "clients", variable: "SERVICES_KAFKA_PORT", default: 9092 };
const CONTROLLER: Port = Port { name: "controller", variable: "SERVICES_KAFKA_CONTROLLER_PORT", default: 9093 };

const ARTIFACTS: Artifacts = Artifacts {
    pom: "xtask/services/kafka/pom.xml",
    text: include_str!("../../services/kafka/pom.xml"),
    goals: &["generate-resources"],
    dirs: &["lib"],
    what: "Kafka's jars (60 MB)",
};
const PROPERTIES: &str = include_str!("../../services/kafka/server.properties");
pub(super) const LOGGING: &str = include_str!("../../services/kafka/log4j2.properties");

/// The broker.
#[derive(Debug)]
pub(super) struct Kafka;

impl Service for Kafka {
    fn name(&self) -> &'static str {
        "kafka"
    }

    fn tools(&self) -> &'static [Tool] {
        &[Tool::Java, Tool::Maven, Tool::OpenSsl]
    }

    fn ports(&self) -> &'static [Port] {
        &[CLIENTS, SECURE, CONTROLLER]
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        ARTIFACTS.lay_out(place)?;
        fs::write(place.path("log4j2.properties"), LOGGING)?;
        fs::write(place.path("server.properties"), properties(place)?)?;
        // The certificates are as old as the data, which knows the user of the secure listener.
        if place.path("cluster.id").exists() && place.path("tls").exists() {
            return Ok(());
        }
        kafka_secure::lay_out(place)?;
        place::remove_dir(&place.path("data"))?;
        let id = random_uuid()?;
        let mut format = java(place)?;
        format.args(["-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "-t", &id, "-c"]).arg(place.path("server.properties"));
        format.args(kafka_secure::format_arguments());
        quietly(&mut format)?;
        fs::write(place.path("cluster.id"), id)?;
        Ok(())
    }

    fn start(&self, place: &Place) -> Result<Command> {
        let mut command = java(place)?;
        command.args(["-Xmx1g", "kafka.Kafka"]).arg(place.path("server.properties"));
        Ok(command)
    }

    /// A broker that answers may be another checkout's, which took the port first: the cluster id tells.
    fn health(&self, place: &Place, _process: &Process) -> Health {
        let ours = fs::read_to_string(place.path("cluster.id")).unwrap_or_default();
        match kafka_wire::cluster(place.address(CLIENTS), Duration::from_secs(2)) {
            Ok(cluster) if cluster.id != ours => Health::NotYet(format!("the port belongs to cluster {}", cluster.id)),
            Ok(cluster) if cluster.brokers == 0 => Health::NotYet("no broker is registered yet".to_owned()),
            Ok(_) => Health::Ready,
            Err(error) => Health::NotYet(error.to_string()),
        }
    }

    fn clear(&self, place: &Place) -> Result<()> {
        place::remove_dir(&place.path("data"))?;
        place::remove_dir(&place.path("tls"))?;
        place::remove_file(&place.path("cluster.id"))
    }

    fn env(&self, place: &Place) -> Vec<(&'static str, String)> {
        [("KAFKA_BOOTSTRAP", place.address(CLIENTS).to_string())].into_iter().chain(kafka_secure::env(place)).collect()
    }
}

fn properties(place: &Place) -> Result<String> {
    let (clients, secure, controller) = (place.port(CLIENTS), place.port(SECURE), place.port(CONTROLLER));
    let security = kafka_secure::properties(place)?;
    let data = place.path("data");
    let data = data.to_str().context("the path of the checkout is not UTF-8")?;
    Ok(format!(
        "{PROPERTIES}
listeners=PLAINTEXT://127.0.0.1:{clients},SASL_SSL://127.0.0.1:{secure},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{clients},SASL_SSL://127.0.0.1:{secure}
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={data}
{security}"
    ))
}

fn java(place: &Place) -> Result<Command> {
    let mut command = Command::new(tools::java(tools::JAVA).context("Java is gone")?);
    let logging = place.path("log4j2.properties");
    let logging = logging.to_str().context("the path of the checkout is not UTF-8")?;
    command.current_dir(place.path("")).env_remove("JAVA_TOOL_OPTIONS");
    command.args(["-XX:+UseSerialGC", "-Djava.awt.headless=true", "-cp", "lib/*"]);
    command.arg(format!("-Dlog4j2.configurationFile={logging}"));
    Ok(command)
}

/// Kafka's form of a UUID: 16 bytes in unpadded, URL-safe base64. The first one must not be a dash, which its parser refuses.
pub(super) fn random_uuid() -> Result<String> {
    let mut bytes = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    bytes[0] &= 0x7f;
    Ok(base64(&bytes))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_usize, |group, byte| group << 8 | usize::from(*byte)) << (8 * (3 - chunk.len()));
        text.extend((0..=chunk.len()).map(|digit| char::from(ALPHABET[group >> (18 - 6 * digit) & 63])));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_the_url_safe_kind_without_padding() {
        assert_eq!(base64(b"f"), "Zg");
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(&[0xfb, 0xff]), "-_8");
    }

    #[test]
    fn a_cluster_id_has_22_characters_and_no_leading_dash() {
        for _ in 0..200 {
            let id = random_uuid().unwrap();
            assert_eq!(id.len(), 22);
            assert!(!id.starts_with('-'), "{id}");
        }
    }
}
