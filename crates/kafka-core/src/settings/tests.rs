//! Settings as tables: what wins, what is refused, what is hidden.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::*;
use crate::broker::Broker;
use crate::broker::rdkafka::RdkafkaBroker;
use crate::error::ConfigErrors;
use crate::retry_policy::{Growth, MaxRetries, RetryMode};

fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn load(code: Settings, file: &str, pairs: &[(&str, &str)]) -> Result<Settings, ConfigErrors> {
    let mut errors = ConfigErrors::new();
    let settings = code.overlay(Some((Path::new("kit.toml"), file)), &variables(pairs), &mut errors);
    errors.or_ok(settings)
}

fn read_errors(file: &str, pairs: &[(&str, &str)]) -> Vec<String> {
    lines(&load(Settings::default(), file, pairs).unwrap_err())
}

fn lines(errors: &ConfigErrors) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

fn layer(settings: &Settings, path: &str) -> String {
    let shown = settings.show().into_iter().find(|shown| shown.path == path);
    shown.map(|shown| format!("{} from {}", shown.value, shown.layer)).unwrap_or_default()
}

fn librdkafka() -> impl Broker {
    RdkafkaBroker::new()
}

fn own<'a>(pairs: &[(&str, &str)], into: &'a mut Vec<(String, String)>) -> OwnConfig<'a> {
    *into = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    OwnConfig { path: "consumers.billing.config", properties: into }
}

#[test]
fn later_layers_win_and_every_value_knows_its_own() {
    let code = Settings::default()
        .client_id("code")
        .retry_topic_suffix("again")
        .global_config([("bootstrap.servers", "code:1"), ("debug", "broker"), ("client.rack", "a")])
        .shutdown_timeout(Duration::from_secs(5));
    let file = "client_id = \"file\"\nshutdown_timeout = 20\n[global_config]\nbootstrap.servers = \"file:1\"\n\"debug\" = \"cgrp\"\n";
    let settings = load(code, file, &[("KAFKA_KIT_CLIENT_ID", "env"), ("KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS", "env:1")]).unwrap();
    for (path, shown) in [
        ("client_id", "env from environment variable KAFKA_KIT_CLIENT_ID"),
        ("shutdown_timeout", "20s from file kit.toml"),
        ("retry_topic_suffix", "again from code"),
        ("revoke_timeout", "30s from default"),
        ("retry_settings", "none from default"),
        ("global_config.bootstrap.servers", "env:1 from environment variable KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS"),
        ("global_config.debug", "cgrp from file kit.toml"),
        ("global_config.client.rack", "a from code"),
        ("retry_consumer_config.auto.offset.reset", "earliest from default"),
    ] {
        assert_eq!(layer(&settings, path), shown);
    }
    assert_eq!(settings.shutdown_timeout, Duration::from_secs(20));
    let later = settings.client_id("after");
    assert_eq!(layer(&later, "client_id"), "after from code");
}

#[test]
fn tables_from_code_meet_the_file_key_by_key() {
    let code = Settings::default()
        .retry_settings(RetrySettings::new(3, Duration::from_millis(1_500)).jitter(0.5))
        .schema_registry(SchemaRegistrySettings::new("http://a").basic("me", "0123"));
    let settings = load(code.clone(), "[retry_settings]\nmax_retries = 5\n[schema_registry]\nproxy = \"http://p\"\n", &[]).unwrap();
    assert_eq!(settings.retry_settings, Some(RetrySettings::new(5, Duration::from_millis(1_500)).jitter(0.5)));
    assert_eq!(settings.schema_registry, code.schema_registry.map(|registry| registry.proxy("http://p")));
    assert_eq!(layer(&settings, "retry_settings.max_retries"), "5 from file kit.toml");
    assert_eq!(layer(&settings, "retry_settings.delay"), "1s 500ms from code");
}

