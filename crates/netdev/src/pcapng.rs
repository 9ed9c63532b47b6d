//! The pcapng file format, as much as a capture needs: written, never read.
//!
//! ```text
//! section header  (once)            byte order, version 1.0, who wrote it
//! interface       (one per port)    Ethernet, length limit, name, nanoseconds
//! packet ..                         interface, time, lengths, bytes, direction, a comment, how many were lost before
//!
//! every block: type u32 | total length u32 | body | options | total length u32     all little-endian, padded to 4
//! option:      code u16 | length u16 | value, padded to 4                          the last is 0, 0
//! ```
//! Source: draft-ietf-opsawg-pcapng, sections 3 and 4.

use std::io::{self, Write};

/// Which way a packet went, as seen from the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Towards whoever captures.
    Inbound,
    /// Away.
    Outbound,
}

/// A packet to be written.
#[derive(Debug, Clone, Copy)]
pub struct PacketBlock<'a> {
    /// Which interface, counted from 0 in the order of [`PcapngWriter::interface`].
    pub interface: u32,
    /// Nanoseconds since 1970.
    pub at: u64,
    /// The bytes that were kept.
    pub bytes: &'a [u8],
    /// How many there were.
    pub length: u32,
    /// Which way it went.
    pub flow: Flow,
    /// For people.
    pub comment: Option<&'a str>,
    /// Packets lost between the last one and this.
    pub lost: u64,
}

/// Writes a capture file.
#[derive(Debug)]
pub struct PcapngWriter<W> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the file's head.
    ///
    /// # Errors
    /// As `out`.
    pub fn new(out: W) -> io::Result<Self> {
        let mut writer = Self { out, block: Vec::new() };
        writer.words(&[BYTE_ORDER, 1, u32::MAX, u32::MAX]); // version 1.0; section length unknown
        writer.option(OPT_USER_APPLICATION, concat!("netloom ", env!("CARGO_PKG_VERSION")).as_bytes());
        writer.end_options();
        writer.emit(SECTION)?;
        Ok(writer)
    }

    /// Announces an interface; packets are kept up to `limit` bytes, 0: whole.
    ///
    /// # Errors
    /// As the output.
    pub fn interface(&mut self, name: &str, limit: u32) -> io::Result<()> {
        self.words(&[LINKTYPE_ETHERNET, limit]);
        self.option(OPT_IF_NAME, name.as_bytes());
        self.option(OPT_IF_TSRESOL, &[9]);
        self.end_options();
        self.emit(INTERFACE)
    }

    /// Writes a packet.
    ///
    /// # Errors
    /// As the output.
    pub fn packet(&mut self, packet: &PacketBlock<'_>) -> io::Result<()> {
        let [low, high] = halves(packet.at);
        let kept = u32::try_from(packet.bytes.len()).unwrap_or(u32::MAX);
        self.words(&[packet.interface, high, low, kept, packet.length]);
        self.padded(packet.bytes);
        let direction: u32 = match packet.flow {
            Flow::Inbound => 1,
            Flow::Outbound => 2,
        };
        if let Some(comment) = packet.comment {
            self.option(OPT_COMMENT, comment.as_bytes());
        }
        self.option(OPT_EPB_FLAGS, &direction.to_le_bytes());
        if packet.lost > 0 {
            self.option(OPT_EPB_DROPCOUNT, &packet.lost.to_le_bytes());
        }
        self.end_options();
        self.emit(PACKET)
    }

    /// Sends on what the output holds back.
    ///
    /// # Errors
    /// As the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn words(&mut self, words: &[u32]) {
        words.iter().for_each(|word| self.block.extend_from_slice(&word.to_le_bytes()));
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.block.extend_from_slice(bytes);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.block.extend_from_slice(&code.to_le_bytes());
        self.block.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.padded(value);
    }

    fn end_options(&mut self) {
        self.words(&[0]);
    }

    /// Writes the block that was put together, with its frame.
    fn emit(&mut self, kind: u32) -> io::Result<()> {
        let total =
            u32::try_from(self.block.len() + 12).map_err(|_| io::ErrorKind::InvalidData)?.to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&total)?;
        self.out.write_all(&self.block)?;
        self.out.write_all(&total)?;
        self.block.clear();
        Ok(())
    }
}

/// The low and the high half.
fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET: u32 = 1;
const OPT_COMMENT: u16 = 1;
const OPT_EPB_FLAGS: u16 = 2;
const OPT_EPB_DROPCOUNT: u16 = 4;
const OPT_USER_APPLICATION: u16 = 4;
const OPT_IF_NAME: u16 = 2;
const OPT_IF_TSRESOL: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_a_small_file() {
        let mut out = Vec::new();
        let mut writer = PcapngWriter::new(&mut out).unwrap();
        writer.interface("eth0", 0).unwrap();
        let packet = PacketBlock {
            interface: 0,
            at: 0x0102_0304_0506_0708,
            bytes: b"abcde",
            length: 60,
            flow: Flow::Outbound,
            comment: Some("why"),
            lost: 2,
        };
        writer.packet(&packet).unwrap();
        writer.flush().unwrap();

        let section = u32::from_le_bytes(out[4..8].try_into().unwrap()) as usize;
        assert_eq!(out[..12], [0x0a, 0x0d, 0x0d, 0x0a, out[4], 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a]);
        assert_eq!(out[section - 4..section], out[4..8]);
        let interface = [
            1, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, // Ethernet, no limit
            2, 0, 4, 0, b'e', b't', b'h', b'0', 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0,
        ];
        assert_eq!(out[section..section + 40], interface);
        let packet = [
            6, 0, 0, 0, 72, 0, 0, 0, 0, 0, 0, 0, 4, 3, 2, 1, 8, 7, 6, 5, 5, 0, 0, 0, 60, 0, 0, 0, //
            b'a', b'b', b'c', b'd', b'e', 0, 0, 0, 1, 0, 3, 0, b'w', b'h', b'y', 0, //
            2, 0, 4, 0, 2, 0, 0, 0, 4, 0, 8, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 72, 0, 0, 0,
        ];
        assert_eq!(out[section + 40..], packet);
        assert_eq!(out.len() % 4, 0);
    }
}
