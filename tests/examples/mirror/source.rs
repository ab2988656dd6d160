//! The connector that watches `items`, and `mirror connect`, the framework's own command for it.

use std::process::ExitCode;

use anyhow::{Context, ensure};
use kafka_kit::app::{MissingState, State};
use kafka_kit::connect::config::{ConfigProblem, ConnectorConfig};
use kafka_kit::connect::connector::ConnectorSpec;
use kafka_kit::connect::connectors::Connectors;
use kafka_kit::prelude::*;
use kafka_kit::settings::Settings;

/// The source database and the names of what watches it.
#[derive(Clone)]
struct Mirror {
    database: Database,
    prefix: String,
}

/// `postgres://user:password@host:port/name`, in parts, which an address writes percent-encoded.
#[derive(Clone)]
struct Database {
    user: String,
    password: String,
    host: String,
    port: String,
    name: String,
}

/// Runs `connect` with what is left of the arguments when ours are taken out.
pub(crate) async fn connect(mut arguments: Vec<String>) -> anyhow::Result<ExitCode> {
    let url = taken(&mut arguments, "--connect-url")?.context("--connect-url is missing")?;
    let source = taken(&mut arguments, "--source-database-url")?.context("--source-database-url is missing")?;
    let prefix = taken(&mut arguments, "--prefix")?.unwrap_or_else(|| "mirror".to_owned());
    let settings = Settings::default().section("connect_host", url)?.section("connector_name_prefix", &prefix)?;
    let mirror = Mirror { database: Database::parse(&source)?, prefix };
    Ok(App::builder(settings).plugin(Connectors::new().connector(mirror)).main_from(arguments).await)
}

/// The value of a flag, which is taken out of the arguments.
fn taken(arguments: &mut Vec<String>, flag: &str) -> anyhow::Result<Option<String>> {
    let Some(at) =
        arguments.iter().position(|argument| argument.strip_prefix(flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    else {
        return Ok(None);
    };
    let found = arguments.remove(at);
    if let Some((_, value)) = found.split_once('=') {
        return Ok(Some(value.to_owned()));
    }
    ensure!(at < arguments.len(), "{flag} takes a value");
    Ok(Some(arguments.remove(at)))
}

impl Connector for Mirror {
    fn spec() -> ConnectorSpec {
        ConnectorSpec::new("Mirror").class("io.debezium.connector.postgresql.PostgresConnector")
    }

    fn from_state(state: &State) -> Result<Self, MissingState> {
        state.get()
    }

    /// Everything is sent in a form that loses nothing.
    fn config(&self) -> Result<ConnectorConfig, ConfigProblem> {
        let Database { user, password, host, port, name } = &self.database;
        let slot: String = format!("{}_{name}", self.prefix).to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        // PostgreSQL's longest name; what tells databases apart stands at the end. Debezium does not quote it.
        let slot = format!("m_{}", &slot[slot.len().saturating_sub(61)..]);
        let config = ConnectorConfig::new()
            .tasks_max(1)
            .set("database.hostname", host.as_str())
            .set("database.port", port.as_str())
            .set("database.user", user.as_str())
            .set("database.password", password.as_str())
            .set("database.dbname", name.as_str())
            .set("topic.prefix", self.prefix.as_str())
            .set("plugin.name", "pgoutput")
            .set("slot.name", slot.as_str())
            .set("publication.name", slot)
            .set("publication.autocreate.mode", "filtered")
            .set("table.include.list", "public.items")
            .set("snapshot.mode", "initial")
            // `precise` would strip the zeros of numbers without a scale, and knows no NaN.
            .set("decimal.handling.mode", "string")
            .set("time.precision.mode", "adaptive")
            .set("interval.handling.mode", "string")
            .set("binary.handling.mode", "bytes")
            .set("include.unknown.datatypes", true)
            .set("topic.creation.default.replication.factor", 1)
            .set("topic.creation.default.partitions", 1);
        Ok(config)
    }
}

impl Database {
    fn parse(url: &str) -> anyhow::Result<Self> {
        let form = "write postgres://USER[:PASSWORD]@HOST[:PORT]/NAME";
        let rest = url.split_once("://").map(|(_, rest)| rest).with_context(|| format!("--source-database-url is no address; {form}"))?;
        let (server, name) = rest.split_once('/').with_context(|| format!("the address has no database; {form}"))?;
        let (who, place) = server.rsplit_once('@').unwrap_or(("postgres", server));
        let (user, password) = who.split_once(':').unwrap_or((who, ""));
        let (host, port) = place.rsplit_once(':').unwrap_or((place, "5432"));
        let name = name.split('?').next().unwrap_or(name);
        let [user, password, name] = [decoded(user)?, decoded(password)?, decoded(name)?];
        Ok(Self { user, password, host: host.to_owned(), port: port.to_owned(), name })
    }
}

/// With `%40` as `@`, and so on.
fn decoded(text: &str) -> anyhow::Result<String> {
    let mut pieces = text.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) =
            piece.split_at_checked(2).with_context(|| format!("`%{piece}` in the address is no encoded character; write % as %25"))?;
        bytes.push(
            u8::from_str_radix(digits, 16)
                .with_context(|| format!("`%{digits}` in the address is no encoded character; write % as %25"))?,
        );
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).context("what the address encodes is no text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_decoded_after_it_is_cut() {
        let parts = |url| Database::parse(url).map(|Database { user, password, host, port, name }| [user, password, host, port, name]);
        let odd = parts("postgres://us%40er:p%3Aa%2Fs%25s%C3%A4@db:5433/a%20b?sslmode=require").unwrap();
        assert_eq!(odd, ["us@er", "p:a/s%sä", "db", "5433", "a b"]);
        assert_eq!(parts("postgresql://localhost/app").unwrap(), ["postgres", "", "localhost", "5432", "app"]);
        for wrong in ["postgres://a%4@db/x", "postgres://a%zz@db/x", "postgres://a:%ff@db/x", "localhost/x", "postgres://localhost"] {
            assert!(parts(wrong).is_err(), "{wrong}");
        }
    }
}
