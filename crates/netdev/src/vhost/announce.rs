//! A guest that has moved: the switch hears of it as if it had sent something.

use netloom_packet::bytes::put;

/// Bytes of a frame that asks for nothing.
pub(super) const LENGTH: usize = 60;

/// Puts a reverse ARP request of `address` at the front of `frame`, which has [`LENGTH`] bytes: everybody who sees it learns
/// where the address is, nobody answers. Source: RFC 903; QEMU announces guests so, too.
pub(super) fn reverse_arp(frame: &mut [u8], address: [u8; 6]) {
    frame.fill(0);
    put(frame, 0, [0xff; 6]);
    put(frame, 6, address);
    // Type; hardware Ethernet, protocol IPv4, lengths of their addresses, request of the reverse.
    put(frame, 12, [0x80, 0x35, 0, 1, 0x08, 0x00, 6, 4, 0, 3]);
    put(frame, 22, address);
    put(frame, 32, address);
}

#[cfg(test)]
mod tests {
    use netloom_packet::parse;

    use super::*;

    #[test]
    fn it_says_where_the_address_is_and_asks_for_itself() {
        let mut frame = [0xa5; LENGTH];
        reverse_arp(&mut frame, [2, 0, 0, 0, 0, 9]);
        assert!(parse(&frame).unwrap().is_arp());
        assert_eq!(frame[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 9, 0x80, 0x35]);
        assert_eq!(frame[14..22], [0, 1, 8, 0, 6, 4, 0, 3]);
        assert_eq!(frame[22..42], [2, 0, 0, 0, 0, 9, 0, 0, 0, 0, 2, 0, 0, 0, 0, 9, 0, 0, 0, 0]);
    }
}
