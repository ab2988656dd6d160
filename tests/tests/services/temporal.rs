//! The daemon on Temporal: what waits is released by workflows, on a real server, with workers that die.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use kafka_tests::process::Running;
use kafka_tests::proxy::Proxy;
use kafka_tests::story::{SOON, heavy, unique};
use kafka_tests::temporal::{Temporal, address};
use kafka_tests::until::{throughout, until};
use kafka_tests::warehouse::{Warehouse, customer, order};
use serde_json::{Value, json};

use super::warehouse::{LONG, Load, QUICK, watch_orders, were_written_in_order};

const SMALL: Load = Load { customers: 200, orders: 400, lines: 1_000, piece: 50 };

fn start(warehouse: &mut Warehouse, address: &str) -> Running {
    warehouse.start(&[&QUICK[..], &["--daemon", "temporal", "--temporal-address", address]].concat())
}

/// The id of the release of what waits for a customer begins so.
fn release_of(warehouse: &Warehouse, customer: i64) -> String {
    let group = &warehouse.prefix;
    format!("warehouse-{group}/release/{group}/customers.id = {customer} ")
}

#[test]
fn two_thousand_messages_in_any_order_all_land_though_a_worker_is_killed() {
    let _place = heavy();
    let mut warehouse = Warehouse::new("temporal");
    SMALL.send(&warehouse);
    let started = Instant::now();
    let mut processes = vec![start(&mut warehouse, &address()), start(&mut warehouse, &address())];
    watch_orders(&mut warehouse);
    for _ in 0..2 {
        let from = warehouse.database.count("written");
        until("work to kill in", SOON, || warehouse.database.count("written") > from + 50 || SMALL.has_landed(&mut warehouse));
        processes.remove(0).kill_9();
        processes.push(start(&mut warehouse, &address()));
    }
    until("everything landed", LONG, || SMALL.has_landed(&mut warehouse));
    println!("2,000 messages landed in {:?}", started.elapsed());
    were_written_in_order(&mut warehouse);
    for process in processes {
        assert_eq!(process.logged("violates"), 0);
        process.stop(SOON);
    }
    warehouse.is_at_the_end();
    let temporal = Temporal::connect();
    let released = format!("WorkflowId STARTS_WITH 'warehouse-{}/release/'", warehouse.prefix);
    until("the server has heard of all of it", SOON, || temporal.runs(&format!("{released} AND ExecutionStatus = 'Completed'")) > 100);
    assert_eq!(temporal.runs(&format!("{released} AND ExecutionStatus = 'Failed'")), 0);
}

#[test]
fn starts_of_the_same_release_collapse_into_one_run() {
    let mut warehouse = Warehouse::new("temporal-collapse");
    let processes = [(); 3].map(|()| start(&mut warehouse, &address()));
    for process in &processes {
        until("workers", SOON, || process.logged("releasing by Temporal") == 1);
    }
    warehouse.send("orders", [order(1, Some(5), 1)]);
    until("it waits", SOON, || warehouse.database.count("kafka_waiting_messages") == 1);
    // The release cannot end while nobody can write an order.
    warehouse.database.run("BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE");
    warehouse.send("customers", [customer(5)]);
    let temporal = Temporal::connect();
    let id = release_of(&warehouse, 5);
    let query = format!("WorkflowId STARTS_WITH '{id}'");
    until("a release", SOON, || temporal.runs(&query) == 1);
    // Three processes have heard of the row, and each search finds it anew.
    let searches = format!("WorkflowId STARTS_WITH 'warehouse-{}/find' AND ExecutionStatus = 'Completed'", warehouse.prefix);
    let before = temporal.runs(&searches);
    until("two more searches", SOON, || temporal.runs(&searches) >= before + 2);
    assert_eq!(temporal.runs(&query), 1);
    warehouse.database.run("COMMIT");
    until("it lands", SOON, || warehouse.database.count("orders") == 1 && warehouse.database.count("kafka_waiting_messages") == 0);
    until("its end", SOON, || temporal.runs(&format!("{query} AND ExecutionStatus = 'Completed'")) == 1);
    assert_eq!(temporal.runs(&query), 1, "one run in the history");
    processes.into_iter().for_each(|process| process.stop(SOON));
    warehouse.is_at_the_end();
}