#[test]
fn files_are_found_by_name() {
    let folder = std::env::temp_dir().join(format!("kafka-kit-settings-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("kit.toml");
    std::fs::write(&file, "client_id = \"file\"").unwrap();
    let named = |path: &Path| Settings::default().load_from(None, variables(&[("KAFKA_KIT_SETTINGS", path.to_str().unwrap())]));
    assert_eq!(named(&file).unwrap().client_id, "file");
    assert_eq!(Settings::default().load_from(Some(&file), variables(&[])).unwrap().client_id, "file");
    assert!(named(&folder.join("missing.toml")).unwrap_err().to_string().contains("cannot be read"));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn variables_reach_every_kind_of_setting() {
    let pairs = [
        ("KAFKA_KIT_SETTINGS", "ignored here"),
        ("KAFKA_KIT_CLIENT_ID", "007"),
        ("KAFKA_KIT_POLLING_FREQUENCY", "250ms"),
        ("KAFKA_KIT_MAX_IN_FLIGHT_BYTES", "1024"),
        ("KAFKA_KIT_RETRY_SETTINGS__MAX_RETRIES", "-1"),
        ("KAFKA_KIT_RETRY_SETTINGS__DELAY", "2m"),
        ("KAFKA_KIT_RETRY_SETTINGS__BLOCKING", "false"),
        ("KAFKA_KIT_SCHEMA_REGISTRY__URL", "http://a:1,http://b:2"),
        ("KAFKA_KIT_SCHEMA_REGISTRY__USERNAME", "42"),
        ("KAFKA_KIT_SCHEMA_REGISTRY__PASSWORD", "0123"),
        ("KAFKA_KIT_GLOBAL_CONFIG__LOG_LEVEL", "7"),
        ("KAFKA_KIT_CONSUMER_CONFIG__SESSION__TIMEOUT__MS", "06000"),
        ("HOME", "/"),
    ];
    let settings = load(Settings::default(), "", &pairs).unwrap();
    assert_eq!(settings.client_id, "007");
    assert_eq!((settings.polling_frequency, settings.max_in_flight_bytes), (Duration::from_millis(250), 1024));
    assert_eq!(settings.retry_settings, Some(RetrySettings::new(-1, Duration::from_secs(120)).blocking(false)));
    let registry = settings.schema_registry.as_ref().unwrap();
    assert_eq!(registry.urls().collect::<Vec<_>>(), ["http://a:1", "http://b:2"]);
    assert_eq!(registry.auth(), RegistryAuth::Basic { username: "42", password: &"0123".into() });
    assert_eq!(settings.global_config.get("log_level"), Some("7"));
    assert_eq!(settings.consumer_config.get("session.timeout.ms"), Some("06000"));
}

#[test]
fn all_errors_come_at_once_with_path_layer_and_suggestion() {
    let file = "polling_frequency = \"soon\"\nmax_in_flight_bytes = \"many\"\n[retry_settings]\nmax_retry = 3\njitter = \"a lot\"\n\
                [schema_registry]\nurl = \"http://a\"\npassword = [1]\n[global_config]\nbootstrap.servers = [\"a\", \"b\"]\n";
    let errors = read_errors(file, &[("KAFKA_KIT_SHUTDOWN_TIMEOUT", "later")]);
    assert_eq!(
        errors,
        [
            "global_config.bootstrap.servers: sequence is not a text, a number or a boolean (set in file kit.toml)",
            "max_in_flight_bytes: string \"many\" is not usize (set in file kit.toml)",
            "polling_frequency: \"soon\" is not a duration; write one such as \"30s\" or \"1m 30s\" (set in file kit.toml)",
            "retry_settings.jitter: string \"a lot\" is not f64 (set in file kit.toml)",
            "retry_settings.max_retry: unknown setting; did you mean `max_retries` (set in file kit.toml)",
            "retry_settings.max_retries: is missing",
            "schema_registry.password: is not a string (set in file kit.toml)",
            "shutdown_timeout: \"later\" is not a duration; write one such as \"30s\" or \"1m 30s\" (set in environment variable KAFKA_KIT_SHUTDOWN_TIMEOUT)",
        ]
    );
}

#[test]
fn a_file_that_is_no_toml_is_not_quoted() {
    let errors = read_errors("a = 1\n[global_config]\n\"sasl.password\" = hunter2\n", &[]);
    assert_eq!(errors.len(), 1);
    assert!(errors[0].starts_with("kit.toml: line 3 is not TOML") && !errors[0].contains("hunter2"), "{errors:?}");
}

#[test]
fn what_can_be_read_counts_where_the_rest_cannot() {
    let mut errors = ConfigErrors::new();
    let pairs = [("KAFKA_KIT_GLOBAL_CONFIG__BOOTSTRAP_SERVERS", "kafka:9092"), ("KAFKA_KIT_SHEMA_REGISTRY__URL", "http://registry")];
    let file = Some((Path::new("kit.toml"), "shutdown_timeout = \"later\"\nrevoke_timeout = \"7s\"\n"));
    let settings = Settings::default().overlay(file, &variables(&pairs), &mut errors);
    assert_eq!(lines(&errors).len(), 1, "{errors}");
    assert_eq!(settings.global_config.get("bootstrap.servers"), Some("kafka:9092"));
    assert_eq!(settings.revoke_timeout, Duration::from_secs(7));
    // Names that nobody knows are told beside it.
    assert_eq!(
        lines(&settings.check(&librdkafka(), &[])),
        ["shema_registry: unknown setting; did you mean `schema_registry` (set in environment variable KAFKA_KIT_SHEMA_REGISTRY__URL)"]
    );
}

#[test]
fn unknown_keys_are_errors_unless_a_plugin_reads_them() {
    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Connect {
        host: String,
        retries: u32,
    }
    let file = "polling_frequncy = 1\n[connect]\nhost = \"http://c\"\n";
    let settings = load(Settings::default(), file, &[("KAFKA_KIT_CONNECT__RETRIES", "5"), ("KAFKA_KIT_CONECT", "x")]).unwrap();
    assert_eq!(settings.read_section::<Connect>("connect").unwrap(), Connect { host: "http://c".to_owned(), retries: 5 });
    assert_eq!(settings.read_section::<Option<String>>("reproducer_namespace").unwrap(), None);
    assert_eq!(
        lines(&settings.check(&librdkafka(), &["connect"])),
        [
            "conect: unknown setting; did you mean `connect` (set in environment variable KAFKA_KIT_CONECT)",
            "polling_frequncy: unknown setting; did you mean `polling_frequency` (set in file kit.toml)",
        ]
    );
    let wrong = load(settings, "[connect]\nhosts = 1\nretries = \"x\"\n", &[]).unwrap();
    let errors = lines(&wrong.read_section::<Connect>("connect").unwrap_err());
    assert_eq!(
        errors,
        [
            "connect.hosts: unknown setting; did you mean `host` (set in file kit.toml)",
            "connect.retries: string \"x\" is not u32 (set in file kit.toml)",
        ]
    );
}

#[test]
fn no_secret_is_shown() {
    let settings = Settings::default()
        .global_config([("sasl.password", "hunter2"), ("ssl.key.pem", "hunter2")])
        .schema_registry(SchemaRegistrySettings::new("http://me:hunter2@registry").basic("me", "hunter2"))
        .section("connect", BTreeMap::from([("auth", "hunter2")]))
        .unwrap();
    let settings = load(settings, "", &[("KAFKA_KIT_PRODUCER_CONFIG__SASL_OAUTHBEARER_CLIENT_SECRET", "hunter2")]).unwrap();
    let merged = LayeredProperties::producer(&settings, OwnConfig::default(), &librdkafka()).unwrap();
    assert_eq!(merged.properties()["sasl.password"], "hunter2");
    for text in [format!("{settings:?}"), format!("{:?}", settings.show()), format!("{merged:?}"), format!("{:?}", merged.show())] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("sasl.password"));
    }
    let refused = Settings::default().global_config([("ssl.key.password", "hunter2"), ("sasl.pasword", "hunter2")]);
    let errors = refused.check(&librdkafka(), &[]);
    assert!(!errors.is_empty() && !errors.to_string().contains("hunter2"), "{errors}");
}

#[test]
fn values_out_of_range_are_gathered() {
    let settings = Settings::default()
        .client_id("")
        .retry_topic_suffix("a.b")
        .dead_letter_topic_suffix("a.b")
        .polling_frequency(Duration::ZERO)
        .max_in_flight_messages(0)
        .retry_settings(RetrySettings::new(-2, Duration::ZERO).jitter(2.0).log_every(0))
        .schema_registry(SchemaRegistrySettings::new("registry:8081").token("t"));
    let errors = settings.check(&librdkafka(), &[]);
    let paths: Vec<_> = errors.iter().map(crate::error::ConfigError::path).collect();
    assert_eq!(
        paths,
        [
            "client_id",
            "retry_topic_suffix",
            "dead_letter_topic_suffix",
            "dead_letter_topic_suffix",
            "polling_frequency",
            "max_in_flight_messages",
            "retry_settings.max_retries",
            "retry_settings.delay",
            "retry_settings.jitter",
            "retry_settings.log_every",
            "schema_registry.url",
        ]
    );
    let policy = RetrySettings::new(-1, Duration::from_secs(2)).backoff(true).blocking(false).policy();
    assert_eq!((policy.max_retries, policy.growth, policy.mode), (MaxRetries::Forever, Growth::Doubling, RetryMode::NonBlocking));
    assert!(Settings::default().check(&librdkafka(), &[]).is_empty());
}

#[test]
fn the_client_library_judges_names_and_values() {
    let file = "[global_config]\nbootstrap.server = \"a\"\n[consumer_config]\nfetch.min.bytes = \"few\"\n";
    let settings = load(Settings::default(), file, &[]).unwrap();
    let errors = lines(&settings.check(&librdkafka(), &[]));
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors[0].starts_with("global_config.bootstrap.server: `bootstrap.server` is refused"), "{errors:?}");
    assert!(errors[0].ends_with("; did you mean `bootstrap.servers` (set in file kit.toml)"), "{errors:?}");
    assert!(errors[1].starts_with("consumer_config.fetch.min.bytes: `fetch.min.bytes = few` is refused"), "{errors:?}");
    let mut kept = Vec::new();
    let errors = LayeredProperties::consumer(&Settings::default(), own(&[("max.poll.interval.ms", "-3")], &mut kept), &librdkafka());
    assert!(errors.unwrap_err().to_string().starts_with("consumers.billing.config.max.poll.interval.ms: "));
}

