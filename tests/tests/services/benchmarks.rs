//! What reads the benchmarks' results: programs that want an object in each line, and nothing else.

use std::process::Command;

use serde_json::Value;

fn bench(line: &str) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_bench")).args(line.split(' ')).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// With the words by which `cargo xtask bench` asks for it.
#[test]
fn a_case_is_an_object_in_a_line() {
    let (code, told, log) = bench("produce --format=json --rounds 1 --messages 500");
    assert_eq!(code, Some(0), "{log}");
    let cases: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let named: Vec<_> = cases.iter().map(|case| (case["bench"].as_str(), case["case"].as_str())).collect();
    assert_eq!(named, [(Some("produce"), Some("enqueue")), (Some("produce"), Some("send"))]);
    for case in &cases {
        let ratio = case["ours"].as_f64().unwrap() / case["baseline"].as_f64().unwrap();
        assert!((case["ratio"].as_f64().unwrap() - ratio).abs() < 0.001, "{case}");
        assert!(case["unit"].is_string() && case["rounds"] == 1 && case["spread"].is_number(), "{case}");
    }
}

#[test]
fn a_benchmark_that_is_none_is_told_the_others() {
    let (code, told, log) = bench("modelsink");
    assert_eq!((code, told.as_str()), (Some(2), ""));
    assert!(log.contains("[possible values: consume, produce, lanes, retry, resolver, modelsync, overhead]"), "{log}");
}
