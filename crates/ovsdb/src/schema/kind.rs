//! Types: atomic, base (with constraints), and of columns (how many).
//!
//! Source: RFC 7047 §3.2 `<atomic-type>`, `<base-type>`, `<type>`.

use serde_json::{Map, Value, json};

use crate::data::{Atom, Datum, Real};
use crate::error::OvsdbError;
use crate::json::{Kinds, Members, integer, text};

/// The type of an atom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomicType {
    /// 64 bits, signed.
    Integer,
    /// A double.
    Real,
    /// True or false.
    Boolean,
    /// UTF-8.
    String,
    /// A UUID.
    Uuid,
}

impl AtomicType {
    /// The name in schemas and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Real => "real",
            Self::Boolean => "boolean",
            Self::String => "string",
            Self::Uuid => "uuid",
        }
    }

    fn from_json(json: &Value) -> Result<Self, OvsdbError> {
        let Some(name) = json.as_str() else {
            return Err(OvsdbError::syntax(json, "atomic-type expected"));
        };
        [Self::Integer, Self::Real, Self::Boolean, Self::String, Self::Uuid]
            .into_iter()
            .find(|kind| kind.name() == name)
            .ok_or_else(|| OvsdbError::syntax(json, format!("\"{name}\" is not an atomic-type")))
    }
}

/// A reference to rows of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// The table's name.
    pub table: String,
    /// Its place in the schema.
    pub(crate) index: usize,
    /// A strong reference keeps its row; a weak one vanishes with it.
    pub strong: bool,
}

/// What narrows a base type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Constraint {
    /// Nothing does.
    None,
    /// One of these, in order.
    Enum(Vec<Atom>),
    /// Bounds, both inclusive.
    Integer {
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
    },
    /// Bounds, both inclusive.
    Real {
        /// The least.
        min: Real,
        /// The greatest.
        max: Real,
    },
    /// Bounds of the number of characters.
    Length {
        /// The least.
        min: u32,
        /// The greatest.
        max: u32,
    },
    /// Rows of a table.
    Reference(Reference),
}

/// An atomic type and what narrows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseType {
    /// The atomic type.
    pub kind: AtomicType,
    /// Its constraint.
    pub constraint: Constraint,
}

impl BaseType {
    /// A type without constraint.
    pub const fn plain(kind: AtomicType) -> Self {
        Self { kind, constraint: Constraint::None }
    }

    /// The reference, if it is one.
    pub fn reference(&self) -> Option<&Reference> {
        match &self.constraint {
            Constraint::Reference(reference) => Some(reference),
            _ => None,
        }
    }

    pub(crate) fn from_json(json: &Value) -> Result<Self, OvsdbError> {
        if json.is_string() {
            return AtomicType::from_json(json).map(Self::plain);
        }
        let mut members = Members::new(json, &"ovsdb type");
        let Some(kind) = members.take("type", Kinds::STRING) else {
            return Err(members.finish().err().unwrap_or_else(|| OvsdbError::syntax(json, "no type")));
        };
        let kind = AtomicType::from_json(kind)?;
        let constraint = constraint(kind, json, &mut members)?;
        members.finish()?;
        Ok(Self { kind, constraint })
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
        match &self.constraint {
            Constraint::None => return Value::from(self.kind.name()),
            Constraint::Enum(atoms) => {
                let kind = ColumnType { max: u32::MAX, ..ColumnType::scalar(self.clone()) };
                put("enum", to_value(&Datum::set(atoms.clone()), &kind));
            }
            Constraint::Integer { min, max } => {
                (*min != i64::MIN).then(|| put("minInteger", json!(min)));
                (*max != i64::MAX).then(|| put("maxInteger", json!(max)));
            }
            Constraint::Real { min, max } => {
                (min.value() != f64::MIN).then(|| put("minReal", real_value(*min)));
                (max.value() != f64::MAX).then(|| put("maxReal", real_value(*max)));
            }
            Constraint::Length { min, max } => {
                (*min != 0).then(|| put("minLength", json!(min)));
                (*max != u32::MAX).then(|| put("maxLength", json!(max)));
            }
            Constraint::Reference(reference) => {
                put("refTable", json!(reference.table));
                (!reference.strong).then(|| put("refType", json!("weak")));
            }
        }
        if object.is_empty() {
            return Value::from(self.kind.name());
        }
        object.insert("type".to_owned(), json!(self.kind.name()));
        Value::Object(object)
    }
}

