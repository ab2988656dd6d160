//! From a real PostgreSQL by Debezium through Avro into a second PostgreSQL: both tables are equal, row by row.

use std::time::{Duration, Instant};

use kafka_tests::cluster;
use kafka_tests::mirror::Mirror;
use kafka_tests::story::{SOON, heavy};
use kafka_tests::until::until;

/// How long a machine with much else to do may take.
const LONG: Duration = Duration::from_secs(600);

/// A dead member is noticed as soon as the broker allows.
const QUICK: [&str; 6] = ["--set", "session.timeout.ms=6000", "--set", "heartbeat.interval.ms=300", "--set", "auto.commit.interval.ms=100"];

#[track_caller]
fn until_equal(mirror: &mut Mirror) {
    let deadline = Instant::now() + LONG;
    while Instant::now() < deadline {
        if mirror.is_equal() {
            return;
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
    panic!("the tables did not become equal: {}", mirror.differences());
}

#[test]
fn a_hundred_thousand_changes_of_every_kind_and_ten_kills() {
    let _place = heavy();
    let mut mirror = Mirror::new("mirror");
    mirror.change(2_000);
    let answer = mirror.connect(&["--validate", "--publish", "--check-status"]);
    assert!(answer.contains("publish") && answer.contains("created"), "{answer}");
    // What was there is read by the snapshot, what follows from the log.
    let mut process = mirror.start(&QUICK);
    until_equal(&mut mirror);
    let mut made = 0;
    for _kill in 0..10 {
        made += mirror.change(10_000);
        let next = mirror.start(&QUICK);
        std::mem::replace(&mut process, next).kill_9();
    }
    assert!(made >= 100_000, "{made}");
    let begun = Instant::now();
    until_equal(&mut mirror);
    println!("{made} changes mirrored; {:?} after the last one the tables were equal", begun.elapsed());
    assert_eq!(process.logged("ERROR"), 0);
    process.stop(SOON);
}

/// The topic has partitions that are read out of step, and a row whose key changes goes from one to another.
const PARTITIONS: i32 = 3;

/// Twenty thousand changes, ten kills, and both tables equal; the processes have this flag.
fn killed_with(flag: &str) -> Mirror {
    let mut mirror = Mirror::new(&format!("mirror{}", flag.replace('-', "_")));
    cluster::create_topic(&mirror.topic(), PARTITIONS);
    mirror.change(1_000);
    mirror.connect(&["--publish", "--check-status"]);
    let arguments = [&QUICK[..], &[flag, "--batch", "100"]].concat();
    let mut process = mirror.start(&arguments);
    let mut made = 0;
    for _kill in 0..10 {
        made += mirror.change(2_000);
        let next = mirror.start(&arguments);
        std::mem::replace(&mut process, next).kill_9();
    }
    assert!(made >= 20_000, "{made}");
    until_equal(&mut mirror);
    println!("{made} changes mirrored with {flag} and ten kills");
    // That a row is waited for is told like all that holds a lane.
    let waits = process.logged("which is waited for") + process.logged("the former row is not known here");
    assert_eq!((process.logged("ERROR"), process.logged("dead letter")), (waits, 0));
    process.stop(SOON);
    mirror
}

#[test]
fn guarded_and_killed_ten_times_and_old_events_over_new_rows_change_nothing() {
    let _place = heavy();
    let mut mirror = killed_with("--guard");
    let before = mirror.mirrored();
    mirror.group.push_str("_again");
    let process = mirror.start(&[&QUICK[..], &["--guard"]].concat());
    let topic = mirror.topic();
    until("everything has come again", LONG, || {
        assert_eq!(mirror.mirrored(), before, "an old event changed something");
        cluster::committed(&mirror.group, &topic, PARTITIONS) == cluster::ends(&topic, PARTITIONS)
    });
    assert_eq!(mirror.mirrored(), before);
    process.stop(SOON);
}

#[test]
fn exactly_once_and_killed_ten_times() {
    let _place = heavy();
    let mut mirror = killed_with("--exactly-once");
    let topic = mirror.topic();
    let ends: i64 = cluster::ends(&topic, PARTITIONS).values().sum();
    let positions = "SELECT sum(next_offset)::bigint AS number FROM kafka_positions";
    until("the positions are at the end, in the database", SOON, || mirror.sink.number(positions) == Some(ends));
    assert!(cluster::committed(&mirror.group, &topic, PARTITIONS).values().all(|position| *position <= 0), "and nowhere else");
}
