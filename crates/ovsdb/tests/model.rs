//! Random transactions against a simple model: maps of rows, references looked for everywhere, a sweep from the roots.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

use std::collections::{BTreeMap, BTreeSet};

use netloom_ovsdb::file::{load, snapshot, transaction};
use netloom_ovsdb::transact::{Context, Outcome, execute};
use netloom_ovsdb::{Database, Schema, UuidSource};
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema() -> Schema {
    Schema::from_json(&json!({"name": "db", "version": "1.0.0", "tables": {
        "Root": {"isRoot": true, "indexes": [["name"]], "columns": {
            "name": {"type": "integer"},
            "keeps": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}},
            "sees": {"type": {"key": {"type": "uuid", "refTable": "Leaf", "refType": "weak"}, "min": 0,
                "max": "unlimited"}}}},
        "Leaf": {"columns": {
            "name": {"type": "integer"},
            "keeps": {"type": {"key": {"type": "uuid", "refTable": "Leaf"}, "min": 0, "max": "unlimited"}}}}}}))
    .unwrap()
}

/// Leaves are numbered; the UUID of a leaf has its number.
fn uuid(leaf: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{leaf:02x}")
}

#[derive(Debug, Clone)]
enum Step {
    Root { name: u8, keeps: Vec<u8>, sees: Vec<u8> },
    Leaf { leaf: u8, keeps: Vec<u8> },
    Keep { name: u8, keeps: Vec<u8> },
    KeepByLeaf { leaf: u8, keeps: Vec<u8> },
    Rename { name: u8, to: u8 },
    Unroot { name: u8 },
    Unleaf { leaf: u8 },
    Abort,
}

const LEAVES: u8 = 8;

fn step() -> impl Strategy<Value = Step> {
    let leaves = || proptest::collection::vec(0..LEAVES, 0..3);
    prop_oneof![
        3 => (0..5_u8, leaves(), leaves()).prop_map(|(name, keeps, sees)| Step::Root { name, keeps, sees }),
        5 => (0..LEAVES, leaves()).prop_map(|(leaf, keeps)| Step::Leaf { leaf, keeps }),
        3 => (0..5_u8, leaves()).prop_map(|(name, keeps)| Step::Keep { name, keeps }),
        2 => (0..LEAVES, leaves()).prop_map(|(leaf, keeps)| Step::KeepByLeaf { leaf, keeps }),
        1 => (0..5_u8, 0..5_u8).prop_map(|(name, to)| Step::Rename { name, to }),
        1 => (0..5_u8).prop_map(|name| Step::Unroot { name }),
        1 => (0..LEAVES).prop_map(|leaf| Step::Unleaf { leaf }),
        1 => Just(Step::Abort),
    ]
}

fn set(leaves: &[u8]) -> Value {
    let distinct: BTreeSet<u8> = leaves.iter().copied().collect();
    json!(["set", distinct.iter().map(|&leaf| json!(["uuid", uuid(leaf)])).collect::<Vec<_>>()])
}

fn operation(step: &Step) -> Value {
    let root = |name: &u8| json!([["name", "==", name]]);
    let leaf = |leaf: &u8| json!([["_uuid", "==", ["uuid", uuid(*leaf)]]]);
    match step {
        Step::Root { name, keeps, sees } => json!({"op": "insert", "table": "Root",
            "row": {"name": name, "keeps": set(keeps), "sees": set(sees)}}),
        Step::Leaf { leaf, keeps } => json!({"op": "insert", "table": "Leaf", "uuid": uuid(*leaf),
            "row": {"name": leaf, "keeps": set(keeps)}}),
        Step::Keep { name, keeps } => json!({"op": "update", "table": "Root", "where": root(name),
            "row": {"keeps": set(keeps)}}),
        Step::KeepByLeaf { leaf: at, keeps } => json!({"op": "mutate", "table": "Leaf", "where": leaf(at),
            "mutations": [["keeps", "insert", set(keeps)]]}),
        Step::Rename { name, to } => json!({"op": "update", "table": "Root", "where": root(name),
            "row": {"name": to}}),
        Step::Unroot { name } => json!({"op": "delete", "table": "Root", "where": root(name)}),
        Step::Unleaf { leaf: at } => json!({"op": "delete", "table": "Leaf", "where": leaf(at)}),
        Step::Abort => json!({"op": "abort"}),
    }
}

type Set = BTreeSet<u8>;

/// Roots in the order they were made: name, what it keeps, what it sees. Leaves with what they keep.
#[derive(Debug, Clone, Default, PartialEq)]
struct Model {
    roots: Vec<(u8, Set, Set)>,
    leaves: BTreeMap<u8, Set>,
}

