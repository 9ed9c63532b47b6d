//! One action.

use super::{Bundle, Controller, Ct, Encap, Learn, Multipath, Sample, StatTrigger, Subfield};
use crate::{FieldId, OfPort, TableId};

/// How a [`Action::SetField`] was written, so that it is printed alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Spelling {
    /// `set_field:VALUE->FIELD`
    #[default]
    SetField,
    /// `mod_nw_src:VALUE` and its like, which are actions of their own in OpenFlow 1.0 and 1.1.
    Mod,
}

/// How many lists may stand in each other: no list of ours needs more, and all that walks them is bounded by it.
pub const MAX_NESTING: usize = 32;

/// One action. No action at all is `drop`.
///
/// The reserved ports are outputs: `normal` is `Output(OfPort::NORMAL)`, and `in_port`, `local`, `flood`, `all`
/// likewise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Action {
    /// Send by a port. The ingress port is left out unless it is named as [`OfPort::IN_PORT`].
    Output(OfPort),
    /// The same, given by a peer that said how many bytes a controller should get, though the port is none. It is
    /// kept so that the peer reads back what it wrote, as OVS does.
    OutputMax {
        /// The port.
        port: OfPort,
        /// The number of bytes, without effect; not 0.
        max_len: u16,
    },
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
    /// Send by a queue of a port, without a change of the queue for later outputs: `enqueue` of OpenFlow 1.0.
    Enqueue {
        /// The port.
        port: OfPort,
        /// Its queue.
        queue: u32,
    },
    /// Send to the controllers.
    Controller(Controller),
    /// Choose a port that is up, and send there or write its number.
    Bundle(Box<Bundle>),
    /// Process by a group.
    Group(u32),
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
    /// Put the bits of a field on the stack: `push:reg0[]`.
    StackPush(Subfield),
    /// Take what is on the stack into the bits of a field: `pop:reg0[]`.
    StackPop(Subfield),
    /// Take a field away from the packet. Only fields of tunnel options can go.
    DeleteField(FieldId),
    /// Push a VLAN header with id 0, or that of the one before.
    PushVlan {
        /// 0x8100 or 0x88a8.
        tpid: u16,
    },
    /// Pop the outermost VLAN header, if there is one.
    PopVlan,
    /// Push an MPLS header.
    PushMpls {
        /// What the Ethernet type becomes: 0x8847 or 0x8848.
        ethertype: u16,
    },
    /// Pop the outermost MPLS header, if there is one.
    PopMpls {
        /// What the Ethernet type becomes.
        ethertype: u16,
    },
    /// Push a header of provider backbone bridging (802.1ah); the Ethernet type becomes 0x88e7.
    PushPbb,
    /// Pop the header of provider backbone bridging.
    PopPbb,
    /// Add a new outermost header.
    Encap(Encap),
    /// Take the outermost header away.
    Decap {
        /// What the packet then is, as namespace (16 bits) and type (16 bits); `None`: what the header says.
        packet_type: Option<u32>,
    },
    /// Lower TTL or hop limit by one; at 0 or 1 the packet is dropped, and the controllers hear of it.
    DecTtl {
        /// The ids of the controllers that hear of it; none given: those with id 0.
        controllers: Box<[u16]>,
    },
    /// Lower the TTL of the outermost MPLS header by one; at 0 or 1 the packet is dropped.
    DecMplsTtl,
    /// Lower the TTL of the NSH header by one; at 0 or 1 the packet is dropped.
    DecNshTtl,
    /// Copy the TTL of the second outermost header that has one to the outermost.
    CopyTtlOut,
    /// Copy the TTL of the outermost header that has one to the second outermost.
    CopyTtlIn,
    /// Use the port's queue for the outputs that follow.
    SetQueue(u32),
    /// Use the default queue again.
    PopQueue,
    /// Write 1 to a bit if the packet is longer, without its VLAN header, and 0 if it is not.
    CheckPktLarger {
        /// In bytes.
        len: u16,
        /// The bit.
        target: Subfield,
    },
    /// Write the number of a link, chosen by a hash.
    Multipath(Multipath),
    /// Look up again, then go on behind this action.
    Resubmit {
        /// With this ingress port; `None`: the present one.
        port: Option<OfPort>,
        /// In this table; `None`: the present one.
        table: Option<TableId>,
        /// With the addresses, protocol and ports of the connection's first packet instead of the packet's own.
        ct: bool,
    },
    /// Add or change a flow.
    Learn(Box<Learn>),
    /// This flow is one clause of a conjunction: with flows for all its clauses, those with its `conj_id` match.
    Conjunction {
        /// The `conj_id`.
        id: u32,
        /// Which clause, counted from 0. (Text counts from 1.)
        clause: u8,
        /// How many clauses there are: 2 to 64.
        n_clauses: u8,
    },
    /// Lower the timeouts of this flow after a TCP FIN or RST.
    FinTimeout {
        /// What the idle timeout is lowered to; 0: it is not.
        idle: u16,
        /// What the hard timeout is lowered to; 0: it is not.
        hard: u16,
    },
    /// Track the packet's connection.
    Ct(Box<Ct>),
    /// Forget what connection tracking said of the packet.
    CtClear,
    /// Carry out a list on a copy of the packet, of the stack and of the action set.
    Clone(Box<[Self]>),
    /// Send samples of the packets to collectors.
    Sample(Box<Sample>),
    /// Do nothing: bytes for people.
    Note(Box<[u8]>),
    /// End the processing of this packet. Its action set is still carried out.
    Exit,
    /// Let a meter decide whether the packet goes on. Only as the first action.
    Meter(u32),
    /// Tell when the flow has counted so much.
    StatTrigger(Box<StatTrigger>),
    /// Empty the action set.
    ClearActions,
    /// Add to the action set, which is carried out at the end.
    WriteActions(Box<[Self]>),
    /// Write the bits `mask` of the metadata.
    WriteMetadata {
        /// The new bits, 0 outside `mask`.
        value: u64,
        /// Which bits.
        mask: u64,
    },
    /// Go on in a later table. Only as the last action.
    GotoTable(TableId),
}

