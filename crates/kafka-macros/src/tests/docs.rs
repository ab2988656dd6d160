//! The expansions in `docs/*.md` are what the derives write, and short enough to be written by
//! hand.

use super::{AVRO_SCHEMA, CONNECTOR, CONSUMER, Derive, MODEL_SYNC, MODEL_TOPIC, RELATIONS, TOPIC, expand};

const SECTION: &str = "# What it writes";
const LONGEST: usize = 30;

fn check(page: &str, derive: Derive) {
    let (_, section) = page.split_once(SECTION).expect("the page shows an expansion");
    let blocks: Vec<_> = section.split("```").skip(1).step_by(2).collect();
    let code = |block: &str| block.split_once('\n').expect("a block has lines").1.to_owned();
    let [input, expansion, ..] = blocks.as_slice() else { panic!("two blocks: the input and the expansion") };
    // The derive itself and what only decorates the page are not the input of the macro.
    let (_, input) = input.split_once("]\n").expect("the input begins with the derive");
    let shown = code(expansion);
    // Printed in one way and without spaces before they are compared, so that a page may lay out what
    // prettyplease does not: the arguments of a macro.
    let printed = syn::parse_file(&shown).expect("the page shows items");
    let packed = |code: String| code.split_whitespace().collect::<String>();
    assert_eq!(packed(expand(derive, input)), packed(prettyplease::unparse(&printed)));
    assert!(shown.lines().count() < LONGEST);
}

#[test]
fn pages_show_what_is_written() {
    check(include_str!("../../docs/topic.md"), TOPIC);
    check(include_str!("../../docs/consumer.md"), CONSUMER);
    check(include_str!("../../docs/relations.md"), RELATIONS);
    check(include_str!("../../docs/connector.md"), CONNECTOR);
    check(include_str!("../../docs/model_sync.md"), MODEL_SYNC);
    check(include_str!("../../docs/model_topic.md"), MODEL_TOPIC);
    check(include_str!("../../docs/avro_schema.md"), AVRO_SCHEMA);
}
