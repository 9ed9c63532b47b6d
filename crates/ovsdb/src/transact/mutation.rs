//! Mutations: changing a value in place of naming the new one.
//!
//! Source: RFC 7047 §5.1 `<mutation>`.

use serde_json::Value;

use super::condition::unknown_column;
use crate::data::{Atom, Datum, Real, Symbols};
use crate::error::OvsdbError;
use crate::schema::{AtomicType, BaseType, ColumnType, TableSchema};

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mutator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Insert,
    Delete,
}

impl Mutator {
    const ALL: [Self; 7] =
        [Self::Add, Self::Subtract, Self::Multiply, Self::Divide, Self::Modulo, Self::Insert, Self::Delete];

    const fn name(self) -> &'static str {
        match self {
            Self::Add => "+=",
            Self::Subtract => "-=",
            Self::Multiply => "*=",
            Self::Divide => "/=",
            Self::Modulo => "%=",
            Self::Insert => "insert",
            Self::Delete => "delete",
        }
    }
}

/// A change of one column.
#[derive(Debug, Clone)]
pub(super) struct Mutation {
    pub(super) column: usize,
    mutator: Mutator,
    operand: Datum,
}

impl Mutation {
    pub(super) fn from_json(
        table: &TableSchema,
        json: &Value,
        mut symbols: Option<&mut Symbols<'_>>,
    ) -> Result<Self, OvsdbError> {
        let Some([Value::String(name), Value::String(mutator), operand]) = json.as_array().map(Vec::as_slice)
        else {
            return Err(OvsdbError::syntax(json, "Parse error in mutation."));
        };
        let (column, schema) = table
            .column(name)
            .and_then(|at| Some((at, table.columns.get(at)?)))
            .ok_or_else(|| unknown_column(json, name, table))?;
        if !schema.mutable {
            let details = format!("Cannot mutate immutable column {name} in table {}.", table.name);
            return Err(OvsdbError::tagged(json, "constraint violation", details));
        }
        let Some(mutator) = Mutator::ALL.into_iter().find(|known| known.name() == mutator) else {
            return Err(OvsdbError::new("unknown mutator", format!("No mutator named {mutator}.")));
        };
        let mut kind = schema.kind.clone();
        if !applies(mutator, &kind) {
            let details = format!(
                "Type mismatch: \"{}\" operator may not be applied to column {name} of type {}.",
                mutator.name(),
                kind.to_english()
            );
            return Err(OvsdbError::syntax(json, details));
        }
        let operand = match mutator {
            Mutator::Insert | Mutator::Delete => {
                kind.min = 0;
                if mutator == Mutator::Delete {
                    kind.max = u32::MAX;
                }
                let read = Datum::from_json(&kind, operand, symbols.as_deref_mut());
                match read {
                    // From a map, keys alone may be deleted too.
                    Err(_) if mutator == Mutator::Delete && kind.value.is_some() => {
                        Datum::from_json(&ColumnType { value: None, ..kind }, operand, symbols)?
                    }
                    read => read?,
                }
            }
            _ => {
                let scalar = ColumnType::scalar(BaseType::plain(kind.key.kind));
                Datum::from_json(&scalar, operand, symbols)?
            }
        };
        Ok(Self { column, mutator, operand })
    }

    /// The value that becomes of `value`.
    ///
    /// # Errors
    /// `domain error`, `range error` or `constraint violation`.
    pub(super) fn apply(&self, value: &Datum, kind: &ColumnType) -> Result<Datum, OvsdbError> {
        let result = match self.mutator {
            Mutator::Insert => value.union(&self.operand),
            Mutator::Delete => value.subtract(&self.operand),
            _ => return self.compute(value, kind),
        };
        if kind.allows(result.len()) {
            return Ok(result);
        }
        let (n, words) = (result.len(), kind.to_english());
        Err(OvsdbError::constraint(format!("Attempted to store {n} elements in {words}.")))
    }

    fn compute(&self, value: &Datum, kind: &ColumnType) -> Result<Datum, OvsdbError> {
        let Some(operand) = self.operand.single() else { return Ok(value.clone()) };
        let results = value.atoms().iter().map(|atom| self.arithmetic(atom, operand));
        let results = results.collect::<Result<Vec<Atom>, OvsdbError>>()?;
        results.iter().try_for_each(|atom| atom.check(&kind.key))?;
        let (n, set) = (results.len(), Datum::set(results));
        if set.len() == n {
            return Ok(set);
        }
        let name = self.mutator.name();
        Err(OvsdbError::constraint(format!("Result of \"{name}\" operation contains duplicates.")))
    }

    fn arithmetic(&self, a: &Atom, b: &Atom) -> Result<Atom, OvsdbError> {
        let divides = matches!(self.mutator, Mutator::Divide | Mutator::Modulo);
        let zero = || OvsdbError::new("domain error", "Division by zero.");
        let result = match (a, b) {
            (_, Atom::Integer(0)) if divides => return Err(zero()),
            (_, Atom::Real(b)) if divides && b.value() == 0.0 => return Err(zero()),
            (Atom::Integer(a), Atom::Integer(b)) => self.integers(*a, *b).map(Atom::Integer),
            (Atom::Real(a), Atom::Real(b)) => self.reals(a.value(), b.value()).map(Atom::Real),
            _ => None,
        };
        result.ok_or_else(|| {
            let details = format!("Result of \"{}\" operation is out of range.", self.mutator.name());
            OvsdbError::new("range error", details)
        })
    }

    fn integers(&self, a: i64, b: i64) -> Option<i64> {
        match self.mutator {
            Mutator::Add => a.checked_add(b),
            Mutator::Subtract => a.checked_sub(b),
            Mutator::Multiply => a.checked_mul(b),
            Mutator::Divide => a.checked_div(b),
            Mutator::Modulo => a.checked_rem(b),
            Mutator::Insert | Mutator::Delete => None,
        }
    }

    fn reals(&self, a: f64, b: f64) -> Option<Real> {
        Real::new(match self.mutator {
            Mutator::Add => a + b,
            Mutator::Subtract => a - b,
            Mutator::Multiply => a * b,
            Mutator::Divide => a / b,
            Mutator::Modulo | Mutator::Insert | Mutator::Delete => return None,
        })
    }
}

/// Whether the mutator is for such columns.
fn applies(mutator: Mutator, kind: &ColumnType) -> bool {
    if matches!(mutator, Mutator::Insert | Mutator::Delete) {
        return kind.is_set() || kind.value.is_some();
    }
    let number = match kind.key.kind {
        AtomicType::Integer => true,
        AtomicType::Real => mutator != Mutator::Modulo,
        _ => false,
    };
    number && kind.value.is_none()
}
