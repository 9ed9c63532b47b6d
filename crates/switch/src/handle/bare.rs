//! Packets without an Ethernet header, as controllers see them and send them: the packet type says what they are.
//!
//! The datapath's frames all have one; see [`crate::translate`].

use netloom_flow::{FieldId, FlowMatch};
use netloom_packet::ethernet::HEADER;

/// The namespace of packets that begin with what an Ethernet type says.
const BY_ETHERNET_TYPE: u32 = 1;

/// What a packet's metadata say of its type; 0 if nothing, or that it is a frame.
pub(super) fn packet_type(metadata: &FlowMatch) -> u32 {
    metadata.exact(FieldId::PacketType).and_then(|kind| u32::try_from(kind).ok()).unwrap_or(0)
}

/// A packet of such a type as a frame; `None`: nobody knows what that is.
pub(super) fn framed(packet: Vec<u8>, packet_type: u32) -> Option<Vec<u8>> {
    let [a, b, kind @ ..] = packet_type.to_be_bytes();
    match u32::from(u16::from_be_bytes([a, b])) {
        0 if packet_type == 0 => Some(packet),
        BY_ETHERNET_TYPE => Some([&[0; HEADER - 2], &kind[..], &packet[..]].concat()),
        _ => None,
    }
}

/// The bytes of a frame that belong to a packet of such a type.
pub(super) fn unframed(frame: &[u8], packet_type: u32) -> &[u8] {
    frame.get(if packet_type == 0 { 0 } else { HEADER }..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_packet_has_a_header_on_the_way_that_nobody_sees() {
        let frame = framed(vec![0x45, 1, 2], 0x1_0800).unwrap();
        assert_eq!(frame, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45, 1, 2]);
        assert_eq!(unframed(&frame, 0x1_0800), [0x45, 1, 2]);
        assert_eq!((framed(vec![7], 0), unframed(&[7], 0)), (Some(vec![7]), &[7][..]));
        assert_eq!((framed(vec![7], 2 << 16), framed(vec![7], 5)), (None, None));
        assert!(unframed(&[1, 2], 0x1_0800).is_empty());
    }
}
