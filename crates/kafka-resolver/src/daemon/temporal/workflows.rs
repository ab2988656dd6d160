//! The workflows: what the server remembers. Their code is replayed against histories that are under way, of older versions too, so
//! it stays this small; all that may change is in the activities.

#![allow(unreachable_pub, reason = "the attributes want public types, which nobody outside can name")]

use std::time::Duration;

use serde::{Deserialize, Serialize};
use temporalio_common::{ActivityCloseTimeouts, RetryPolicy};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_sdk::{ActivityOptions, WorkflowContext, WorkflowContextView, WorkflowResult};

use super::activities::Activities;

/// How long a worker may be silent before its work is given to another.
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long one attempt may take, with a beating heart. What it has done until then stays done.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The type of [`FindWaiting`], for the schedule.
pub(super) const FIND: &str = "kafka-kit.find";

/// What is to be released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errand {
    /// The consumer group.
    pub group: String,
    /// The reason in its written form.
    pub reason: String,
    /// How long to wait first: until a replay that failed is due.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub after_ms: u64,
}

/// Releases what a group has waiting for one reason.
#[workflow]
#[derive(Debug)]
pub struct ReleaseWaiting {
    errand: Errand,
}

#[workflow_methods]
impl ReleaseWaiting {
    #[init]
    fn new(_: &WorkflowContextView, errand: Errand) -> Self {
        Self { errand }
    }

    /// Gives the number of messages that are through.
    #[run(name = "kafka-kit.release")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<u64> {
        let errand = ctx.state(|workflow| workflow.errand.clone());
        if errand.after_ms > 0 {
            ctx.timer(Duration::from_millis(errand.after_ms)).await;
        }
        Ok(ctx.execute_activity(Activities::release, errand, options()).await?)
    }
}

/// Looks at all that waits, and starts a release for each reason that is met.
#[workflow]
#[derive(Debug, Default)]
pub struct FindWaiting;

#[workflow_methods]
impl FindWaiting {
    /// Gives the number of releases that it started.
    #[run(name = "kafka-kit.find")]
    pub async fn run(ctx: &mut WorkflowContext<Self>) -> WorkflowResult<u64> {
        Ok(ctx.execute_activity(Activities::find, (), options()).await?)
    }
}

/// Tried again for ever: what an activity finds is in the store, and stays there until it is done.
fn options() -> ActivityOptions {
    let retries = RetryPolicy::builder()
        .initial_interval(Duration::from_millis(500))
        .backoff_coefficient(2.0)
        .maximum_interval(Duration::from_secs(30))
        .maximum_attempts(0)
        .build();
    ActivityOptions::with_close_timeouts(ActivityCloseTimeouts::StartToClose(LONGEST))
        .heartbeat_timeout(HEARTBEAT_TIMEOUT)
        .retry_policy(retries)
        .build()
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_errand_is_a_contract() {
        let errand = Errand { group: "g".to_owned(), reason: r#"{"v":1,"due":7}"#.to_owned(), after_ms: 0 };
        let text = r#"{"group":"g","reason":"{\"v\":1,\"due\":7}"}"#;
        assert_eq!(serde_json::to_string(&errand).unwrap(), text);
        assert_eq!(serde_json::from_str::<Errand>(text).unwrap(), errand);
        let later = Errand { after_ms: 5, ..errand };
        assert_eq!(serde_json::from_str::<Errand>(&serde_json::to_string(&later).unwrap()).unwrap(), later);
    }
}