impl Model {
    /// The model after a transaction; `None` if it is refused.
    fn after(&self, steps: &[Step]) -> Option<Self> {
        let mut next = self.clone();
        let mut gone: Set = Set::new();
        for step in steps {
            let all = |leaves: &[u8]| leaves.iter().copied().collect::<Set>();
            match step {
                Step::Root { name, keeps, sees } => next.roots.push((*name, all(keeps), all(sees))),
                Step::Leaf { leaf, keeps } => {
                    if gone.contains(leaf) || next.leaves.insert(*leaf, all(keeps)).is_some() {
                        return None;
                    }
                }
                Step::Keep { name, keeps } => {
                    next.roots.iter_mut().filter(|root| root.0 == *name).for_each(|root| root.1 = all(keeps));
                }
                Step::KeepByLeaf { leaf, keeps } => {
                    if let Some(kept) = next.leaves.get_mut(leaf) {
                        kept.extend(keeps);
                    }
                }
                Step::Rename { name, to } => {
                    next.roots.iter_mut().filter(|root| root.0 == *name).for_each(|root| root.0 = *to);
                }
                Step::Unroot { name } => next.roots.retain(|root| root.0 != *name),
                Step::Unleaf { leaf } => {
                    if next.leaves.remove(leaf).is_some() {
                        gone.insert(*leaf);
                    }
                }
                Step::Abort => return None,
            }
        }
        let names: Set = next.roots.iter().map(|root| root.0).collect();
        let mut kept = next.roots.iter().flat_map(|root| &root.1).copied().collect::<Vec<u8>>();
        // A row may name itself without being there for that.
        kept.extend(
            next.leaves.iter().flat_map(|(leaf, keeps)| keeps.iter().filter(move |kept| *kept != leaf)),
        );
        let dangling = kept.iter().any(|leaf| !next.leaves.contains_key(leaf));
        if dangling || names.len() < next.roots.len() {
            return None;
        }
        next.sweep();
        Some(next)
    }

    /// Removes leaves that nobody else keeps, as long as there are any. Rings stay, as they do by counting.
    fn sweep(&mut self) {
        loop {
            let mut kept: Set = self.roots.iter().flat_map(|root| root.1.iter().copied()).collect();
            for (leaf, keeps) in &self.leaves {
                kept.extend(keeps.iter().filter(|other| *other != leaf));
            }
            let before = self.leaves.len();
            self.leaves.retain(|leaf, _| kept.contains(leaf));
            if self.leaves.len() == before {
                break;
            }
        }
        let leaves = &self.leaves;
        self.roots.iter_mut().for_each(|root| root.2.retain(|leaf| leaves.contains_key(leaf)));
        self.roots.sort();
    }

    /// What the database has.
    fn of(database: &Database) -> Self {
        let schema = database.schema();
        let numbers = |datum: &netloom_ovsdb::data::Datum| -> Set {
            let last = |text: String| u8::from_str_radix(&text[34..], 16).unwrap();
            datum.atoms().iter().map(|atom| last(atom.as_uuid().unwrap().to_string())).collect()
        };
        let mut model = Self::default();
        for (at, table) in schema.tables.iter().enumerate() {
            let column = |name: &str| table.column(name).unwrap_or(usize::MAX);
            for row in database.rows(at) {
                let name = row.get(column("name")).single().unwrap().as_integer().unwrap();
                let (name, keeps) = (u8::try_from(name).unwrap(), numbers(row.get(column("keeps"))));
                match &*table.name {
                    "Leaf" => drop(model.leaves.insert(name, keeps)),
                    _ => model.roots.push((name, keeps, numbers(row.get(column("sees"))))),
                }
            }
        }
        model.roots.sort();
        model
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_engine_does_what_the_model_does(
        transactions in proptest::collection::vec(proptest::collection::vec(step(), 1..6), 1..12),
    ) {
        let mut database = Database::new(schema());
        let mut uuids = UuidSource::new([1, 2]);
        let mut model = Model::default();
        let mut file = snapshot(&database, None, 0);
        let owns_lock = |_: &str| false;
        let context = Context { owns_lock: &owns_lock, elapsed_ms: 0, read_only: false, may_wait: false, guard: None };
        for steps in transactions {
            let params: Vec<Value> = [json!("db")].into_iter().chain(steps.iter().map(operation)).collect();
            let before = database.clone();
            let outcome = execute(&mut database, &Value::Array(params), context, &mut uuids);
            let Outcome::Done { result, commit } = outcome else { panic!("it waits") };
            match (model.after(&steps), commit) {
                (Some(next), Some(commit)) => {
                    model = next;
                    file.extend(transaction(database.schema(), &commit, 0).unwrap_or_default());
                }
                (None, None) => prop_assert!(database == before, "not undone: {result}"),
                (wanted, _) => prop_assert!(false, "{steps:?}\nwanted {wanted:?}\ngot {result}"),
            }
            prop_assert_eq!(Model::of(&database), model.clone(), "{}", result);
        }
        let loaded = load(&file, &mut uuids).unwrap().database;
        prop_assert_eq!(Model::of(&loaded), model.clone());
        let compact = load(&snapshot(&database, None, 0), &mut uuids).unwrap().database;
        prop_assert_eq!(Model::of(&compact), model);
    }
}
