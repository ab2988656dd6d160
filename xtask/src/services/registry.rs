//! A Schema Registry with Confluent's API: Apicurio, from the archive that `xtask/services/registry/pom.xml` names.
//!
//! Its schemas are in a file: a registry that forgot them would give out the same ids again, for other schemas than the topics mean.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::maven::Artifacts;
use super::place::{self, Place, Port};
use super::{Health, Service, http, new_java};
use crate::process::Process;
use crate::tools::Tool;

pub(super) const CLIENTS: Port = Port { name: "clients", variable: "SERVICES_REGISTRY_PORT", default: 8081 };
const MANAGEMENT: Port = Port { name: "management", variable: "SERVICES_REGISTRY_MANAGEMENT_PORT", default: 9081 };

/// Where Confluent's API begins.
const CONFLUENT: &str = "/apis/ccompat/v7";

const ARTIFACTS: Artifacts = Artifacts {
    pom: "xtask/services/registry/pom.xml",
    text: include_str!("../../services/registry/pom.xml"),
    goals: &["generate-resources"],
    dirs: &["app", "markers"],
    what: "the Schema Registry (160 MB)",
};

/// Its own launcher, `quarkus-run.jar`, loads classes in a way that a compatibility check of Protobuf hangs in for ever.
const CLASS_PATH: &str = "app/quarkus/transformed-bytecode.jar:app/quarkus/generated-bytecode.jar:app/app/*:app/lib/main/*:app/lib/boot/*";

/// The server of schemas.
#[derive(Debug)]
pub(super) struct Registry;

impl Service for Registry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn tools(&self) -> &'static [Tool] {
        match new_java::tool() {
            Tool::Python => &[Tool::Java, Tool::Maven, Tool::Python],
            _ => &[Tool::Java, Tool::Maven],
        }
    }

    fn ports(&self) -> &'static [Port] {
        &[CLIENTS, MANAGEMENT]
    }

    fn prepare(&self, place: &Place) -> Result<()> {
        new_java::lay_out(place)?;
        ARTIFACTS.lay_out(place)
    }

    fn start(&self, place: &Place) -> Result<Command> {
        let mut command = Command::new(new_java::java(place).context("Java is gone")?);
        command.current_dir(place.path("")).env_remove("JAVA_TOOL_OPTIONS");
        command.envs([
            ("QUARKUS_HTTP_HOST", "127.0.0.1".to_owned()),
            ("QUARKUS_HTTP_PORT", place.port(CLIENTS).to_string()),
            ("QUARKUS_HTTP_ACCESS_LOG_ENABLED", "false".to_owned()),
            ("QUARKUS_MANAGEMENT_HOST", "127.0.0.1".to_owned()),
            ("QUARKUS_MANAGEMENT_PORT", place.port(MANAGEMENT).to_string()),
            ("APICURIO_STORAGE_SQL_KIND", "h2".to_owned()),
            ("APICURIO_DATASOURCE_URL", format!("jdbc:h2:file:{}", place.path("data/db").display())),
        ]);
        command.args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", CLASS_PATH, "io.quarkus.runner.GeneratedMain"]);
        Ok(command)
    }

    fn health(&self, place: &Place, _process: &Process) -> Health {
        match http::get(place.address(CLIENTS), &format!("{CONFLUENT}/subjects")) {
            Ok(answer) if answer.status == 200 => Health::Ready,
            Ok(answer) => Health::NotYet(format!("it answers {}", answer.status)),
            Err(error) => Health::NotYet(error.to_string()),
        }
    }

    /// Confluent's default level; this server's own is to let every schema in.
    fn furnish(&self, place: &Place) -> Result<()> {
        let answer = http::put(place.address(CLIENTS), &format!("{CONFLUENT}/config"), r#"{"compatibility":"BACKWARD"}"#)?;
        if answer.status != 200 {
            bail!("the compatibility level could not be set: {} {}", answer.status, answer.body);
        }
        Ok(())
    }

    fn clear(&self, place: &Place) -> Result<()> {
        place::remove_dir(&place.path("data"))
    }

    fn env(&self, place: &Place) -> Vec<(&'static str, String)> {
        vec![("SCHEMA_REGISTRY_URL", format!("http://{}{CONFLUENT}", place.address(CLIENTS)))]
    }
}
