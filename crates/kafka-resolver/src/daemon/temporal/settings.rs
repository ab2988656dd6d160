//! Where Temporal is, and by what names this application is known there. Plain data, read from the framework's settings.

use std::path::Path;

use kafka_core::error::ConfigErrors;
use kafka_core::settings::{Secret, Settings};
use serde::Deserialize;
use url::Url;

/// The top-level settings that the daemon reads.
pub(crate) const SECTIONS: [&str; 4] = ["temporal_address", "temporal_namespace", "temporal_task_queue", "temporal_api_key"];

/// Where Temporal is, and by what names this application is known there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TemporalSettings {
    /// Where the front end of the server is: `host:port`, or with `https://` before it for TLS. Default `localhost:7233`.
    pub address: String,
    /// The namespace; it must exist. Default `default`.
    pub namespace: String,
    /// The queue through which work comes to this application's processes. Applications that share it share their work, so each
    /// application and database needs its own. Default: the name of the program's file (django-kafka: `TEMPORAL_TASK_QUEUE`).
    pub task_queue: String,
    /// The key for Temporal Cloud. With one, TLS is used. Default none.
    pub api_key: Option<Secret>,
}

/// What was said in code; it goes before the settings.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) address: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) task_queue: Option<String>,
    pub(super) api_key: Option<Secret>,
}

impl Said {
    /// Together with the framework's settings and the defaults.
    pub(super) fn over(&self, settings: &Settings) -> Result<TemporalSettings, ConfigErrors> {
        let mut errors = ConfigErrors::new();
        let mut text = |said: &Option<String>, name: &str| {
            let set: Option<Option<Text>> = errors.take(settings.read_section(name));
            said.clone().or(set.flatten().map(|text| text.0)).filter(|text| !text.is_empty())
        };
        let address = text(&self.address, "temporal_address").unwrap_or_else(|| "localhost:7233".to_owned());
        let namespace = text(&self.namespace, "temporal_namespace").unwrap_or_else(|| "default".to_owned());
        let task_queue = text(&self.task_queue, "temporal_task_queue").unwrap_or_else(program);
        let api_key: Option<Option<Secret>> = errors.take(settings.read_section("temporal_api_key"));
        let api_key = self.api_key.clone().or(api_key.flatten());
        let read = TemporalSettings { address, namespace, task_queue, api_key };
        if let Err(problem) = read.url() {
            errors.push("temporal_address", problem);
        }
        errors.or_ok(read)
    }
}

impl TemporalSettings {
    /// The address as the client wants it.
    pub(super) fn url(&self) -> Result<Url, String> {
        let address = &self.address;
        let with_scheme = match (address.contains("://"), &self.api_key) {
            (true, _) => address.clone(),
            (false, Some(_)) => format!("https://{address}"),
            (false, None) => format!("http://{address}"),
        };
        match Url::parse(&with_scheme) {
            Ok(url) if url.has_host() && matches!(url.scheme(), "http" | "https") => Ok(url),
            Ok(_) => Err(format!("{address:?} is no address; write `host:port`, or `https://host:port` for TLS")),
            Err(error) => Err(format!("{address:?} is no address ({error}); write `host:port`, or `https://host:port` for TLS")),
        }
    }
}

/// A text; environment variables that look like numbers are read as texts here.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct Text(String);

/// The name of this program.
fn program() -> String {
    let path = std::env::args_os().next().unwrap_or_default();
    Path::new(&path).file_stem().map_or_else(|| "kafka-kit".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &Said, variables: &[(&str, &str)]) -> Result<TemporalSettings, ConfigErrors> {
        let variables = variables.iter().map(|(name, value)| (format!("KAFKA_KIT_{name}"), (*value).to_owned()));
        let empty = std::env::temp_dir().join(format!("kafka-temporal-settings-{}", std::process::id()));
        std::fs::write(&empty, "").unwrap();
        said.over(&Settings::default().load_from(Some(&empty), variables).unwrap())
    }

    #[test]
    fn the_defaults() {
        let TemporalSettings { address, namespace, task_queue, api_key } = read(&Said::default(), &[]).unwrap();
        assert_eq!((address.as_str(), namespace.as_str(), api_key), ("localhost:7233", "default", None));
        assert!(task_queue.starts_with("kafka_resolver"), "the program's name: {task_queue}");
    }

    #[test]
    fn what_is_said_in_code_goes_before_the_settings() {
        let variables = [("TEMPORAL_TASK_QUEUE", "7"), ("TEMPORAL_NAMESPACE", "shop"), ("TEMPORAL_API_KEY", "hunter2")];
        let said = Said { namespace: Some("mine".to_owned()), ..Said::default() };
        let settings = read(&said, &variables).unwrap();
        assert_eq!((settings.task_queue.as_str(), settings.namespace.as_str()), ("7", "mine"));
        assert_eq!(settings.url().unwrap().as_str(), "https://localhost:7233/");
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_wrong_address_is_told() {
        for wrong in ["temporal:no-port", "ftp://temporal:7233", "unix:///a"] {
            let errors = read(&Said::default(), &[("TEMPORAL_ADDRESS", wrong)]).unwrap_err().to_string();
            assert!(errors.starts_with("temporal_address: ") && errors.contains("write `host:port`"), "{errors}");
        }
    }
}
