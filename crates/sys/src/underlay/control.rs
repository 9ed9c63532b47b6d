//! Control messages: what is said of a packet beside its bytes.
//!
//! ```text
//! | length u64 | level i32 | type i32 | data, to a multiple of 8 |   native order
//! ```

use std::net::IpAddr;

use super::socket::{SOL_IP, SOL_IPV6, SOL_UDP};

/// Bytes for the control messages of a packet.
pub(super) const CONTROL: usize = 192;

const HEADER: usize = 16;
const IP_TOS: i32 = 1;
const IP_TTL: i32 = 2;
const IP_PKTINFO: i32 = 8;
const IPV6_PKTINFO: i32 = 50;
const IPV6_HOPLIMIT: i32 = 52;
const IPV6_TCLASS: i32 = 67;
const UDP_SEGMENT: i32 = 103;
const UDP_GRO: i32 = 104;

/// Room for control messages, as aligned as the kernel wants it.
#[derive(Debug, Clone, Copy)]
#[repr(align(8))]
pub(super) struct Control(pub(super) [u8; CONTROL]);

impl Control {
    pub(super) const EMPTY: Self = Self([0; CONTROL]);
}

/// Control messages in the making.
pub(super) struct Writer<'a> {
    control: &'a mut Control,
    pub(super) length: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(control: &'a mut Control) -> Self {
        Self { control, length: 0 }
    }

    fn put(&mut self, level: i32, kind: i32, data: &[u8]) {
        let total = HEADER + data.len();
        let Some(room) = self.control.0.get_mut(self.length..self.length + total.next_multiple_of(8)) else {
            return;
        };
        room.fill(0);
        if let Some((length, rest)) = room.split_first_chunk_mut::<8>()
            && let Some((to_level, rest)) = rest.split_first_chunk_mut::<4>()
            && let Some((to_kind, rest)) = rest.split_first_chunk_mut::<4>()
        {
            *length = (total as u64).to_ne_bytes();
            *to_level = level.to_ne_bytes();
            *to_kind = kind.to_ne_bytes();
            rest.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
        }
        self.length += total.next_multiple_of(8);
    }

    pub(super) fn tos(&mut self, v6: bool, tos: u8) {
        let (level, kind) = if v6 { (SOL_IPV6, IPV6_TCLASS) } else { (SOL_IP, IP_TOS) };
        self.put(level, kind, &i32::from(tos).to_ne_bytes());
    }

    pub(super) fn ttl(&mut self, v6: bool, ttl: u8) {
        let (level, kind) = if v6 { (SOL_IPV6, IPV6_HOPLIMIT) } else { (SOL_IP, IP_TTL) };
        self.put(level, kind, &i32::from(ttl).to_ne_bytes());
    }

    /// in_pktinfo: index i32, source, destination; in6_pktinfo: source, index.
    pub(super) fn source(&mut self, from: IpAddr) {
        match from {
            IpAddr::V4(from) => {
                let mut data = [0; 12];
                data[4..8].copy_from_slice(&from.octets());
                self.put(SOL_IP, IP_PKTINFO, &data);
            }
            IpAddr::V6(from) => {
                let mut data = [0; 20];
                data[..16].copy_from_slice(&from.octets());
                self.put(SOL_IPV6, IPV6_PKTINFO, &data);
            }
        }
    }

    pub(super) fn segment(&mut self, size: u16) {
        self.put(SOL_UDP, UDP_SEGMENT, &size.to_ne_bytes());
    }
}

/// What the kernel said of a received packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Said {
    pub(super) to: Option<IpAddr>,
    pub(super) tos: u8,
    pub(super) ttl: u8,
    /// Bytes of each datagram but the last; 0: there is only one.
    pub(super) segment: usize,
}

/// Reads control messages.
pub(super) fn read(control: &Control, length: usize) -> Said {
    let mut said = Said::default();
    let mut bytes = control.0.get(..length.min(CONTROL)).unwrap_or_default();
    while let Some((header, _)) = bytes.split_first_chunk::<HEADER>() {
        let [l0, l1, l2, l3, l4, l5, l6, l7, a, b, c, d, e, f, g, h] = *header;
        let total = u64::from_ne_bytes([l0, l1, l2, l3, l4, l5, l6, l7]);
        let Some(total) = usize::try_from(total).ok().filter(|n| *n >= HEADER) else { break };
        let Some(data) = bytes.get(HEADER..total) else { break };
        let (level, kind) = (i32::from_ne_bytes([a, b, c, d]), i32::from_ne_bytes([e, f, g, h]));
        let first = data.first_chunk().map_or(0, |four| i32::from_ne_bytes(*four));
        let byte = u8::try_from(first & 0xff).unwrap_or(0);
        match (level, kind) {
            (SOL_IP, IP_TOS) => said.tos = data.first().copied().unwrap_or(0),
            (SOL_IPV6, IPV6_TCLASS) => said.tos = byte,
            (SOL_IP, IP_TTL) | (SOL_IPV6, IPV6_HOPLIMIT) => said.ttl = byte,
            (SOL_IP, IP_PKTINFO) => {
                said.to = data.get(8..).and_then(|d| d.first_chunk::<4>()).map(|d| IpAddr::from(*d));
            }
            (SOL_IPV6, IPV6_PKTINFO) => said.to = data.first_chunk::<16>().map(|d| IpAddr::from(*d)),
            (SOL_UDP, UDP_GRO) => said.segment = usize::try_from(first).unwrap_or(0),
            _ => {}
        }
        bytes = bytes.get(total.next_multiple_of(8)..).unwrap_or_default();
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut control = Control::EMPTY;
        let mut writer = Writer::new(&mut control);
        writer.tos(false, 0xb8);
        writer.ttl(false, 9);
        writer.put(SOL_UDP, UDP_GRO, &1458_i32.to_ne_bytes());
        let length = writer.length;
        let said = read(&control, length);
        assert_eq!(said, Said { to: None, tos: 0xb8, ttl: 9, segment: 1458 });
        assert_eq!(length % 8, 0);
    }

    #[test]
    fn lengths_that_lie_end_the_reading() {
        let mut control = Control::EMPTY;
        Writer::new(&mut control).tos(true, 4);
        for lie in [0_u64, 15, 400, u64::MAX] {
            control.0[..8].copy_from_slice(&lie.to_ne_bytes());
            assert_eq!(read(&control, 24), Said::default(), "{lie}");
        }
    }

    #[test]
    fn more_than_fits_is_left_out() {
        let mut control = Control::EMPTY;
        let mut writer = Writer::new(&mut control);
        (0..32).for_each(|_| writer.ttl(true, 1));
        assert_eq!(writer.length, CONTROL);
    }
}
