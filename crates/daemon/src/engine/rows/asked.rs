//! What clients want to change: judged, and made so in the lab before the database has it.
//!
//! A transaction is one change of the lab, or none. What it leaves in the rows is brought into the form of [`super::shown`]
//! right afterwards, and only then `cur_cfg` says that it is done.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use netloom_lab::Lab;
use netloom_lab::lab::{FailMode, SwitchPort, Vlan};
use netloom_lab::plan::{ByHand, PresentControl, PresentVlan};
use netloom_lab::target::Target;
use netloom_ovsdb::data::{Atom, Datum};
use netloom_ovsdb::schema::TableSchema;
use netloom_ovsdb::transact::{Change, Guard};
use netloom_ovsdb::{OvsdbError, Row, Schema};
use netloom_sys::clock;
use tokio::sync::Notify;

use super::door::End;
use super::shown::{controller_row, targets};
use super::vlan::vlan;
use crate::engine::Running;

/// What may be changed: table and columns.
const PORT: (&str, [&str; 3]) = ("Port", ["tag", "trunks", "vlan_mode"]);
const BRIDGE: (&str, [&str; 2]) = ("Bridge", ["controller", "fail_mode"]);
const CONTROLLER: &str = "Controller";
const ROOT: (&str, [&str; 1]) = ("Open_vSwitch", ["next_cfg"]);
/// How long a client is kept waiting while the lab is changed by somebody else, in nanoseconds.
const PATIENCE: u64 = 5_000_000_000;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    running: Weak<Running>,
    /// The lab that is shown.
    lab: Arc<Mutex<Arc<Lab>>>,
    end: Arc<End>,
    /// Rung when something was changed.
    pub(super) bell: Arc<Notify>,
    done: Arc<Mutex<Done>>,
}

/// What was changed.
#[derive(Debug, Default)]
struct Done {
    /// What clients have written.
    others: Others,
    /// The last number of a configuration that is in force.
    number: Option<i64>,
}

/// Rows that clients have written.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// By name.
    pub(super) ports: BTreeSet<String>,
    /// By name.
    pub(super) bridges: BTreeSet<String>,
    /// By UUID.
    pub(super) removed: BTreeSet<String>,
}

/// What a transaction wants.
#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    vlans: Vec<(String, Vlan)>,
    controls: Vec<PresentControl>,
    number: Option<i64>,
    /// Rows that it removes.
    removed: BTreeSet<String>,
}

impl Asked {
    /// Changes are asked of `running`; `lab` is what is shown, and becomes what it is after a change.
    pub(super) fn new(running: Weak<Running>, lab: Arc<Mutex<Arc<Lab>>>, end: Arc<End>) -> Self {
        Self { running, lab, end, bell: Arc::default(), done: Arc::default() }
    }

    /// What clients have written since it was asked for last.
    pub(super) fn written(&self) -> Others {
        std::mem::take(&mut self.done().others)
    }

    /// The number of the configuration in force, if a client has given it one.
    pub(super) fn number(&self) -> Option<i64> {
        self.done().number
    }

    fn done(&self) -> std::sync::MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes it so in the lab, and shows that lab from now on.
    fn fulfil(&self, vlans: Vec<(String, Vlan)>, controls: Vec<PresentControl>) -> Result<(), OvsdbError> {
        let ends = || OvsdbError::new("not allowed", "the lab ends");
        let running = self.running.upgrade().ok_or_else(ends)?;
        let latest = clock::now().saturating_add(PATIENCE);
        // Not simply locked: whoever has it may wait for this very thread to end.
        let mut state = loop {
            if let Some(state) = running.try_state() {
                break state;
            }
            if self.end.is_over.load(Ordering::Relaxed) {
                return Err(ends());
            }
            if clock::now() > latest {
                return Err(OvsdbError::new(
                    "not allowed",
                    "the lab is being changed by somebody else: try again",
                ));
            }
            pause();
        };
        let mut wanted = ByHand { vlans: Vec::new(), controls };
        if let Some(gone) = wanted.controls.iter().find(|it| state.lab.switch(&it.switch).is_none()) {
            let details = format!("the lab has no switch {} any more", gone.switch);
            return Err(OvsdbError::new("not allowed", details));
        }
        for (name, vlan) in vlans {
            let port = port(&state.lab, &name).ok_or_else(|| {
                OvsdbError::new("not allowed", format!("the lab has no port {name} any more"))
            })?;
            wanted.vlans.push(PresentVlan { link: port.link.clone(), left: port.left, vlan });
        }
        running
            .set_by_hand(&mut state, wanted)
            .map_err(|error| OvsdbError::new("not allowed", format!("the lab cannot be so: {error}")))?;
        *self.lab.lock().unwrap_or_else(PoisonError::into_inner) = state.present_lab();
        Ok(())
    }
}