#[test]
fn what_a_killed_worker_had_claimed_is_released_by_another() {
    let mut warehouse = Warehouse::new("temporal-kill");
    let killed = start(&mut warehouse, &address());
    until("a worker", SOON, || killed.logged("releasing by Temporal") == 1);
    warehouse.send("orders", [order(1, Some(5), 1), order(1, Some(5), 2), order(4, Some(5), 1)]);
    until("they wait", SOON, || warehouse.database.count("kafka_waiting_messages") == 3);
    watch_orders(&mut warehouse);
    // Ready to begin, but not yet with the server: a worker would be as likely to get the release as the one that is killed.
    let proxy = Proxy::before(&address());
    proxy.cut();
    let other = start(&mut warehouse, &proxy.address());
    until("a process that looks for the server", SOON, || other.logged("Temporal cannot be reached at") > 0);
    warehouse.database.run("BEGIN; LOCK TABLE orders IN EXCLUSIVE MODE");
    warehouse.send("customers", [customer(5)]);
    until("both keys are claimed", SOON, || warehouse.database.count("kafka_resolving_fences") == 2);
    killed.kill_9();
    proxy.mend();
    until("another worker", SOON, || other.logged("releasing by Temporal") == 1);
    warehouse.database.run("COMMIT");
    until("they land", LONG, || warehouse.database.count("orders") == 2 && warehouse.database.count("kafka_waiting_messages") == 0);
    were_written_in_order(&mut warehouse);
    let temporal = Temporal::connect();
    let query = format!("WorkflowId STARTS_WITH '{}'", release_of(&warehouse, 5));
    until("the release ends too", SOON, || temporal.runs(&format!("{query} AND ExecutionStatus = 'Completed'")) >= 1);
    assert_eq!(temporal.runs(&format!("{query} AND ExecutionStatus = 'Running'")), 0);
    other.stop(SOON);
    warehouse.is_at_the_end();
}

#[test]
fn without_the_server_messages_wait_and_the_process_ends_softly() {
    let mut warehouse = Warehouse::new("temporal-away");
    let proxy = Proxy::before(&address());
    proxy.cut();
    let early = start(&mut warehouse, &proxy.address());
    until("a warning", SOON, || early.logged("Temporal cannot be reached at") > 0);
    warehouse.send("orders", [order(1, Some(5), 1)]);
    until("it waits", SOON, || warehouse.database.count("kafka_waiting_messages") == 1);
    warehouse.send("customers", [customer(5)]);
    until("the parent", SOON, || warehouse.database.count("customers") == 1);
    throughout("it waits", Duration::from_millis(500), || warehouse.database.count("orders") == 0);
    let begin = Instant::now();
    early.stop(SOON);
    assert!(begin.elapsed() < Duration::from_secs(10), "the stop waits for nobody: {:?}", begin.elapsed());

    let process = start(&mut warehouse, &proxy.address());
    until("a warning", SOON, || process.logged("Temporal cannot be reached at") > 0);
    proxy.mend();
    until("it lands", LONG, || warehouse.database.count("orders") == 1);
    // Away again in the middle of its life.
    warehouse.send("orders", [order(2, Some(6), 1)]);
    until("it waits", SOON, || warehouse.database.count("kafka_waiting_messages") == 1);
    proxy.cut();
    warehouse.send("customers", [customer(6)]);
    until("the parent", SOON, || warehouse.database.count("customers") == 2);
    throughout("it waits", Duration::from_millis(500), || warehouse.database.count("orders") == 1);
    proxy.mend();
    until("it lands", LONG, || warehouse.database.count("orders") == 2 && warehouse.database.count("kafka_waiting_messages") == 0);
    proxy.cut();
    let begin = Instant::now();
    process.stop(SOON);
    assert!(begin.elapsed() < Duration::from_secs(10), "the stop waits for nobody: {:?}", begin.elapsed());
    warehouse.is_at_the_end();
}

/// Runs the shop's `resolver sync-schedules` with these arguments more.
fn sync(task_queue: &str, interval: &str, more: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waiting_shop"));
    command.args(["resolver", "sync-schedules"]).args(more).stdin(Stdio::null()).env("RUST_LOG", "warn").env("NO_COLOR", "1");
    command.env("KAFKA_KIT_TEMPORAL_ADDRESS", address()).env("KAFKA_KIT_TEMPORAL_TASK_QUEUE", task_queue);
    command.env("KAFKA_KIT_RELATION_RESOLVER__INTERVAL", interval);
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn schedules_are_synced_once_and_then_only_when_something_changed() {
    let queue = unique("schedule");
    let temporal = Temporal::connect();
    let line = |what: &str, seconds: u64| format!("{queue}/find: {what} (every {seconds} s, task queue {queue}, namespace default)\n");
    let told = |interval: &str, more: &[&str]| {
        let (code, answer, errors) = sync(&queue, interval, more);
        assert_eq!((code, errors.as_str()), (Some(0), ""), "{answer}");
        answer
    };
    assert_eq!(told("1h", &["--dry-run"]), line("would be created", 3_600));
    assert_eq!(temporal.schedules(&queue), [""; 0], "a dry run makes nothing");
    assert_eq!(told("1h", &[]), line("created", 3_600));
    assert_eq!(told("1h", &[]), line("unchanged", 3_600));
    until("the server lists it", SOON, || temporal.schedules(&queue) == [format!("{queue}/find")]);
    assert_eq!(told("2h", &["--dry-run"]), line("would be updated", 7_200));
    assert_eq!(told("1h", &[]), line("unchanged", 3_600));
    assert_eq!(told("2h", &[]), line("updated", 7_200));
    let answer: Value = serde_json::from_str(&told("2h", &["--output", "json"])).unwrap();
    let schedule = json!({
        "schedule": format!("{queue}/find"), "change": "unchanged", "namespace": "default", "task_queue": queue, "interval_seconds": 7_200
    });
    assert_eq!(answer, json!({ "schedules": [schedule], "dry_run": false }));
    assert_eq!(temporal.schedules(&queue).len(), 1, "one schedule");
}