#[test]
fn properties_merge_in_layers() {
    let settings = Settings::default()
        .client_id("me")
        .global_config([("metadata.broker.list", "global:1"), ("fetch.min.bytes", "1"), ("linger.ms", "50")])
        .consumer_config([("bootstrap.servers", "consumer:1"), ("fetch.min.bytes", "2"), ("fetch.queue.backoff.ms", "7")]);
    let mut kept = Vec::new();
    let own = own(&[("fetch.min.bytes", "3"), ("fetch.min.bytes", "4"), ("auto.offset.reset", "latest")], &mut kept);
    let consumer = LayeredProperties::consumer(&settings, own, &librdkafka()).unwrap();
    let value = |name: &str| consumer.get(name).map(|value| format!("{} at {}", value.value, value.path));
    for (name, expected) in [
        ("client.id", "me at client_id"),
        ("bootstrap.servers", "consumer:1 at consumer_config.bootstrap.servers"),
        ("fetch.min.bytes", "4 at consumers.billing.config.fetch.min.bytes"),
        ("fetch.queue.backoff.ms", "7 at consumer_config.fetch.queue.backoff.ms"),
        ("enable.auto.offset.store", "false at enable.auto.offset.store"),
        ("auto.offset.reset", "latest at consumers.billing.config.auto.offset.reset"),
    ] {
        assert_eq!(value(name).as_deref(), Some(expected));
    }
    let properties = consumer.properties();
    for absent in ["metadata.broker.list", "linger.ms", "session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy"] {
        assert!(!properties.contains_key(absent), "{absent}");
    }
    assert!(consumer.require_bootstrap_servers().is_ok());
    assert!(
        LayeredProperties::producer(&Settings::default(), OwnConfig::default(), &librdkafka())
            .unwrap()
            .require_bootstrap_servers()
            .is_err()
    );

    let retry = LayeredProperties::retry_consumer(&settings, own, &librdkafka()).unwrap();
    assert_eq!(retry.properties()["auto.offset.reset"], "earliest");
    assert_eq!(retry.properties()["topic.metadata.refresh.interval.ms"], "10000");
    assert_eq!(retry.properties()["fetch.min.bytes"], "4");

    let producer = LayeredProperties::producer(&settings, OwnConfig::default(), &librdkafka()).unwrap().properties();
    let expected =
        [("acks", "all"), ("client.id", "me"), ("enable.idempotence", "true"), ("linger.ms", "50"), ("metadata.broker.list", "global:1")];
    assert_eq!(producer, variables(&expected), "nothing of a consumer's");
}