impl Guard for Asked {
    fn judge(&self, schema: &Schema, changes: &[Change]) -> Result<(), OvsdbError> {
        let lab = Arc::clone(&self.lab.lock().unwrap_or_else(PoisonError::into_inner));
        let wish = read(schema, changes, &lab)?;
        let ports: Vec<String> = wish.vlans.iter().map(|(name, _)| name.clone()).collect();
        let bridges: Vec<String> = wish.controls.iter().map(|it| it.switch.clone()).collect();
        if !wish.vlans.is_empty() || !wish.controls.is_empty() {
            self.fulfil(wish.vlans, wish.controls)?;
        }
        let mut done = self.done();
        done.others.ports.extend(ports);
        done.others.bridges.extend(bridges);
        done.others.removed.extend(wish.removed);
        done.number = wish.number.or(done.number);
        self.bell.notify_one();
        Ok(())
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a lock that is held for moments, and for as long as `up` takes, tells nobody"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

fn port<'l>(lab: &'l Lab, name: &str) -> Option<&'l SwitchPort> {
    lab.switches.iter().flat_map(|switch| &switch.ports).find(|port| port.name == name)
}

/// Reads changes as what they mean for the lab.
fn read(schema: &Schema, changes: &[Change], lab: &Lab) -> Result<Wish, OvsdbError> {
    let mut wish = Wish::default();
    for change in changes {
        let Some(table) = schema.tables.get(change.table) else { continue };
        if &*table.name == CONTROLLER && (change.old.is_none() || change.new.is_none()) {
            // What becomes of it, the bridge says.
            match &change.new {
                None => drop(wish.removed.insert(change.uuid.to_string())),
                Some(new) => is_plain(table, new)?,
            }
            continue;
        }
        let (Some(old), Some(new)) = (&change.old, &change.new) else {
            let what = if change.old.is_none() { "new" } else { "removed" };
            return Err(refused(&format!("a {what} row of {}", table.name)));
        };
        let columns: &[&str] = match &*table.name {
            name if name == PORT.0 => &PORT.1,
            name if name == BRIDGE.0 => &BRIDGE.1,
            name if name == ROOT.0 => &ROOT.1,
            _ => &[],
        };
        let differs = |column: usize| old.get(column) != new.get(column);
        let other = table
            .columns
            .iter()
            .enumerate()
            .find(|(at, column)| differs(*at) && !columns.contains(&&*column.name));
        if let Some((_, other)) = other {
            return Err(refused(&format!("{}.{}", table.name, other.name)));
        }
        if &*table.name == ROOT.0 {
            wish.number = field(table, new, "next_cfg").single().and_then(Atom::as_integer);
            continue;
        }
        let name = field(table, new, "name").single().and_then(Atom::as_str).unwrap_or_default();
        if &*table.name == BRIDGE.0 {
            wish.controls.push(control(schema, changes, lab, (table, new), name)?);
            continue;
        }
        let mode = field(table, new, "vlan_mode").single().and_then(Atom::as_str);
        let tag = field(table, new, "tag").single().and_then(Atom::as_integer);
        let trunks: Vec<i64> =
            field(table, new, "trunks").atoms().iter().filter_map(Atom::as_integer).collect();
        let vlan = vlan(mode, tag, &trunks)
            .map_err(|why| OvsdbError::new("not allowed", format!("port {name}: {why}")))?;
        wish.vlans.push((name.to_owned(), vlan));
    }
    Ok(wish)
}

/// A new controller has a target, and nothing else that is not as it always is.
fn is_plain(table: &TableSchema, row: &Row) -> Result<(), OvsdbError> {
    let columns = table.columns.iter().enumerate().filter(|(_, column)| !column.name.starts_with('_'));
    let mut others =
        columns.filter(|(at, column)| row.get(*at) != &column.default && &*column.name != "target");
    others.next().map_or(Ok(()), |(_, other)| Err(refused(&format!("{}.{}", table.name, other.name))))
}

