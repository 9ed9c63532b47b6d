//! The members of an object, each asked for by name and type; what nobody asked for is an error.
//!
//! The order of complaints is Open vSwitch's: the first thing wrong is what is told.

use std::fmt::Display;

use serde_json::{Map, Value};

use super::integer;
use crate::error::OvsdbError;

/// Which types a member may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u16);

impl Kinds {
    pub(crate) const BOOLEAN: Self = Self(1);
    pub(crate) const OBJECT: Self = Self(2);
    pub(crate) const ARRAY: Self = Self(4);
    pub(crate) const INTEGER: Self = Self(8);
    pub(crate) const NUMBER: Self = Self(8 | 16);
    pub(crate) const STRING: Self = Self(32);
    /// A string that is an `<id>`.
    pub(crate) const ID: Self = Self(64);
    pub(crate) const ANY: Self = Self(127);
    const OPTIONAL: u16 = 256;

    pub(crate) const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn optional(self) -> Self {
        Self(self.0 | Self::OPTIONAL)
    }

    fn allow(self, value: &Value) -> bool {
        let has = |kinds: Self| self.0 & kinds.0 != 0;
        match value {
            Value::Null => self.0 & Self::ANY.0 == Self::ANY.0,
            Value::Bool(_) => has(Self::BOOLEAN),
            Value::Number(_) if integer(value).is_some() => has(Self::INTEGER),
            Value::Number(_) => self.0 & 16 != 0,
            Value::String(text) => has(Self::STRING) || has(Self::ID) && is_id(text),
            Value::Array(_) => has(Self::ARRAY),
            Value::Object(_) => has(Self::OBJECT),
        }
    }
}

/// Whether `text` is an `<id>`: a letter or `_`, then letters, digits and `_` (RFC 7047 §3.1).
pub(crate) fn is_id(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.bytes().next().is_some_and(|first| !first.is_ascii_digit()) && text.bytes().all(word)
}

/// An object under examination.
pub(crate) struct Members<'a> {
    json: &'a Value,
    object: Option<&'a Map<String, Value>>,
    /// What the object is, as the complaint calls it.
    name: &'a dyn Display,
    used: Vec<&'static str>,
    error: Option<OvsdbError>,
}

impl<'a> Members<'a> {
    pub(crate) fn new(json: &'a Value, name: &'a dyn Display) -> Self {
        let mut members = Self { json, object: json.as_object(), name, used: Vec::new(), error: None };
        if members.object.is_none() {
            // Open vSwitch does not repeat here what it was given instead.
            let details = format!("Parsing {name} failed: Object expected.");
            members.error = Some(OvsdbError::new("syntax error", details));
        }
        members
    }

    /// The member `name`, if it is there and of one of the types.
    pub(crate) fn take(&mut self, name: &'static str, kinds: Kinds) -> Option<&'a Value> {
        let object = self.object?;
        let Some(value) = object.get(name) else {
            if kinds.0 & Kinds::OPTIONAL == 0 {
                self.refuse(format_args!("Required '{name}' member is missing."));
            }
            return None;
        };
        if !kinds.allow(value) {
            self.refuse(format_args!("Type mismatch for member '{name}'."));
            return None;
        }
        self.used.push(name);
        Some(value)
    }

    /// A member that is a string.
    pub(crate) fn text(&mut self, name: &'static str, kinds: Kinds) -> Option<&'a str> {
        self.take(name, kinds).and_then(Value::as_str)
    }

    /// A member that is an array.
    pub(crate) fn array(&mut self, name: &'static str) -> Option<&'a Vec<Value>> {
        self.take(name, Kinds::ARRAY).and_then(Value::as_array)
    }

    /// A member that is true or false, or is not there.
    pub(crate) fn boolean(&mut self, name: &'static str) -> Option<bool> {
        self.take(name, Kinds::BOOLEAN.optional()).and_then(Value::as_bool)
    }

    /// Notes what is wrong, unless something was before.
    pub(crate) fn refuse(&mut self, details: impl Display) {
        if self.error.is_none() {
            let details = format!("Parsing {} failed: {details}", self.name);
            self.error = Some(OvsdbError::syntax(self.json, details));
        }
    }

    /// What was wrong so far.
    pub(crate) fn check(&self) -> Result<(), OvsdbError> {
        self.error.clone().map_or(Ok(()), Err)
    }

    /// What was wrong, members that nobody asked for included.
    pub(crate) fn finish(mut self) -> Result<(), OvsdbError> {
        if self.error.is_none()
            && let Some(object) = self.object
            && object.len() > self.used.len()
        {
            let others = object.len() - self.used.len() - 1;
            let first = object.keys().find(|key| !self.used.contains(&key.as_str()));
            let first = first.map_or("", String::as_str);
            match others {
                0 => self.refuse(format_args!("Member '{first}' is present but not allowed here.")),
                _ => self.refuse(format_args!(
                    "Member '{first}' and {others} other member{} are present but not allowed here.",
                    if others > 1 { "s" } else { "" }
                )),
            }
        }
        self.error.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn details(json: &Value, look: fn(&mut Members<'_>)) -> String {
        let mut members = Members::new(json, &"a thing");
        look(&mut members);
        members.finish().map_or_else(|error| error.details, |()| "fine".to_owned())
    }

    #[test]
    fn the_first_complaint_is_told() {
        let look = |members: &mut Members<'_>| {
            members.take("a", Kinds::INTEGER);
            members.text("b", Kinds::ID.optional());
        };
        assert_eq!(details(&json!({"a": 1, "b": "x_1"}), look), "fine");
        assert_eq!(details(&json!({"a": 1.0}), look), "fine", "1.0 is an integer");
        assert_eq!(details(&json!([1]), look), "Parsing a thing failed: Object expected.");
        assert_eq!(details(&json!({}), look), "Parsing a thing failed: Required 'a' member is missing.");
        assert_eq!(
            details(&json!({"a": 1.5}), look),
            "Parsing a thing failed: Type mismatch for member 'a'."
        );
        assert_eq!(
            details(&json!({"a": 1, "b": "1x"}), look),
            "Parsing a thing failed: Type mismatch for member 'b'."
        );
        assert_eq!(
            details(&json!({"a": 1, "c": 2}), look),
            "Parsing a thing failed: Member 'c' is present but not allowed here."
        );
        assert_eq!(
            details(&json!({"a": 1, "c": 2, "d": 3, "e": 4}), look),
            "Parsing a thing failed: Member 'c' and 2 other members are present but not allowed here."
        );
    }

    #[test]
    fn an_id_is_a_word() {
        assert!(["a", "_", "Aa_0", "row1"].into_iter().all(is_id));
        assert!(!["", "0a", "a-b", "a b", "\u{e4}"].into_iter().any(is_id));
    }
}
