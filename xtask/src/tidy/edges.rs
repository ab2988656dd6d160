//! Who may import whom among the workspace's own packages, from `cargo metadata`.

use serde_json::Value;

use super::Finding;

/// A package and those of ours that it may import.
const EDGES: [(&str, &[&str]); 9] = [
    ("kafka-macros", &[]),
    ("kafka-core", &[]),
    ("kafka-retry", &["kafka-core"]),
    ("kafka-connect", &["kafka-core"]),
    ("kafka-resolver", &["kafka-core"]),
    ("kafka-modelsync", &["kafka-core", "kafka-resolver", "kafka-connect"]),
    ("kafka-kit", &["kafka-macros", "kafka-core", "kafka-retry", "kafka-connect", "kafka-resolver", "kafka-modelsync"]),
    ("kafka-tests", &["kafka-kit"]),
    ("xtask", &[]),
];

/// Nothing goes sideways between retry, resolver and connect, nothing goes upward, and everything outside goes through the umbrella.
pub(super) fn edges(metadata: &Value) -> Vec<Finding> {
    let packages = list(&metadata["packages"]);
    packages.iter().flat_map(|package| findings(package, packages)).collect()
}

fn findings(package: &Value, packages: &[Value]) -> Vec<Finding> {
    let name = text(&package["name"]);
    let path = manifest(package, packages);
    let Some((_, allowed)) = EDGES.iter().find(|(known, _)| *known == name) else {
        let what =
            format!("package {name} has no place in the crate graph; add it to xtask/src/tidy/edges.rs and to the architecture page");
        return vec![Finding::new(&path, 1, what)];
    };
    let ours = list(&package["dependencies"]).iter().filter(|dependency| {
        let dependency = text(&dependency["name"]);
        packages.iter().any(|package| text(&package["name"]) == dependency)
    });
    let wrong = ours.filter(|dependency| !is_allowed(name, dependency, allowed));
    wrong
        .map(|dependency| {
            let (target, kind) = (text(&dependency["name"]), text(&dependency["kind"]));
            let how = if kind.is_empty() { "imports" } else { "imports for its tests or build" };
            let may = if allowed.is_empty() { "nothing of ours".to_owned() } else { format!("only {}", allowed.join(", ")) };
            Finding::new(&path, 1, format!("{name} {how} {target}, but may import {may}; move the code or pass the value up"))
        })
        .collect()
}

/// Tests of our crates may also use the derives and the crate itself with other features: both are below it.
fn is_allowed(name: &str, dependency: &Value, allowed: &[&str]) -> bool {
    let target = text(&dependency["name"]);
    let for_tests = text(&dependency["kind"]) == "dev";
    let below = name.starts_with("kafka-") && name != "kafka-tests" && (target == "kafka-macros" || target == name);
    allowed.contains(&target) || for_tests && below
}

/// The manifest's path from the root, which is what all of them have in common.
fn manifest(package: &Value, packages: &[Value]) -> String {
    let path = text(&package["manifest_path"]);
    let common = packages.iter().fold(path.len(), |common, other| {
        let other = text(&other["manifest_path"]);
        path.bytes().zip(other.bytes()).take(common).take_while(|(a, b)| a == b).count()
    });
    let folder = path.get(..common).and_then(|head| head.rfind('/')).map_or(0, |slash| slash + 1);
    if packages.len() == 1 { path.to_owned() } else { path[folder..].to_owned() }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn graph(edges: &[(&str, &str, Option<&str>)]) -> Value {
        let names = EDGES.iter().map(|(name, _)| *name).chain(edges.iter().map(|(name, ..)| *name));
        let mut names: Vec<&str> = names.collect();
        names.sort_unstable();
        names.dedup();
        let packages = names.iter().map(|name| {
            let own = edges.iter().filter(|(from, ..)| from == name);
            let dependencies: Vec<Value> = own.map(|(_, to, kind)| json!({"name": to, "kind": kind})).collect();
            json!({"name": name, "manifest_path": format!("/x/crates/{name}/Cargo.toml"), "dependencies": dependencies})
        });
        json!({"packages": packages.collect::<Vec<_>>()})
    }

    fn faults(edge: (&str, &str, Option<&str>)) -> usize {
        edges(&graph(&[edge])).len()
    }

    #[test]
    fn downward_is_right() {
        assert_eq!(faults(("kafka-retry", "kafka-core", None)), 0);
        assert_eq!(faults(("kafka-kit", "kafka-modelsync", None)), 0);
        assert_eq!(faults(("kafka-core", "serde", None)), 0);
        assert_eq!(faults(("kafka-core", "kafka-macros", Some("dev"))), 0);
    }

    #[test]
    fn upward_and_sideways_are_found() {
        assert_eq!(faults(("kafka-core", "kafka-retry", None)), 1);
        assert_eq!(faults(("kafka-core", "kafka-kit", Some("dev"))), 1);
        assert_eq!(faults(("kafka-core", "kafka-macros", None)), 1);
        assert_eq!(faults(("kafka-retry", "kafka-resolver", None)), 1);
        assert_eq!(faults(("kafka-tests", "kafka-core", None)), 1);
        assert_eq!(faults(("xtask", "kafka-core", Some("dev"))), 1);
    }

    #[test]
    fn a_finding_names_the_manifest_and_what_is_allowed() {
        let findings = edges(&graph(&[("kafka-connect", "kafka-resolver", None)]));
        assert_eq!(
            findings[0].to_string(),
            "kafka-connect/Cargo.toml:1: kafka-connect imports kafka-resolver, but may import only kafka-core; \
             move the code or pass the value up"
        );
    }

    #[test]
    fn a_package_without_a_place_is_found() {
        assert_eq!(faults(("kafka-new", "kafka-core", None)), 1);
    }
}