fn to_value(datum: &Datum, kind: &ColumnType) -> Value {
    let mut out = String::new();
    datum.emit(kind, &mut out);
    serde_json::from_str(&out).unwrap_or_default()
}

/// 1.0 is written 1.
fn real_value(real: Real) -> Value {
    serde_json::from_str(&text::real(real.value())).unwrap_or_default()
}

fn constraint(kind: AtomicType, json: &Value, members: &mut Members<'_>) -> Result<Constraint, OvsdbError> {
    if let Some(allowed) = members.take("enum", Kinds::ANY.optional()) {
        let many = ColumnType { max: u32::MAX, ..ColumnType::scalar(BaseType::plain(kind)) };
        let allowed = Datum::from_json(&many, allowed, None)?;
        return Ok(Constraint::Enum(allowed.atoms().to_vec()));
    }
    match kind {
        AtomicType::Integer => integer_range(json, members),
        AtomicType::Real => real_range(json, members),
        AtomicType::String => length_range(json, members),
        AtomicType::Uuid => reference(json, members),
        AtomicType::Boolean => Ok(Constraint::None),
    }
}

fn integer_range(json: &Value, members: &mut Members<'_>) -> Result<Constraint, OvsdbError> {
    let min = members.take("minInteger", Kinds::INTEGER.optional()).and_then(integer);
    let max = members.take("maxInteger", Kinds::INTEGER.optional()).and_then(integer);
    let (min, max) = (min.unwrap_or(i64::MIN), max.unwrap_or(i64::MAX));
    match (min, max) {
        _ if min > max => Err(OvsdbError::syntax(json, "minInteger exceeds maxInteger")),
        (i64::MIN, i64::MAX) => Ok(Constraint::None),
        _ => Ok(Constraint::Integer { min, max }),
    }
}

fn real_range(json: &Value, members: &mut Members<'_>) -> Result<Constraint, OvsdbError> {
    let mut bound = |name, default| {
        let given = members.take(name, Kinds::NUMBER.optional()).and_then(Value::as_f64);
        Real::new(given.unwrap_or(default)).ok_or_else(|| OvsdbError::syntax(json, "bad min or max value"))
    };
    let (min, max) = (bound("minReal", f64::MIN)?, bound("maxReal", f64::MAX)?);
    match (min.value(), max.value()) {
        _ if min > max => Err(OvsdbError::syntax(json, "minReal exceeds maxReal")),
        (f64::MIN, f64::MAX) => Ok(Constraint::None),
        _ => Ok(Constraint::Real { min, max }),
    }
}

fn length_range(json: &Value, members: &mut Members<'_>) -> Result<Constraint, OvsdbError> {
    let mut bound = |name: &'static str, default: u32| match members.take(name, Kinds::INTEGER.optional()) {
        None => Ok(default),
        Some(value) => integer(value)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or_else(|| OvsdbError::syntax(value, format!("{name} out of valid range 0 to {}", u32::MAX))),
    };
    let (min, max) = (bound("minLength", 0)?, bound("maxLength", u32::MAX)?);
    match (min, max) {
        _ if min > max => Err(OvsdbError::syntax(json, "minLength exceeds maxLength")),
        (0, u32::MAX) => Ok(Constraint::None),
        _ => Ok(Constraint::Length { min, max }),
    }
}

