//! From a real PostgreSQL by Debezium through Avro into a second PostgreSQL: both tables are equal, row by row.

use std::time::{Duration, Instant};

use kafka_tests::mirror::Mirror;
use kafka_tests::story::{SOON, heavy};

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
