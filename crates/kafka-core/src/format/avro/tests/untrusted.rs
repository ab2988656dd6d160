//! Schemas that a registry may hold and no one should have written: refused with a reason, and our stack stays whole.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Plan, plan, write};

fn refused(text: &str) -> String {
    Plan::compile(text, []).unwrap_err().to_string()
}

/// So many arrays, one in the other.
fn arrays(depth: usize) -> String {
    format!("{}\"long\"{}", r#"{"type":"array","items":"#.repeat(depth), "}".repeat(depth))
}

#[test]
fn nesting_is_bounded() {
    plan(&arrays(100));
    for text in [arrays(10_000), format!("{}{}", "[".repeat(10_000), "]".repeat(10_000)), format!("{}\"x\"", "{\"type\":".repeat(10_000))] {
        assert_eq!(refused(&text), "not a usable Avro schema: it is nested more than 127 times");
    }
    assert!(refused("[").contains("it is not JSON: EOF"), "{}", refused("["));
}

#[test]
fn a_union_directly_within_a_union_is_refused() {
    for text in [r#"["null",["int","string"]]"#, r#"["null",{"type":["int","string"]}]"#] {
        assert!(refused(text).contains("a union stands directly within a union"), "{}", refused(text));
    }
    plan(r#"["null",{"type":"array","items":["int","string"]}]"#);
}

/// A chain of records by their names, defined one after the other, so that no text is deep.
fn chain(length: usize) -> [String; 2] {
    let link = |at: usize| match at {
        0 => r#"{"type":"record","name":"N0","fields":[{"name":"end","type":"long"}]}"#.to_owned(),
        at => format!(r#"{{"type":"record","name":"N{at}","fields":[{{"name":"next","type":"N{}"}}]}}"#, at - 1),
    };
    let links: Vec<_> = (0..length).map(link).collect();
    [format!("[{}]", links.join(",")), format!("\"N{}\"", length - 1)]
}

#[test]
fn a_chain_of_names_is_read_as_another_up_to_a_bound() {
    let of = |length| {
        let [links, last] = chain(length);
        Plan::compile(&last, [links.as_str()]).unwrap()
    };
    of(90).resolve(&of(90)).unwrap();
    let error = of(10_000).resolve(&of(10_000)).unwrap_err();
    assert!(error.reason.contains("nested more than 250 times"), "{error}");
    // What is passed over is followed as well.
    let [links, last] = chain(10_000);
    let whole = format!(r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":"long"}},{{"name":"b","type":{last}}}]}}"#);
    let writer = Plan::compile(&whole, [links.as_str()]).unwrap();
    writer.resolve(&plan(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#)).unwrap();
}

#[test]
fn a_default_that_contains_itself_ends() {
    let branches = r#"[{"type":"record","name":"A","fields":[{"name":"next","type":["A","null"],"default":{}}]}]"#;
    let text = r#"{"type":"record","name":"R","fields":[{"name":"start","type":"A","default":{}},{"name":"n","type":"long"}]}"#;
    let plan = Plan::compile(text, [branches]).unwrap();
    let error = write::write(&plan, &json!({ "n": 1 }), &mut Vec::new()).unwrap_err();
    assert!(error.reason.contains("a default is nested more than"), "{error}");
}

#[test]
fn data_that_nests_as_its_type_allows_is_bounded() {
    #[derive(Serialize, Deserialize)]
    struct List {
        next: Option<Box<List>>,
    }
    let plan = plan(r#"{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}"#);
    // Each level is a single byte that says "there is one more".
    let bytes = vec![2; 100_000];
    for error in [super::read::read::<List>(&plan, &bytes).err(), super::read::read::<Value>(&plan, &bytes).err()] {
        assert!(error.unwrap().reason.contains("it is nested more than 96 times"));
    }
}