fn reference(json: &Value, members: &mut Members<'_>) -> Result<Constraint, OvsdbError> {
    let Some(table) = members.text("refTable", Kinds::ID.optional()) else { return Ok(Constraint::None) };
    let strong = match members.text("refType", Kinds::ID.optional()) {
        None | Some("strong") => true,
        Some("weak") => false,
        Some(other) => {
            let details = format!("refType must be \"strong\" or \"weak\" (not \"{other}\")");
            return Err(OvsdbError::syntax(json, details));
        }
    };
    // The place is found when all tables are known.
    Ok(Constraint::Reference(Reference { table: table.to_owned(), index: 0, strong }))
}

/// The type of a column: what its elements are, and how many there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnType {
    /// The elements, or the keys of a map.
    pub key: BaseType,
    /// The values of a map.
    pub value: Option<BaseType>,
    /// The least number of elements: 0 or 1.
    pub min: u32,
    /// The greatest; [`u32::MAX`] for no limit.
    pub max: u32,
}

impl ColumnType {
    /// Exactly one element.
    pub const fn scalar(key: BaseType) -> Self {
        Self { key, value: None, min: 1, max: 1 }
    }

    /// Whether there is always exactly one element.
    pub const fn is_scalar(&self) -> bool {
        self.value.is_none() && self.min == 1 && self.max == 1
    }

    /// Whether there is at most one element.
    pub const fn is_optional_scalar(&self) -> bool {
        self.value.is_none() && self.min == 0 && self.max == 1
    }

    /// Whether there may be more than one element.
    pub const fn is_composite(&self) -> bool {
        self.max > 1
    }

    /// Whether it is a set that is no scalar.
    pub(crate) const fn is_set(&self) -> bool {
        self.value.is_none() && (self.min != 1 || self.max != 1)
    }

    pub(crate) fn allows(&self, n: usize) -> bool {
        let n = u32::try_from(n).unwrap_or(u32::MAX);
        self.min <= n && n <= self.max
    }

    /// The references in it: of elements or keys, and of values.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.key.reference().into_iter().chain(self.value.as_ref().and_then(BaseType::reference))
    }

    /// The type in words, as messages have it.
    pub(crate) fn to_english(&self) -> String {
        let key = self.key.kind.name();
        if self.is_scalar() {
            return key.to_owned();
        }
        let class = if self.value.is_some() { "map" } else { "set" };
        let many = match (self.min, self.max) {
            (0, u32::MAX) => " of".to_owned(),
            (min, u32::MAX) => format!(" of {min} or more"),
            (0, max) => format!(" of up to {max}"),
            (min, max) => format!(" of {min} to {max}"),
        };
        match &self.value {
            None => format!("{class}{many} {key}s"),
            Some(value) => format!("{class}{many} ({key}, {}) pairs", value.kind.name()),
        }
    }

    pub(crate) fn from_json(json: &Value) -> Result<Self, OvsdbError> {
        if json.is_string() {
            return BaseType::from_json(json).map(Self::scalar);
        }
        if !json.is_object() {
            return Err(OvsdbError::syntax(json, "ovsdb type expected"));
        }
        let mut members = Members::new(json, &"ovsdb type");
        let base = Kinds::STRING.or(Kinds::OBJECT);
        let key = members.take("key", base);
        let value = members.take("value", base.optional());
        let min = members.take("min", Kinds::INTEGER.optional());
        let max = members.take("max", Kinds::INTEGER.or(Kinds::STRING).optional());
        members.finish()?;
        let key = BaseType::from_json(key.unwrap_or(&Value::Null))?;
        let value = value.map(BaseType::from_json).transpose()?;
        let min = count(min)?;
        let max = if max.and_then(Value::as_str) == Some("unlimited") { u32::MAX } else { count(max)? };
        if min > 1 || min > max {
            return Err(OvsdbError::syntax(json, "ovsdb type fails constraint checks"));
        }
        Ok(Self { key, value, min, max })
    }

    pub(crate) fn to_json(&self) -> Value {
        let key = self.key.to_json();
        if self.is_scalar() && key.is_string() {
            return key;
        }
        let mut object = Map::new();
        object.insert("key".to_owned(), key);
        if let Some(value) = &self.value {
            object.insert("value".to_owned(), value.to_json());
        }
        if self.min != 1 {
            object.insert("min".to_owned(), json!(self.min));
        }
        match self.max {
            1 => {}
            u32::MAX => drop(object.insert("max".to_owned(), json!("unlimited"))),
            max => drop(object.insert("max".to_owned(), json!(max))),
        }
        Value::Object(object)
    }
}

