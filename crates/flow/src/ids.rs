//! Newtypes for the numbers that could be mixed up.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(/// A datapath port: unique within a lab, never reused while the lab runs; an index into the port table.
    PortId(u32));
id!(/// A bridge of this lab.
    BridgeId(u32));
id!(/// An OpenFlow table, 0 to 253.
    TableId(u8));
id!(/// An OpenFlow port number of one bridge. Reserved numbers are the 32-bit ones of OpenFlow 1.1 and later.
    OfPort(u32));
id!(/// A tenant of this lab; 0 is `default`.
    TenantId(u16));
id!(/// A rule of a flow table, unique within a lab and never reused.
    RuleId(u64));
id!(/// Names state frozen by the switch; the datapath sees only the number. 0: not recirculated.
    RecircId(u32));

impl OfPort {
    /// The highest number of an ordinary port (OpenFlow 1.1+ `OFPP_MAX`).
    pub const MAX: Self = Self(0xffff_ff00);
    /// The port the packet came in by (`OFPP_IN_PORT`).
    pub const IN_PORT: Self = Self(0xffff_fff8);
    /// Start of the pipeline (`OFPP_TABLE`).
    pub const TABLE: Self = Self(0xffff_fff9);
    /// Forward as a learning switch does (`OFPP_NORMAL`).
    pub const NORMAL: Self = Self(0xffff_fffa);
    /// Every port of the VLAN but the ingress and those closed to floods (`OFPP_FLOOD`).
    pub const FLOOD: Self = Self(0xffff_fffb);
    /// Every port but the ingress (`OFPP_ALL`).
    pub const ALL: Self = Self(0xffff_fffc);
    /// The controller (`OFPP_CONTROLLER`).
    pub const CONTROLLER: Self = Self(0xffff_fffd);
    /// The bridge's own port (`OFPP_LOCAL`).
    pub const LOCAL: Self = Self(0xffff_fffe);
    /// No port, or any port (`OFPP_NONE`, `OFPP_ANY`).
    pub const NONE: Self = Self(0xffff_ffff);
}