/// What a bridge is to be like.
fn control(
    schema: &Schema,
    changes: &[Change],
    lab: &Lab,
    (table, row): (&TableSchema, &Row),
    name: &str,
) -> Result<PresentControl, OvsdbError> {
    let not = |why: String| OvsdbError::new("not allowed", format!("bridge {name}: {why}"));
    let now = lab.switch(name).map(|switch| targets(lab, switch)).unwrap_or_default();
    let mut wanted = BTreeSet::new();
    for uuid in field(table, row, "controller").atoms().iter().filter_map(Atom::as_uuid) {
        let added = changes.iter().filter(|it| it.uuid == uuid).find_map(|change| {
            let table = schema.tables.get(change.table).filter(|table| &*table.name == CONTROLLER)?;
            let target = field(table, change.new.as_ref()?, "target").single().and_then(Atom::as_str)?;
            Some(target.to_owned())
        });
        let kept =
            || now.iter().find(|it| controller_row(name, it).uuid.to_string() == uuid.to_string()).cloned();
        let target = added
            .or_else(kept)
            .ok_or_else(|| not("it has other controllers by now: try again".to_owned()))?;
        if !lab.controllers.iter().any(|known| known.targets().contains(&target)) {
            match Target::parse(&target).map_err(|error| not(error.message))? {
                Target::Call { tls: true, .. } | Target::Listen { tls: true, .. } => {
                    return Err(not(format!("{target}: certificates are in the lab file")));
                }
                _ => {}
            }
        }
        wanted.insert(target);
    }
    let fail_mode = match field(table, row, "fail_mode").single().and_then(Atom::as_str) {
        Some("secure") => FailMode::Secure,
        _ => FailMode::Standalone,
    };
    Ok(PresentControl { switch: name.to_owned(), targets: wanted, fail_mode })
}

fn field<'r>(table: &TableSchema, row: &'r Row, column: &str) -> &'r Datum {
    // A place that no row has is empty.
    row.get(table.column(column).unwrap_or(usize::MAX))
}

fn refused(what: &str) -> OvsdbError {
    let details = format!(
        "of a lab, only tag, trunks and vlan_mode of a Port, and controller and fail_mode of a Bridge can be changed here, \
         not {what}: edit the lab file, and `netloom up`"
    );
    OvsdbError::new("not allowed", details)
}

#[cfg(test)]
mod tests {
    use netloom_ovsdb::transact::{Context, Outcome, execute};
    use netloom_ovsdb::{Database, UuidSource, vswitch};
    use serde_json::{Value, json};

    use super::super::shown::{self, Seen, tests::lab};
    use super::super::written::Written;
    use super::*;

    /// Reads what is wanted, and does nothing.
    #[derive(Debug, Default)]
    struct Reads(Mutex<Wish>);

    impl Guard for Reads {
        fn judge(&self, schema: &Schema, changes: &[Change]) -> Result<(), OvsdbError> {
            *self.0.lock().unwrap() = read(schema, changes, &lab())?;
            Ok(())
        }
    }

    fn carry_out(database: &mut Database, operations: Vec<Value>, guard: Option<&dyn Guard>) -> String {
        let params: Vec<Value> = std::iter::once(json!("Open_vSwitch")).chain(operations).collect();
        let owns_lock = |_: &str| false;
        let context =
            Context { owns_lock: &owns_lock, elapsed_ms: 0, read_only: false, may_wait: false, guard };
        match execute(database, &Value::Array(params), context, &mut UuidSource::new([3, 4])) {
            Outcome::Done { result, .. } => result,
            Outcome::Waiting { .. } => panic!("waits"),
        }
    }

    fn database() -> Database {
        let mut database = Database::new(vswitch::schema().unwrap());
        let rows = Written::default().change(shown::rows(&lab(), &Seen::default()));
        let said = carry_out(&mut database, rows, None);
        assert!(!said.contains("error"), "{said}");
        database
    }

    fn update(table: &str, name: &str, row: Value) -> Value {
        let here = if name.is_empty() { json!([]) } else { json!([["name", "==", name]]) };
        json!({"op": "update", "table": table, "where": here, "row": row})
    }

