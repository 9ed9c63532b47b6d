//! A record's rows, their values read straight into what their columns hold: no tree of JSON is made on the way.
//!
//! Only the usual is read so. What is unusual (an integer that is written as `1.0`) or wrong is left to
//! [`object`](super::object), which is slower, and tells what is wrong.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::changes::{Changes, Rows};
use crate::data::{Atom, Datum, Real};
use crate::schema::{AtomicType, BaseType, ColumnType, Schema, TableSchema};
use crate::uuid::Uuid;

/// Reads records. What it needs room for, it keeps from one to the next.
#[derive(Debug, Default)]
pub(super) struct Reader {
    atoms: Vec<Atom>,
    pairs: Vec<(Atom, Atom)>,
    keys: Keys,
}

impl Reader {
    /// Reads the record `text`. `None`: it is not of the usual form.
    pub(super) fn read(&mut self, schema: &Schema, text: &str, changes: &mut Changes) -> Option<()> {
        changes.clear();
        let mut json = serde_json::Deserializer::from_str(text);
        let read = OfRecord { schema, reader: self, changes }.deserialize(&mut json);
        read.and_then(|()| json.end()).ok()
    }

    fn map(&mut self) -> Option<Datum> {
        self.pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let twice = self.pairs.windows(2).any(|pair| matches!(pair, [(a, _), (b, _)] if a == b));
        if twice || self.pairs.is_empty() {
            self.pairs.clear();
            return (!twice).then_some(Datum::Empty);
        }
        Some(Datum::Map(self.pairs.drain(..).collect()))
    }

    fn set(&mut self) -> Option<Datum> {
        self.atoms.sort_unstable();
        let twice = self.atoms.windows(2).any(|pair| matches!(pair, [a, b] if a == b));
        if twice || self.atoms.len() < 2 {
            let only = self.atoms.pop();
            self.atoms.clear();
            return (!twice).then(|| only.map_or(Datum::Empty, Datum::One));
        }
        Some(Datum::Set(self.atoms.drain(..).collect()))
    }
}

/// Keys of maps, which mostly are the same few again and again: of each, one text for all rows.
#[derive(Debug)]
struct Keys(Vec<Option<Arc<str>>>);

/// How many are remembered; a later one takes the place of an earlier one.
const KEYS: usize = 256;

impl Default for Keys {
    fn default() -> Self {
        Self(vec![None; KEYS])
    }
}

impl Keys {
    fn shared(&mut self, text: &str) -> Arc<str> {
        // Fowler, Noll and Vo's hash (FNV-1a); a clash costs another allocation.
        let mix = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let hash = text.bytes().take(32).fold(0x811c_9dc5, mix);
        let place = usize::try_from(hash >> 8).unwrap_or(0) % KEYS;
        match self.0.get_mut(place) {
            Some(Some(known)) if **known == *text => Arc::clone(known),
            Some(slot) => Arc::clone(slot.insert(Arc::from(text))),
            None => Arc::from(text),
        }
    }
}

/// Not of the usual form.
fn unusual<E: Error>() -> E {
    E::custom("not of the usual form")
}

/// Implements what every reader of one thing has.
macro_rules! expecting {
    ($what:literal) => {
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str($what)
        }
    };
}

struct OfRecord<'r> {
    schema: &'r Schema,
    reader: &'r mut Reader,
    changes: &'r mut Changes,
}

impl<'de> DeserializeSeed<'de> for OfRecord<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfRecord<'_> {
    type Value = ();

    expecting!("a record");

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { schema, reader, changes } = self;
        while let Some(member) = map.next_key_seed(OfMember(schema))? {
            match member {
                Member::Date => drop(map.next_value::<i64>()?),
                Member::Comment => map.next_value_seed(Text)?,
                Member::IsDiff => changes.is_diff |= map.next_value::<bool>()?,
                Member::Table(at, table) => {
                    let rows = changes.of_table(at);
                    map.next_value_seed(OfTable { table, reader: &mut *reader, rows })?;
                }
            }
        }
        Ok(())
    }
}

/// A member of a record.
enum Member<'r> {
    Date,
    Comment,
    IsDiff,
    Table(usize, &'r TableSchema),
}

struct OfMember<'r>(&'r Schema);

impl<'de, 'r> DeserializeSeed<'de> for OfMember<'r> {
    type Value = Member<'r>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Member<'r>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'r> Visitor<'_> for OfMember<'r> {
    type Value = Member<'r>;

    expecting!("the name of a table");

    fn visit_str<E: Error>(self, name: &str) -> Result<Member<'r>, E> {
        match name {
            "_date" => Ok(Member::Date),
            "_comment" => Ok(Member::Comment),
            "_is_diff" => Ok(Member::IsDiff),
            _ => {
                let at = self.0.table(name).ok_or_else(unusual)?;
                self.0.tables.get(at).map(|table| Member::Table(at, table)).ok_or_else(unusual)
            }
        }
    }
}

