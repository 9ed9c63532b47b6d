//! The driver of an STT tunnel's port.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use netloom_datapath::{Budget, Flushed, Frame, OffloadCaps, Port, Received, Refused};
use netloom_flow::DropReason;
use netloom_packet::build::Ends;
use netloom_packet::ethernet::{HEADER as ETHERNET, eth_type};
use netloom_packet::tunnel::stt::{self, PieceHeader, Stt};
use netloom_packet::tunnel::{CannotPush, Outer, entropy, push_stt_head};
use netloom_packet::{Gso, Headers, Mac, Offload, VNET_HDR, mss, parse, segment};
use netloom_sys::eventfd::EventFd;
use netloom_sys::netlink::{Hop, NetlinkSocket, Way};
use netloom_sys::underlay::{Checksum, INJECTED_HEADER, Injector, UnderlaySocket};
use netloom_sys::{HostError, clock};

use super::super::address::Destination;
use super::super::door::Door;
use super::super::outbox::{Address, Outbox, post};
use super::super::settings::TunnelSettings;
use super::super::too_long::Answers;
use super::ways::Ways;
use crate::refused;

/// Bytes of the TCP-like header.
const TCP: usize = 20;
/// Bytes of the longest IP packet.
const LONGEST: usize = 65_535;
/// Bytes of the longest outer headers, Ethernet to STT, over IPv6.
const HEAD: usize = ETHERNET + 40 + TCP + stt::HEADER;

/// Numbers of frames. One series for all tunnels: several may send between the same two addresses, and who puts their
/// pieces together tells frames apart by their number.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// See the module.
#[derive(Debug)]
pub struct SttPort {
    settings: TunnelSettings,
    raw: Arc<[UnderlaySocket]>,
    injector: Injector,
    ways: Ways,
    outbox: Outbox,
    /// Where super-packets are cut that STT does not take whole.
    cut: Vec<u8>,
    answers: Answers,
    /// Rings when there are answers.
    bell: EventFd,
    late: Flushed,
}

/// A frame on its way: where it goes, and what is in front of it.
struct Packet {
    outer: Outer,
    address: Address,
    stt: Stt,
    id: u32,
}

impl SttPort {
    /// A driver of a tunnel whose packets come in by `door`.
    ///
    /// # Errors
    /// `EPERM` without `CAP_NET_RAW`; no fd left.
    pub fn new(settings: TunnelSettings, door: &Door) -> Result<Self, HostError> {
        Ok(Self {
            raw: door.lanes(settings.df, Checksum::On)?,
            injector: Injector::open()?,
            ways: Ways::new(NetlinkSocket::open()?),
            outbox: Outbox::new(false),
            cut: Vec::new(),
            answers: Answers::default(),
            bell: EventFd::new()?,
            late: Flushed::default(),
            settings,
        })
    }

    /// Bytes of the longest frame that STT takes whole.
    fn longest(&self) -> usize {
        LONGEST - self.ip() - TCP - stt::HEADER
    }

    /// Bytes of the outer IP header.
    const fn ip(&self) -> usize {
        if self.settings.v6 { 40 } else { 20 }
    }

    /// Sends a frame that STT takes whole, or has it wait for the end of the round.
    fn put(&mut self, frame: &mut [u8], offload: &Offload, to: &Destination) -> Result<(), Refused> {
        let now = clock::now();
        let way = self.ways.find(to.to, to.from, now).map_err(refused)?;
        let headers = parse(frame).unwrap_or_default();
        let key = Stt::new(to.key.unwrap_or(0));
        let stt = key.describing(frame, offload).map_err(|_| Refused::Packet(DropReason::Malformed))?;
        let packet = self.packet(frame, &headers, to, way, stt)?;
        let piece = usize::from(packet.outer.mtu) - self.ip() - TCP;
        let total = frame.len() + stt::HEADER;
        if total > piece
            && let Some(hop) = self.ways.hop(to.to, to.from)
        {
            return self.inject(frame, packet, &hop);
        }
        self.pieces(frame, &packet, piece)
    }

    fn packet(
        &self,
        frame: &[u8],
        headers: &Headers,
        to: &Destination,
        way: Way,
        stt: Stt,
    ) -> Result<Packet, Refused> {
        let from = to.from.unwrap_or(way.source);
        let ends = match (from, to.to) {
            (IpAddr::V4(from), IpAddr::V4(to)) => Ends::V4(from, to),
            (IpAddr::V6(from), IpAddr::V6(to)) => Ends::V6(from, to),
            _ => return Err(Refused::Packet(DropReason::TunnelNoRemote)),
        };
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        // What stays on the machine crosses a link that takes the longest packet there is.
        let mtu = if way.is_local && way.mtu >= 65_535 { u16::MAX } else { self.settings.underlay_mtu };
        let [.., low, lower] = id.to_be_bytes();
        let outer = Outer {
            tos: to.tos,
            ttl: to.ttl,
            df: self.settings.df,
            id: u16::from_be_bytes([low, lower]),
            src_port: entropy::source_port(frame, headers),
            dst_port: self.settings.dst_port,
            mtu,
            ..Outer::new(Mac::ZERO, Mac::ZERO, ends)
        };
        let address = Address { to: to.to, from: Some(from), tos: to.tos, ttl: to.ttl, lane: 0 };
        Ok(Packet { outer, address, stt, id })
    }