#[test]
fn what_the_loop_depends_on_is_reserved() {
    for (name, value, refused) in [
        ("group.id", "other", true),
        ("enable.auto.offset.store", "true", true),
        ("enable.auto.offset.store", "1", true),
        ("enable.auto.offset.store", "false", false),
        ("enable.auto.commit", "false", true),
        ("auto.commit.enable", "false", true),
        ("enable.auto.commit", "true", false),
        ("linger.ms", "1", true),
        ("auto.offset.reset", "earliest", false),
    ] {
        let mut kept = Vec::new();
        let merged = LayeredProperties::consumer(&Settings::default(), own(&[(name, value)], &mut kept), &librdkafka());
        assert_eq!(merged.is_err(), refused, "{name} = {value}");
    }
    let settings = load(
        Settings::default(),
        "[consumer_config]\nenable.auto.commit = false\ngroup.id = \"x\"\n[producer_config]\nfetch.min.bytes = 1\n",
        &[],
    );
    let settings = settings.unwrap();
    let errors = lines(&LayeredProperties::consumer(&settings, OwnConfig::default(), &librdkafka()).unwrap_err());
    assert!(
        errors[0].starts_with("consumer_config.enable.auto.commit: `enable.auto.commit = false` is refused: stored offsets"),
        "{errors:?}"
    );
    assert!(errors[1].ends_with("the group is declared with the consumer; remove it here (set in file kit.toml)"), "{errors:?}");
    let errors = lines(&LayeredProperties::producer(&settings, OwnConfig::default(), &librdkafka()).unwrap_err());
    assert_eq!(
        errors,
        [
            "producer_config.fetch.min.bytes: `fetch.min.bytes = 1` is refused: only consumers read it; move it to `consumer_config` (set in file kit.toml)"
        ]
    );
}