/// A text that nobody needs.
struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Text {
    type Value = ();

    expecting!("a text");

    fn visit_str<E: Error>(self, _text: &str) -> Result<(), E> {
        Ok(())
    }
}

struct OfTable<'r, 'c> {
    table: &'r TableSchema,
    reader: &'r mut Reader,
    rows: Rows<'c>,
}

impl<'de> DeserializeSeed<'de> for OfTable<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OfTable<'_, '_> {
    type Value = ();

    expecting!("rows");

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { table, reader, mut rows } = self;
        while let Some(uuid) = map.next_key_seed(OfUuid)? {
            map.next_value_seed(OfRow { table, reader: &mut *reader, rows: &mut rows, uuid })?;
        }
        Ok(())
    }
}

struct OfUuid;

impl<'de> DeserializeSeed<'de> for OfUuid {
    type Value = Uuid;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Uuid, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OfUuid {
    type Value = Uuid;

    expecting!("a UUID");

    fn visit_str<E: Error>(self, text: &str) -> Result<Uuid, E> {
        text.parse().map_err(|_| unusual())
    }
}

struct OfRow<'r, 'c> {
    table: &'r TableSchema,
    reader: &'r mut Reader,
    rows: &'r mut Rows<'c>,
    uuid: Uuid,
}

impl<'de> DeserializeSeed<'de> for OfRow<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OfRow<'_, '_> {
    type Value = ();

    expecting!("a row");

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.rows.delete(self.uuid);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { table, reader, rows, uuid } = self;
        rows.begin(uuid);
        while let Some(at) = map.next_key_seed(OfColumn(table))? {
            let column = table.columns.get(at).ok_or_else(unusual)?;
            let datum = map.next_value_seed(OfDatum { kind: &column.kind, reader: &mut *reader })?;
            rows.set(at, datum);
        }
        Ok(())
    }
}

struct OfColumn<'r>(&'r TableSchema);

impl<'de> DeserializeSeed<'de> for OfColumn<'_> {
    type Value = usize;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<usize, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OfColumn<'_> {
    type Value = usize;

    expecting!("the name of a column");

    fn visit_str<E: Error>(self, name: &str) -> Result<usize, E> {
        self.0.column(name).ok_or_else(unusual)
    }
}

struct OfDatum<'r> {
    kind: &'r ColumnType,
    reader: &'r mut Reader,
}

