//! Captures: copies of what passes ports, on their way into a pcapng file.
//!
//! ```text
//! worker:  CaptureTap::frame ── copy, at most `limit` bytes ──► bounded queue ──► CaptureReader::write_all: another thread
//!                ▲ used memory comes back ◄──────────────────────────────────────────┘  finish checksums, cut, write
//! ```
//! The worker never waits: what the queue has no room for is counted, and the file says so at the next packet. Frames are
//! finished on the copy: checksums are completed, and super-packets either cut into what a wire would carry (the default,
//! so that a capture shows the packets a link delays, drops and counts) or left whole with a comment that says so.

use std::io::{self, Write};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};

use netloom_datapath::{CaptureSink, Frame, Way};
use netloom_flow::Nanos;
use netloom_packet::{Gso, Offload, checksum, parse, segment, wire};

use crate::pcapng::{Flow, PacketBlock, PcapngWriter};

/// How a capture is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureOptions {
    /// Bytes kept of each packet; 0: all.
    pub limit: u32,
    /// Super-packets as one packet each instead of what the wire would carry.
    pub whole: bool,
    /// End after so many packets; `None`: never.
    pub packets: Option<u64>,
    /// Frames that may wait to be written.
    pub queue: usize,
    /// What is to be added to a frame's time to get nanoseconds since 1970.
    pub epoch_offset: u64,
}

impl Default for CaptureOptions {
    fn default() -> Self {
        Self { limit: 0, whole: false, packets: None, queue: 4_096, epoch_offset: 0 }
    }
}

/// A capture of one or more ports into one file.
#[derive(Debug)]
pub struct Capture {
    options: CaptureOptions,
    names: Vec<String>,
    sender: SyncSender<Record>,
    receiver: Receiver<Record>,
    used: (Sender<Vec<u8>>, Option<Receiver<Vec<u8>>>),
    lost: Arc<AtomicU64>,
}

/// A frame on its way to the file.
#[derive(Debug)]
struct Record {
    interface: u32,
    way: Way,
    at: u64,
    offload: Offload,
    bytes: Vec<u8>,
}

impl Capture {
    /// A capture of no port yet.
    #[must_use]
    pub fn new(options: CaptureOptions) -> Self {
        let (sender, receiver) = mpsc::sync_channel(options.queue.max(1));
        let (back, used) = mpsc::channel();
        Self { options, names: Vec::new(), sender, receiver, used: (back, Some(used)), lost: Arc::default() }
    }

    /// The sink for one more port, called `name` in the file.
    pub fn tap(&mut self, name: &str) -> CaptureTap {
        let interface = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(name.to_owned());
        CaptureTap {
            interface,
            sender: self.sender.clone(),
            // Only one sink can have it; those of further ports allocate, which only makes them a little slower.
            used: self.used.1.take(),
            lost: Arc::clone(&self.lost),
            epoch_offset: self.options.epoch_offset,
        }
    }

    /// The other end. No port can be added any more; it ends when all sinks are dropped.
    #[must_use]
    pub fn reader(self) -> CaptureReader {
        CaptureReader {
            options: self.options,
            names: self.names,
            receiver: self.receiver,
            used: self.used.0,
            lost: self.lost,
            scratch: Vec::new(),
        }
    }
}

/// What the datapath hands a port's frames to.
#[derive(Debug)]
pub struct CaptureTap {
    interface: u32,
    sender: SyncSender<Record>,
    used: Option<Receiver<Vec<u8>>>,
    lost: Arc<AtomicU64>,
    epoch_offset: u64,
}

