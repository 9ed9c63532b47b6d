//! What a column of a row holds: a set or a map of atoms, sorted.
//!
//! Cloning costs at most a reference count: a new version of a row shares with the old one all that did not change.
//!
//! Source: RFC 7047 §5.1 `<value>`.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use super::{Atom, Differences, Symbols};
use crate::error::OvsdbError;
use crate::schema::ColumnType;

/// The value of a column. Whether it is a set or a map, the column's type knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Datum {
    /// No element.
    #[default]
    Empty,
    /// A set of one, so a scalar too.
    One(Atom),
    /// A set of two or more, in order.
    Set(Arc<[Atom]>),
    /// A map of one or more, in order of its keys.
    Map(Arc<[(Atom, Atom)]>),
}

impl Datum {
    /// The set of `atoms`, duplicates dropped.
    pub fn set(mut atoms: Vec<Atom>) -> Self {
        atoms.sort_unstable();
        atoms.dedup();
        Self::from_sorted(atoms)
    }

    /// The map of `pairs`; of equal keys, the first counts.
    pub fn map(mut pairs: Vec<(Atom, Atom)>) -> Self {
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs.dedup_by(|(later, _), (first, _)| later == first);
        Self::from_sorted_pairs(pairs)
    }

    fn from_sorted(mut atoms: Vec<Atom>) -> Self {
        match atoms.len() {
            0 => Self::Empty,
            1 => atoms.pop().map_or(Self::Empty, Self::One),
            _ => Self::Set(Arc::from(atoms)),
        }
    }

    fn from_sorted_pairs(pairs: Vec<(Atom, Atom)>) -> Self {
        if pairs.is_empty() { Self::Empty } else { Self::Map(Arc::from(pairs)) }
    }

    /// The default of a column: empty where that is allowed, else one default atom.
    pub(crate) fn default_of(column: &ColumnType) -> Self {
        let key = Atom::default_of(column.key.kind);
        match (&column.value, column.min) {
            (_, 0) => Self::Empty,
            (None, _) => Self::One(key),
            (Some(value), _) => Self::from_sorted_pairs(vec![(key, Atom::default_of(value.kind))]),
        }
    }

    /// The number of elements, or pairs.
    pub fn len(&self) -> usize {
        match self {
            Self::Empty => 0,
            Self::One(_) => 1,
            Self::Set(atoms) => atoms.len(),
            Self::Map(pairs) => pairs.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The elements of a set; nothing for a map.
    pub fn atoms(&self) -> &[Atom] {
        match self {
            Self::One(atom) => std::slice::from_ref(atom),
            Self::Set(atoms) => atoms,
            Self::Empty | Self::Map(_) => &[],
        }
    }

    /// The pairs of a map; nothing for a set.
    pub fn pairs(&self) -> &[(Atom, Atom)] {
        match self {
            Self::Map(pairs) => pairs,
            _ => &[],
        }
    }

    /// The only element of a set of one.
    pub fn single(&self) -> Option<&Atom> {
        match self {
            Self::One(atom) => Some(atom),
            _ => None,
        }
    }

    /// The value at `key` of a map.
    pub fn value_of(&self, key: &Atom) -> Option<&Atom> {
        let pairs = self.pairs();
        let at = pairs.binary_search_by(|(other, _)| other.cmp(key)).ok()?;
        pairs.get(at).map(|(_, value)| value)
    }

    /// Whether a set has the element, or a map the key.
    pub fn contains(&self, key: &Atom) -> bool {
        match self {
            Self::Map(_) => self.value_of(key).is_some(),
            _ => self.atoms().binary_search(key).is_ok(),
        }
    }

    /// Whether all of `part` is in here, pairs with their values.
    pub(crate) fn includes(&self, part: &Self) -> bool {
        part.atoms().iter().all(|atom| self.contains(atom))
            && part.pairs().iter().all(|(key, value)| self.value_of(key) == Some(value))
    }

    /// Whether nothing of `part` is in here, pairs with their values.
    pub(crate) fn excludes(&self, part: &Self) -> bool {
        !part.atoms().iter().any(|atom| self.contains(atom))
            && !part.pairs().iter().any(|(key, value)| self.value_of(key) == Some(value))
    }

    /// This and `other`; keys that are there keep their value.
    pub(crate) fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (_, Self::Empty) => self.clone(),
            (Self::Empty, _) => other.clone(),
            (Self::Map(_), _) | (_, Self::Map(_)) => {
                let mine = self.pairs().iter();
                let added = other.pairs().iter().filter(|(key, _)| !self.contains(key));
                Self::map(mine.chain(added).cloned().collect())
            }
            _ => {
                // Both are in order, and mostly one is short.
                let mut atoms = Vec::with_capacity(self.len() + other.len());
                let (mut mine, mut added) = (self.atoms(), other.atoms());
                while let ([first, rest @ ..], [least, ..]) = (added, mine) {
                    if first < least {
                        atoms.push(first.clone());
                        added = rest;
                        continue;
                    }
                    let (before, after) = mine.split_at(mine.partition_point(|atom| atom < first));
                    atoms.extend_from_slice(before);
                    added = if after.first() == Some(first) { rest } else { added };
                    mine = after;
                }
                atoms.extend_from_slice(mine);
                atoms.extend_from_slice(added);
                Self::from_sorted(atoms)
            }
        }
    }

