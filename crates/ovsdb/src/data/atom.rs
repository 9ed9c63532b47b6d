//! Atoms: what sets and maps are made of.
//!
//! Source: RFC 7047 §5.1 `<atom>`.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::Symbols;
use crate::error::OvsdbError;
use crate::json::{integer, is_id, text};
use crate::schema::{AtomicType, BaseType, Constraint};
use crate::uuid::Uuid;

/// A finite real number; so it has an order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Real(f64);

impl Real {
    /// `value`, unless it is infinite or not a number.
    pub fn new(value: f64) -> Option<Self> {
        // -0.0 becomes 0.0: the two are one value.
        value.is_finite().then_some(Self(value + 0.0))
    }

    /// The number.
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// A single value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// 64 bits, signed.
    Integer(i64),
    /// A real number.
    Real(Real),
    /// True or false.
    Boolean(bool),
    /// Text; shared, because a row's versions mostly hold the same.
    String(Arc<str>),
    /// A row of some table, or any UUID.
    Uuid(Uuid),
}

impl Atom {
    /// The default of `kind`: 0, false, "" or the UUID of zeros.
    pub fn default_of(kind: AtomicType) -> Self {
        match kind {
            AtomicType::Integer => Self::Integer(0),
            AtomicType::Real => Self::Real(Real(0.0)),
            AtomicType::Boolean => Self::Boolean(false),
            AtomicType::String => Self::String(Arc::from("")),
            AtomicType::Uuid => Self::Uuid(Uuid::ZERO),
        }
    }

    /// Reads an atom of `base`'s type and checks it against its constraints.
    ///
    /// # Errors
    /// `syntax error` for another type, `constraint violation` for a value that is not allowed.
    pub(crate) fn from_json(
        base: &BaseType,
        json: &Value,
        symbols: Option<&mut Symbols<'_>>,
    ) -> Result<Self, OvsdbError> {
        let atom = match (base.kind, json) {
            (AtomicType::Integer, json) => integer(json).map(Self::Integer),
            (AtomicType::Real, Value::Number(number)) => number.as_f64().and_then(Real::new).map(Self::Real),
            (AtomicType::Boolean, Value::Bool(value)) => Some(Self::Boolean(*value)),
            (AtomicType::String, Value::String(text)) => Some(Self::String(Arc::from(text.as_str()))),
            (AtomicType::Uuid, json) => Some(Self::Uuid(uuid_from_json(json, symbols)?)),
            _ => None,
        };
        let atom = atom.ok_or_else(|| OvsdbError::syntax(json, format!("expected {}", base.kind.name())))?;
        atom.check(base)?;
        Ok(atom)
    }

    /// Checks the atom against the constraints of its type.
    ///
    /// # Errors
    /// `constraint violation`, with what is allowed.
    pub(crate) fn check(&self, base: &BaseType) -> Result<(), OvsdbError> {
        let refused = match (&base.constraint, self) {
            (Constraint::Enum(allowed), _) => (allowed.binary_search(self).is_err()).then(|| {
                let names: Vec<String> = allowed.iter().map(Self::to_text).collect();
                format!("{} is not one of the allowed values ([{}])", self.to_text(), names.join(", "))
            }),
            (Constraint::Integer { min, max }, Self::Integer(value)) => {
                let bounds = (*min != i64::MIN, *max != i64::MAX);
                out_of_range(value, min, max, bounds, i64::to_string)
            }
            (Constraint::Real { min, max }, Self::Real(value)) => {
                let bounds = (min.0 != f64::MIN, max.0 != f64::MAX);
                out_of_range(value, min, max, bounds, |real| text::general(real.0, 15))
            }
            (Constraint::Length { min, max }, Self::String(value)) => wrong_length(value, *min, *max),
            _ => None,
        };
        refused.map_or(Ok(()), |details| Err(OvsdbError::constraint(details)))
    }