impl CaptureSink for CaptureTap {
    fn frame(&mut self, way: Way, at: Nanos, frame: &Frame<'_>) {
        let mut bytes = self.used.as_ref().and_then(|used| used.try_recv().ok()).unwrap_or_default();
        bytes.clear();
        // All of it: a checksum covers all, and cutting needs all.
        bytes.extend_from_slice(frame.data());
        let at = at.0.saturating_add(self.epoch_offset);
        let record = Record { interface: self.interface, way, at, offload: frame.offload, bytes };
        if let Err(TrySendError::Full(_)) = self.sender.try_send(record) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The end of a capture that writes.
#[derive(Debug)]
pub struct CaptureReader {
    options: CaptureOptions,
    names: Vec<String>,
    receiver: Receiver<Record>,
    used: Sender<Vec<u8>>,
    lost: Arc<AtomicU64>,
    scratch: Vec<u8>,
}

impl CaptureReader {
    /// Writes everything until all sinks are dropped or there are packets enough, flushing whenever nothing is waiting. Returns the packets written.
    ///
    /// # Errors
    /// As `out`: a full disk, a reader that went away. The sinks notice nothing and lose what they are given.
    pub fn write_all(mut self, out: impl Write) -> io::Result<u64> {
        let mut file = PcapngWriter::new(io::BufWriter::with_capacity(BUFFER, out))?;
        for name in &self.names {
            file.interface(name, self.options.limit)?;
        }
        file.flush()?;
        let enough = self.options.packets.unwrap_or(u64::MAX);
        let mut written = 0;
        while written < enough
            && let Ok(mut record) = self.receiver.recv()
        {
            loop {
                written += self.write(&mut file, &mut record, enough - written)?;
                if written >= enough {
                    break;
                }
                let _ = self.used.send(record.bytes);
                match self.receiver.try_recv() {
                    Ok(next) => record = next,
                    Err(_) => break,
                }
            }
            file.flush()?;
        }
        Ok(written)
    }

    fn write(
        &mut self,
        file: &mut PcapngWriter<impl Write>,
        record: &mut Record,
        room: u64,
    ) -> io::Result<u64> {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        let headers = parse::parse(&record.bytes).ok();
        let headers = headers.filter(|headers| record.offload.check(record.bytes.len(), headers).is_ok());
        let Some(headers) = headers.filter(|_| record.offload.gso != Gso::None) else {
            // What cannot be completed is shown as it is.
            let _ = checksum::complete(&mut record.bytes, &mut record.offload);
            self.block(file, record, &record.bytes, None, lost)?;
            return Ok(1);
        };
        if self.options.whole {
            let on_wire = wire::wire(record.bytes.len(), &headers, &record.offload);
            let comment =
                format!("super-packet of {} packets of {} bytes", on_wire.packets, record.offload.gso_size);
            let _ = checksum::complete(&mut record.bytes, &mut record.offload);
            self.block(file, record, &record.bytes, Some(&comment), lost)?;
            return Ok(1);
        }
        self.write_cut(file, record, &headers, [lost, room])
    }

    fn write_cut(
        &mut self,
        file: &mut PcapngWriter<impl Write>,
        record: &Record,
        headers: &netloom_packet::Headers,
        [mut lost, room]: [u64; 2],
    ) -> io::Result<u64> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut written = 0;
        if let Ok(mut cutter) = segment::cut(&record.bytes, headers, &record.offload, NonZeroU32::MIN) {
            scratch.resize(cutter.longest(), 0);
            while written < room
                && let Ok(Some(mut unit)) = cutter.next_into(&mut scratch)
            {
                let bytes = scratch.get_mut(..unit.len).unwrap_or_default();
                let _ = checksum::complete(bytes, &mut unit.offload);
                self.block(file, record, bytes, None, lost)?;
                (written, lost) = (written + 1, 0);
            }
        }
        self.scratch = scratch;
        Ok(written)
    }

    fn block(
        &self,
        file: &mut PcapngWriter<impl Write>,
        record: &Record,
        bytes: &[u8],
        comment: Option<&str>,
        lost: u64,
    ) -> io::Result<()> {
        let keep = if self.options.limit == 0 { bytes.len() } else { self.options.limit as usize };
        file.packet(&PacketBlock {
            interface: record.interface,
            at: record.at,
            bytes: bytes.get(..keep).unwrap_or(bytes),
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            flow: match record.way {
                Way::Rx => Flow::Inbound,
                Way::Tx => Flow::Outbound,
            },
            comment,
            lost,
        })
    }
}

/// Bytes gathered before they are written.
const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use netloom_packet::Csum;

    use super::*;