impl OfDatum<'_> {
    /// The only element of a set.
    fn one<E: Error>(self, read: impl FnOnce(OfAtom<'_>) -> Result<Atom, E>) -> Result<Datum, E> {
        match self.kind.value {
            None => read(OfAtom { base: &self.kind.key, keys: None }).map(Datum::One),
            Some(_) => Err(unusual()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for OfDatum<'_> {
    type Value = Datum;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Datum, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OfDatum<'_> {
    type Value = Datum;

    expecting!("a value");

    fn visit_bool<E: Error>(self, value: bool) -> Result<Datum, E> {
        self.one(|atom| atom.visit_bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Datum, E> {
        self.one(|atom| atom.visit_i64(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Datum, E> {
        self.one(|atom| atom.visit_u64(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Datum, E> {
        self.one(|atom| atom.visit_f64(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Datum, E> {
        self.one(|atom| atom.visit_str(text))
    }

    // What is behind the second element of an array, serde_json refuses.
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Datum, A::Error> {
        let Self { kind, reader } = self;
        let tag = list.next_element_seed(OfTag)?.ok_or_else(unusual)?;
        match (tag, &kind.value) {
            (Tag::Map, Some(value)) => {
                reader.pairs.clear();
                list.next_element_seed(OfPairs { bases: (&kind.key, value), reader: &mut *reader })?
                    .ok_or_else(unusual)?;
                reader.map().ok_or_else(unusual)
            }
            (Tag::Set, None) => {
                reader.atoms.clear();
                list.next_element_seed(OfAtoms { base: &kind.key, atoms: &mut reader.atoms })?
                    .ok_or_else(unusual)?;
                reader.set().ok_or_else(unusual)
            }
            (Tag::Uuid, None) if kind.key.kind == AtomicType::Uuid => {
                let uuid = list.next_element_seed(OfUuid)?.ok_or_else(unusual)?;
                Ok(Datum::One(Atom::Uuid(uuid)))
            }
            _ => Err(unusual()),
        }
    }
}

/// What an array is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    Map,
    Set,
    Uuid,
}

struct OfTag;

impl<'de> DeserializeSeed<'de> for OfTag {
    type Value = Tag;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tag, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for OfTag {
    type Value = Tag;

    expecting!("what an array is");

    fn visit_str<E: Error>(self, text: &str) -> Result<Tag, E> {
        match text {
            "map" => Ok(Tag::Map),
            "set" => Ok(Tag::Set),
            "uuid" => Ok(Tag::Uuid),
            _ => Err(unusual()),
        }
    }
}

struct OfPairs<'r> {
    bases: (&'r BaseType, &'r BaseType),
    reader: &'r mut Reader,
}

impl<'de> DeserializeSeed<'de> for OfPairs<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OfPairs<'_> {
    type Value = ();

    expecting!("pairs");

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self { bases, reader } = self;
        while let Some(pair) = list.next_element_seed(OfPair { bases, keys: &mut reader.keys })? {
            reader.pairs.push(pair);
        }
        Ok(())
    }
}

struct OfPair<'r> {
    bases: (&'r BaseType, &'r BaseType),
    keys: &'r mut Keys,
}

impl<'de> DeserializeSeed<'de> for OfPair<'_> {
    type Value = (Atom, Atom);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(Atom, Atom), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OfPair<'_> {
    type Value = (Atom, Atom);

    expecting!("a pair");

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(Atom, Atom), A::Error> {
        let (key, value) = self.bases;
        let first = OfAtom { base: key, keys: Some(self.keys) };
        let first = list.next_element_seed(first)?.ok_or_else(unusual)?;
        let second = list.next_element_seed(OfAtom { base: value, keys: None })?.ok_or_else(unusual)?;
        Ok((first, second))
    }
}

struct OfAtoms<'r> {
    base: &'r BaseType,
    atoms: &'r mut Vec<Atom>,
}

impl<'de> DeserializeSeed<'de> for OfAtoms<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OfAtoms<'_> {
    type Value = ();

    expecting!("elements");

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(atom) = list.next_element_seed(OfAtom { base: self.base, keys: None })? {
            self.atoms.push(atom);
        }
        Ok(())
    }
}

struct OfAtom<'r> {
    base: &'r BaseType,
    /// Where it is a key.
    keys: Option<&'r mut Keys>,
}

impl OfAtom<'_> {
    fn checked<E: Error>(&self, atom: Atom) -> Result<Atom, E> {
        atom.check(self.base).map_err(|_| unusual())?;
        Ok(atom)
    }

    fn real<E: Error>(&self, value: f64) -> Result<Atom, E> {
        match (self.base.kind, Real::new(value)) {
            (AtomicType::Real, Some(real)) => self.checked(Atom::Real(real)),
            _ => Err(unusual()),
        }
    }
}

impl<'de> DeserializeSeed<'de> for OfAtom<'_> {
    type Value = Atom;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Atom, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for OfAtom<'_> {
    type Value = Atom;

    expecting!("an atom");

    fn visit_bool<E: Error>(self, value: bool) -> Result<Atom, E> {
        if self.base.kind == AtomicType::Boolean {
            self.checked(Atom::Boolean(value))
        } else {
            Err(unusual())
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as a real, a long integer is the nearest one")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Atom, E> {
        match self.base.kind {
            AtomicType::Integer => self.checked(Atom::Integer(value)),
            _ => self.real(value as f64),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "as a real, a long integer is the nearest one")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Atom, E> {
        match (self.base.kind, i64::try_from(value)) {
            (AtomicType::Integer, Ok(value)) => self.checked(Atom::Integer(value)),
            _ => self.real(value as f64),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Atom, E> {
        self.real(value)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Atom, E> {
        if self.base.kind != AtomicType::String {
            return Err(unusual());
        }
        let text = match self.keys {
            Some(keys) => keys.shared(text),
            None => Arc::from(text),
        };
        let atom = Atom::String(text);
        atom.check(self.base).map_err(|_| unusual())?;
        Ok(atom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Atom, A::Error> {
        let tag = list.next_element_seed(OfTag)?;
        if self.base.kind != AtomicType::Uuid || tag != Some(Tag::Uuid) {
            return Err(unusual());
        }
        list.next_element_seed(OfUuid)?.map(Atom::Uuid).ok_or_else(unusual)
    }
}

#[cfg(test)]
mod tests {
    use super::super::object::object;
    use super::*;

    const SCHEMA: &str = r#"{"name":"db","version":"1.0.0","tables":{"T":{"isRoot":true,"columns":{
        "i":{"type":{"key":{"type":"integer","minInteger":-3,"maxInteger":900}}},
        "r":{"type":"real"},
        "b":{"type":"boolean"},
        "s":{"type":{"key":{"type":"string","enum":["set",["x","y"]]},"min":0,"max":1}},
        "t":{"type":{"key":"string","min":0,"max":"unlimited"}},
        "u":{"type":{"key":{"type":"uuid","refTable":"T"},"min":0,"max":"unlimited"}},
        "m":{"type":{"key":"string","value":"integer","min":0,"max":"unlimited"}},
        "n":{"type":{"key":"integer","value":{"type":"uuid","refTable":"T"},"min":0,"max":"unlimited"}}}}}}"#;
    const A: &str = "00000000-0000-4000-8000-00000000000a";
    const B: &str = "00000000-0000-4000-8000-00000000000b";

    /// The record with these columns, read both ways.
    fn both(columns: &str) -> (Option<String>, Option<String>) {
        record(&format!("{{\"T\":{{\"{A}\":{{{columns}}},\"{B}\":null}},\"_is_diff\":true,\"_date\":5}}"))
    }

    fn record(text: &str) -> (Option<String>, Option<String>) {
        let schema = Schema::parse(SCHEMA).unwrap();
        let mut changes = Changes::default();
        let fast = Reader::default().read(&schema, text, &mut changes).map(|()| format!("{changes:?}"));
        let object = object(text.as_bytes()).ok();
        let slow = object.and_then(|object| changes.read(&schema, &object).ok());
        (fast, slow.map(|()| format!("{changes:?}")))
    }

    #[test]
    fn the_usual_is_read_as_it_is_read_slowly() {
        let uuid = |it: &str| format!("[\"uuid\",\"{it}\"]");
        let (a, b) = (uuid(A), uuid(B));
        for columns in [
            String::new(),
            "\"i\":-3,\"r\":1.5,\"b\":true,\"s\":\"x\"".to_owned(),
            "\"i\":[\"set\",[900]],\"r\":-7,\"s\":[\"set\",[]],\"t\":[\"set\",[\"b\",\"a\",\"\\u00e4\\n\"]]"
                .to_owned(),
            "\"r\":18446744073709551615,\"t\":\"one\",\"m\":[\"map\",[]]".to_owned(),
            "\"m\":[\"map\",[[\"b\",2],[\"a\",1]]],\"t\":[\"set\",[\"b\"]],\"i\":[\"set\",[1,2]]".to_owned(),
            format!("\"u\":{a},\"n\":[\"map\",[[2,{b}],[1,{a}]]]"),
            format!("\"u\":[\"set\",[{b},{a}]]"),
        ] {
            let (fast, slow) = both(&columns);
            assert!(fast.is_some(), "{columns}");
            assert_eq!(fast, slow, "{columns}");
        }
        let (fast, slow) = record("{\"_comment\":\"a\\n\",\"T\":{},\"_date\":1,\"T\":{}}");
        assert_eq!((fast.is_some(), &fast), (true, &slow));
    }

    #[test]
    fn the_unusual_is_left_alone_and_read_slowly_if_it_is_right() {
        for columns in ["\"i\":1.0", "\"i\":[\"set\",[2e0]]", "\"n\":[\"map\",[[1.0,[\"uuid\",\"x\"]]]]"] {
            let (fast, slow) = both(columns);
            assert_eq!((fast, slow.is_some()), (None, !columns.contains('x')), "{columns}");
        }
        for columns in [
            "\"i\":901",
            "\"i\":\"1\"",
            "\"i\":9223372036854775808",
            "\"i\":null",
            "\"r\":1e999",
            "\"b\":0",
            "\"s\":\"z\"",
            "\"t\":[\"set\",[\"a\",\"a\"]]",
            "\"t\":[\"set\",[\"a\"],1]",
            "\"t\":[\"set\"]",
            "\"t\":[]",
            "\"t\":[\"map\",[]]",
            "\"t\":{}",
            "\"u\":[\"uuid\",\"x\"]",
            "\"u\":[\"named-uuid\",\"x\"]",
            "\"m\":[\"map\",[[\"a\",1],[\"a\",2]]]",
            "\"m\":[\"map\",[[\"a\"]]]",
            "\"m\":[\"map\",[[\"a\",1,2]]]",
            "\"m\":5",
            "\"m\":[\"set\",[]]",
            "\"x\":1",
        ] {
            assert_eq!(both(columns), (None, None), "{columns}");
        }
        for text in ["{\"X\":{}}", "{\"T\":5}", "{\"T\":{\"x\":{}}}", "{\"T\":{}", "{} {}", "[]"] {
            assert_eq!(record(text), (None, None), "{text}");
        }
        let odd = record("{\"T\":{},\"_is_diff\":1,\"_comment\":[],\"_date\":1.0}");
        assert_eq!((odd.0, odd.1.is_some()), (None, true));
    }

    #[test]
    fn keys_are_shared() {
        let mut keys = Keys::default();
        let first = keys.shared("owner");
        assert!(Arc::ptr_eq(&first, &keys.shared("owner")));
        for n in 0..10 * KEYS {
            assert_eq!(&*keys.shared(&n.to_string()), n.to_string());
        }
    }
}
