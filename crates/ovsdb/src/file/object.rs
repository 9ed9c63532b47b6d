//! A record's JSON, read straight into lists: no tree is made of what is taken apart at once.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A value that is mostly an object.
#[derive(Debug)]
pub(super) enum Object<'a, V> {
    /// Its members, as they come. Of equal names, each is there.
    Members(Vec<(Cow<'a, str>, V)>),
    /// Something else.
    Other(Value),
}

/// A row: its columns, or `null`.
pub(super) type Row<'a> = Object<'a, Value>;
/// Rows by their UUIDs.
pub(super) type Rows<'a> = Object<'a, Row<'a>>;
/// A record: rows by their tables, and what it says of itself.
pub(super) type Record<'a> = Object<'a, Rows<'a>>;

/// Reads a record.
///
/// # Errors
/// Why it is none.
pub(super) fn object(text: &[u8]) -> Result<Record<'_>, String> {
    match serde_json::from_slice(text).map_err(|e| format!("it is not JSON: {e}"))? {
        object @ Object::Members(_) => Ok(object),
        Object::Other(_) => Err("it is not a JSON object".to_owned()),
    }
}

impl<V> Object<'_, V> {
    /// The members; none of something else.
    pub(super) fn members(&self) -> &[(Cow<'_, str>, V)] {
        match self {
            Self::Members(members) => members,
            Self::Other(_) => &[],
        }
    }
}

impl<'de: 'a, 'a, V: Deserialize<'de>> Deserialize<'de> for Object<'a, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OfObject(PhantomData))
    }
}

struct OfObject<'a, V>(PhantomData<(&'a (), V)>);

impl<'de: 'a, 'a, V: Deserialize<'de>> Visitor<'de> for OfObject<'a, V> {
    type Value = Object<'a, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = map.next_key_seed(Name)? {
            members.push((name, map.next_value()?));
        }
        Ok(Object::Members(members))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(SeqAccessDeserializer::new(list)).map(Object::Other)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Object::Other(Value::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Object::Other(value.into()))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Object::Other(value.into()))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Object::Other(value.into()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Object::Other(value.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Object::Other(text.into()))
    }
}

/// The name of a member: of the bytes themselves, where nothing in it is escaped.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> serde_json::Result<Record<'_>> {
        serde_json::from_str(text)
    }

    #[test]
    fn members_are_found_and_the_rest_is_as_it_is() {
        let record =
            read(r#"{"T":{"u":{"a\n":[1],"b":2},"v":null,"w":[3]},"_date":4,"_comment":"c"}"#).unwrap();
        let [(table, Object::Members(rows)), (date, Object::Other(four)), (_, Object::Other(comment))] =
            record.members()
        else {
            panic!("{record:?}")
        };
        assert_eq!((table.as_ref(), date.as_ref(), four, comment), ("T", "_date", &4.into(), &"c".into()));
        let [(_, Object::Members(columns)), (_, Object::Other(null)), (_, Object::Other(list))] = &rows[..]
        else {
            panic!("{rows:?}")
        };
        assert_eq!((columns[0].0.as_ref(), &columns[1].1), ("a\n", &2.into()));
        assert_eq!((null, list), (&Value::Null, &serde_json::json!([3])));
    }

    #[test]
    fn what_is_no_json_is_told() {
        for text in ["", "{", "{\"a\":}", "{1:2}", "{} {}"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(matches!(read("[1,-2,true,1.5]").unwrap(), Object::Other(_)));
    }
}
