//! What goes wrong in a database operation: a tag that clients test, and a text for people.
//!
//! Source: RFC 7047 §3.1 `<error>`; `syntax` is Open vSwitch's extension, the JSON that was refused.

use std::borrow::Cow;

use serde_json::Value;

use crate::json::text;

/// An error of an operation, a schema, or a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{tag}{}", self.explanation())]
pub struct OvsdbError {
    /// What clients compare: `constraint violation`, `timed out`, ...
    pub tag: Cow<'static, str>,
    /// For people. In Open vSwitch's words, because scripts compare those too.
    pub details: String,
    /// The JSON in question, members sorted.
    pub syntax: Option<String>,
}

impl OvsdbError {
    /// An error without the JSON it is about.
    pub fn new(tag: &'static str, details: impl Into<String>) -> Self {
        Self { tag: Cow::Borrowed(tag), details: details.into(), syntax: None }
    }

    /// A `syntax error` in `json`.
    pub fn syntax(json: &Value, details: impl Into<String>) -> Self {
        Self::tagged(json, "syntax error", details)
    }

    /// An error in `json` with a tag of its own.
    pub fn tagged(json: &Value, tag: &'static str, details: impl Into<String>) -> Self {
        let mut syntax = String::new();
        text::value(&mut syntax, json);
        Self { syntax: Some(syntax), ..Self::new(tag, details) }
    }

    /// A `constraint violation`.
    pub fn constraint(details: impl Into<String>) -> Self {
        Self::new("constraint violation", details)
    }

    /// A `referential integrity violation`.
    pub(crate) fn integrity(details: impl Into<String>) -> Self {
        Self::new("referential integrity violation", details)
    }

    /// Writes the error object at the end of `out`.
    pub fn emit(&self, out: &mut String) {
        out.push_str("{\"details\":");
        text::string(out, &self.details);
        out.push_str(",\"error\":");
        text::string(out, &self.tag);
        if let Some(syntax) = &self.syntax {
            out.push_str(",\"syntax\":");
            text::string(out, syntax);
        }
        out.push('}');
    }

    /// The error object.
    pub fn to_json_text(&self) -> String {
        let mut out = String::new();
        self.emit(&mut out);
        out
    }

    fn explanation(&self) -> String {
        match &self.syntax {
            Some(syntax) => format!(": {} (in {syntax})", self.details),
            None => format!(": {}", self.details),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_an_object_with_its_syntax() {
        let error = OvsdbError::tagged(&serde_json::json!(["x", 1]), "unknown column", "No column x.");
        let wanted = r#"{"details":"No column x.","error":"unknown column","syntax":"[\"x\",1]"}"#;
        assert_eq!(error.to_json_text(), wanted);
        assert_eq!(error.to_string(), "unknown column: No column x. (in [\"x\",1])");
        let plain = OvsdbError::new("aborted", "aborted by request");
        assert_eq!(plain.to_json_text(), r#"{"details":"aborted by request","error":"aborted"}"#);
    }
}
