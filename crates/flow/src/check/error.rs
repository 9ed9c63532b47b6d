//! What is wrong with an action.

use crate::action::{MAX_NESTING, Subfield};
use crate::{FieldId, OfPort, Prerequisite, TableId};

use super::Scope;
use crate::text::ShownPort;

/// What is wrong with a list of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActionError {
    /// Nothing can be sent there. `OFPBAC_BAD_OUT_PORT`
    #[error("Nothing can be sent to port {} here", ShownPort(*.0))]
    BadOutPort(OfPort),
    /// No group has such a number. `OFPBAC_BAD_OUT_GROUP`
    #[error("{0} is not the number of a group")]
    BadOutGroup(u32),
    /// No meter has such a number. `OFPMMFC_INVALID_METER`
    #[error("{0} is not the number of a meter")]
    BadMeter(u32),
    /// A field that not every packet of the flow has. `OFPBAC_MATCH_INCONSISTENT`
    #[error("'{}' needs a flow for {} only", .0.field().name, .1.packets())]
    NoField(FieldId, Prerequisite),
    /// An action for packets that the flow need not match. `OFPBAC_MATCH_INCONSISTENT`
    #[error("'{}' needs a flow for {} only", .0, .1.packets())]
    Inconsistent(&'static str, Prerequisite),
    /// A field that actions cannot write. `OFPBAC_BAD_SET_ARGUMENT`
    #[error("'{}' is read-only", .0.field().name)]
    ReadOnly(FieldId),
    /// A part that the field has not. `OFPBAC_BAD_SET_LEN`
    #[error("{} has no {} bits from bit {}", .0.field.field().name, .0.bits, .0.offset)]
    BadSubfield(Subfield),
    /// A value with bits that its place has not. `OFPBAC_BAD_SET_ARGUMENT`
    #[error("The value for '{}' has bits that it has not", .0.field().name)]
    BadValue(FieldId),
    /// Source and destination are not equally wide. `OFPBAC_BAD_SET_LEN`
    #[error("The source has {source_bits} bits and the destination {target_bits}")]
    WidthsDiffer {
        /// Bits of the source.
        source_bits: u8,
        /// Bits of the destination.
        target_bits: u8,
    },
    /// A field of a connection, written outside of `ct`. `OFPBAC_BAD_SET_ARGUMENT`
    #[error("'{}' can be written inside of ct(commit,exec(...)) only", .0.field().name)]
    OutsideCt(FieldId),
    /// Not the Ethernet type of what is pushed. `OFPBAC_BAD_ARGUMENT`
    #[error("0x{0:04x} is not an Ethernet type for this action")]
    BadEthertype(u16),
    /// A third VLAN header. `OFPBAC_BAD_TAG`
    #[error("A packet has at most two VLAN headers")]
    TooManyVlans,
    /// Backward, or no table for flows. `OFPBIC_BAD_TABLE_ID`
    #[error("'goto_table' cannot go to table {0} from here")]
    BadGoto(TableId),
    /// An action that may not stand there. `OFPBAC_BAD_TYPE` in the action set, else `OFPBAC_BAD_ARGUMENT`
    #[error("'{}' cannot stand in {}", .0, .1.words())]
    NotAllowed(&'static str, Scope),
    /// Two instructions of a kind. `OFPBIC_DUP_INST`
    #[error("'{0}' can be given once only")]
    Duplicate(&'static str),
    /// Instructions in another order than OpenFlow carries them out. Only text can say so.
    #[error("'{first}' must stand before '{second}'")]
    Order {
        /// What must stand before.
        first: &'static str,
        /// What must stand behind.
        second: &'static str,
    },
    /// `conjunction` beside something else. `NXBAC_BAD_CONJUNCTION`
    #[error("'conjunction' and '{0}' cannot be actions of one flow")]
    BadConjunction(&'static str),
    /// Anything else that an action was given. `OFPBAC_BAD_ARGUMENT`
    #[error("'{0}' {1}")]
    BadArgument(&'static str, &'static str),
    /// Lists in lists in lists. `OFPBAC_BAD_ARGUMENT`
    #[error("More than {} lists in each other", MAX_NESTING)]
    TooDeep,
}
