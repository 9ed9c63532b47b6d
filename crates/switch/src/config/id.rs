//! How the identifiers of `netloom-flow` look in a serialized configuration: as bare numbers.

use netloom_flow::{PortId, TenantId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Something written as a plain number, or as the absence of one.
pub(super) trait Plain: Sized {
    type Number: Serialize + for<'de> Deserialize<'de>;
    fn number(&self) -> Self::Number;
    fn of(number: Self::Number) -> Self;
}

impl Plain for PortId {
    type Number = u32;
    fn number(&self) -> u32 {
        self.0
    }
    fn of(number: u32) -> Self {
        Self(number)
    }
}

impl Plain for TenantId {
    type Number = u16;
    fn number(&self) -> u16 {
        self.0
    }
    fn of(number: u16) -> Self {
        Self(number)
    }
}

impl<T: Plain> Plain for Option<T> {
    type Number = Option<T::Number>;
    fn number(&self) -> Self::Number {
        self.as_ref().map(Plain::number)
    }
    fn of(number: Self::Number) -> Self {
        number.map(T::of)
    }
}

pub(super) fn serialize<T: Plain, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    value.number().serialize(serializer)
}

pub(super) fn deserialize<'de, T: Plain, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::Number::deserialize(deserializer).map(T::of)
}
