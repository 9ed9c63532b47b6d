//! Parts of fields, and what may stand where a constant may.

use crate::{FieldId, FlowKey, FlowMask};

/// A run of bits of a field: `reg0[0..15]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subfield {
    /// The field.
    pub field: FieldId,
    /// Its lowest bit.
    pub offset: u8,
    /// How many bits, at least 1.
    pub bits: u8,
}

impl Subfield {
    /// All bits of a field.
    #[must_use]
    pub fn whole(field: FieldId) -> Self {
        Self { field, offset: 0, bits: field.field().bits }
    }

    /// Whether it is the whole field.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::whole(self.field)
    }

    /// Its bits within the field.
    #[must_use]
    pub const fn mask(&self) -> u128 {
        let ones = if self.bits >= 128 { u128::MAX } else { (1 << self.bits) - 1 };
        if self.offset >= 128 { 0 } else { ones << self.offset }
    }

    /// Its value in `key`, right-aligned.
    #[must_use]
    pub fn read(&self, key: &FlowKey) -> u128 {
        (self.field.field().read(key) & self.mask()) >> self.offset.min(127)
    }

    /// Writes the low bits of `value`.
    pub fn write(&self, key: &mut FlowKey, value: u128) {
        self.field.field().write(key, value << self.offset.min(127), self.mask());
    }

    /// Un-wildcards its bits.
    pub fn unwildcard(&self, mask: &mut FlowMask) {
        self.field.field().unwildcard(mask, self.mask());
    }
}

/// A constant, or what a field holds when the action is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operand<T> {
    /// The constant.
    Value(T),
    /// The bits of a field.
    Field(Subfield),
}

impl<T: Default> Default for Operand<T> {
    fn default() -> Self {
        Self::Value(T::default())
    }
}