    /// Writes the atom as JSON.
    pub fn emit(&self, out: &mut String) {
        match self {
            Self::Integer(value) => text::number(out, *value),
            Self::Real(value) => out.push_str(&text::real(value.0)),
            Self::Boolean(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::String(value) => text::string(out, value),
            Self::Uuid(value) => {
                out.push_str("[\"uuid\",\"");
                value.emit(out);
                out.push_str("\"]");
            }
        }
    }

    /// The atom as messages show it: a string in quotes only where it would be mistaken without.
    pub fn to_text(&self) -> String {
        match self {
            Self::Real(value) => text::general(value.0, 15),
            Self::Uuid(value) => value.to_string(),
            Self::String(value) if !needs_quotes(value) => value.to_string(),
            other => {
                let mut out = String::new();
                other.emit(&mut out);
                out
            }
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// The UUID, if it is one.
    pub fn as_uuid(&self) -> Option<Uuid> {
        match self {
            Self::Uuid(value) => Some(*value),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(value) => Some(*value),
            _ => None,
        }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Boolean(value) => Some(*value),
            _ => None,
        }
    }
}

impl From<&str> for Atom {
    fn from(value: &str) -> Self {
        Self::String(Arc::from(value))
    }
}

impl From<i64> for Atom {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<bool> for Atom {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<Uuid> for Atom {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

/// What is wrong with a number, told by the bounds that there are.
fn out_of_range<T: PartialOrd>(
    value: &T,
    min: &T,
    max: &T,
    bounds: (bool, bool),
    show: fn(&T) -> String,
) -> Option<String> {
    if value >= min && value <= max {
        return None;
    }
    let (value, min, max) = (show(value), show(min), show(max));
    Some(match bounds {
        (true, true) => format!("{value} is not in the valid range {min} to {max} (inclusive)"),
        (true, false) => format!("{value} is less than minimum allowed value {min}"),
        _ => format!("{value} is greater than maximum allowed value {max}"),
    })
}

fn wrong_length(value: &str, min: u32, max: u32) -> Option<String> {
    let length = value.chars().count();
    let at = |bound: u32| usize::try_from(bound).unwrap_or(usize::MAX);
    if length < at(min) {
        Some(format!("\"{value}\" length {length} is less than minimum allowed length {min}"))
    } else if length > at(max) {
        Some(format!("\"{value}\" length {length} is greater than maximum allowed length {max}"))
    } else {
        None
    }
}

/// Whether a string would be mistaken for something else without quotes.
fn needs_quotes(value: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let begins = value.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    !begins || !value.bytes().all(plain) || matches!(value, "true" | "false") || value.parse::<Uuid>().is_ok()
}

/// Reads `["uuid", U]`, or `["named-uuid", N]` where names are known.
fn uuid_from_json(json: &Value, symbols: Option<&mut Symbols<'_>>) -> Result<Uuid, OvsdbError> {
    if let Some(text) = tagged(json, "uuid") {
        let wrong = |_| OvsdbError::syntax(json, format!("\"{text}\" is not a valid UUID"));
        return text.parse().map_err(wrong);
    }
    if let Some(symbols) = symbols
        && let Some(name) = tagged(json, "named-uuid")
    {
        return match is_id(name) {
            true => Ok(symbols.resolve(name)),
            false => Err(OvsdbError::syntax(json, "named-uuid string is not a valid <id>")),
        };
    }
    Err(OvsdbError::syntax(json, "expected [\"uuid\", <string>]"))
}

/// The string in `[tag, string]`.
fn tagged<'a>(json: &'a Value, tag: &str) -> Option<&'a str> {
    match json.as_array().map(Vec::as_slice) {
        Some([Value::String(first), Value::String(second)]) if first == tag => Some(second),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::uuid::UuidSource;

    fn base(json: Value) -> BaseType {
        BaseType::from_json(&json).unwrap()
    }

    fn refusal(kind: Value, value: Value) -> String {
        Atom::from_json(&base(kind), &value, None).unwrap_err().details
    }

    #[test]
    fn each_type_takes_its_own() {
        for (kind, value, text) in [
            ("integer", json!(-5), "-5"),
            ("real", json!(2), "2"),
            ("real", json!(0.25), "0.25"),
            ("boolean", json!(true), "true"),
            ("string", json!("br0"), "\"br0\""),
        ] {
            let atom = Atom::from_json(&base(json!(kind)), &value, None).unwrap();
            let mut out = String::new();
            atom.emit(&mut out);
            assert_eq!(out, text);
        }
        assert_eq!(refusal(json!("integer"), json!(1.5)), "expected integer");
        assert_eq!(refusal(json!("string"), json!(1)), "expected string");
        assert_eq!(refusal(json!("uuid"), json!("x")), "expected [\"uuid\", <string>]");
        assert_eq!(refusal(json!("uuid"), json!(["uuid", "x"])), "\"x\" is not a valid UUID");
    }

    #[test]
    fn names_stand_for_one_uuid() {
        let mut source = UuidSource::new([1, 1]);
        let mut symbols = Symbols::new(&mut source);
        let uuid = base(json!("uuid"));
        let mut read = |json: Value| Atom::from_json(&uuid, &json, Some(&mut symbols));
        let first = read(json!(["named-uuid", "a"])).unwrap();
        assert_eq!(read(json!(["named-uuid", "a"])).unwrap(), first);
        assert_ne!(read(json!(["named-uuid", "b"])).unwrap(), first);
        assert_eq!(
            read(json!(["named-uuid", "a b"])).unwrap_err().details,
            "named-uuid string is not a valid <id>"
        );
        assert_eq!(symbols.insert("a", None), first.as_uuid());
        assert_eq!(symbols.insert("a", None), None);
    }

    #[test]
    fn constraints_are_told_as_open_vswitch_tells_them() {
        let range = json!({"type": "integer", "minInteger": 1, "maxInteger": 4});
        assert_eq!(refusal(range, json!(5)), "5 is not in the valid range 1 to 4 (inclusive)");
        let least = json!({"type": "integer", "minInteger": 1});
        assert_eq!(refusal(least, json!(0)), "0 is less than minimum allowed value 1");
        let most = json!({"type": "real", "maxReal": 1.5});
        assert_eq!(refusal(most, json!(1.75)), "1.75 is greater than maximum allowed value 1.5");
        let word = json!({"type": "string", "enum": ["set", ["secure", "a b"]]});
        assert_eq!(refusal(word, json!("x")), "x is not one of the allowed values ([\"a b\", secure])");
        let short = json!({"type": "string", "maxLength": 2});
        assert_eq!(refusal(short, json!("abc")), "\"abc\" length 3 is greater than maximum allowed length 2");
        let long = json!({"type": "string", "minLength": 2});
        assert_eq!(
            refusal(long, json!("\u{e4}")),
            "\"\u{e4}\" length 1 is less than minimum allowed length 2"
        );
    }

    #[test]
    fn only_a_finite_real_is_one() {
        assert_eq!(Real::new(f64::NAN), None);
        assert_eq!(Real::new(f64::INFINITY), None);
        assert_eq!(Real::new(-0.0).unwrap().cmp(&Real::new(0.0).unwrap()), Ordering::Equal);
    }
}
