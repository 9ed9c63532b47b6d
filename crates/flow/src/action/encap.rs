//! `encap(...)`: a new outermost header.

/// The header to add, by what the packet becomes.
///
/// Source: `NXAST_ENCAP` in ovs-actions(7); RFC 8300.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Encap {
    /// Ethernet, with addresses of 0.
    Ethernet,
    /// NSH.
    Nsh {
        /// The type of its metadata: 1 or 2; `None`: not said, which means 1.
        md_type: Option<u8>,
        /// Its metadata, if that is of type 2.
        tlvs: Box<[NshTlv]>,
    },
    /// MPLS, unicast.
    Mpls,
    /// MPLS, multicast.
    MplsMulticast,
}

impl Encap {
    /// The packet type of OpenFlow: namespace (16 bits) and type (16 bits).
    #[must_use]
    pub const fn packet_type(&self) -> u32 {
        match self {
            Self::Ethernet => 0,
            Self::Nsh { .. } => 0x1_894f,
            Self::Mpls => 0x1_8847,
            Self::MplsMulticast => 0x1_8848,
        }
    }
}

/// One piece of metadata of NSH.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NshTlv {
    /// Who defines the types.
    pub class: u16,
    /// The type.
    pub kind: u8,
    /// Its bytes, at most 124.
    pub value: Box<[u8]>,
}