    /// Ethernet, IPv4, TCP, 3,000 bytes; the checksum field has the pseudo header's sum.
    fn super_packet() -> (Vec<u8>, Offload) {
        let mut bytes = vec![0; 54 + 3_000];
        bytes[..14].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0]);
        let total = 40 + 3_000_u16;
        bytes[14..34].copy_from_slice(&[
            0x45,
            0,
            total.to_be_bytes()[0],
            total.to_be_bytes()[1],
            0,
            1,
            0x40,
            0,
            64,
            6,
            0,
            0,
            10,
            0,
            0,
            1,
            10,
            0,
            0,
            2,
        ]);
        let ip = checksum::checksum(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&ip.to_be_bytes());
        bytes[34..54].copy_from_slice(&[0, 80, 0, 81, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        let pseudo = checksum::pseudo_v4([10, 0, 0, 1], [10, 0, 0, 2], 6, 20 + 3_000).fold();
        bytes[50..52].copy_from_slice(&pseudo.to_be_bytes());
        let csum = Csum::Partial { start: 34, offset: 16 };
        (bytes, Offload { csum, gso: Gso::Tcp4, gso_size: 1_448, ecn: false, hdr_len: 54 })
    }

    /// Captures one frame and returns the packets of the file: kept bytes, length, comment.
    fn captured(options: CaptureOptions) -> Vec<(Vec<u8>, usize, bool)> {
        let mut capture = Capture::new(options);
        let mut tap = capture.tap("s1-eth1");
        let (mut bytes, offload) = super_packet();
        let end = bytes.len();
        tap.frame(Way::Rx, Nanos(5), &Frame::new(&mut bytes, 0..end, offload).unwrap());
        drop(tap);
        let mut file = Vec::new();
        let written = capture.reader().write_all(&mut file).unwrap();
        let packets = packets(&file);
        assert_eq!(written, packets.len() as u64);
        packets
    }

    fn packets(file: &[u8]) -> Vec<(Vec<u8>, usize, bool)> {
        let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let (mut at, mut found) = (0, Vec::new());
        while at < file.len() {
            if word(at) == 6 {
                let (kept, length) = (word(at + 20), word(at + 24));
                let options = at + 28 + kept.next_multiple_of(4);
                found.push((file[at + 28..at + 28 + kept].to_vec(), length, file[options] == 1));
            }
            at += word(at + 4);
        }
        found
    }

    #[test]
    fn a_super_packet_is_cut_into_what_the_wire_carries() {
        let packets = captured(CaptureOptions::default());
        assert_eq!(packets.iter().map(|(bytes, ..)| bytes.len()).collect::<Vec<_>>(), [1_502, 1_502, 158]);
        for (bytes, length, _) in &packets {
            let headers = parse::parse(bytes).unwrap();
            assert_eq!(*length, bytes.len());
            assert_eq!(checksum::verify_l4(bytes, &headers), Some(true));
            assert_eq!(checksum::verify_ipv4(bytes, &headers), Some(true));
        }
    }

    #[test]
    fn a_whole_super_packet_says_so_and_its_checksum_holds() {
        let packets = captured(CaptureOptions { whole: true, ..CaptureOptions::default() });
        let [(bytes, 3_054, true)] = packets.as_slice() else {
            panic!("one packet with a comment: {packets:?}")
        };
        let headers = parse::parse(bytes).unwrap();
        assert_eq!(checksum::verify_l4(bytes, &headers), Some(true));
    }

    #[test]
    fn the_limit_cuts_bytes_and_not_lengths() {
        let packets = captured(CaptureOptions { limit: 60, ..CaptureOptions::default() });
        assert_eq!(
            packets.iter().map(|p| (p.0.len(), p.1)).collect::<Vec<_>>(),
            [(60, 1_502), (60, 1_502), (60, 158)]
        );
    }

    #[test]
    fn it_ends_after_so_many_packets() {
        assert_eq!(captured(CaptureOptions { packets: Some(2), ..CaptureOptions::default() }).len(), 2);
        assert_eq!(captured(CaptureOptions { packets: Some(0), ..CaptureOptions::default() }).len(), 0);
    }

    #[test]
    fn a_full_queue_never_waits_and_the_loss_is_told() {
        let mut capture = Capture::new(CaptureOptions { queue: 2, ..CaptureOptions::default() });
        let mut tap = capture.tap("s1-eth1");
        let mut bytes = [7; 60];
        for _ in 0..5 {
            tap.frame(Way::Tx, Nanos(1), &Frame::new(&mut bytes, 0..60, Offload::PLAIN).unwrap());
        }
        drop(tap);
        let mut file = Vec::new();
        assert_eq!(capture.reader().write_all(&mut file).unwrap(), 2);
        let drop_count = [4, 0, 8, 0, 3, 0, 0, 0, 0, 0, 0, 0];
        assert!(file.windows(12).any(|bytes| bytes == drop_count), "three were lost");
    }
}
