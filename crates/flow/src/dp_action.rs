//! What a datapath can do to a packet: few, primitive, and without a choice left but those that only the packet
//! decides (its length, the state of a meter).

use std::sync::Arc;

use crate::{DropReason, Effect, Hits, Meter, OptionSet, PortId, Punt, RecircId, Track, TunnelKey};

/// New value for some bits of one word of the [`crate::PacketKey`] layout, written into the packet's headers.
///
/// The executor maps the word to header bytes and keeps checksums right incrementally.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WordSet {
    /// Index into the key's words, see [`crate::word`].
    pub word: u8,
    /// The new bits, 0 outside `mask`.
    pub value: u64,
    /// Which bits to write.
    pub mask: u64,
}

/// A primitive action. A list of them is carried out in order; each output sends the packet as it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DpAction {
    /// Send to a datapath port: a device, or the near end of a link that ends at another switch.
    Output(PortId),
    /// The same by one of the port's queues; a port that has no such queue sends by its queue 0.
    Enqueue {
        /// The port.
        port: PortId,
        /// The number of the queue, not 0.
        queue: u32,
    },
    /// Send only the first bytes of each wire packet.
    OutputTrunc {
        /// The port.
        port: PortId,
        /// By this queue; 0: the one that packets take of which nothing is said.
        queue: u32,
        /// So many bytes at most.
        max_len: u32,
    },
    /// Send by a tunnel port, which takes from `key` what its configuration leaves to flows.
    Tunnel {
        /// The port.
        port: PortId,
        /// The queue, 0 for the default one.
        queue: u32,
        /// What the flows want.
        key: Box<TunnelKey>,
        /// Only so many bytes of each wire packet.
        max_len: Option<u32>,
        /// The options that `key` names, held here so that they are not forgotten.
        options: Option<Arc<OptionSet>>,
    },
    /// Rewrite header fields.
    Set(WordSet),
    /// Push a VLAN header: TPID and TCI (without OVS's "present" bit).
    PushVlan {
        /// 0x8100 or 0x88a8.
        tpid: u16,
        /// Priority, DEI and VLAN id.
        tci: u16,
    },
    /// Pop the outermost VLAN header.
    PopVlan,
    /// Push an MPLS header behind Ethernet and VLAN headers.
    PushMpls {
        /// What the Ethernet type becomes: 0x8847 or 0x8848.
        ethertype: u16,
        /// The header: label, traffic class, bottom of stack, TTL.
        lse: u32,
    },
    /// Pop the outermost MPLS header.
    PopMpls {
        /// What the Ethernet type becomes.
        ethertype: u16,
    },
    /// Push a backbone header with the addresses of the frame, Ethernet type 0x88e7 and this service tag.
    PushPbb {
        /// Priority, drop eligible, use of customer addresses, I-SID.
        itag: u32,
    },
    /// Pop the backbone header: all up to the end of the service tag.
    PopPbb,
    /// Push an Ethernet header without addresses in front of everything.
    PushEth {
        /// Its Ethernet type.
        ethertype: u16,
    },
    /// Pop the outermost Ethernet header, behind which there is another one.
    PopEth,
    /// Push a Network Service Header, given in bytes, behind Ethernet. The Ethernet type becomes 0x894f.
    PushNsh(Box<[u8]>),
    /// Pop the Network Service Header behind Ethernet.
    PopNsh {
        /// What the Ethernet type becomes.
        ethertype: u16,
    },
    /// Rewrite a field that says what follows it, and find the headers behind anew.
    SetNext(NextHeader),
    /// Copy the TTL between the only MPLS header and the IP header behind it.
    CopyTtl(CopyTtl),
    /// Carry out the inner list on a copy; the packet itself goes on unchanged.
    Clone(Box<[Self]>),
    /// Hand a copy of each wire packet up, for a controller. The packet itself goes on.
    Userspace(Arc<Punt>),
    /// Let a meter decide about each wire packet. What passes takes the branch; the packet itself goes on unchanged.
    Meter {
        /// The meter.
        meter: MeterRef,
        /// What is done with packets that pass.
        passed: Arc<Branch>,
    },
    /// Tell long wire packets from short ones. The packet itself goes on unchanged.
    CheckLength {
        /// Bytes from the Ethernet header on, VLAN headers not counted.
        len: u16,
        /// What is done with packets that are longer.
        longer: Arc<Branch>,
        /// What is done with the others.
        other: Arc<Branch>,
    },
    /// Track the packet's connection, which may translate its addresses. A packet that cannot be tracked as asked (no
    /// room, no free port) is dropped and counted.
    Ct(Box<Track>),
    /// Forget what tracking said of the packet.
    CtClear,
    /// Look the packet up again under this id, as it is now.
    Recirculate(RecircId),
    /// Drop here and count it. Only as the last action of a list.
    Drop(DropReason),
}

/// A field that says what follows it, with its new value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHeader {
    /// The Ethernet type, behind VLAN headers.
    EthType(u16),
    /// The protocol of IPv4, or what the last header of IPv6 says of the next.
    IpProto(u8),
    /// Whether the outermost MPLS header is the bottom of the stack.
    BottomOfStack(bool),
}

/// Which way a TTL is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyTtl {
    /// From the inner header to the outer one.
    Out,
    /// From the outer header to the inner one.
    In,
}

/// A list of actions that only some packets of a cached flow take, with what those mean to the switch.
///
/// Two are equal if they do and mean the same, whatever they have carried.
#[derive(Debug, Default)]
pub struct Branch {
    /// What the datapath does.
    pub actions: Box<[DpAction]>,
    /// What to do for the packets that took it, as [`crate::Translation::effects`].
    pub effects: Box<[Effect]>,
    /// What has taken it.
    pub hits: Hits,
}

impl PartialEq for Branch {
    fn eq(&self, other: &Self) -> bool {
        self.actions == other.actions && self.effects == other.effects
    }
}

impl Eq for Branch {}

impl Branch {
    /// Calls `visit` for every branch within a list of actions, outer ones first.
    pub fn each<'a>(actions: &'a [DpAction], visit: &mut dyn FnMut(&'a Self)) {
        for action in actions {
            match action {
                DpAction::Clone(inner) => Self::each(inner, visit),
                DpAction::Meter { passed, .. } => passed.visited(visit),
                DpAction::CheckLength { longer, other, .. } => {
                    longer.visited(visit);
                    other.visited(visit);
                }
                _ => {}
            }
        }
    }

    fn visited<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        visit(self);
        Self::each(&self.actions, visit);
    }
}

/// A meter as actions refer to it. Two are equal if they are the same one.
#[derive(Debug, Clone)]
pub struct MeterRef(pub Arc<Meter>);

impl PartialEq for MeterRef {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for MeterRef {}
