//! Names that other systems allow, as names of a lab: DNS labels.

use std::collections::BTreeMap;

/// New names by old ones; no two old ones share a new one.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// Gives each a name.
    pub(crate) fn of<'a>(all: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = Self::default();
        for old in all {
            let base = label(old);
            let mut new = base.clone();
            let mut count = 2;
            while names.0.values().any(|taken| *taken == new) {
                new = format!("{base}-{count}");
                count += 1;
            }
            names.0.insert(old.to_owned(), new);
        }
        names
    }

    /// The new name, if the old one was among those that got one.
    pub(crate) fn new_name(&self, old: &str) -> Option<&str> {
        self.0.get(old).map(String::as_str)
    }
}

/// A DNS label that is like `text`: letters, digits and hyphens, at most 50 so that a number still fits behind.
pub(crate) fn label(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let clean: String = text.chars().map(fit).take(50).collect();
    let clean = clean.trim_matches('-');
    if clean.is_empty() { "node".to_owned() } else { clean.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_labels_and_stay_apart() {
        let names = Names::of(["a_b", "a.b", "web", "__"]);
        let new: Vec<_> =
            ["a_b", "a.b", "web", "__"].map(|old| names.new_name(old).unwrap_or_default()).into();
        assert_eq!(new, ["a-b", "a-b-2", "web", "node"]);
        assert_eq!(names.new_name("other"), None);
    }
}
