//! Frames of many flows from a host, as fast as they are taken: written straight to the host's device, past its routes
//! and sockets, so that the generator is not what is measured. The same for every switch.

use std::time::Duration;

use netloom_sys::netns::NetNs;
use netloom_sys::packet_socket::{BATCH, PacketOptions, PacketSocket};
use serde_json::Value;

use crate::bench::shell::Netns;
use crate::run::Failed;

/// How long a sender rests that has nothing to send: much less than a switch takes for a full queue.
const REST: Duration = Duration::from_micros(100);
/// The header that a packet socket wants in front of each frame: all zero, nothing is left to be done.
const FRONT: usize = 12;
/// Bytes of a frame, as short as Ethernet allows without its check sum.
const FRAME: usize = 60;
const ETHERNET: usize = 14;
const IPV4: usize = 20;
/// Where the sender's clock is in a frame: behind the header of UDP.
pub(super) const STAMP: usize = ETHERNET + IPV4 + 8;

/// What tells the packets of a flow from others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) source: u32,
    pub(super) destination: u32,
    pub(super) protocol: u8,
    pub(super) from: u16,
    pub(super) to: u16,
}

impl Flow {
    /// One of 2^32 flows of UDP between the first two hosts.
    pub(super) fn numbered(n: usize) -> Self {
        let half = |n: usize| u16::try_from(n & 0xffff).unwrap_or(0);
        let (from, to) = (half(n >> 16), half(n));
        Self { source: 0x0a00_0001, destination: 0x0a00_0002, protocol: 17, from, to }
    }
}

/// Sends frames from a host.
#[derive(Debug)]
pub(super) struct Generator {
    socket: PacketSocket,
    frames: Vec<[u8; FRONT + FRAME]>,
}

/// What is sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flood {
    /// The first of the flows,
    pub(super) first: usize,
    /// and how many.
    pub(super) flows: usize,
    /// For how long at most.
    pub(super) seconds: f64,
    /// Until each has had one.
    pub(super) once: bool,
    /// Packets in a second; else as many as are taken.
    pub(super) rate: Option<f64>,
}

impl Flood {
    /// As fast as possible to so many flows in turn.
    pub(super) const fn of(flows: usize, seconds: f64) -> Self {
        Self { first: 0, flows, seconds, once: false, rate: None }
    }
}

/// What was sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) packets: usize,
    pub(super) seconds: f64,
}

impl Generator {
    /// At the device `eth0` of a host.
    ///
    /// # Errors
    /// [`Failed::Check`] with what the host said.
    pub(super) fn open(host: &Netns) -> Result<Self, Failed> {
        let wrong = |e: &dyn std::fmt::Display| Failed::Check(format!("{}: {e}", host.name));
        let told = host.ip("-j link show eth0")?;
        let links: Value = serde_json::from_str(&told).unwrap_or_default();
        let index = links[0]["ifindex"].as_u64().and_then(|n| u32::try_from(n).ok()).unwrap_or(0);
        let netns = NetNs::open(format!("/run/netns/{}", host.name)).map_err(|e| wrong(&e))?;
        // What comes to the host is for others: a small buffer fills, and no more is done for it.
        let options = PacketOptions { receive_buffer: 4_096, ..PacketOptions::default() };
        let socket = netns.run(|| PacketSocket::open(index, options)).map_err(|e| wrong(&e))?;
        let socket = socket.map_err(|e| wrong(&e))?;
        Ok(Self { socket, frames: vec![blank(); BATCH] })
    }

    /// Sends a packet of each flow, or as many as are taken; how many.
    pub(super) fn send(&mut self, flows: &[Flow], stamp: [u8; 8]) -> Result<usize, Failed> {
        let mut sent = 0;
        for chunk in flows.chunks(BATCH) {
            for (frame, flow) in self.frames.iter_mut().zip(chunk) {
                fill(frame, flow, stamp);
            }
            let frames = self.frames.iter().take(chunk.len()).map(<[u8; FRONT + FRAME]>::as_slice);
            match self.socket.send(frames) {
                Ok(count) => sent += count,
                Err(errno) if [11, 105].contains(&errno.raw_os_error()) => break,
                Err(errno) => return Err(Failed::Check(format!("sending: {errno}"))),
            }
        }
        Ok(sent)
    }

