//! Kafka Connect, one distributed worker with Debezium's PostgreSQL source and JDBC sink, Avro through the registry.
//!
//! What a worker knows is in topics of Kafka. Fresh data means another group and other topics, so that `down connect` forgets its connectors.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};

use super::maven::Artifacts;
use super::place::{Place, Port};
use super::{Health, Service, http, jar, kafka, place, registry};
use crate::process::Process;
use crate::tools::{self, Tool};

const CLIENTS: Port = Port { name: "clients", variable: "SERVICES_CONNECT_PORT", default: 8083 };

const ARTIFACTS: Artifacts = Artifacts {
    pom: "xtask/services/connect/pom.xml",
    text: include_str!("../../services/connect/pom.xml"),
    goals: &["generate-resources"],
    dirs: &["plugins", "markers"],
    what: "Connect's plugins (90 MB)",
};

const PROPERTIES: &str = include_str!("../../services/connect/worker.properties");

/// The converter does not say of itself that it is one, and classes are not searched for plugins.
const MANIFEST: (&str, &str) =
    ("META-INF/services/org.apache.kafka.connect.storage.Converter", "io.apicurio.registry.utils.converter.AvroConverter\n");

/// A worker that lists these has loaded every directory of plugins.
const PLUGINS: [&str; 4] = [
    "io.debezium.connector.postgresql.PostgresConnector",
    "io.debezium.connector.jdbc.JdbcSinkConnector",
    "io.debezium.transforms.Filter",
    "io.apicurio.registry.utils.converter.AvroConverter",
];

/// The worker.
#[derive(Debug)]
pub(super) struct Connect;

impl Service for Connect {
    fn name(&self) -> &'static str {
        "connect"
    }

    fn needs(&self) -> &'static [&'static str] {
        &["kafka", "registry"]
    }

    fn tools(&self) -> &'static [Tool] {
        &[Tool::Java, Tool::Maven]
    }

    fn ports(&self) -> &'static [Port] {
        &[CLIENTS]
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        ARTIFACTS.lay_out(place)?;
        let (name, text) = MANIFEST;
        fs::write(place.path("plugins/apicurio-avro-converter/manifest.jar"), jar::of(name, text))?;
        if !place.path("group").exists() {
            fs::write(place.path("group"), format!("connect-{}", kafka::random_uuid()?))?;
        }
        fs::write(place.path("log4j2.properties"), kafka::LOGGING)?;
        fs::write(place.path("worker.properties"), properties(place)?)?;
        Ok(())
    }

    fn start(&self, place: &Place) -> Result<Command> {
        let mut command = Command::new(tools::java(tools::JAVA).context("Java is gone")?);
        command.current_dir(place.path("")).env_remove("JAVA_TOOL_OPTIONS");
        command.args(["-Xmx768m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.configurationFile=log4j2.properties", "-cp"]);
        command.arg(format!("{}/*", place.of_other("kafka").path("lib").display()));
        command.args(["org.apache.kafka.connect.cli.ConnectDistributed", "worker.properties"]);
        Ok(command)
    }

    fn health(&self, place: &Place, _process: &Process) -> Health {
        let address = place.address(CLIENTS);
        match http::get(address, "/health") {
            Ok(answer) if answer.status == 200 && answer.body.contains("\"healthy\"") => {}
            Ok(answer) => return Health::NotYet(format!("it answers {} {}", answer.status, answer.body)),
            Err(error) => return Health::NotYet(error.to_string()),
        }
        match http::get(address, "/connector-plugins?connectorsOnly=false") {
            Ok(answer) => match PLUGINS.iter().find(|plugin| !answer.body.contains(**plugin)) {
                Some(absent) => Health::NotYet(format!("it does not know {absent}")),
                None => Health::Ready,
            },
            Err(error) => Health::NotYet(error.to_string()),
        }
    }

    fn clear(&self, place: &Place) -> Result<()> {
        place::remove_file(&place.path("group"))
    }

    fn env(&self, place: &Place) -> Vec<(&'static str, String)> {
        vec![("CONNECT_URL", format!("http://{}", place.address(CLIENTS)))]
    }
}

fn properties(place: &Place) -> Result<String> {
    let kafka = place.of_other("kafka").address(kafka::CLIENTS);
    let registry = place.of_other("registry").address(registry::CLIENTS);
    let (group, port) = (fs::read_to_string(place.path("group"))?, place.port(CLIENTS));
    let plugins = place.path("plugins");
    let plugins = plugins.to_str().context("the path of the checkout is not UTF-8")?;
    Ok(format!(
        "{PROPERTIES}
bootstrap.servers={kafka}
group.id={group}
config.storage.topic=_{group}-configs
offset.storage.topic=_{group}-offsets
status.storage.topic=_{group}-status
listeners=http://127.0.0.1:{port}
rest.advertised.host.name=127.0.0.1
rest.advertised.port={port}
plugin.path={plugins}
key.converter.apicurio.registry.url=http://{registry}/apis/registry/v2
value.converter.apicurio.registry.url=http://{registry}/apis/registry/v2
"
    ))
}
