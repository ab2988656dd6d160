//! What the compiler says of the derives' output. `pass` files also run. The fake framework that
//! stands in for the umbrella is `ui/fake_kafka.rs`.
//!
//! New messages are taken over with `TRYBUILD=overwrite cargo test -p kafka-macros --test ui`.

#[test]
fn ui() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/*/pass/*.rs");
    cases.compile_fail("tests/ui/*/fail/*.rs");
}
