//! Watching a translation: the same code that serves packets, run with someone taking notes.

use netloom_flow::action::PacketInReason;
use netloom_flow::{Action, DropReason, FlowKey, FlowText, OfPort, PortId, RecircId, TableId, TenantId};

use crate::model::{Group, Rule};

/// Takes notes of a translation.
pub trait Recorder {
    /// Something happened, in the order of the translation.
    fn record(&mut self, event: Event<'_>);

    /// Whether anybody will read the notes: what only they need is not worked out otherwise.
    fn listens(&self) -> bool {
        true
    }
}

/// Takes no notes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Recorder for Silent {
    fn record(&mut self, _: Event<'_>) {}

    fn listens(&self) -> bool {
        false
    }
}

/// What happens to a packet in translation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'a> {
    /// It comes in to a bridge.
    Enter {
        /// The bridge's name.
        bridge: &'a str,
        /// The interface's name.
        port: &'a str,
        /// The port's number.
        number: OfPort,
        /// What it looks like there.
        key: &'a FlowKey,
    },
    /// It was parsed again, and what was put aside is taken up.
    Resume {
        /// The bridge's name.
        bridge: &'a str,
        /// What it looks like.
        key: &'a FlowKey,
    },
    /// It is looked up in a table.
    Table {
        /// The table.
        table: TableId,
        /// What matched; `None`: nothing.
        rule: Option<&'a Rule>,
        /// Lookups around this one: 0 on the way through the tables.
        depth: u32,
    },
    /// An action is carried out.
    Action {
        /// The action.
        action: &'a Action,
        /// Lookups and groups around it.
        depth: u32,
    },
    /// That action changed the packet or the pipeline's own fields.
    Changed {
        /// As it was.
        before: &'a FlowKey,
        /// As it is.
        after: &'a FlowKey,
    },
    /// `learn` adds a flow, or keeps it fresh.
    LearnFlow(&'a FlowText),
    /// The packet is put aside until it was parsed again.
    Recirculate(RecircId),
    /// What follows is for packets that are longer than some length, or not. See [`Self::SideEnd`].
    Side {
        /// The length.
        len: u16,
        /// Whether it is for longer ones.
        longer: bool,
    },
    /// Both kinds are on the same way again.
    SideEnd,
    /// NORMAL learns its source address.
    Learn {
        /// The tenant.
        tenant: TenantId,
        /// The VLAN.
        vlan: u16,
        /// The address.
        mac: [u8; 6],
        /// Where it lives.
        port: OfPort,
    },
    /// It is between a controller and its switches: no flow is asked, NORMAL forwards it.
    InBand,
    /// It is for the network's own service, which answers: no flow is asked.
    Served(Served),
    /// NORMAL decides where it goes.
    Forward(Forward),
    /// It leaves by a port, to a device or into a link.
    Output {
        /// The interface's name.
        port: &'a str,
        /// The port's number.
        number: OfPort,
        /// The datapath port.
        dp_port: PortId,
        /// Why translation does not go on at the other end of the link, if it ends at another switch.
        cut: Option<Cut>,
    },
    /// It crosses a link to another switch, where translation goes on.
    Cross {
        /// The interface's name, at the sending side.
        port: &'a str,
    },
    /// A copy goes to the controllers.
    Controller {
        /// Why.
        reason: PacketInReason,
    },
    /// A group chooses.
    Group {
        /// The group.
        group: &'a Group,
        /// The places of the buckets that get the packet.
        chosen: &'a [usize],
    },
    /// A copy is processed by a bucket of a group.
    Bucket {
        /// The group.
        group: u32,
        /// The bucket's id.
        bucket: u32,
        /// Lookups and groups around its actions.
        depth: u32,
    },
    /// A copy ends.
    Drop {
        /// Why.
        reason: DropReason,
        /// The port it came in by, or was to leave by.
        port: OfPort,
    },
}

/// What a network's service is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// An IPv4 address, by DHCP.
    Dhcp,
    /// An IPv6 address, by DHCPv6.
    Dhcp6,
    /// Which routers there are.
    Routers,
    /// A name.
    Names,
    /// Where it is, or whether it is there.
    Neighbour,
}

/// How NORMAL found where a packet goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// The destination was learned.
    Learned(OfPort),
    /// The destination, or the owner of the address asked for, is an address of the lab.
    Known(OfPort),
    /// To every port of the tenant and VLAN.
    Flood,
}

/// Why a packet is handed to a link instead of going on at once at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Path fusion is switched off.
    Off,
    /// The link is down.
    Down,
    /// The link has settings that act on each packet.
    Shaped,
    /// Someone captures at one of its ends.
    Captured,
    /// It is a tunnel: what that says of the packet travels beside it, and the packet must fit in.
    Tunnel,
    /// The packet has been at that switch before.
    Visited,
    /// 128 hops or 1,024 outputs.
    Budget,
    /// Each wire packet by itself decides whether it comes here, or how much of it.
    Branch,
    /// Only parsing the packet again tells what it has become.
    Reparse,
}