    /// This without `other`: from a map go the pairs that are the same, or, if `other` is a set, the keys.
    pub(crate) fn subtract(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Map(pairs), Self::Map(_)) => {
                let kept = |(key, value): &&(Atom, Atom)| other.value_of(key) != Some(value);
                Self::from_sorted_pairs(pairs.iter().filter(kept).cloned().collect())
            }
            (Self::Map(pairs), _) => {
                let kept = |(key, _): &&(Atom, Atom)| !other.contains(key);
                Self::from_sorted_pairs(pairs.iter().filter(kept).cloned().collect())
            }
            _ => self.retain(|atom| !other.contains(atom)),
        }
    }

    /// The set of the elements that `keep` wants.
    pub(crate) fn retain(&self, keep: impl Fn(&Atom) -> bool) -> Self {
        Self::from_sorted(self.atoms().iter().filter(|atom| keep(atom)).cloned().collect())
    }

    /// The map of the pairs that `keep` wants.
    pub(crate) fn retain_pairs(&self, keep: impl Fn(&Atom, &Atom) -> bool) -> Self {
        let pairs = self.pairs().iter().filter(|(key, value)| keep(key, value));
        Self::from_sorted_pairs(pairs.cloned().collect())
    }

    /// What makes `new` of this: for a column of at most one element, `new`; else what is on one side only, and keys
    /// whose value changed, with the new value.
    ///
    /// Source: ovsdb-server(7), "Monitor Cond", row-update2.
    pub(crate) fn diff(&self, new: &Self, column: &ColumnType) -> Self {
        if !column.is_composite() {
            return new.clone();
        }
        if column.value.is_none() {
            let sides = Differences::new(self.atoms(), new.atoms());
            return Self::from_sorted(sides.map(|(_, atom)| atom.clone()).collect());
        }
        let mut pairs: Vec<(Atom, Atom)> = Vec::new();
        for (is_new, pair) in Differences::new(self.pairs(), new.pairs()) {
            match pairs.last_mut().filter(|last| last.0 == pair.0) {
                Some(last) if is_new => *last = pair.clone(),
                Some(_) => {}
                None => pairs.push(pair.clone()),
            }
        }
        Self::from_sorted_pairs(pairs)
    }

    /// What `diff` makes of this: the opposite of [`Self::diff`].
    pub(crate) fn apply_diff(&self, diff: &Self, column: &ColumnType) -> Self {
        if !column.is_composite() {
            return diff.clone();
        }
        if column.value.is_some() {
            let kept = self.pairs().iter().filter(|(key, _)| !diff.contains(key));
            let changed = diff.pairs().iter().filter(|(key, value)| self.value_of(key) != Some(value));
            return Self::map(kept.chain(changed).cloned().collect());
        }
        self.diff(diff, column)
    }

    /// Reads a value of a column's type, and checks it.
    ///
    /// # Errors
    /// `syntax error` for the wrong form, `constraint violation` for atoms that are not allowed, `ovsdb error` for
    /// duplicates.
    pub(crate) fn from_json(
        column: &ColumnType,
        json: &Value,
        mut symbols: Option<&mut Symbols<'_>>,
    ) -> Result<Self, OvsdbError> {
        if let Some(value) = &column.value {
            let elements = unwrap(json, "map", column)?;
            let mut pairs = Vec::with_capacity(elements.len());
            for element in elements {
                let Some([first, second]) = element.as_array().map(Vec::as_slice) else {
                    return Err(OvsdbError::syntax(element, "expected 2-element array"));
                };
                let key = Atom::from_json(&column.key, first, symbols.as_deref_mut())?;
                pairs.push((key, Atom::from_json(value, second, symbols.as_deref_mut())?));
            }
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            return match pairs.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b)) {
                true => Err(OvsdbError::new("ovsdb error", "map contains duplicate key")),
                false => Ok(Self::from_sorted_pairs(pairs)),
            };
        }
        let is_set = |array: &Vec<Value>| array.first().and_then(Value::as_str) == Some("set");
        if !json.as_array().is_some_and(is_set) {
            return Atom::from_json(&column.key, json, symbols).map(Self::One);
        }
        let elements = unwrap(json, "set", column)?;
        let atoms = elements.iter().map(|json| Atom::from_json(&column.key, json, symbols.as_deref_mut()));
        let mut atoms = atoms.collect::<Result<Vec<Atom>, OvsdbError>>()?;
        atoms.sort_unstable();
        match atoms.windows(2).any(|pair| matches!(pair, [a, b] if a == b)) {
            true => Err(OvsdbError::new("ovsdb error", "set contains duplicate")),
            false => Ok(Self::from_sorted(atoms)),
        }
    }

    /// Checks every atom against the constraints of the column.
    pub(crate) fn check(&self, column: &ColumnType) -> Result<(), OvsdbError> {
        self.atoms().iter().try_for_each(|atom| atom.check(&column.key))?;
        self.pairs().iter().try_for_each(|(key, value)| {
            key.check(&column.key)?;
            column.value.as_ref().map_or(Ok(()), |base| value.check(base))
        })
    }

    /// Writes the value as JSON: a set of one is its element.
    pub(crate) fn emit(&self, column: &ColumnType, out: &mut String) {
        match self {
            Self::One(atom) => atom.emit(out),
            Self::Map(pairs) => {
                out.push_str("[\"map\",[");
                for (at, (key, value)) in pairs.iter().enumerate() {
                    out.push_str(if at == 0 { "[" } else { ",[" });
                    key.emit(out);
                    out.push(',');
                    value.emit(out);
                    out.push(']');
                }
                out.push_str("]]");
            }
            Self::Empty if column.value.is_some() => out.push_str("[\"map\",[]]"),
            Self::Empty => out.push_str("[\"set\",[]]"),
            Self::Set(atoms) => {
                out.push_str("[\"set\",[");
                for (at, atom) in atoms.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    atom.emit(out);
                }
                out.push_str("]]");
            }
        }
    }

    /// The value as messages show it.
    pub(crate) fn to_text(&self, column: &ColumnType) -> String {
        let atoms = self.atoms().iter().map(Atom::to_text);
        let pairs = self.pairs().iter().map(|(key, value)| format!("{}={}", key.to_text(), value.to_text()));
        let inner = atoms.chain(pairs).collect::<Vec<_>>().join(", ");
        match (column.is_composite() || self.is_empty(), column.value.is_some()) {
            (false, _) => inner,
            (true, false) => format!("[{inner}]"),
            (true, true) => format!("{{{inner}}}"),
        }
    }
}

