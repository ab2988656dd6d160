//! The steps of `connect`, in their order.

use std::process::ExitCode;

use kafka_connect::client::ConnectClient;
use kafka_connect::connector::Intent;
use kafka_connect::connectors::{DeclaredConnector, DeclaredConnectors};
use kafka_connect::error::ConnectError;
use kafka_connect::plan::{Change, Plan, Step};
use kafka_connect::publish::{Published, apply, plan};
use kafka_connect::status::{Patience, check};

use super::super::command_error::CommandError;
use super::super::output::Output;
use super::Connect;
use super::report::{Checked, Done, Listed, Report, Validated};

/// What is to be done with which connectors.
pub(super) struct Steps<'a> {
    pub(super) declared: &'a DeclaredConnectors,
    pub(super) chosen: Vec<&'a DeclaredConnector>,
    pub(super) arguments: &'a Connect,
    pub(super) output: &'a Output,
}

impl Steps<'_> {
    pub(super) async fn run(self) -> Result<ExitCode, CommandError> {
        let mut report = Report::default();
        let result = self.steps(&mut report).await;
        // What was done before something went wrong was done all the same.
        if result.is_ok() || report.list.is_some() || report.validate.is_some() || report.publish.is_some() {
            self.output.answer(&report);
        }
        result?;
        let failed = report.failures > 0 && !self.arguments.ignore_failures;
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn steps(&self, report: &mut Report) -> Result<(), CommandError> {
        let arguments = self.arguments;
        if arguments.list {
            report.list = Some(self.chosen.iter().map(|connector| listed(connector)).collect());
        }
        if !(arguments.validate || arguments.publish || arguments.check_status || arguments.dry_run) {
            return Ok(());
        }
        let client = self.declared.client().map_err(CommandError::wrong)?;
        let ends = |report: &Report| report.failures > 0 && !arguments.ignore_failures;
        if arguments.validate {
            report.validate = Some(self.validate(&client).await);
            report.failures += report.validate.iter().flatten().filter(|validated| !validated.is_valid()).count();
        }
        if ends(report) {
            return Ok(());
        }
        if arguments.dry_run {
            report.plan = Some(self.plan(&client).await?);
        } else if arguments.publish {
            let plan = self.plan(&client).await?;
            let (done, failures) = self.publish(&client, &plan, report.validate.as_deref().unwrap_or_default()).await;
            report.publish = Some(done);
            report.failures += failures;
        }
        if ends(report) {
            return Ok(());
        }
        if arguments.check_status {
            let (checked, failures) = self.check_status(&client).await;
            report.check_status = Some(checked);
            report.failures += failures;
        }
        Ok(())
    }

    fn kept(&self) -> impl Iterator<Item = &DeclaredConnector> {
        self.chosen.iter().copied().filter(|connector| connector.intent() == Intent::Run)
    }

    async fn validate(&self, client: &ConnectClient) -> Vec<Validated> {
        let mut progress = self.output.progress("validated", u64::try_from(self.kept().count()).ok());
        let mut all = Vec::new();
        for connector in self.kept() {
            let (errors, error) = match client.validate(connector.name(), connector.config()).await {
                Ok(validation) => (validation.errors(), None),
                Err(error) => (Vec::new(), Some(told(&error))),
            };
            all.push(Validated { connector: connector.name().to_owned(), errors, error });
            progress.advance(1);
        }
        progress.finish();
        all
    }

    /// The plan of the chosen ones; what others run is shown when nobody was chosen by name.
    async fn plan(&self, client: &ConnectClient) -> Result<Plan, ConnectError> {
        let mut plan = plan(client, self.chosen.iter().copied()).await?;
        let declared = |step: &Step| self.declared.get(&step.connector).is_some();
        let all = self.arguments.names.is_empty();
        plan.steps.retain(|step| step.change != Change::NotOurs || (all && !declared(step)));
        Ok(plan)
    }

    async fn publish(&self, client: &ConnectClient, plan: &Plan, validated: &[Validated]) -> (Vec<Done>, usize) {
        let mut progress = self.output.progress("published", u64::try_from(self.chosen.len()).ok());
        let (mut all, mut failures) = (Vec::new(), 0);
        for step in &plan.steps {
            let Some(connector) = self.chosen.iter().find(|connector| connector.name() == step.connector) else { continue };
            let invalid = validated.iter().any(|validated| validated.connector == step.connector && !validated.is_valid());
            // It was counted as a failure when it was validated.
            let done = if invalid {
                Done {
                    connector: step.connector.clone(),
                    result: "skipped",
                    status: None,
                    error: Some("its config is not valid".to_owned()),
                }
            } else {
                let published = apply(client, connector, &step.change, Patience::PUBLISH).await;
                failures += usize::from(!published.as_ref().is_ok_and(Published::is_well));
                done(step, published)
            };
            all.push(done);
            progress.advance(1);
        }
        progress.finish();
        (all, failures)
    }

    async fn check_status(&self, client: &ConnectClient) -> (Vec<Checked>, usize) {
        let mut progress = self.output.progress("checked", u64::try_from(self.kept().count()).ok());
        let (mut all, mut failures) = (Vec::new(), 0);
        for connector in self.kept() {
            let (status, error) = match check(client, connector.name(), &connector.config().secrets(), Patience::CHECK).await {
                Ok(status) => (Some(status), None),
                Err(error) => (None, Some(told(&error))),
            };
            failures += usize::from(!status.as_ref().is_some_and(|status| status.running));
            all.push(Checked { connector: connector.name().to_owned(), status, error });
            progress.advance(1);
        }
        progress.finish();
        (all, failures)
    }
}

fn listed(connector: &DeclaredConnector) -> Listed {
    Listed {
        connector: connector.name().to_owned(),
        marked_for_removal: connector.intent() == Intent::Remove,
        config: connector.config().shown().map(|(key, value)| (key.to_owned(), value)).collect(),
    }
}

fn done(step: &Step, published: Result<Published, ConnectError>) -> Done {
    let result = match (&step.change, &published) {
        (_, Err(_)) => "failed",
        (Change::Create(_), _) => "created",
        (Change::Update(_), _) => "updated",
        (Change::Delete, _) => "deleted",
        _ => "unchanged",
    };
    let (status, error) = match published {
        Ok(Published::Settled(status)) => (Some(status), None),
        Ok(_) => (None, None),
        Err(error) => (None, Some(told(&error))),
    };
    Done { connector: step.connector.clone(), result, status, error }
}

/// An error with its sources, in one line.
fn told(error: &ConnectError) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
}
