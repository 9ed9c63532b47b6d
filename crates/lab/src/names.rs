//! Names, and ranges of names: `red/web`, `blue/h1..4`, `rack1..2-h1..4`.
//!
//! A name is a DNS label, with or without a tenant in front. `A..B` is the only range there is. Two ranges in
//! one name multiply; equal ranges on both sides of a link pair up.

use std::ops::Range;

use crate::error::TextError;

/// The most names one range, or one lab, may make.
pub const MAX_NAMES: usize = 100_000;

/// The tenant of a name that names none.
pub const DEFAULT_TENANT: &str = "default";

/// Checks a DNS label: 1 to 63 letters, digits and hyphens, no hyphen at either end (RFC 1123 section 2.1).
///
/// # Errors
/// Says which character or length is wrong.
pub fn check_label(label: &str) -> Result<(), TextError> {
    if label.is_empty() {
        return Err(TextError::new("a name is missing"));
    }
    if label.len() > 63 {
        return Err(TextError::new(format!("the name `{label}` is longer than 63 characters")));
    }
    if let Some(c) = label.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '-') {
        return Err(TextError::new(format!("`{label}` is not a name: `{c}` cannot be part of one")).hint(
            "names are letters, digits and hyphens; `tenant/name` and ranges such as `h1..4` are possible",
        ));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(TextError::new(format!("the name `{label}` begins or ends with a hyphen")));
    }
    Ok(())
}

/// Checks the name of an interface or switch port: what Linux takes, 1 to 15 bytes without `/`, `:` or blanks.
///
/// # Errors
/// Says what is wrong.
pub fn check_interface(name: &str) -> Result<(), TextError> {
    let fits = (1..=15).contains(&name.len()) && name != "." && name != "..";
    if !fits {
        return Err(TextError::new(format!("`{name}` is not the name of an interface"))
            .hint("1 to 15 characters, such as eth0"));
    }
    match name.chars().find(|c| !c.is_ascii_graphic() || matches!(c, '/' | ':' | '@')) {
        Some(c) => {
            Err(TextError::new(format!("`{name}` is not the name of an interface: it contains `{c}`")))
        }
        None => Ok(()),
    }
}

/// One piece of a [`Pattern`].
#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    /// First, last, and the least number of digits (`h01..10` counts 01, 02 ... 10).
    Range {
        first: u32,
        last: u32,
        width: usize,
    },
}

/// A name that may contain ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    /// The tenant, if one is named.
    pub tenant: Option<String>,
    pieces: Vec<Piece>,
}

impl Pattern {
    /// Reads `name`, `tenant/name`, with any number of ranges in the name.
    ///
    /// # Errors
    /// Says what is wrong with the name, the tenant or the range.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        let (tenant, name) = match text.split_once('/') {
            Some((tenant, name)) => {
                check_label(tenant)?;
                (Some(tenant.to_owned()), name)
            }
            None => (None, text),
        };
        let pieces = pieces(name)?;
        let pattern = Self { tenant, pieces };
        if pattern.count() > MAX_NAMES as u64 {
            return Err(TextError::new(format!(
                "`{text}` makes {} names, more than {MAX_NAMES}",
                pattern.count()
            )));
        }
        // Every name of a pattern has the same characters, and the last one is among the longest.
        let sample = pattern.name(&pattern.ranges().map(|r| r.end - 1).collect::<Vec<_>>());
        check_label(&sample)?;
        Ok(pattern)
    }

    /// The pattern that is just `name`, which the caller knows to be one.
    pub(crate) fn of(name: &str) -> Self {
        Self { tenant: None, pieces: vec![Piece::Text(name.to_owned())] }
    }

    /// How many names it makes.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.ranges().fold(1u64, |n, r| n.saturating_mul(r.end - r.start))
    }

    /// Whether it makes more than one name.
    #[must_use]
    pub fn has_range(&self) -> bool {
        self.ranges().next().is_some()
    }

    /// The ranges, as first..last+1, in order.
    fn ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Text(_) => None,
                Piece::Range { first, last, .. } => Some(u64::from(*first)..u64::from(*last) + 1),
            })
            .map(|r| r.start..r.end)
    }

    /// The name at these values of the ranges.
    fn name(&self, values: &[u64]) -> String {
        let mut out = String::new();
        let mut values = values.iter();
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Range { width, .. } => {
                    out.push_str(&format!("{:0width$}", values.next().copied().unwrap_or_default()));
                }
            }
        }
        out
    }

    /// All names without the tenant, the last range running fastest.
    #[must_use]
    pub fn expand(&self) -> Vec<String> {
        let ranges: Vec<_> = self.ranges().collect();
        product(&ranges).iter().map(|values| self.name(values)).collect()
    }

    /// All names, with the tenant in front unless it is `default` or none.
    #[must_use]
    pub fn expand_full(&self) -> Vec<String> {
        let tenant = self.tenant.as_deref();
        self.expand().into_iter().map(|name| full_name(tenant, &name)).collect()
    }
}