    /// Sends to flows in turn, as fast as they are taken or at a pace. What finds no room is not sent again.
    pub(super) fn flood(&mut self, flow: impl Fn(usize) -> Flow, flood: &Flood) -> Result<Sent, Failed> {
        let start = crate::bench::now();
        let (mut packets, mut offered) = (0, 0);
        loop {
            let elapsed = start.elapsed().as_secs_f64();
            if elapsed >= flood.seconds || flood.once && offered >= flood.flows {
                return Ok(Sent { packets, seconds: elapsed });
            }
            let due = flood.rate.map_or(usize::MAX, |rate| whole(elapsed * rate));
            let count = due.saturating_sub(offered).min(BATCH);
            let numbers = (0..count).map(|n| flood.first + (offered + n) % flood.flows);
            let batch: Vec<Flow> = numbers.map(&flow).collect();
            let sent = self.send(&batch, [0; 8])?;
            packets += sent;
            offered += batch.len();
            if sent < BATCH {
                // Nothing to be sent yet, or the switch is behind by a full queue: a sender rests then.
                crate::bench::wait(REST.as_secs_f64());
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
fn whole(count: f64) -> usize {
    count as usize
}

/// A frame to a station that nobody is: what it comes to counts it and throws it away.
fn blank() -> [u8; FRONT + FRAME] {
    let mut frame = [0; FRONT + FRAME];
    let bytes = &mut frame[FRONT..];
    bytes[..6].copy_from_slice(&[2, 0, 0, 0, 0xff, 0xfe]);
    bytes[6..12].copy_from_slice(&[2, 0, 0, 0, 0xff, 0xfd]);
    bytes[12..14].copy_from_slice(&[8, 0]);
    let length = u16::try_from(FRAME - ETHERNET).unwrap_or(0);
    bytes[14] = 0x45;
    bytes[16..18].copy_from_slice(&length.to_be_bytes());
    bytes[22] = 64;
    frame
}

fn fill(frame: &mut [u8; FRONT + FRAME], flow: &Flow, stamp: [u8; 8]) {
    let bytes = &mut frame[FRONT..];
    bytes[23] = flow.protocol;
    bytes[26..30].copy_from_slice(&flow.source.to_be_bytes());
    bytes[30..34].copy_from_slice(&flow.destination.to_be_bytes());
    bytes[34..36].copy_from_slice(&flow.from.to_be_bytes());
    bytes[36..38].copy_from_slice(&flow.to.to_be_bytes());
    if flow.protocol == 6 {
        // An acknowledgement without options.
        bytes[46..48].copy_from_slice(&[0x50, 0x10]);
    } else {
        let length = u16::try_from(FRAME - ETHERNET - IPV4).unwrap_or(0);
        bytes[38..40].copy_from_slice(&length.to_be_bytes());
        bytes[STAMP..STAMP + 8].copy_from_slice(&stamp);
    }
    bytes[24..26].fill(0);
    let sum = header_sum(&bytes[ETHERNET..ETHERNET + IPV4]);
    bytes[24..26].copy_from_slice(&sum.to_be_bytes());
}

/// The check sum of an IPv4 header. Source: RFC 1071.
fn header_sum(header: &[u8]) -> u16 {
    let words = header.chunks_exact(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_a_datagram_of_its_flow() {
        let mut frame = blank();
        fill(&mut frame, &Flow::numbered(0x0003_0007), [9; 8]);
        let bytes = &frame[FRONT..];
        assert_eq!(bytes[12..16], [8, 0, 0x45, 0]);
        assert_eq!(bytes[16..18], [0, 46], "bytes from the IP header on");
        assert_eq!(bytes[26..38], [10, 0, 0, 1, 10, 0, 0, 2, 0, 3, 0, 7]);
        assert_eq!(bytes[38..40], [0, 26], "bytes from the UDP header on");
        assert_eq!(header_sum(&bytes[ETHERNET..ETHERNET + IPV4]), 0, "the sum fits");
        assert_eq!(bytes[STAMP..STAMP + 8], [9; 8]);
        fill(&mut frame, &Flow { protocol: 6, ..Flow::numbered(5) }, [0; 8]);
        assert_eq!(header_sum(&frame[FRONT + ETHERNET..FRONT + ETHERNET + IPV4]), 0, "and again");
    }
}