impl Action {
    /// Sets all bits of a field.
    #[must_use]
    pub fn set(field: FieldId, value: u128) -> Self {
        Self::SetField { field, value, mask: field.field().max(), spelling: Spelling::SetField }
    }

    /// `dec_ttl`
    #[must_use]
    pub fn dec_ttl() -> Self {
        Self::DecTtl { controllers: Box::default() }
    }

    /// The field it writes, if it writes one.
    #[must_use]
    pub fn writes(&self) -> Option<FieldId> {
        match self {
            Self::SetField { field, .. } | Self::DeleteField(field) => Some(*field),
            Self::Load { target, .. } | Self::Move { target, .. } | Self::CheckPktLarger { target, .. } => {
                Some(target.field)
            }
            Self::StackPop(target) => Some(target.field),
            Self::Multipath(multipath) => Some(multipath.target.field),
            Self::Bundle(bundle) => bundle.target.map(|target| target.field),
            Self::Learn(learn) => learn.result.map(|target| target.field),
            Self::SetVlanVid(_) => Some(FieldId::DlVlan),
            Self::SetVlanPcp(_) => Some(FieldId::DlVlanPcp),
            Self::DecTtl { .. } => Some(FieldId::NwTtl),
            Self::DecMplsTtl => Some(FieldId::MplsTtl),
            Self::WriteMetadata { .. } => Some(FieldId::Metadata),
            _ => None,
        }
    }

    /// The list inside of it: what a clone does, what is written to the action set or to a connection. Else empty.
    #[must_use]
    pub fn nested(&self) -> &[Self] {
        match self {
            Self::Clone(list) | Self::WriteActions(list) => list,
            Self::Ct(ct) => &ct.exec,
            _ => &[],
        }
    }

    /// Whether it, or an action of a list inside of it, sends to this port.
    #[must_use]
    pub fn outputs_to(&self, to: OfPort) -> bool {
        match self {
            Self::Output(port)
            | Self::OutputMax { port, .. }
            | Self::Enqueue { port, .. }
            | Self::OutputTrunc { port, .. } => *port == to,
            Self::Controller(_) => to == OfPort::CONTROLLER,
            other => other.nested().iter().any(|action| action.outputs_to(to)),
        }
    }

    /// Whether it, or an action of a list inside of it, uses this group.
    #[must_use]
    pub fn uses_group(&self, id: u32) -> bool {
        match self {
            Self::Group(group) => *group == id,
            other => other.nested().iter().any(|action| action.uses_group(id)),
        }
    }

    /// The name `ovs-ofctl` gives it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Output(_) | Self::OutputMax { .. } | Self::OutputReg { .. } | Self::OutputTrunc { .. } => {
                "output"
            }
            Self::Enqueue { .. } => "enqueue",
            Self::Controller(_) => "controller",
            Self::Bundle(bundle) if bundle.target.is_some() => "bundle_load",
            Self::Bundle(_) => "bundle",
            Self::Group(_) => "group",
            Self::SetField { .. } => "set_field",
            Self::SetVlanVid(_) => "mod_vlan_vid",
            Self::SetVlanPcp(_) => "mod_vlan_pcp",
            Self::Load { .. } => "load",
            Self::Move { .. } => "move",
            Self::StackPush(_) => "push",
            Self::StackPop(_) => "pop",
            Self::DeleteField(_) => "delete_field",
            Self::PushVlan { .. } => "push_vlan",
            Self::PopVlan => "pop_vlan",
            Self::PushMpls { .. } => "push_mpls",
            Self::PopMpls { .. } => "pop_mpls",
            Self::PushPbb => "push_pbb",
            Self::PopPbb => "pop_pbb",
            Self::Encap(_) => "encap",
            Self::Decap { .. } => "decap",
            Self::DecTtl { .. } => "dec_ttl",
            Self::DecMplsTtl => "dec_mpls_ttl",
            Self::DecNshTtl => "dec_nsh_ttl",
            Self::CopyTtlOut => "copy_ttl_out",
            Self::CopyTtlIn => "copy_ttl_in",
            Self::SetQueue(_) => "set_queue",
            Self::PopQueue => "pop_queue",
            Self::CheckPktLarger { .. } => "check_pkt_larger",
            Self::Multipath(_) => "multipath",
            Self::Resubmit { .. } => "resubmit",
            Self::Learn(_) => "learn",
            Self::Conjunction { .. } => "conjunction",
            Self::FinTimeout { .. } => "fin_timeout",
            Self::Ct(_) => "ct",
            Self::CtClear => "ct_clear",
            Self::Clone(_) => "clone",
            Self::Sample(_) => "sample",
            Self::Note(_) => "note",
            Self::Exit => "exit",
            Self::Meter(_) => "meter",
            Self::StatTrigger(_) => "stat_trigger",
            Self::ClearActions => "clear_actions",
            Self::WriteActions(_) => "write_actions",
            Self::WriteMetadata { .. } => "write_metadata",
            Self::GotoTable(_) => "goto_table",
        }
    }
}