/// `tenant/name`, or `name` for the default tenant.
#[must_use]
pub fn full_name(tenant: Option<&str>, name: &str) -> String {
    match tenant {
        None | Some(DEFAULT_TENANT) => name.to_owned(),
        Some(tenant) => format!("{tenant}/{name}"),
    }
}

/// The tenant and the bare name of a full name.
#[must_use]
pub fn split_full(full: &str) -> (&str, &str) {
    full.split_once('/').unwrap_or((DEFAULT_TENANT, full))
}

/// Pairs the names on both sides of a link: equal ranges run together, the others multiply.
///
/// # Errors
/// If ranges on both sides are left over, or more than [`MAX_NAMES`] links come of it.
pub fn pair(left: &Pattern, right: &Pattern) -> Result<Vec<(String, String)>, TextError> {
    let lefts: Vec<_> = left.ranges().collect();
    let rights: Vec<_> = right.ranges().collect();
    let mut used = vec![false; lefts.len()];
    // For each range on the right: the range on the left it runs with.
    let mut with: Vec<Option<usize>> = vec![None; rights.len()];
    let same_length = |a: &Range<u64>, b: &Range<u64>| a.end - a.start == b.end - b.start;
    for equal in [true, false] {
        for (slot, r) in with.iter_mut().zip(&rights).filter(|(slot, _)| slot.is_none()) {
            let found = lefts
                .iter()
                .zip(&used)
                .position(|(l, used)| !used && if equal { l == r } else { same_length(l, r) });
            if let Some(i) = found {
                used[i] = true;
                *slot = Some(i);
            }
        }
    }
    let free: Vec<_> =
        rights.iter().zip(&with).filter(|(_, w)| w.is_none()).map(|(r, _)| r.clone()).collect();
    if !free.is_empty() && used.contains(&false) {
        return Err(TextError::new(format!(
            "{} names on the left and {} on the right do not pair up",
            left.count(),
            right.count()
        ))
        .hint("give both sides the same range, or one of them a single name"));
    }
    let total = left.count().saturating_mul(free.iter().fold(1, |n, r| n * (r.end - r.start)));
    if total > MAX_NAMES as u64 {
        return Err(TextError::new(format!("this makes {total} links, more than {MAX_NAMES}")));
    }
    let mut all = lefts.clone();
    all.extend(free);
    let pairs = product(&all).into_iter().map(|values| {
        let mut extra = values.get(lefts.len()..).unwrap_or_default().iter();
        let right_values: Vec<u64> = with
            .iter()
            .zip(&rights)
            .map(|(w, r)| match w.and_then(|i| Some((values.get(i)?, lefts.get(i)?))) {
                Some((value, l)) => r.start + (value - l.start),
                None => extra.next().copied().unwrap_or(r.start),
            })
            .collect();
        (left.name(&values), right.name(&right_values))
    });
    Ok(pairs.collect())
}