#[test]
fn idempotence_stands_back_where_the_user_excludes_it() {
    for (set, idempotence, acks) in [
        (vec![], Some("true"), "all"),
        (vec![("acks", "1")], None, "1"),
        (vec![("request.required.acks", "-1")], Some("true"), "-1"),
        (vec![("max.in.flight", "20")], None, "all"),
        (vec![("max.in.flight.requests.per.connection", "5")], Some("true"), "all"),
        (vec![("retries", "0")], None, "all"),
        (vec![("enable.idempotence", "false")], Some("false"), "all"),
    ] {
        let settings = Settings::default().producer_config(set.iter().copied().collect::<ClientProperties>());
        let merged = LayeredProperties::producer(&settings, OwnConfig::default(), &librdkafka()).unwrap();
        let value = |name: &str| merged.get(name).map(|value| value.value.clone());
        assert_eq!((value("enable.idempotence").as_deref(), value("acks").as_deref()), (idempotence, Some(acks)), "{set:?}");
    }
}

#[test]
fn every_default_of_ours_is_a_property_of_its_side() {
    let broker = librdkafka();
    for default in CONSUMER_DEFAULTS.iter().chain(PRODUCER_DEFAULTS) {
        assert_eq!(broker.check_property(default.name, default.value), None, "{}", default.name);
    }
    for table in Settings::default().to_dict().keys() {
        assert!(
            toml::from_str::<Settings>(&format!("{table} = 1")).map_or_else(|error| !error.to_string().contains("unknown field"), |_| true)
        );
    }
}
