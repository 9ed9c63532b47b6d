//! What a file may refer to outside of itself.

/// The surroundings of a file: variables of the environment, files beside it.
pub trait Outside {
    /// A variable of the environment.
    fn variable(&self, name: &str) -> Option<String>;
    /// The text of a file, its path relative to the source; `None` if it cannot be read.
    fn file(&self, path: &str) -> Option<String>;
}

/// No surroundings at all.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl Outside for Nothing {
    fn variable(&self, _name: &str) -> Option<String> {
        None
    }

    fn file(&self, _path: &str) -> Option<String> {
        None
    }
}

/// Variables of a file of `NAME=VALUE` lines, as Compose and Docker read `.env`; `lookup` finds those without a value.
pub(crate) fn variables(text: &str, lookup: impl Fn(&str) -> Option<String>) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let one = |line: &str| {
        let line = line.strip_prefix("export ").unwrap_or(line);
        match line.split_once('=') {
            Some((name, value)) => Some((name.trim().to_owned(), unquoted(value.trim()).to_owned())),
            None => lookup(line).map(|value| (line.to_owned(), value)),
        }
    };
    lines.filter_map(one).collect()
}

/// A value without its quotes, or without the remark behind it.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = value.strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return inner;
        }
    }
    value.split_once(" #").map_or(value, |(value, _)| value.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_variables_are_read() {
        let text = "# a remark\nA=1\nexport B = two words # said\nC='x # y'\n\nD=\"q\" rest\nHOME\nNONE\n";
        let lookup = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        let wanted = [("A", "1"), ("B", "two words"), ("C", "x # y"), ("D", "q"), ("HOME", "/root")];
        let wanted: Vec<_> = wanted.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(variables(text, lookup), wanted);
    }
}
