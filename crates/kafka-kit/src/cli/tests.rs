//! Help pages, and how answers and errors are said.

use std::io::Write;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::{CommandFactory, Parser};
use kafka_core::app::App;
use kafka_core::error::ConfigErrors;
use kafka_core::settings::{ClientProperties, Settings};

use super::command::Arguments;
use super::{CommandError, Form, Output};

/// Commands that are there with some features only: each has a page of its own, the first page leaves them out.
const OPTIONAL: &[&str] = &["connect", "dlt", "resolver"];

/// What a command wrote.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An output of this form; its answers; all else.
fn output(form: Form) -> (Output, Written, Written) {
    let (answers, asides) = (Written::default(), Written::default());
    (Output::to_writers(form, answers.clone(), asides.clone()), answers, asides)
}

pub(super) fn settings() -> Settings {
    Settings::default()
        .client_id("me")
        .global_config(ClientProperties::from([("bootstrap.servers", "localhost:9092"), ("sasl.password", "hunter2")]))
}

/// Runs a command line; gives its exit code, its answer, and all else.
pub(super) async fn run(app: App, line: &str) -> (ExitCode, String, String) {
    let arguments = Arguments::try_parse_from(line.split_whitespace()).unwrap();
    let (output, answers, asides) = output(arguments.output);
    let code = arguments.command.run(app, &output).await.unwrap_or_else(|error| output.fail(&error));
    (code, answers.text(), asides.text())
}

#[test]
fn every_help_page() {
    let mut root = Arguments::command().name("app").bin_name("app").term_width(100);
    root.build();
    pages("help", &root);
}

fn pages(name: &str, command: &clap::Command) {
    let shown = OPTIONAL.iter().filter(|optional| command.find_subcommand(optional).is_some());
    let mut shown = shown.fold(command.clone(), |command, optional| command.mut_subcommand(optional, |command| command.hide(true)));
    insta::assert_snapshot!(name, shown.render_long_help().to_string());
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
        pages(&format!("{name}_{}", inner.get_name()), inner);
    }
}

#[test]
fn every_command_and_argument_says_what_it_is() {
    fn check(path: &str, command: &clap::Command) {
        assert!(command.get_about().is_some(), "{path} does not say what it does");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path}: {} does not say what it is", argument.get_id());
        }
        command.get_subcommands().for_each(|inner| check(&format!("{path} {}", inner.get_name()), inner));
    }
    let command = Arguments::command();
    check("app", &command);
    command.debug_assert();
}

#[test]
fn errors_say_all_that_lies_behind_them_in_either_form() {
    let mut errors = ConfigErrors::new();
    errors.push("topics.orders.name", "it is wrong");
    let (text, answers, asides) = output(Form::Text);
    assert_eq!(text.fail(&CommandError::wrong(errors.clone())), ExitCode::from(2));
    assert!(asides.text().starts_with("error: ") && asides.text().contains("topics.orders.name"), "{}", asides.text());
    assert_eq!(answers.text(), "");

    let (json, answers, asides) = output(Form::Json);
    assert_eq!(json.fail(&CommandError::wrong(errors)), ExitCode::from(2));
    let error: serde_json::Value = serde_json::from_str(&asides.text()).unwrap();
    assert_eq!(error["problems"], serde_json::json!([{ "path": "topics.orders.name", "problem": "it is wrong" }]));
    assert_eq!(answers.text(), "");

    let source = "x".parse::<i32>().unwrap_err();
    let (text, _, asides) = output(Form::Text);
    let error = kafka_core::app::StartError::Step { step: "counting", source: source.into() };
    assert_eq!(text.fail(&error.into()), ExitCode::from(1));
    assert_eq!(asides.text(), "error: counting failed\n  caused by: invalid digit found in string\n");
}

#[test]
fn progress_is_a_few_plain_lines_where_nobody_watches() {
    for (form, total, expected) in [
        (Form::Text, Some(20), vec!["moved: 20 of 20"]),
        (Form::Text, None, vec!["moved: 20"]),
        (Form::Json, Some(20), vec![r#"{"done":20,"progress":"moved","total":20}"#]),
    ] {
        let (output, answers, asides) = output(form);
        let mut progress = output.progress("moved", total);
        progress.advance(20);
        progress.finish();
        assert_eq!(asides.text().lines().collect::<Vec<_>>(), expected);
        assert_eq!(answers.text(), "");
    }
    for (total, lines) in [(Some(100_000), 10), (None, 8)] {
        let (output, _, asides) = output(Form::Text);
        let mut progress = output.progress("moved", total);
        (0..100_000).for_each(|_| progress.advance(1));
        progress.finish();
        assert_eq!(asides.text().lines().count(), lines, "{}", asides.text());
    }
}

#[tokio::test]
async fn settings_are_shown_with_their_layers_and_without_secrets() {
    let app = || App::builder(settings()).without_discovery().build().unwrap();
    let (code, answer, _) = run(app(), "app settings show").await;
    assert_eq!(code, ExitCode::SUCCESS);
    assert!(!answer.contains("hunter2") && answer.contains('…'), "{answer}");
    let (_, answer, asides) = run(app(), "app --output json settings show").await;
    assert_eq!(asides, "");
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let has = |list: &str, path: &str, value: &str, layer: &str| {
        let wanted = serde_json::json!({ "path": path, "value": value, "layer": layer });
        assert!(answer[list].as_array().unwrap().contains(&wanted), "{wanted} is not in {}", answer[list]);
    };
    has("settings", "client_id", "me", "code");
    has("settings", "retry_settings", "none", "default");
    has("producer", "client.id", "me", "code");
    has("producer", "linger.ms", "5", "default");
    has("producer", "sasl.password", "…", "code");
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let arguments = Arguments::try_parse_from(["app", "completions", shell]).unwrap();
        let super::command::Command::Completions(completions) = arguments.command else { panic!("another command") };
        let script = completions.script("billing");
        assert!(script.contains("billing") && script.contains("consume"), "{shell}");
    }
}
