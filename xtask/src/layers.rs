//! The arrows between the crates, as ARCHITECTURE.md draws them, checked against `cargo metadata`.

use serde_json::Value;

use crate::run::{self, Failed};

/// Each crate and what it may use; dev-dependencies are excepted.
const ALLOWED: &[(&str, &[&str])] = &[
    ("packet", &[]),
    ("flow", &["packet"]),
    ("datapath", &["flow", "packet"]),
    ("switch", &["flow", "packet"]),
    ("sys", &[]),
    ("netdev", &["sys", "datapath", "flow", "packet"]),
    ("container", &["sys"]),
    ("lab", &["switch", "flow"]),
    ("api", &[]),
    ("daemon", &["api", "lab", "container", "netdev", "datapath", "switch", "flow", "packet", "sys"]),
    ("cli", &["api", "lab", "flow", "sys", "daemon"]),
    ("testkit", &["packet", "flow", "datapath", "switch", "sys"]),
];

/// Crates of the pure layer: no third-party crate that reaches the system.
const PURE: &[&str] = &["packet", "flow", "datapath", "switch"];

/// What a pure crate may take from outside.
const PURE_THIRD_PARTY: &[&str] = &["serde", "strsim", "thiserror"];

/// Checks every crate.
///
/// # Errors
/// [`Failed::Check`] naming each arrow that should not be there.
pub(crate) fn run() -> Result<(), Failed> {
    let json = run::output(
        "cargo metadata",
        &mut run::cargo(&["metadata", "--format-version=1", "--no-deps", "--locked"]),
    )?;
    let metadata: Value = serde_json::from_slice(&json).map_err(|e| Failed::Check(e.to_string()))?;
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        check(package, &mut wrong);
    }
    if wrong.is_empty() {
        println!("layers: {} crates use only what they may", ALLOWED.len());
        Ok(())
    } else {
        Err(Failed::Check(format!("Layers are crossed:\n  {}", wrong.join("\n  "))))
    }
}

fn check(package: &Value, wrong: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(short) = name.strip_prefix("netloom-") else { return };
    let Some((_, allowed)) = ALLOWED.iter().find(|(crate_name, _)| *crate_name == short) else {
        wrong.push(format!("{short} has no row in the table"));
        return;
    };
    let used = package["dependencies"].as_array().into_iter().flatten();
    for dependency in used.filter(|d| d["kind"].is_null()) {
        let other = dependency["name"].as_str().unwrap_or_default();
        match other.strip_prefix("netloom-") {
            Some(other) if !allowed.contains(&other) => wrong.push(format!("{short} uses {other}")),
            None if PURE.contains(&short) && !PURE_THIRD_PARTY.contains(&other) => {
                wrong.push(format!("{short} is pure and uses {other}"));
            }
            _ => {}
        }
    }
}
