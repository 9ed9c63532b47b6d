//! The arrows between the crates, as the table in ARCHITECTURE.md draws them, checked against `cargo metadata`.

use serde_json::Value;

use crate::run::{self, Failed};

/// What a pure crate may take from outside.
const PURE_THIRD_PARTY: &[&str] = &["serde", "strsim", "thiserror"];

/// What one pure crate may take besides: its wire and its file are JSON with SHA-1 sums.
const OVSDB_THIRD_PARTY: &[&str] = &["serde_json", "sha1"];

/// A row of the table.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    pure: bool,
    may_use: Vec<String>,
}

/// Reads the table `| crate | responsibility | may use |`. A line whose first cell is bold begins a group.
fn rows(text: &str) -> Vec<Row> {
    let table = text.lines().skip_while(|line| !line.starts_with("| crate |")).skip(2);
    let mut rows: Vec<Row> = Vec::new();
    let mut pure = false;
    for line in table.take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [first, _, may_use] = cells[..] else { continue };
        if let Some(group) = first.strip_prefix("**") {
            pure = group.starts_with("pure");
            continue;
        }
        let names = |rows: &[Row], wanted: fn(&Row) -> bool| -> Vec<String> {
            rows.iter().filter(|row| wanted(row)).map(|row| row.name.clone()).collect()
        };
        let may_use = may_use.split(',').map(str::trim).flat_map(|word| match word {
            "-" | "" => Vec::new(),
            "all above" => names(&rows, |_| true),
            "anything pure" => names(&rows, |row| row.pure),
            name => vec![name.to_owned()],
        });
        let may_use = may_use.collect();
        rows.push(Row { name: first.trim_matches('`').to_owned(), pure, may_use });
    }
    rows
}

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
    let document = run::root().join("ARCHITECTURE.md");
    let text =
        std::fs::read_to_string(document).map_err(|e| Failed::Check(format!("ARCHITECTURE.md: {e}")))?;
    let rows = rows(&text);
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        check(package, &rows, &mut wrong);
    }
    if wrong.is_empty() {
        println!("layers: {} crates use only what they may", rows.len());
        Ok(())
    } else {
        Err(Failed::Check(format!("Layers are crossed:\n  {}", wrong.join("\n  "))))
    }
}

fn check(package: &Value, rows: &[Row], wrong: &mut Vec<String>) {
    let name = package["name"].as_str().unwrap_or_default();
    let Some(short) = name.strip_prefix("netloom-") else { return };
    let Some(row) = rows.iter().find(|row| row.name == short) else {
        wrong.push(format!("{short} has no row in the table"));
        return;
    };
    let used = package["dependencies"].as_array().into_iter().flatten();
    for dependency in used.filter(|d| d["kind"].is_null()) {
        let other = dependency["name"].as_str().unwrap_or_default();
        match other.strip_prefix("netloom-") {
            Some(other) if !row.may_use.iter().any(|name| name == other) => {
                wrong.push(format!("{short} uses {other}"))
            }
            None if short == "ovsdb" && OVSDB_THIRD_PARTY.contains(&other) => {}
            None if row.pure && !PURE_THIRD_PARTY.contains(&other) => {
                wrong.push(format!("{short} is pure and uses {other}"));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_with_their_groups() {
        let text = "x\n| crate | responsibility | may use |\n|---|---|---|\n| **pure** | values | |\n\
                    | `a` | first | - |\n| `b` | second | a |\n| **edges** | | |\n| `c` | third | - |\n\
                    | `d` | fourth | all above |\n| `e` | fifth | anything pure, c |\n\nafter | it |\n";
        let row = |name: &str, pure, may_use: &[&str]| Row {
            name: name.to_owned(),
            pure,
            may_use: may_use.iter().map(|name| (*name).to_owned()).collect(),
        };
        let wanted = [
            row("a", true, &[]),
            row("b", true, &["a"]),
            row("c", false, &[]),
            row("d", false, &["a", "b", "c"]),
            row("e", false, &["a", "b", "c"]),
        ];
        assert_eq!(rows(text), wanted);
    }
}