    #[test]
    fn a_transaction_is_read_as_vlans_of_ports_and_a_number() {
        let (mut database, reads) = (database(), Reads::default());
        let operations = vec![
            update("Port", "s1-eth1", json!({"tag": 12})),
            update("Port", "s2-eth1", json!({"trunks": ["set", [3, 4]], "vlan_mode": "trunk"})),
            update("Open_vSwitch", "", json!({"next_cfg": 7})),
        ];
        let said = carry_out(&mut database, operations, Some(&reads));
        assert!(!said.contains("error"), "{said}");
        let trunk = Vlan::Trunk { vlans: vec![3, 4], native: None };
        let mut wish = std::mem::take(&mut *reads.0.lock().unwrap());
        wish.vlans.sort_by(|a, b| a.0.cmp(&b.0));
        let vlans = vec![("s1-eth1".to_owned(), Vlan::Access(12)), ("s2-eth1".to_owned(), trunk)];
        assert_eq!(wish, Wish { vlans, number: Some(7), ..Wish::default() });
        // The tag is enough.
        carry_out(&mut database, vec![update("Port", "s1-eth1", json!({"tag": ["set", []]}))], Some(&reads));
        assert_eq!(reads.0.lock().unwrap().vlans, [("s1-eth1".to_owned(), Vlan::Any)]);
    }

    fn controlled(row: Value) -> Vec<Value> {
        let mut columns = json!({"target": "tcp:127.0.0.1:6653"});
        columns.as_object_mut().unwrap().extend(row.as_object().unwrap().clone());
        let controller = json!({"op": "insert", "table": "Controller", "uuid-name": "c", "row": columns});
        vec![
            controller,
            update("Bridge", "s1", json!({"controller": ["named-uuid", "c"], "fail_mode": "secure"})),
        ]
    }

    #[test]
    fn a_transaction_is_read_as_controllers_and_a_fail_mode() {
        let (mut database, reads) = (database(), Reads::default());
        let said = carry_out(&mut database, controlled(json!({})), Some(&reads));
        assert!(!said.contains("error"), "{said}");
        let targets = BTreeSet::from(["tcp:127.0.0.1:6653".to_owned()]);
        let control = PresentControl { switch: "s1".to_owned(), targets, fail_mode: FailMode::Secure };
        assert_eq!(reads.0.lock().unwrap().controls, [control]);
        // Nobody refers to its row any more.
        let gone = json!({"controller": ["set", []], "fail_mode": ["set", []]});
        carry_out(&mut database, vec![update("Bridge", "s1", gone)], Some(&reads));
        let wish = std::mem::take(&mut *reads.0.lock().unwrap());
        let none = PresentControl {
            switch: "s1".to_owned(),
            targets: BTreeSet::new(),
            fail_mode: FailMode::Standalone,
        };
        assert_eq!((wish.controls, wish.removed.len()), (vec![none], 1));
        for (row, what) in [
            (json!({"max_backoff": 2000}), "not Controller.max_backoff"),
            (json!({"target": "ssl:127.0.0.1"}), "certificates"),
            (json!({"target": "nonsense"}), "nonsense"),
        ] {
            let said = carry_out(&mut database, controlled(row), Some(&reads));
            assert!(said.contains(what) && said.contains("not allowed"), "{what}: {said}");
        }
    }

    #[test]
    fn whatever_else_is_in_it_is_named_and_nothing_is_changed() {
        let mut database = database();
        let good = || update("Port", "s1-eth1", json!({"tag": 12}));
        for (bad, what) in [
            (update("Bridge", "s1", json!({"protocols": "OpenFlow13"})), "not Bridge.protocols"),
            (
                update("Port", "s1-eth1", json!({"external_ids": ["map", [["a", "b"]]]})),
                "not Port.external_ids",
            ),
            (update("Bridge", "s1", json!({"ports": ["set", []]})), "not Bridge.ports"),
            (update("Open_vSwitch", "", json!({"cur_cfg": 3})), "not Open_vSwitch.cur_cfg"),
            (
                json!({"op": "insert", "table": "SSL", "row": {"private_key": "a", "certificate": "b", "ca_cert": "c"},
                "uuid-name": "x"}),
                "",
            ),
            (update("Port", "s1-eth1", json!({"tag": 0})), "port s1-eth1: 0 is no VLAN"),
        ] {
            let asked = Asked::new(Weak::new(), Arc::new(Mutex::new(Arc::new(lab()))), Arc::default());
            let said = carry_out(&mut database, vec![good(), bad], Some(&asked));
            // Rows that nobody refers to are gone before anybody is asked; then it is the lab that is not there.
            let what = if what.is_empty() { "the lab ends" } else { what };
            assert!(said.contains(what) && said.contains("not allowed"), "{what}: {said}");
            let select = json!({"op": "select", "table": "Port", "where": [["name", "==", "s1-eth1"]], "columns": ["tag"]});
            assert!(carry_out(&mut database, vec![select], None).contains("10"), "{what}");
            assert_eq!((asked.written().ports.len(), asked.number()), (0, None));
        }
    }
}
