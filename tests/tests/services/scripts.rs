//! What a story hears of a script that does not do its work.

use std::time::Duration;

use kafka_tests::python::Script;
use serde_json::json;

#[test]
#[should_panic(expected = "avro_write.py: exit status: 1")]
fn a_script_that_fails_is_no_answer() {
    let _answer = Script::new("avro_write.py").input(json!({})).run();
}

#[test]
#[should_panic(expected = "in vain: avro_read.py ends")]
fn a_script_that_takes_too_long_is_ended() {
    let _answer = Script::new("avro_read.py").arg("no-such-topic").arg(1).limit(Duration::from_secs(1)).run();
}
