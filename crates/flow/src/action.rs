//! The actions of flows, as OpenFlow and OVS know them.
//!
//! What they do is decided by `netloom-switch`, which turns them into [`crate::DpAction`]s; their text is in
//! [`crate::text`].

use crate::{FieldId, FlowKey, FlowMask, OfPort, TableId};

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

/// How a [`Action::SetField`] was written, so that it is printed alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Spelling {
    /// `set_field:VALUE->FIELD`
    #[default]
    SetField,
    /// `mod_nw_src:VALUE` and its like, actions of OpenFlow 1.0.
    Mod,
}

/// What is in `controller(...)`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Controller {
    /// How many bytes of the packet are sent; 65,535: all.
    pub max_len: u16,
    /// Which controller connection; 0: every one.
    pub id: u16,
    /// The reason given: 0 no match, 1 action, 2 invalid TTL.
    pub reason: u8,
}

impl Default for Controller {
    fn default() -> Self {
        Self { max_len: u16::MAX, id: 0, reason: 1 }
    }
}

/// One action. No action at all is `drop`.
///
/// The reserved ports are outputs: `normal` is `Output(OfPort::NORMAL)`, and `in_port`, `local`, `flood`, `all`
/// likewise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send by a port. The ingress port is left out unless it is named as [`OfPort::IN_PORT`].
    Output(OfPort),
    /// Send by the port whose number a field holds.
    OutputReg {
        /// Where the number is.
        source: Subfield,
        /// How many bytes a controller gets, if it turns out to be one.
        max_len: u16,
    },
    /// Send the first bytes only: `output(port=N,max_len=M)`.
    OutputTrunc {
        /// The port.
        port: OfPort,
        /// At most so many bytes, at least 14.
        max_len: u32,
    },
    /// Send to the controllers.
    Controller(Controller),
    /// Write some bits of a field, if the packet has it.
    SetField {
        /// The field.
        field: FieldId,
        /// The new bits, right-aligned, 0 outside `mask`.
        value: u128,
        /// Which bits.
        mask: u128,
        /// How it was written.
        spelling: Spelling,
    },
    /// Set the VLAN id; push a VLAN header first if there is none.
    SetVlanVid(u16),
    /// Set the VLAN priority; push a VLAN header first if there is none.
    SetVlanPcp(u8),
    /// Write a constant to some bits of a field: `load:1->reg0[0]`.
    Load {
        /// The constant, fitting `target`.
        value: u128,
        /// Where to.
        target: Subfield,
    },
    /// Copy bits: `move:reg0[]->reg1[]`.
    Move {
        /// Where from.
        source: Subfield,
        /// Where to, equally wide.
        target: Subfield,
    },
    /// Push a VLAN header with id 0, or that of the one before.
    PushVlan {
        /// 0x8100 or 0x88a8.
        tpid: u16,
    },
    /// Pop the outermost VLAN header, if there is one.
    PopVlan,
    /// Lower TTL or hop limit by one; at 0 or 1 the packet is dropped.
    DecTtl,
    /// Look up again, then go on behind this action.
    Resubmit {
        /// With this ingress port; `None`: the present one.
        port: Option<OfPort>,
        /// In this table; `None`: the present one.
        table: Option<TableId>,
    },
    /// Write the bits `mask` of the metadata.
    WriteMetadata {
        /// The new bits, 0 outside `mask`.
        value: u64,
        /// Which bits.
        mask: u64,
    },
    /// Go on in a later table. Only as the last action.
    GotoTable(TableId),
    /// Use the port's queue for the outputs that follow.
    SetQueue(u32),
    /// Use the default queue again.
    PopQueue,
    /// Process by a group.
    Group(u32),
    /// Do nothing: bytes for people.
    Note(Box<[u8]>),
    /// End the processing of this flow.
    Exit,
}

impl Action {
    /// Sets all bits of a field.
    #[must_use]
    pub fn set(field: FieldId, value: u128) -> Self {
        Self::SetField { field, value, mask: field.field().max(), spelling: Spelling::SetField }
    }

    /// The field it writes, if it writes one.
    #[must_use]
    pub const fn writes(&self) -> Option<FieldId> {
        match self {
            Self::SetField { field, .. } => Some(*field),
            Self::Load { target, .. } | Self::Move { target, .. } => Some(target.field),
            Self::SetVlanVid(_) => Some(FieldId::DlVlan),
            Self::SetVlanPcp(_) => Some(FieldId::DlVlanPcp),
            Self::DecTtl => Some(FieldId::NwTtl),
            Self::WriteMetadata { .. } => Some(FieldId::Metadata),
            _ => None,
        }
    }
}