impl PartialOrd for Datum {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Fewer elements come first, then the smaller ones.
impl Ord for Datum {
    fn cmp(&self, other: &Self) -> Ordering {
        let elements = || self.atoms().cmp(other.atoms()).then_with(|| self.pairs().cmp(other.pairs()));
        self.len().cmp(&other.len()).then_with(elements)
    }
}

impl From<Atom> for Datum {
    fn from(atom: Atom) -> Self {
        Self::One(atom)
    }
}

/// The elements in `[class, [...]]`, if there are as many as the column allows.
fn unwrap<'a>(json: &'a Value, class: &str, column: &ColumnType) -> Result<&'a Vec<Value>, OvsdbError> {
    let elements = match json.as_array().map(Vec::as_slice) {
        Some([Value::String(tag), Value::Array(elements)]) if tag == class => elements,
        _ => return Err(OvsdbError::syntax(json, format!("expected [\"{class}\", <array>]"))),
    };
    let (n, min, max) = (elements.len(), column.min, column.max);
    if column.allows(n) {
        return Ok(elements);
    }
    let details = match (min, max) {
        (1, 1) => format!("{class} must have exactly one member but {n} are present"),
        _ => format!("{class} must have {min} to {max} members but {n} are present"),
    };
    Err(OvsdbError::syntax(json, details))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn column(json: Value) -> ColumnType {
        ColumnType::from_json(&json).unwrap()
    }

    fn integers() -> ColumnType {
        column(json!({"key": "integer", "min": 0, "max": "unlimited"}))
    }

    fn numbers() -> ColumnType {
        column(json!({"key": "integer", "value": "integer", "min": 0, "max": "unlimited"}))
    }

    fn text(datum: &Datum, column: &ColumnType) -> String {
        let mut out = String::new();
        datum.emit(column, &mut out);
        out
    }

    #[test]
    fn one_element_needs_no_brackets() {
        let kind = integers();
        for (json, shown) in [
            (json!(5), "5"),
            (json!(["set", [5]]), "5"),
            (json!(["set", []]), "[\"set\",[]]"),
            (json!(["set", [3, 1, 2]]), "[\"set\",[1,2,3]]"),
        ] {
            assert_eq!(text(&Datum::from_json(&kind, &json, None).unwrap(), &kind), shown);
        }
        let map = numbers();
        let datum = Datum::from_json(&map, &json!(["map", [[2, 1], [1, 5]]]), None).unwrap();
        assert_eq!(text(&datum, &map), "[\"map\",[[1,5],[2,1]]]");
        assert_eq!(datum.to_text(&map), "{1=5, 2=1}");
        assert_eq!(text(&Datum::Empty, &map), "[\"map\",[]]");
    }

    #[test]
    fn wrong_forms_are_refused() {
        let refusal = |kind: &ColumnType, json: Value| Datum::from_json(kind, &json, None).unwrap_err();
        assert_eq!(refusal(&integers(), json!(["set", [1, 1]])).details, "set contains duplicate");
        assert_eq!(refusal(&integers(), json!(["set", [1, 1]])).tag, "ovsdb error");
        assert_eq!(refusal(&integers(), json!(["set", 1])).details, "expected [\"set\", <array>]");
        assert_eq!(
            refusal(&numbers(), json!(["map", [[1, 1], [1, 2]]])).details,
            "map contains duplicate key"
        );
        assert_eq!(refusal(&numbers(), json!(["map", [[1]]])).details, "expected 2-element array");
        assert_eq!(refusal(&numbers(), json!(5)).details, "expected [\"map\", <array>]");
        let one = column(json!("integer"));
        let details = refusal(&one, json!(["set", []])).details;
        assert_eq!(details, "set must have exactly one member but 0 are present");
        let two = column(json!({"key": "integer", "min": 0, "max": 2}));
        let details = refusal(&two, json!(["set", [1, 2, 3]])).details;
        assert_eq!(details, "set must have 0 to 2 members but 3 are present");
    }

    #[test]
    fn a_map_keeps_what_it_has() {
        let pairs =
            |list: &[(i64, i64)]| Datum::map(list.iter().map(|&(k, v)| (k.into(), v.into())).collect());
        assert_eq!(pairs(&[(1, 1)]).union(&pairs(&[(1, 2), (2, 2)])), pairs(&[(1, 1), (2, 2)]));
        assert_eq!(pairs(&[(1, 1), (2, 2)]).subtract(&pairs(&[(1, 2), (2, 2)])), pairs(&[(1, 1)]));
        assert_eq!(pairs(&[(1, 1), (2, 2)]).subtract(&Datum::One(1.into())), pairs(&[(2, 2)]));
    }

    proptest! {
        #[test]
        fn a_union_has_each_element_once(
            a in proptest::collection::btree_set(0_i64..20, 0..12),
            b in proptest::collection::btree_set(0_i64..20, 0..12),
        ) {
            let set = |set: &std::collections::BTreeSet<i64>| Datum::set(set.iter().map(|n| (*n).into()).collect());
            prop_assert_eq!(set(&a).union(&set(&b)), set(&a.union(&b).copied().collect()));
        }

        #[test]
        fn a_difference_leads_from_old_to_new(
            old in proptest::collection::btree_map(0_i64..8, 0_i64..3, 0..6),
            new in proptest::collection::btree_map(0_i64..8, 0_i64..3, 0..6),
        ) {
            let set = |map: &std::collections::BTreeMap<i64, i64>| {
                Datum::set(map.keys().map(|&key| key.into()).collect())
            };
            let kind = integers();
            let (a, b) = (set(&old), set(&new));
            prop_assert_eq!(a.apply_diff(&a.diff(&b, &kind), &kind), b);
            let map = |map: &std::collections::BTreeMap<i64, i64>| {
                Datum::map(map.iter().map(|(&k, &v)| (k.into(), v.into())).collect())
            };
            let kind = numbers();
            let (a, b) = (map(&old), map(&new));
            prop_assert_eq!(a.apply_diff(&a.diff(&b, &kind), &kind), b);
        }
    }
}
