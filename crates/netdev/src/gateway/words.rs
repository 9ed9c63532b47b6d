//! What a gateway's port asks, and what it is told.

use std::net::{IpAddr, SocketAddr};

/// What a flow is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP echo, its identifier in the place of a port.
    Echo,
}

/// A flow as the gateway's kernel sees it: no two flows are alike in it, wherever they lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Inner {
    /// What it is of.
    pub protocol: Protocol,
    /// The node's address.
    pub node: IpAddr,
    /// The node's port towards the gateway's kernel: its own, or another where that is taken.
    pub port: u16,
}

/// Where a flow leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whither {
    /// To an address of the world.
    Out(SocketAddr),
    /// To the machine's name server.
    Resolver,
}

/// What the port wants done outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Call, and say whether somebody answers ([`Tell::Admit`], [`Tell::Refuse`], [`Tell::Forget`]).
    Connect {
        /// The flow.
        inner: Inner,
        /// Whom.
        to: Whither,
        /// The beginning of the packet that asked, from its IP header: for an error message about it.
        quote: Vec<u8>,
    },
    /// A datagram follows at the gateway's socket, the first of its flow.
    Datagrams {
        /// The flow.
        inner: Inner,
        /// The node's own port.
        port: u16,
        /// To whom.
        to: Whither,
    },
    /// Send an echo request.
    Echo {
        /// The flow; the reply has its port as the identifier.
        inner: Inner,
        /// To whom.
        to: IpAddr,
        /// The request's sequence number.
        sequence: u16,
        /// The request's data.
        data: Vec<u8>,
        /// As of [`Ask::Connect`].
        quote: Vec<u8>,
    },
    /// The gateway itself is asked for an echo: nothing is to be sent, but the flow is to be forgotten in time.
    Own {
        /// The flow.
        inner: Inner,
    },
}

/// What the port is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tell {
    /// Somebody answered: let the connection in.
    Admit(Inner),
    /// Nobody listens there.
    Refuse(Inner),
    /// Its connection has ended; last packets may be under way.
    Over(Inner),
    /// Nothing is known of it any more.
    Forget(Inner),
}
