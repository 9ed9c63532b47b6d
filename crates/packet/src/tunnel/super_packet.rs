//! What a device must know of a super-packet inside a tunnel.
//!
//! virtio-net's header has the inner packet's segments and checksum; its extension says where the outer and the
//! inner headers are, so that both are repeated and put right in each packet.
//!
//! ```text
//! 0                12     16            18      20               22               24
//! | virtio-net hdr | hash | hash report | pad   | outer_th_offset | inner_nh_offset |    little-endian
//! ```
//!
//! Source: virtio 1.4 draft §5.1.6 (`VIRTIO_NET_F_HOST_UDP_TUNNEL_GSO`), Linux 6.17 `include/uapi/linux/virtio_net.h`
//! (`virtio_net_hdr_v1_hash_tunnel`). Older kernels do not know it: they get [`super::segment`].

use crate::bytes::{array, array_mut, put};
use crate::{BadOffload, Offload, VNET_HDR};

/// Bytes of the header with its extension.
pub const TUNNEL_HDR: usize = 24;

const F_OUTER_CSUM: u8 = 0x08;
const GSO_OUTER_V4: u8 = 0x20;
const GSO_OUTER_V6: u8 = 0x40;

/// Where the headers of a super-packet inside a UDP tunnel are. What is said of segments and of the inner checksum
/// stands in the [`Offload`] beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TunnelGso {
    /// The outer UDP header.
    pub outer_l4: u16,
    /// The inner IP header.
    pub inner_l3: u16,
    /// The outer packet is IPv6.
    pub outer_v6: bool,
    /// Each packet gets an outer UDP checksum; the field holds its pseudo header's sum.
    pub outer_csum: bool,
}

impl TunnelGso {
    /// Writes header and extension, every byte.
    pub fn emit(&self, offload: &Offload, out: &mut [u8; TUNNEL_HDR]) {
        *out = [0; TUNNEL_HDR];
        if let Some(plain) = array_mut::<VNET_HDR>(out, 0) {
            offload.emit(plain);
            let [flags, gso_type, ..] = plain;
            *flags |= if self.outer_csum { F_OUTER_CSUM } else { 0 };
            *gso_type |= if self.outer_v6 { GSO_OUTER_V6 } else { GSO_OUTER_V4 };
        }
        put(out, 20, self.outer_l4.to_le_bytes());
        put(out, 22, self.inner_l3.to_le_bytes());
    }

    /// Reads header and extension; `None` beside a frame that is no super-packet in a tunnel.
    ///
    /// # Errors
    /// [`BadOffload`] as [`Offload::parse`]; [`BadOffload::GsoType`] for both kinds of outer packet at once.
    pub fn parse(bytes: &[u8; TUNNEL_HDR]) -> Result<(Offload, Option<Self>), BadOffload> {
        let Some(mut plain) = array::<VNET_HDR>(bytes, 0).copied() else {
            return Err(BadOffload::GsoHeaders);
        };
        let [flags, gso_type, ..] = plain;
        let outer = gso_type & (GSO_OUTER_V4 | GSO_OUTER_V6);
        let [_, kind, ..] = &mut plain;
        *kind &= !(GSO_OUTER_V4 | GSO_OUTER_V6);
        let offload = Offload::parse(&plain)?;
        let at = |at| array::<2>(bytes, at).map_or(0, |two| u16::from_le_bytes(*two));
        match outer {
            0 => Ok((offload, None)),
            GSO_OUTER_V4 | GSO_OUTER_V6 => Ok((
                offload,
                Some(Self {
                    outer_l4: at(20),
                    inner_l3: at(22),
                    outer_v6: outer == GSO_OUTER_V6,
                    outer_csum: flags & F_OUTER_CSUM != 0,
                }),
            )),
            _ => Err(BadOffload::GsoType(gso_type)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Csum, Gso};

    /// Over IPv4, VXLAN with checksum, TCPv4 inside: outer UDP at 34, inner IP at 64, inner TCP at 84.
    const BYTES: [u8; 24] =
        [9, 0x21, 116, 0, 0xa8, 0x05, 84, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 34, 0, 64, 0];

    #[test]
    fn header_and_extension() {
        let csum = Csum::Partial { start: 84, offset: 16 };
        let offload = Offload { csum, gso: Gso::Tcp4, gso_size: 1448, ecn: false, hdr_len: 116 };
        let gso = TunnelGso { outer_l4: 34, inner_l3: 64, outer_v6: false, outer_csum: true };
        assert_eq!(TunnelGso::parse(&BYTES), Ok((offload, Some(gso))));
        let mut out = [0xa5; 24];
        gso.emit(&offload, &mut out);
        assert_eq!(out, BYTES);
    }

    #[test]
    fn both_kinds_of_outer_packet_are_refused() {
        let mut bytes = BYTES;
        bytes[1] = 0x61;
        assert_eq!(TunnelGso::parse(&bytes), Err(BadOffload::GsoType(0x61)));
        bytes[1] = 0x01;
        assert!(matches!(TunnelGso::parse(&bytes), Ok((_, None))));
    }
}
