//! What a super-packet is on the wire.

use crate::{Gso, Headers, Offload};

/// Packets and bytes as they would pass a wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Wire {
    /// Packets.
    pub packets: u32,
    /// Bytes from the Ethernet header on, without FCS, preamble or padding to 60.
    pub bytes: u64,
}

/// Counts the packets a frame of `frame_len` bytes stands for, and their bytes.
///
/// A super-packet counts as its segments, each with all headers; any other frame as itself. Metadata that
/// [`Offload::check`] would refuse counts as one packet.
#[inline]
#[must_use]
pub fn wire(frame_len: usize, headers: &Headers, offload: &Offload) -> Wire {
    let whole = Wire { packets: 1, bytes: frame_len as u64 };
    if offload.gso == Gso::None || headers.payload == 0 || offload.gso_size == 0 {
        return whole;
    }
    let payload = headers.payload_len();
    let packets = u32::try_from(payload.div_ceil(usize::from(offload.gso_size))).unwrap_or(u32::MAX).max(1);
    Wire { packets, bytes: payload as u64 + u64::from(packets) * u64::from(headers.payload) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: Headers = Headers {
        l2_len: 14,
        l3: 14,
        l4: 34,
        payload: 66,
        end: 66 + 3000,
        eth_type: 0x0800,
        vlans: 0,
        mpls: 0,
        ip_proto: 6,
        frag: 0,
        routed: false,
    };

    #[test]
    fn segments_carry_their_headers() {
        let tso = |gso_size| Offload { gso: Gso::Tcp4, gso_size, ..Offload::PLAIN };
        assert_eq!(wire(3066, &TCP, &tso(1448)), Wire { packets: 3, bytes: 3000 + 3 * 66 });
        assert_eq!(wire(3066, &TCP, &tso(1500)), Wire { packets: 2, bytes: 3000 + 2 * 66 });
        assert_eq!(wire(3066, &TCP, &tso(9000)), Wire { packets: 1, bytes: 3066 });
        assert_eq!(wire(66, &Headers { end: 66, ..TCP }, &tso(9000)), Wire { packets: 1, bytes: 66 });
    }

    #[test]
    fn other_frames_are_themselves() {
        assert_eq!(wire(3066, &TCP, &Offload::PLAIN), Wire { packets: 1, bytes: 3066 });
        let odd = Offload { gso: Gso::Udp, gso_size: 100, ..Offload::PLAIN };
        assert_eq!(wire(60, &Headers::default(), &odd), Wire { packets: 1, bytes: 60 });
    }
}
