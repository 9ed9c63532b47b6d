//! What a monitor is about: tables, columns, kinds of changes, conditions. Monitors with the same are told the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

use crate::error::OvsdbError;
use crate::json::{Kinds, Members};
use crate::schema::{Schema, TableSchema};
use crate::transact::Condition;

/// The version of a monitor's updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    /// `monitor`: `update`.
    One,
    /// `monitor_cond`: `update2`.
    Two,
    /// `monitor_cond_since`: `update3`, which names the transaction.
    Three,
}

impl Version {
    pub(crate) const fn notification(self) -> &'static str {
        match self {
            Self::One => "update",
            Self::Two => "update2",
            Self::Three => "update3",
        }
    }
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Select(u8);

impl Select {
    pub(super) const INITIAL: Self = Self(1);
    pub(super) const INSERT: Self = Self(2);
    pub(super) const DELETE: Self = Self(4);
    pub(super) const MODIFY: Self = Self(8);
    const ALL: Self = Self(15);

    pub(super) const fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }

    fn from_json(table: &TableSchema, json: Option<&Value>) -> Result<Self, OvsdbError> {
        let Some(json) = json else { return Ok(Self::ALL) };
        let what = What(table, " select");
        let mut members = Members::new(json, &what);
        let mut bits = 0;
        for (name, kind) in [
            ("initial", Self::INITIAL),
            ("insert", Self::INSERT),
            ("delete", Self::DELETE),
            ("modify", Self::MODIFY),
        ] {
            if members.boolean(name).unwrap_or(true) {
                bits |= kind.0;
            }
        }
        members.finish()?;
        Ok(Self(bits))
    }
}

struct What<'a>(&'a TableSchema, &'static str);

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "table {}{}", self.0.name, self.1)
    }
}

/// What is wanted of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableSpec {
    /// Columns, each with the kinds of changes it is told of.
    pub(super) columns: Vec<(usize, Select)>,
    /// Kinds of changes of rows.
    pub(super) select: Select,
    /// Which rows.
    pub(super) condition: Condition,
    /// The columns that conditions ever looked at: as Open vSwitch does, a change of one is told, if only as a row
    /// that changed in nothing.
    pub(super) watched: BTreeSet<usize>,
}

/// What a monitor is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(super) version: Version,
    /// By the place of the table.
    pub(super) tables: BTreeMap<usize, TableSpec>,
}

impl Spec {
    /// Reads `<monitor-requests>`.
    pub(crate) fn from_json(schema: &Schema, version: Version, json: &Value) -> Result<Self, OvsdbError> {
        let Some(requests) = json.as_object() else {
            return Err(OvsdbError::syntax(json, "monitor-requests must be object"));
        };
        let mut tables = BTreeMap::new();
        for (name, requests) in requests {
            let (at, table) = named_table(schema, name)?;
            let mut spec = TableSpec {
                columns: Vec::new(),
                select: Select(0),
                condition: Condition::default(),
                watched: BTreeSet::new(),
            };
            match requests.as_array() {
                Some(requests) => {
                    requests.iter().try_for_each(|request| spec.add(table, version, request))?;
                }
                None => spec.add(table, version, requests)?,
            }
            spec.columns.sort_by_key(|(column, _)| *column);
            tables.insert(at, spec);
        }
        Ok(Self { version, tables })
    }

    /// Reads `<monitor-cond-update-requests>`: the same monitor with other conditions.
    pub(crate) fn with_conditions(&self, schema: &Schema, json: &Value) -> Result<Self, OvsdbError> {
        let refuse = |details: String| OvsdbError::new("syntax error", details);
        let Some(requests) = json.as_object() else {
            return Err(refuse("monitor-cond-change-requests must be object".to_owned()));
        };
        let mut spec = self.clone();
        for (name, requests) in requests {
            let (at, table) = named_table(schema, name)?;
            let Some(monitored) = spec.tables.get_mut(&at) else {
                return Err(refuse(format!("no table named {name} in monitor session")));
            };
            let Some(requests) = requests.as_array() else {
                return Err(refuse(format!("table {name} no monitor-cond-change JSON array")));
            };
            for request in requests {
                let what = What(table, "");
                let mut members = Members::new(request, &what);
                let columns = members.take("columns", Kinds::ARRAY.optional());
                let clauses = members.take("where", Kinds::ARRAY.optional()).and_then(Value::as_array);
                members.finish()?;
                if columns.is_some() {
                    return Err(OvsdbError::syntax(request, "changing columns is unsupported"));
                }
                let clauses = clauses.map_or(&[][..], Vec::as_slice);
                monitored.condition = Condition::from_json(table, clauses, None)?;
                monitored.watched.extend(monitored.condition.columns());
            }
        }
        Ok(spec)
    }

    pub(crate) const fn version(&self) -> Version {
        self.version
    }
}

fn named_table<'a>(schema: &'a Schema, name: &str) -> Result<(usize, &'a TableSchema), OvsdbError> {
    let found = schema.table(name).and_then(|at| Some((at, schema.tables.get(at)?)));
    found.ok_or_else(|| OvsdbError::new("syntax error", format!("no table named {name}")))
}

impl TableSpec {
    /// Adds what one `<monitor-request>` wants.
    fn add(&mut self, table: &TableSchema, version: Version, json: &Value) -> Result<(), OvsdbError> {
        let what = What(table, "");
        let mut members = Members::new(json, &what);
        let mut clauses = None;
        if version != Version::One {
            clauses = members.take("where", Kinds::ARRAY.optional()).and_then(Value::as_array);
        }
        let columns = members.take("columns", Kinds::ARRAY.optional());
        let select = members.take("select", Kinds::OBJECT.optional());
        members.finish()?;
        let select = Select::from_json(table, select)?;
        self.select = Select(self.select.0 | select.0);
        for column in wanted_columns(table, columns)? {
            if self.columns.iter().any(|(known, _)| *known == column) {
                let name = table.columns.get(column).map_or("", |column| &column.name);
                let details = format!("column {name} mentioned more than once");
                return Err(OvsdbError::tagged(columns.unwrap_or(json), "syntax error", details));
            }
            self.columns.push((column, select));
        }
        if let Some(clauses) = clauses {
            self.condition = Condition::from_json(table, clauses, None)?;
            self.watched.extend(self.condition.columns());
        }
        Ok(())
    }
}

/// The columns of a request; all but `_uuid`, which is the name of each row anyway, if it names none.
fn wanted_columns(table: &TableSchema, json: Option<&Value>) -> Result<Vec<usize>, OvsdbError> {
    let Some(json) = json else { return Ok((1..table.columns.len()).collect()) };
    let mut columns = Vec::new();
    for name in json.as_array().into_iter().flatten() {
        let Some(name) = name.as_str() else {
            return Err(OvsdbError::syntax(json, "array of column names expected"));
        };
        let unknown = || OvsdbError::syntax(json, format!("{name} is not a valid column name"));
        columns.push(table.column(name).ok_or_else(unknown)?);
    }
    Ok(columns)
}
