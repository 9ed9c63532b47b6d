//! `$NAME` and `${NAME:-default}` in values (the Compose specification, interpolation).

use netloom_lab::yaml::{Node, Value};

use crate::outside::variables;
use crate::read::Reading;

/// Fills in the variables of all values.
pub(super) fn texts(reading: &mut Reading<'_>, root: &mut Node) {
    let outside = reading.outside;
    let lookup = |name: &str| outside.variable(name);
    let beside = variables(&outside.file(".env").unwrap_or_default(), lookup);
    let known = |name: &str| {
        outside
            .variable(name)
            .or_else(|| beside.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    };
    let mut budget = MAX_GROWTH;
    walk(reading, root, &known, &mut budget);
}

/// Most bytes that variables may add.
const MAX_GROWTH: usize = 16 << 20;
/// Deepest nesting of defaults within defaults.
const MAX_DEPTH: usize = 16;

type Known<'k> = &'k dyn Fn(&str) -> Option<String>;

fn walk(reading: &mut Reading<'_>, node: &mut Node, known: Known<'_>, budget: &mut usize) {
    match &mut node.value {
        Value::Scalar { text, .. } if text.contains('$') => {
            let mut unset = Vec::new();
            match expand(text, known, &mut unset, 0) {
                Ok(new) if new.len() > text.len() + *budget => {
                    reading.error(node.span, "variables make this file too long", None);
                }
                Ok(new) => {
                    *budget -= new.len().saturating_sub(text.len());
                    *text = new;
                }
                Err(message) => reading.error(node.span, message, None),
            }
            for name in unset {
                let why = "the variable is not set: nothing stands in its place";
                reading.note(node.span, format!("${{{name}}}"), why);
            }
        }
        Value::Scalar { .. } => {}
        Value::Seq { items, .. } => items.iter_mut().for_each(|item| walk(reading, item, known, budget)),
        Value::Map(entries) => entries.iter_mut().for_each(|(_, value)| walk(reading, value, known, budget)),
    }
}

fn expand(text: &str, known: Known<'_>, unset: &mut Vec<String>, depth: usize) -> Result<String, String> {
    if depth > MAX_DEPTH {
        return Err("defaults stand in defaults more than 16 deep".to_owned());
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(behind) = after.strip_prefix('$') {
            out.push('$');
            rest = behind;
        } else if let Some(inner) = after.strip_prefix('{') {
            let end = closing(inner).ok_or_else(|| format!("`${{` is not closed in `{text}`"))?;
            let (inner, behind) = inner.split_at(end);
            out.push_str(&braced(inner, known, unset, depth)?);
            rest = behind.get(1..).unwrap_or_default();
        } else {
            let len = name_len(after);
            let (name, behind) = after.split_at(len);
            if name.is_empty() {
                return Err(format!("a `$` without a name in `{text}`; a dollar sign is written `$$`"));
            }
            out.push_str(&value(name, known, unset));
            rest = behind;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the brace closes that is open, braces within counted.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
        before = c;
    }
    None
}

fn name_len(text: &str) -> usize {
    let digit_first = text.starts_with(|c: char| c.is_ascii_digit());
    if digit_first { 0 } else { text.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count() }
}

fn value(name: &str, known: Known<'_>, unset: &mut Vec<String>) -> String {
    known(name).unwrap_or_else(|| {
        unset.push(name.to_owned());
        String::new()
    })
}

/// `NAME`, or `NAME` with `:-`, `-`, `:?`, `?`, `:+` or `+` and a text behind; the colon counts an empty value as unset.
fn braced(inner: &str, known: Known<'_>, unset: &mut Vec<String>, depth: usize) -> Result<String, String> {
    let (name, operation) = inner.split_at(name_len(inner));
    if name.is_empty() {
        return Err(format!("`${{{inner}}}` names no variable"));
    }
    if operation.is_empty() {
        return Ok(value(name, known, unset));
    }
    let (strict, rest) = operation.strip_prefix(':').map_or((false, operation), |rest| (true, rest));
    let set = known(name).filter(|value| !(strict && value.is_empty()));
    let mut letters = rest.chars();
    match (letters.next(), set) {
        (Some('-'), Some(value)) | (Some('?'), Some(value)) => Ok(value),
        (Some('-'), None) | (Some('+'), Some(_)) => expand(letters.as_str(), known, unset, depth + 1),
        (Some('+'), None) => Ok(String::new()),
        (Some('?'), None) => Err(format!("`{name}` has to be set: {}", letters.as_str())),
        _ => Err(format!("`${{{inner}}}` is not a way to use a variable")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_filled_in_as_compose_does() {
        let known = |name: &str| match name {
            "A" => Some("1".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, wanted) in [
            ("$A-${A}$$A", "1-1$A"),
            ("${B:-x}${B-y}${A:-z}", "xy1"),
            ("${EMPTY:-x}${EMPTY-y}", "x"),
            ("${A:+yes}${B:+no}${EMPTY+set}${EMPTY:+no}", "yesset"),
            ("${B:-${A:-2}/${C:-x}}", "1/x"),
            ("${A:?must}", "1"),
            ("$B.", "."),
        ] {
            let mut unset = Vec::new();
            assert_eq!(expand(text, &known, &mut unset, 0).as_deref(), Ok(wanted), "{text}");
        }
        for text in ["$", "${A", "${B:?must be}", "${}", "${1}", "${A!x}", "$1"] {
            assert!(expand(text, &known, &mut Vec::new(), 0).is_err(), "{text}");
        }
        let deep = "${B:-".repeat(100) + &"}".repeat(100);
        assert!(expand(&deep, &known, &mut Vec::new(), 0).is_err());
    }
}