/// A bound of the number of elements: 1 where none is given.
fn count(json: Option<&Value>) -> Result<u32, OvsdbError> {
    let Some(json) = json else { return Ok(1) };
    let number = integer(json).and_then(|n| u32::try_from(n).ok()).filter(|&n| n < u32::MAX);
    number.ok_or_else(|| OvsdbError::syntax(json, "bad min or max value"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written_the_same() {
        for json in [
            json!("string"),
            json!({"key": "integer", "min": 0}),
            json!({"key": {"type": "string", "enum": ["set", ["a", "b"]]}, "min": 0}),
            json!({"key": {"type": "integer", "minInteger": 0, "maxInteger": 4095}, "min": 0, "max": 4096}),
            json!({"key": {"type": "real", "minReal": 0, "maxReal": 0.5}}),
            json!({"key": {"type": "string", "minLength": 1}}),
            json!({"key": "string", "value": {"type": "uuid", "refTable": "T"}, "min": 0, "max": "unlimited"}),
            json!({"key": {"type": "uuid", "refTable": "T", "refType": "weak"}, "max": "unlimited"}),
        ] {
            assert_eq!(ColumnType::from_json(&json).unwrap().to_json(), json);
        }
    }

    #[test]
    fn wrong_types_are_told() {
        for (json, details) in [
            (json!("text"), "\"text\" is not an atomic-type"),
            (json!(5), "ovsdb type expected"),
            (json!({"key": "integer", "min": 2, "max": 3}), "ovsdb type fails constraint checks"),
            (json!({"key": "integer", "max": "many"}), "bad min or max value"),
            (
                json!({"key": {"type": "integer", "minInteger": 2, "maxInteger": 1}}),
                "minInteger exceeds maxInteger",
            ),
            (json!({"key": {"type": "real", "minReal": 2, "maxReal": 1}}), "minReal exceeds maxReal"),
            (
                json!({"key": {"type": "string", "minLength": 2, "maxLength": 1}}),
                "minLength exceeds maxLength",
            ),
            (
                json!({"key": {"type": "string", "minLength": -1}}),
                "minLength out of valid range 0 to 4294967295",
            ),
            (
                json!({"key": {"type": "uuid", "refTable": "T", "refType": "no"}}),
                "refType must be \"strong\" or \"weak\" (not \"no\")",
            ),
            (
                json!({"key": {"type": "boolean", "minInteger": 1}}),
                "Parsing ovsdb type failed: Member 'minInteger' is present but not allowed here.",
            ),
        ] {
            assert_eq!(ColumnType::from_json(&json).unwrap_err().details, details);
        }
    }

    #[test]
    fn types_have_words() {
        for (json, words) in [
            (json!("integer"), "integer"),
            (json!({"key": "string", "min": 0}), "set of up to 1 strings"),
            (json!({"key": "string", "min": 0, "max": "unlimited"}), "set of strings"),
            (json!({"key": "string", "max": "unlimited"}), "set of 1 or more strings"),
            (json!({"key": "string", "value": "uuid", "max": 3}), "map of 1 to 3 (string, uuid) pairs"),
        ] {
            assert_eq!(ColumnType::from_json(&json).unwrap().to_english(), words);
        }
    }
}
