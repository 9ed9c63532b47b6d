//! Order of names as people count: `h2` before `h10`.

/// A key that sorts names so.
pub(crate) fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts: Vec<(String, u64)> = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (text, tail) = rest.split_at(word);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        parts.push((text.to_owned(), number.parse().unwrap_or(0)));
        rest = tail;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count() {
        let mut names = ["s10", "h10s2", "h2s1", "h1", "s2", "h10", "h2", "c0"];
        names.sort_by_key(|name| natural(name));
        assert_eq!(names, ["c0", "h1", "h2", "h2s1", "h10", "h10s2", "s2", "s10"]);
    }
}