    /// Sends a frame as one super-packet, without a copy of its bytes.
    fn inject(&mut self, frame: &[u8], packet: Packet, hop: &Hop) -> Result<(), Refused> {
        // What waits was there before.
        self.send();
        let outer = Outer { src_mac: Mac(hop.from), dst_mac: Mac(hop.to), ..packet.outer };
        let mut head = [0; HEAD];
        let offload = push_stt_head(&outer, &packet.stt, packet.id, frame.len(), &mut head);
        let offload = offload.map_err(|cannot| Refused::Packet(reason(cannot)))?;
        let mut header = [0; VNET_HDR];
        offload.emit(&mut header);
        let length = ETHERNET + self.ip() + TCP + stt::HEADER;
        let (Some(header), Some(head)) = (header.first_chunk::<INJECTED_HEADER>(), head.get(..length)) else {
            return Err(Refused::Packet(DropReason::Malformed));
        };
        let protocol = if self.settings.v6 { eth_type::IPV6 } else { eth_type::IPV4 };
        self.injector.send(hop.index, protocol, header, [head, frame]).map_err(refused)
    }

    /// Has a frame wait in pieces of at most `piece` bytes, each with its checksum.
    fn pieces(&mut self, frame: &[u8], packet: &Packet, piece: usize) -> Result<(), Refused> {
        let mut head = [0; stt::HEADER];
        packet.stt.emit(&mut head);
        let total = u16::try_from(head.len() + frame.len());
        let total = total.map_err(|_| Refused::Packet(DropReason::TunnelTooLong))?;
        let mut offset = 0;
        while offset < total {
            let end = total.min(offset.saturating_add(u16::try_from(piece).unwrap_or(u16::MAX)));
            let bytes = usize::from(end - offset);
            if !self.outbox.has_room(TCP + bytes) {
                self.send();
            }
            let room = self.outbox.room().get_mut(..TCP + bytes);
            let room = room.ok_or(Refused::Packet(DropReason::PoolExhausted))?;
            copy(&head, frame, offset.into(), room.get_mut(TCP..).unwrap_or_default());
            let tcp = PieceHeader {
                src_port: packet.outer.src_port,
                dst_port: packet.outer.dst_port,
                total,
                offset,
                id: packet.id,
                is_last: end == total,
            };
            tcp.emit_summed(room, packet.outer.ends);
            self.outbox.add(packet.address, TCP + bytes, true);
            offset = end;
        }
        Ok(())
    }

    fn send(&mut self) {
        let late = post(&self.outbox, &self.raw, &self.raw, self.settings.dst_port);
        self.late.full += late.full;
        self.late.failed += late.failed;
        self.outbox.clear();
    }

    /// A super-packet that STT does not take whole: in as few frames as go.
    fn cut(
        &mut self,
        data: &[u8],
        headers: &Headers,
        offload: &Offload,
        to: &Destination,
    ) -> Result<(), Refused> {
        let payload = self.longest().saturating_sub(headers.payload.into());
        let most = match offload.gso {
            // STT has no words for one of UDP.
            Gso::Udp | Gso::None => 1,
            Gso::Tcp4 | Gso::Tcp6 => payload / usize::from(offload.gso_size).max(1),
        };
        let most = u32::try_from(most).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let cutter = segment::cut(data, headers, offload, most);
        let mut cutter = cutter.map_err(|_| Refused::Packet(DropReason::Malformed))?;
        let mut buffer = std::mem::take(&mut self.cut);
        buffer.resize(buffer.len().max(cutter.longest()), 0);
        let mut result = Ok(());
        while let Ok(Some(unit)) = cutter.next_into(&mut buffer) {
            let frame = buffer.get_mut(..unit.len).unwrap_or_default();
            // The rest would be a hole for the receiver to ask for, but so it is if a link loses them.
            if let Err(refused) = self.put(frame, &unit.offload, to) {
                result = Err(refused);
                break;
            }
        }
        self.cut = buffer;
        result
    }
}

/// Copies what stands from `offset` on in `head` and `frame`, one behind the other, until `out` is full.
fn copy(head: &[u8], frame: &[u8], offset: usize, out: &mut [u8]) {
    let front = head.get(offset..).unwrap_or_default();
    let (first, rest) = out.split_at_mut(front.len().min(out.len()));
    first.copy_from_slice(front.get(..first.len()).unwrap_or_default());
    let from = offset.saturating_sub(head.len());
    if let Some(bytes) = frame.get(from..from + rest.len()) {
        rest.copy_from_slice(bytes);
    }
}

const fn reason(cannot: CannotPush) -> DropReason {
    match cannot {
        CannotPush::TooLong => DropReason::TunnelTooLong,
        _ => DropReason::Malformed,
    }
}

impl AsFd for SttPort {
    /// What is received comes by the door; this rings only when there is an answer to be given.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Port for SttPort {
    /// Answers to packets that were too long.
    fn receive(&mut self, _: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        self.bell.clear();
        let packets = self.answers.hand_on(sink);
        Received { packets, ..Received::default() }
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let said = frame.tunnel().copied().unwrap_or_default();
        let offload = frame.offload;
        let headers = parse(frame.data()).unwrap_or_default();
        if self.settings.clamp {
            let most = mss::of_mtu(self.settings.inner_mtu(), headers.is_ipv6());
            let _ = mss::clamp(frame.data_mut(), &headers, offload.csum, most);
        }
        let to = Destination::of(&self.settings, frame.data(), &headers, &said).map_err(Refused::Packet)?;
        let is_long = frame.len() > self.longest();
        if offload.gso == Gso::None && is_long {
            if self.answers.add(frame.data(), &headers, &self.settings) {
                self.bell.signal();
            }
            return Err(Refused::Packet(DropReason::TunnelTooLong));
        }
        if is_long || offload.gso == Gso::Udp {
            return self.cut(frame.data(), &headers, &offload, &to);
        }
        self.put(frame.data_mut(), &offload, &to)
    }

    fn flush(&mut self) -> Flushed {
        self.send();
        std::mem::take(&mut self.late)
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}