/// All combinations, the last range running fastest. The caller has bounded their number.
fn product(ranges: &[Range<u64>]) -> Vec<Vec<u64>> {
    let mut out = vec![Vec::new()];
    for range in ranges {
        out = out
            .iter()
            .flat_map(|head| range.clone().map(|n| head.iter().copied().chain([n]).collect::<Vec<u64>>()))
            .collect();
    }
    out
}

/// Splits a name at its ranges.
fn pieces(name: &str) -> Result<Vec<Piece>, TextError> {
    let mut out = Vec::new();
    let mut rest = name;
    while let Some(dots) = rest.find("..") {
        let (head, tail) = (rest.get(..dots).unwrap_or_default(), rest.get(dots + 2..).unwrap_or_default());
        let stem = head.trim_end_matches(|c: char| c.is_ascii_digit());
        let first = head.get(stem.len()..).unwrap_or_default();
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (last, after) = tail.split_at(digits);
        let bad = || {
            TextError::new(format!("`{name}` is not a range of names"))
                .hint("a range is two numbers with two dots between them, such as `h1..4`")
        };
        let (from, to) = (number(first).ok_or_else(bad)?, number(last).ok_or_else(bad)?);
        if from > to {
            return Err(TextError::new(format!("the range `{from}..{to}` runs backwards"))
                .hint(format!("write `{to}..{from}`")));
        }
        if !stem.is_empty() {
            out.push(Piece::Text(stem.to_owned()));
        }
        let width = if first.len() > 1 && first.starts_with('0') { first.len() } else { 1 };
        out.push(Piece::Range { first: from, last: to, width });
        rest = after;
    }
    if !rest.is_empty() || out.is_empty() {
        out.push(Piece::Text(rest.to_owned()));
    }
    Ok(out)
}

fn number(text: &str) -> Option<u32> {
    (text.len() <= 9).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn p(text: &str) -> Pattern {
        Pattern::parse(text).expect(text)
    }

    #[test]
    fn ranges_count_and_multiply() {
        assert_eq!(p("blue/h1..3").expand_full(), ["blue/h1", "blue/h2", "blue/h3"]);
        assert_eq!(p("default/h1").expand_full(), ["h1"]);
        assert_eq!(p("r1..2-h1..2").expand(), ["r1-h1", "r1-h2", "r2-h1", "r2-h2"]);
        assert_eq!(p("h08..10").expand(), ["h08", "h09", "h10"]);
        assert_eq!(p("1..2").expand(), ["1", "2"]);
    }

    #[test]
    fn bad_names_are_refused() {
        for bad in [
            "",
            "-a",
            "a-",
            "a_b",
            "a b",
            "h4..1",
            "h..4",
            "h1..",
            "a/b/c",
            "/a",
            "a/",
            "h1...4",
            "x1..99999999",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad}");
        }
        assert!(Pattern::parse("a1..1000b1..1000").is_err(), "a million names");
        assert!(Pattern::parse(&"a".repeat(64)).is_err());
    }

    #[test]
    fn equal_ranges_pair_up() {
        let pairs =
            |a, b| pair(&p(a), &p(b)).map(|v| v.iter().map(|(x, y)| format!("{x}-{y}")).collect::<Vec<_>>());
        assert_eq!(pairs("h1..2", "s1"), Ok(vec!["h1-s1".into(), "h2-s1".into()]));
        assert_eq!(pairs("h1..2", "s1..2"), Ok(vec!["h1-s1".into(), "h2-s2".into()]));
        assert_eq!(pairs("h1..2", "s5..6"), Ok(vec!["h1-s5".into(), "h2-s6".into()]));
        assert_eq!(
            pairs("p1..2h1..2", "p1..2").map(|v| v.join(" ")),
            Ok("p1h1-p1 p1h2-p1 p2h1-p2 p2h2-p2".into())
        );
        assert_eq!(pairs("a", "b1..2"), Ok(vec!["a-b1".into(), "a-b2".into()]));
        assert!(pairs("h1..4", "s1..2").is_err_and(|e| e.message.starts_with("4 names on the left and 2")));
    }
}
