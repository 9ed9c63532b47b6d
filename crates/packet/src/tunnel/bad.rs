//! Why a packet of the underlay is not the tunnel packet it should be.

use std::fmt;

use crate::BadOffload;

/// A header of a tunnel packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layer {
    /// VXLAN.
    Vxlan,
    /// GRE.
    Gre,
    /// ERSPAN.
    Erspan,
    /// Geneve.
    Geneve,
    /// STT's frame header.
    Stt,
    /// The packet inside.
    Inner,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Vxlan => "VXLAN header",
            Self::Gre => "GRE header",
            Self::Erspan => "ERSPAN header",
            Self::Geneve => "Geneve header",
            Self::Stt => "STT header",
            Self::Inner => "inner packet",
        })
    }
}

/// Why a tunnel packet is refused. Each is to be counted as what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BadTunnel {
    /// It is not IP, or its transport is not that of the tunnel.
    NotThisTunnel,
    /// A fragment of the underlay: tunnels do not reassemble (RFC 7348 §4.3).
    Fragment,
    /// It ends inside a header.
    Truncated(Layer),
    /// UDP's length is not that of what IP carries.
    UdpLength(u16),
    /// The outer UDP or TCP checksum is wrong.
    OuterChecksum,
    /// UDP over IPv6 without a checksum, which was not agreed upon (RFC 6935).
    ZeroChecksum,
    /// VXLAN flags other than those of the extension in use.
    VxlanFlags(u8),
    /// A reserved field of VXLAN is not 0.
    VxlanReserved,
    /// VXLAN-GPE of a version other than 0.
    GpeVersion(u8),
    /// VXLAN-GPE with a next protocol that nobody here speaks.
    GpeProtocol(u8),
    /// GRE of a version other than 0.
    GreVersion(u8),
    /// GRE with source routing, or reserved bits.
    GreFlags(u16),
    /// GRE's checksum is wrong.
    GreChecksum,
    /// GRE with something inside that is neither Ethernet, IP nor ERSPAN.
    GreProtocol(u16),
    /// ERSPAN of a version that its GRE header does not announce.
    ErspanVersion(u8),
    /// Geneve of a version other than 0.
    GeneveVersion(u8),
    /// An option of Geneve reaches beyond the header.
    GeneveOption,
    /// A critical option of Geneve that nobody here knows.
    GeneveCritical {
        /// Its class.
        class: u16,
        /// Its type, with the critical bit.
        kind: u8,
    },
    /// Geneve with something inside that is neither Ethernet nor IP.
    GeneveProtocol(u16),
    /// STT's TCP-like header has options, or a flag that opens or ends a connection.
    SttTcp,
    /// STT of a version other than 0.
    SttVersion(u8),
    /// An STT frame shorter than its header and an Ethernet header.
    SttLength(u16),
    /// A piece of an STT frame that is empty or reaches beyond the frame.
    SttPiece,
    /// What STT says is left to be done to the frame contradicts the frame.
    SttOffload(BadOffload),
    /// Congestion was marked on a packet whose sender does not understand marks (RFC 6040 §4.2).
    Ecn,
}

impl fmt::Display for BadTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThisTunnel => f.write_str("The packet is not one of this kind of tunnel"),
            Self::Fragment => f.write_str("A tunnel packet came as a fragment"),
            Self::Truncated(layer) => write!(f, "The packet ends inside its {layer}"),
            Self::UdpLength(n) => write!(f, "UDP length {n} is not that of the packet"),
            Self::OuterChecksum => f.write_str("The outer checksum is wrong"),
            Self::ZeroChecksum => f.write_str("UDP over IPv6 without a checksum was not agreed upon"),
            Self::VxlanFlags(flags) => write!(f, "VXLAN flags {flags:#04x} are not known"),
            Self::VxlanReserved => f.write_str("A reserved field of VXLAN is not 0"),
            Self::GpeVersion(n) => write!(f, "VXLAN-GPE version {n} is not known"),
            Self::GpeProtocol(n) => write!(f, "VXLAN-GPE next protocol {n} is not known"),
            Self::GreVersion(n) => write!(f, "GRE version {n} is not known"),
            Self::GreFlags(flags) => write!(f, "GRE flags {flags:#06x} are not known"),
            Self::GreChecksum => f.write_str("The GRE checksum is wrong"),
            Self::GreProtocol(n) => write!(f, "GRE protocol {n:#06x} is not known"),
            Self::ErspanVersion(n) => write!(f, "ERSPAN version {n} does not fit its GRE header"),
            Self::GeneveVersion(n) => write!(f, "Geneve version {n} is not known"),
            Self::GeneveOption => f.write_str("A Geneve option reaches beyond its header"),
            Self::GeneveCritical { class, kind } => {
                write!(f, "The critical Geneve option {class:#06x}/{kind:#04x} is not known")
            }
            Self::GeneveProtocol(n) => write!(f, "Geneve protocol {n:#06x} is not known"),
            Self::SttTcp => f.write_str("The TCP-like header of STT has options or flags it cannot have"),
            Self::SttVersion(n) => write!(f, "STT version {n} is not known"),
            Self::SttLength(n) => write!(f, "An STT frame of {n} bytes is too short"),
            Self::SttPiece => f.write_str("A piece of an STT frame is empty or reaches beyond the frame"),
            Self::SttOffload(_) => {
                f.write_str("What STT says about checksum and segments contradicts the frame")
            }
            Self::Ecn => f.write_str("Congestion was marked on a packet that cannot tell its sender"),
        }
    }
}

impl std::error::Error for BadTunnel {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::SttOffload(bad) => Some(bad),
            _ => None,
        }
    }
}
