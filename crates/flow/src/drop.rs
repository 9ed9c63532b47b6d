//! Why a packet was dropped. From the first packet on, every drop has one of these and a counter.

use std::fmt;

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum DropReason { $($(#[$doc])* $name,)* }

        impl DropReason {
            /// All reasons, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// A few words a person understands, as `netloom ls drops` prints them.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

reasons! {
    /// The frame is shorter than an Ethernet header, or a header lies about its length.
    Malformed = "malformed",
    /// The port is unknown, being removed or administratively down.
    PortDown = "port down",
    /// The link is down.
    LinkDown = "link down",
    /// The link's loss setting chose this packet.
    LinkLoss = "link loss",
    /// The link's queue is at its limit.
    QueueFull = "queue full",
    /// Longer than the link's MTU and not to be segmented.
    TooLong = "too long",
    /// The lab's packet memory is exhausted.
    PoolExhausted = "packet memory exhausted",
    /// No flow matched and the table's miss is to drop.
    TableMiss = "no flow matched",
    /// A flow's actions send the packet nowhere.
    FlowAction = "dropped by a flow",
    /// The output belongs to another tenant.
    Tenant = "tenant",
    /// The VLAN is not allowed on the ingress port.
    VlanIngress = "vlan not allowed on the ingress port",
    /// Both the port it came in by and the one it was to leave by are protected.
    Protected = "between protected ports",
    /// It came in by a port that is there for the copies of a mirror only.
    MirrorOutput = "port is the output of a mirror",
    /// NORMAL has nowhere to send it: no other port carries its VLAN and tenant.
    NoDestination = "no other port in this tenant and vlan",
    /// The destination was learned on the ingress port itself.
    Hairpin = "destination is on the ingress port",
    /// The spanning tree blocks the ingress or egress port.
    Blocked = "blocked by the spanning tree",
    /// An address reserved for link protocols (01:80:c2:00:00:0x), not forwarded by NORMAL.
    Reserved = "link-local protocol frame",
    /// A request for an address that no node in this tenant and domain owns (`arp: local`).
    UnknownOwner = "no node owns the requested address",
    /// A report of group membership, which is for routers, where nobody routes (`arp: local`).
    NoRouter = "no router listens to group reports",
    /// TTL or hop limit ran out.
    TtlExpired = "ttl expired",
    /// More than 64 nested or 4,096 resubmits in one bridge.
    ResubmitLimit = "resubmit limit",
    /// The output port does not exist.
    NoPort = "output port does not exist",
    /// The device refused the frame: its queue is full.
    DeviceFull = "device queue full",
    /// The device failed; see its status.
    DeviceError = "device error",
    /// The bounded ring to another worker is full.
    HandoffFull = "worker ring full",
    /// A meter's rate was exceeded.
    Meter = "rate of a meter exceeded",
    /// More came in by the port than its policing lets in.
    Policed = "rate of the port's policing exceeded",
    /// The ports of a tenant sent more together than its quota allows.
    Quota = "bandwidth of the tenant's quota exceeded",
    /// Packets for controllers come faster than they are taken.
    ControllerFull = "too many packets for controllers",
    /// The group does not exist, or has no bucket that is alive.
    NoBucket = "no bucket of the group is alive",
    /// The port is configured not to receive, or not to send.
    PortConfig = "port is closed by its configuration",
    /// The state named by a recirculation id is gone.
    NoRecirc = "recirculation state gone",
    /// No room for a further connection, in all or in its zone.
    CtFull = "connection table full",
    /// Every address and port that a connection could be translated to is taken.
    CtNat = "no address or port left to translate to",
    /// A fragment that overlaps another, is too small or too far out, or contradicts the others.
    FragmentBad = "fragment overlaps, is too small or out of bounds",
    /// The rest of a datagram in fragments did not come in time.
    FragmentTimeout = "fragments of a datagram missing",
    /// Too many fragments wait for the rest of their datagrams.
    FragmentFull = "too many fragments waiting",
    /// The switch was told to drop fragments.
    FragmentPolicy = "fragments are dropped by configuration",
    /// A packet without an Ethernet header was to leave by a port, or its headers do not allow an `encap` or `decap`.
    PacketType = "packet type does not allow it",
    /// Too many lookups for one packet: it goes round in circles.
    HopLimit = "hop limit",
    /// A tunnel packet is cut short, or says what its tunnel does not allow.
    TunnelMalformed = "malformed tunnel packet",
    /// The checksum of a tunnel packet is wrong.
    TunnelChecksum = "wrong checksum of a tunnel packet",
    /// No tunnel has its key, its sender and its receiver.
    TunnelUnknown = "no tunnel has its key and peer",
    /// Congestion was marked in the underlay on a packet whose sender would not understand.
    TunnelEcn = "congestion marked on a packet that cannot tell",
    /// Pieces of a tunnel's frame overlap, contradict each other, or there are too many of them.
    TunnelPieces = "pieces of a tunnel frame do not fit together",
    /// Not all pieces of a tunnel's frame came in time, or newer ones took their place.
    TunnelTimeout = "pieces of a tunnel frame missing",
    /// Nothing says where the packet is to be sent: neither the tunnel's configuration nor a flow.
    TunnelNoRemote = "no flow says to which peer of the tunnel",
    /// The key that flows want does not fit into the tunnel's header.
    TunnelKey = "key does not fit into the tunnel's header",
    /// Longer than the path of the tunnel takes, and its sender must not cut it.
    TunnelTooLong = "too long for the tunnel",
    /// There are too many different sets of tunnel options at once, or a packet with some waited for too long.
    TunnelOptions = "too many different tunnel options",
}

impl DropReason {
    /// How many reasons there are.
    pub const COUNT: usize = Self::ALL.len();

    /// The reason's number, below [`Self::COUNT`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
