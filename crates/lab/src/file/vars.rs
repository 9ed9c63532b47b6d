//! `vars:` and `--set`: `$name` or `${name}` in any text of the file, keys included; `$$` is a dollar sign.
//!
//! What a variable holds is text, and is not looked at for variables again. In commands and files a `$name` the
//! lab does not know is left for the shell; elsewhere it is an error.

use std::collections::BTreeMap;

use super::read::Reader;
use super::yaml::{Node, Value};
use crate::error::{Span, TextError, did_you_mean};

/// Variables by name.
pub(crate) type Vars = BTreeMap<String, String>;

/// Most bytes that variables may add to a file.
const MAX_GROWTH: usize = 16 << 20;

/// Keys below which an unknown `$name` belongs to a shell.
const SHELL_KEYS: &[&str] = &["run", "env", "prints"];

/// Reads `vars:` of the tree and overrides them by `--set`.
pub(crate) fn collect(reader: &mut Reader, root: &Node, sets: &[(String, String)]) -> Vars {
    let mut vars = Vars::new();
    if let Value::Map(entries) = &root.value
        && let Some((_, node)) = entries.iter().find(|(key, _)| key.text() == Some("vars"))
    {
        for (name, span, value) in reader.entries(node) {
            if name.is_empty() || !name.bytes().all(is_name) {
                reader.error(
                    span,
                    format!("`{name}` cannot be the name of a variable"),
                    Some("letters, digits and _"),
                );
            }
            if let Some(text) = reader.text(value) {
                vars.insert(name.to_owned(), text.to_owned());
            }
        }
    }
    for (name, value) in sets {
        if vars.insert(name.clone(), value.clone()).is_none() {
            let hint = did_you_mean(name, vars.keys().map(String::as_str).filter(|known| known != name));
            let hint = hint.unwrap_or_else(|| "`--set` overrides what `vars:` declares".to_owned());
            reader.error(
                Span::default(),
                format!("`--set {name}` sets a variable that the file does not have"),
                Some(&hint),
            );
        }
    }
    vars
}

/// Puts the variables into all texts of the tree.
pub(crate) fn substitute(reader: &mut Reader, root: &mut Node, vars: &Vars) {
    let mut budget = MAX_GROWTH;
    if let Value::Map(entries) = &mut root.value {
        for (_, value) in entries.iter_mut().filter(|(key, _)| key.text() != Some("vars")) {
            walk(reader, value, vars, false, &mut budget);
        }
    }
}

fn walk(reader: &mut Reader, node: &mut Node, vars: &Vars, shell: bool, budget: &mut usize) {
    match &mut node.value {
        Value::Scalar { text, .. } if text.contains('$') => match expand(text, vars, shell, budget) {
            Ok(new) => *text = new,
            Err(error) => reader.text_error(node.span, text.len(), error),
        },
        Value::Scalar { .. } => {}
        Value::Seq { items, .. } => items.iter_mut().for_each(|item| walk(reader, item, vars, shell, budget)),
        Value::Map(entries) => {
            for (key, value) in entries {
                let below = shell || key.text().is_some_and(|key| SHELL_KEYS.contains(&key));
                walk(reader, key, vars, shell, budget);
                walk(reader, value, vars, below, budget);
            }
        }
    }
}

fn expand(text: &str, vars: &Vars, shell: bool, budget: &mut usize) -> Result<String, TextError> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = from.get(1..).unwrap_or_default();
        let (name, used) = name_at(after);
        let place = text.len() - from.len();
        if after.starts_with('$') && !shell {
            out.push('$');
            rest = after.get(1..).unwrap_or_default();
            continue;
        }
        match vars.get(name) {
            Some(value) => {
                *budget = budget.checked_sub(value.len()).ok_or_else(|| {
                    TextError::new(format!("variables make this file longer than {MAX_GROWTH} bytes"))
                })?;
                out.push_str(value);
                rest = after.get(used..).unwrap_or_default();
            }
            None if shell => {
                out.push('$');
                rest = after;
            }
            None => {
                let hint = did_you_mean(name, vars.keys().map(String::as_str));
                return Err(TextError::new(format!("`${name}` is not a variable of this file"))
                    .hint(hint.unwrap_or_else(|| {
                        "declare it under `vars:`, or write `$$` for a dollar sign".into()
                    }))
                    .at(place..place + 1 + used));
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The name behind a `$`, and how many bytes it takes with its braces.
fn name_at(text: &str) -> (&str, usize) {
    if let Some(inner) = text.strip_prefix('{')
        && let Some((name, _)) = inner.split_once('}')
    {
        return (name, name.len() + 2);
    }
    let len = text.bytes().take_while(|b| is_name(*b)).count();
    (text.get(..len).unwrap_or_default(), len)
}

const fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn try_expand(text: &str, shell: bool) -> Result<String, TextError> {
        let vars = Vars::from([("delay".into(), "20ms".into()), ("n".into(), "4".into())]);
        expand(text, &vars, shell, &mut 100)
    }

    #[test]
    fn variables_are_put_in_once() {
        assert_eq!(try_expand("a $delay b", false), Ok("a 20ms b".into()));
        assert_eq!(try_expand("h1..${n}x$$", false), Ok("h1..4x$".into()));
        assert_eq!(try_expand("echo $HOME $n $$", true), Ok("echo $HOME 4 $$".into()));
        let error = try_expand("é $dealy", false).expect_err("unknown");
        assert_eq!((error.part, error.hint), (Some(3..9), Some("did you mean `delay`?".into())));
        assert!(try_expand(&"$delay".repeat(30), false).is_err(), "over the budget");
    }
}
