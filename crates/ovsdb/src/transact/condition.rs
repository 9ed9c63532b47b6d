//! Conditions: which rows an operation is about, or a monitor shows.
//!
//! Source: RFC 7047 §5.1 `<condition>`; `true` and `false` are Open vSwitch's extension.

use serde_json::Value;

use crate::data::{Atom, Datum, Symbols};
use crate::error::OvsdbError;
use crate::schema::{AtomicType, TableSchema, UUID};
use crate::store::Row;
use crate::uuid::Uuid;

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Function {
    Equal,
    Includes,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Excludes,
    NotEqual,
}

impl Function {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "==" => Self::Equal,
            "!=" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterEqual,
            "includes" => Self::Includes,
            "excludes" => Self::Excludes,
            _ => return None,
        })
    }

    const fn orders(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual | Self::Greater | Self::GreaterEqual)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Clause {
    Constant(bool),
    Compare { column: usize, function: Function, operand: Datum },
}

impl Clause {
    fn from_json(
        table: &TableSchema,
        json: &Value,
        symbols: Option<&mut Symbols<'_>>,
    ) -> Result<Self, OvsdbError> {
        if let Value::Bool(constant) = json {
            return Ok(Self::Constant(*constant));
        }
        let Some([Value::String(column), Value::String(name), operand]) = json.as_array().map(Vec::as_slice)
        else {
            return Err(OvsdbError::syntax(json, "Parse error in condition."));
        };
        let (at, schema) = table
            .column(column)
            .and_then(|at| Some((at, table.columns.get(at)?)))
            .ok_or_else(|| unknown_column(json, column, table))?;
        let Some(function) = Function::from_name(name) else {
            return Err(OvsdbError::new("unknown function", format!("No function named {name}.")));
        };
        let mut kind = schema.kind.clone();
        if function.orders() {
            let single = kind.is_scalar() || kind.is_optional_scalar();
            if !single || !matches!(kind.key.kind, AtomicType::Integer | AtomicType::Real) {
                let words = kind.to_english();
                let details = format!(
                    "Type mismatch: \"{name}\" operator may not be applied to column {column} of type {words}."
                );
                return Err(OvsdbError::syntax(json, details));
            }
            kind.min = 1;
        } else if !kind.is_scalar() && matches!(function, Function::Includes | Function::Excludes) {
            kind.min = 0;
            if function == Function::Excludes {
                kind.max = u32::MAX;
            }
        }
        Ok(Self::Compare { column: at, function, operand: Datum::from_json(&kind, operand, symbols)? })
    }

    fn matches(&self, row: &Row) -> bool {
        let (column, function, operand) = match self {
            Self::Constant(constant) => return *constant,
            Self::Compare { column, function, operand } => (*column, *function, operand),
        };
        let field = row.get(column);
        let ordered = |wanted: fn(std::cmp::Ordering) -> bool| match (field.single(), operand.single()) {
            (Some(field), Some(operand)) => wanted(field.cmp(operand)),
            _ => false,
        };
        match function {
            Function::Equal => field == operand,
            Function::NotEqual => field != operand,
            Function::Includes => field.includes(operand),
            Function::Excludes => field.excludes(operand),
            Function::Less => ordered(std::cmp::Ordering::is_lt),
            Function::LessEqual => ordered(std::cmp::Ordering::is_le),
            Function::Greater => ordered(std::cmp::Ordering::is_gt),
            Function::GreaterEqual => ordered(std::cmp::Ordering::is_ge),
        }
    }
}

pub(super) fn unknown_column(json: &Value, column: &str, table: &TableSchema) -> OvsdbError {
    OvsdbError::tagged(json, "unknown column", format!("No column {column} in table {}.", table.name))
}

/// A list of clauses. Operations want rows that match all of them, monitors rows that match any.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Condition {
    clauses: Vec<Clause>,
}

impl Condition {
    pub(crate) fn from_json(
        table: &TableSchema,
        clauses: &[Value],
        mut symbols: Option<&mut Symbols<'_>>,
    ) -> Result<Self, OvsdbError> {
        let clauses = clauses.iter().map(|json| Clause::from_json(table, json, symbols.as_deref_mut()));
        Ok(Self { clauses: clauses.collect::<Result<_, _>>()? })
    }

    /// Whether every clause holds.
    pub(crate) fn all(&self, row: &Row) -> bool {
        self.clauses.iter().all(|clause| clause.matches(row))
    }

    /// Whether any clause holds, or there is none.
    pub(crate) fn any(&self, row: &Row) -> bool {
        self.clauses.is_empty() || self.clauses.iter().any(|clause| clause.matches(row))
    }

    /// The columns that it looks at.
    pub(crate) fn columns(&self) -> impl Iterator<Item = usize> {
        self.clauses.iter().filter_map(|clause| match clause {
            Clause::Compare { column, .. } => Some(*column),
            Clause::Constant(_) => None,
        })
    }

    /// The only row that can match, if a clause names it.
    pub(crate) fn wanted_uuid(&self) -> Option<Uuid> {
        self.wanted(UUID)?.single().and_then(Atom::as_uuid)
    }

    /// The value that a column must have.
    pub(crate) fn wanted(&self, wanted: usize) -> Option<&Datum> {
        self.clauses.iter().find_map(|clause| match clause {
            Clause::Compare { column, function: Function::Equal, operand } if *column == wanted => {
                Some(operand)
            }
            _ => None,
        })
    }
}
