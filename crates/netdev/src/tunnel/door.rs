//! What tunnels of one protocol and port share: the socket they listen at, those they send from, and the table that says
//! whose a packet is.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use netloom_datapath::{Budget, Frame, OffloadCaps, Port, Received, Refused};
use netloom_flow::{DropReason, OptionSets, PortId, TunnelKey};
use netloom_packet::coalesce::{Coalesced, offload_of, super_offload_of};
use netloom_packet::ethernet::HEADER as ETHERNET;
use netloom_packet::tunnel::geneve::{MAX_OPTIONS, Options};
use netloom_packet::tunnel::{BadTunnel, inherit};
use netloom_packet::{Csum, Offload, mss, parse};
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::timer::Timer;
use netloom_sys::underlay::{BATCH, Checksum, Datagram, Datagrams, PortClaim, Protocol, UnderlaySocket};
use netloom_sys::{Errno, HostError};

use super::header;
use super::settings::{DoorKey, TunnelKind, TunnelSettings};
use super::stt::Stitcher;
use super::table::{Entry, Table};

/// Sockets that a tunnel sends from: as many source ports, by which the underlay may tell flows apart.
const LANES: usize = 8;

/// Sending sockets, and whether packets must not be fragmented and have a checksum.
type Lanes = BTreeMap<(bool, Checksum), Arc<[UnderlaySocket]>>;

/// See the module. Shared by the driver that receives and those of the tunnels' ports.
#[derive(Debug)]
pub struct Door {
    key: DoorKey,
    kind: TunnelKind,
    listener: UnderlaySocket,
    /// Of STT: the port, which the kernel's TCP has no part in.
    _claim: Option<PortClaim>,
    lanes: Mutex<Lanes>,
    table: RwLock<Arc<Table>>,
    options: Arc<OptionSets>,
}

impl Door {
    /// Opens the socket that a tunnel listens at, in the calling thread's network namespace. Options of tunnels that
    /// somebody wants to know of are in `options`.
    ///
    /// # Errors
    /// As [`UnderlaySocket::listen`], of STT also as [`PortClaim::new`].
    pub fn open(settings: &TunnelSettings, options: Arc<OptionSets>) -> Result<Arc<Self>, HostError> {
        let key = settings.door();
        let is_stt = settings.kind == TunnelKind::Stt;
        let claim = is_stt.then(|| PortClaim::new(key.v6, key.local, settings.dst_port)).transpose()?;
        Ok(Arc::new(Self {
            key,
            kind: settings.kind,
            listener: UnderlaySocket::listen(key.protocol, key.v6, key.local)?,
            _claim: claim,
            lanes: Mutex::default(),
            table: RwLock::default(),
            options,
        }))
    }

    /// Lets packets of a tunnel in, to `port`; `false` if those are another tunnel's already.
    #[must_use]
    pub fn admit(&self, port: PortId, settings: &TunnelSettings) -> bool {
        let mut table = Table::clone(&self.table());
        let is_free = table.insert(port, settings);
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        is_free
    }

    /// Lets none in any more for `port`. `true` if no tunnel is left.
    pub fn dismiss(&self, port: PortId) -> bool {
        let mut table = Table::clone(&self.table());
        table.remove(port);
        let is_last = table.is_empty();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        is_last
    }

    fn table(&self) -> Arc<Table> {
        Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where options of tunnels are.
    pub(super) fn options(&self) -> &Arc<OptionSets> {
        &self.options
    }

    /// Sockets to send from, in the calling thread's network namespace.
    pub(super) fn lanes(&self, df: bool, checksum: Checksum) -> Result<Arc<[UnderlaySocket]>, HostError> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lanes) = lanes.get(&(df, checksum)) {
            return Ok(Arc::clone(lanes));
        }
        let count = if matches!(self.key.protocol, Protocol::Udp(_)) { LANES } else { 1 };
        let open = |_| UnderlaySocket::sender(self.key.protocol, self.key.v6, df, checksum);
        let opened: Arc<[UnderlaySocket]> = (0..count).map(open).collect::<Result<Vec<_>, _>>()?.into();
        lanes.insert((df, checksum), Arc::clone(&opened));
        Ok(opened)
    }
}

/// The driver that receives for all tunnels of a door. Nothing is sent by it.
#[derive(Debug)]
pub struct DoorPort {
    door: Arc<Door>,
    batch: Datagrams,
    /// The last batch had a super-packet or a train in it.
    is_long: bool,
    stt: Option<Stitching>,
}

/// What a door of STT has besides.
#[derive(Debug)]
struct Stitching {
    stitcher: Stitcher,
    /// Rings when pieces have waited too long.
    timer: Timer,
    /// Of the listener and the timer.
    either: Epoll,
}

impl DoorPort {
    /// Drives a door.
    ///
    /// # Errors
    /// No fd left.
    pub fn new(door: Arc<Door>) -> Result<Self, HostError> {
        let stt = if door.kind == TunnelKind::Stt {
            let (timer, either) = (Timer::new()?, Epoll::new(1)?);
            either.add(&door.listener, 0, Interest::Read)?;
            either.add(&timer, 1, Interest::Read)?;
            Some(Stitching { stitcher: Stitcher::new(), timer, either })
        } else {
            None
        };
        Ok(Self { door, batch: Datagrams::new(), is_long: true, stt })
    }
}

impl AsFd for DoorPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stt.as_ref().map_or_else(|| self.door.listener.as_fd(), |stt| stt.either.as_fd())
    }
}

impl Port for DoorPort {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        let table = self.door.table();
        let mut opener = Opener {
            kind: self.door.kind,
            table: &table,
            options: &self.door.options,
            found: None,
            gathered: None,
            sink,
            frames: 0,
        };
        let mut received = Received::default();
        // As they came: how busy the underlay is does not depend on how well they go together.
        let (mut bytes, mut packets) = (0_u32, 0_u32);
        loop {
            let room = chunk(budget.bytes.saturating_sub(bytes), self.is_long)
                .min(budget.packets.saturating_sub(packets.max(opener.frames)));
            if room == 0 {
                received.more = true;
                break;
            }
            let wanted = (room as usize).min(BATCH);
            let count = match self.door.listener.receive(&mut self.batch, wanted) {
                Ok(count) => count,
                Err(Errno::AGAIN) => break,
                // What became of an earlier packet on its way; the socket works on.
                Err(Errno::CONNREFUSED | Errno::HOSTUNREACH | Errno::NETUNREACH) => continue,
                Err(errno) => {
                    received.error = Some(errno.raw_os_error());
                    break;
                }
            };
            self.is_long = false;
            packets = packets.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            for n in 0..count {
                match self.batch.datagram(n).and_then(|datagram| whole(self.door.key, datagram)) {
                    Some(mut datagram) => {
                        self.is_long |= datagram.range.len() > SINGLE;
                        bytes = bytes.saturating_add(u32::try_from(datagram.range.len()).unwrap_or(u32::MAX));
                        match &mut self.stt {
                            None => opener.open(&mut datagram),
                            Some(stt) => stt.stitcher.open(&mut datagram, &mut opener),
                        }
                    }
                    None => received.malformed += 1,
                }
            }
            // What comes next is received into the same buffers.
            opener.flush(self.batch.buffer());
            if count < wanted {
                received.unsure = !budget.exhaust;
                if received.unsure {
                    break;
                }
            }
        }
        if let Some(stt) = &mut self.stt {
            stt.settle(&mut opener);
        }
        received.packets = packets.max(opener.frames);
        received
    }

    fn transmit(&mut self, _: &mut Frame<'_>) -> Result<(), Refused> {
        Err(Refused::Error(Errno::OPNOTSUPP.raw_os_error()))
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}

impl Stitching {
    /// Lets go of what has waited too long, and sees to it that this is done again in time.
    fn settle(&mut self, opener: &mut Opener<'_>) {
        if !self.stitcher.is_waiting() && !self.timer.is_set() {
            return;
        }
        self.stitcher.settle(opener);
        self.timer.set(self.stitcher.deadline());
    }
}

/// Bytes of a packet that is none of many.
const SINGLE: usize = 2 << 10;

/// How many packets to ask for when `bytes` are left of a budget: where super-packets come, so few that they overrun it only
/// once.
fn chunk(bytes: u32, is_long: bool) -> u32 {
    bytes.div_ceil(if is_long { 16 << 10 } else { 4 << 10 })
}

/// The packet without the IP header that IPv4 has in front of what is not UDP.
fn whole(key: DoorKey, mut datagram: Datagram<'_>) -> Option<Datagram<'_>> {
    if let (Protocol::Ip(..), false) = (key.protocol, key.v6) {
        let ip = datagram.buffer.get(datagram.range.clone())?;
        let length = usize::from(ip.first()? & 0x0f) * 4;
        (datagram.tos, datagram.ttl) = (*ip.get(1)?, *ip.get(8)?);
        datagram.to = ip.get(16..)?.first_chunk::<4>().map(|to| IpAddr::from(*to));
        if length < 20 || length > ip.len() {
            return None;
        }
        datagram.range.start += length;
    }
    Some(datagram)
}

/// Takes packets of the underlay apart.
pub(super) struct Opener<'a> {
    kind: TunnelKind,
    table: &'a Table,
    options: &'a OptionSets,
    /// The last packet's tunnel, and what it was found by: mostly the next one's too.
    found: Option<(Found, Entry)>,
    /// TCP segments that followed each other, which the next may follow.
    gathered: Option<(Coalesced, Owner)>,
    sink: &'a mut dyn FnMut(&mut Frame<'_>),
    frames: u32,
}

/// Whose frame: whether it is a mirrored one, its key, sender and receiver.
pub(super) type Found = (bool, u64, IpAddr, Option<IpAddr>);

/// A frame of a tunnel: whose it is, and what its outer headers said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) entry: Entry,
    pub(super) tunnel: TunnelKey,
}

impl Opener<'_> {
    /// Hands on what is in a packet, or in each of a train; TCP segments that follow each other, there or in packets of
    /// their own, as one. The last may wait for the next packet of the batch, or for [`Self::flush`].
    fn open(&mut self, datagram: &mut Datagram<'_>) {
        let Range { mut start, end } = datagram.range.clone();
        let step = if datagram.segment == 0 { end - start } else { datagram.segment };
        while start < end {
            let packet = start..end.min(start + step);
            start = packet.end;
            match self.unwrap(datagram, packet) {
                Ok((inner, owner)) => self.gather(datagram.buffer, inner, owner),
                Err((port, reason)) => {
                    self.flush(datagram.buffer);
                    self.refuse(datagram.buffer, port, reason);
                }
            }
        }
    }

    /// Joins a frame to those before it, or hands these on.
    fn gather(&mut self, buffer: &mut [u8], inner: Range<usize>, owner: Owner) {
        if let Some((frame, first)) = &mut self.gathered
            && *first == owner
            && frame.append(buffer, inner.clone())
        {
            return;
        }
        self.flush(buffer);
        self.gathered = Coalesced::start(buffer, inner.clone()).map(|frame| (frame, owner));
        if self.gathered.is_none() {
            self.single(buffer, inner, owner);
        }
    }

    /// The frame in a tunnel packet, with what the underlay and the tunnel do to it; or why there is none.
    fn unwrap(
        &mut self,
        datagram: &mut Datagram<'_>,
        packet: Range<usize>,
    ) -> Result<(Range<usize>, Owner), (Option<PortId>, DropReason)> {
        let bytes = datagram.buffer.get_mut(packet.clone()).unwrap_or_default();
        let read = header::read(self.kind, bytes, self.options).map_err(|bad| (None, reason(bad)))?;
        let found = (read.is_mirror, read.key, datagram.from, datagram.to);
        let entry = self.find(found).map_err(|reason| (None, reason))?;
        let options = bytes.get(read.options.clone()).unwrap_or_default();
        let options = self.number_of(options).ok_or((Some(entry.port), DropReason::TunnelOptions))?;
        let frame = bytes.get_mut(read.inner.clone()).unwrap_or_default();
        self.fit(frame, entry, Csum::Complete, datagram.tos).map_err(|reason| (Some(entry.port), reason))?;
        let to = datagram.to.unwrap_or(datagram.from);
        let (policy, flags) = read.gbp;
        let tunnel = TunnelKey::new(read.key, datagram.from, to)
            .with_ip(datagram.tos, datagram.ttl)
            .with_gbp(policy, flags)
            .with_flags(u16::from(read.oam))
            .with_options(options);
        let inner = packet.start + read.inner.start..packet.start + read.inner.end;
        Ok((inner, Owner { entry, tunnel }))
    }

    /// The number of those options that anybody wants to know of: 0 if there are none, `None` if there is no room.
    fn number_of(&self, options: &[u8]) -> Option<u64> {
        if options.is_empty() || !self.options.knows_any() {
            return Some(0);
        }
        let (mut known, mut end) = ([0; MAX_OPTIONS], 0);
        for option in Options::new(options).flatten().filter(|it| self.options.knows(it.class, it.kind)) {
            // They are no longer than all of them.
            end += known.get_mut(end..).and_then(|room| option.emit(room)).unwrap_or(0);
        }
        match known.get(..end) {
            Some([]) | None => Some(0),
            Some(known) => self.options.of(known).map(|set| set.number()),
        }
    }

    /// The tunnel of a packet.
    pub(super) fn find(&mut self, found: Found) -> Result<Entry, DropReason> {
        if let Some((last, entry)) = self.found
            && last == found
        {
            return Ok(entry);
        }
        let (is_mirror, key, from, to) = found;
        let entry = self.table.find(is_mirror, key, from, to).ok_or(DropReason::TunnelUnknown)?;
        self.found = Some((found, entry));
        Ok(entry)
    }

    /// Whether any tunnel has this sender and receiver.
    pub(super) fn knows(&self, from: IpAddr, to: IpAddr) -> bool {
        self.table.knows(from, to)
    }

    /// What the underlay and the tunnel do to a frame: congestion marked outside is marked inside, TCP told what fits.
    pub(super) fn fit(
        &self,
        frame: &mut [u8],
        entry: Entry,
        csum: Csum,
        outer_tos: u8,
    ) -> Result<(), DropReason> {
        if outer_tos & 0x03 == 0 && !entry.clamp {
            return Ok(());
        }
        let Ok(headers) = parse(frame) else { return Ok(()) };
        inherit::leave(frame, &headers, csum, outer_tos).map_err(reason)?;
        if entry.clamp {
            let _ = mss::clamp(frame, &headers, csum, mss::of_mtu(entry.mtu, headers.is_ipv6()));
        }
        Ok(())
    }

    /// Hands on what was gathered.
    fn flush(&mut self, buffer: &mut [u8]) {
        if let Some((frame, owner)) = self.gathered.take() {
            let (range, offload) = frame.finish(buffer);
            self.hand_on(buffer, range, offload, owner);
        }
    }

    /// A frame that came alone.
    fn single(&mut self, buffer: &mut [u8], inner: Range<usize>, owner: Owner) {
        let mtu = usize::from(owner.entry.mtu);
        let frame = buffer.get_mut(inner.clone()).unwrap_or_default();
        // With room for two tags.
        let offload = if frame.len() > mtu + ETHERNET + 8 {
            super_offload_of(frame, mtu).unwrap_or_else(|| offload_of(frame))
        } else {
            offload_of(frame)
        };
        self.hand_on(buffer, inner, offload, owner);
    }

    pub(super) fn hand_on(&mut self, buffer: &mut [u8], range: Range<usize>, offload: Offload, owner: Owner) {
        if let Some(mut frame) = Frame::new(buffer, range, offload) {
            frame.came_by(owner.entry.port, owner.tunnel);
            (self.sink)(&mut frame);
            self.frames += 1;
        }
    }

    pub(super) fn refuse(&mut self, buffer: &mut [u8], port: Option<PortId>, reason: DropReason) {
        if let Some(mut frame) = Frame::new(buffer, 0..0, Offload::PLAIN) {
            frame.refuse(port, reason);
            (self.sink)(&mut frame);
            self.frames += 1;
        }
    }
}

/// What a drop is counted as.
pub(super) const fn reason(bad: BadTunnel) -> DropReason {
    match bad {
        BadTunnel::OuterChecksum | BadTunnel::GreChecksum | BadTunnel::ZeroChecksum => {
            DropReason::TunnelChecksum
        }
        BadTunnel::Ecn => DropReason::TunnelEcn,
        _ => DropReason::TunnelMalformed,
    }
}

#[cfg(test)]
mod tests {
    use netloom_packet::tcp::flag;
    use netloom_packet::{Mac, build};
    use netloom_sys::underlay::FRONT;

    use super::*;

    #[test]
    fn a_nearly_spent_budget_asks_for_few_and_where_super_packets_come_for_fewer() {
        assert_eq!([0, 1, 4_096, 4_097, 1 << 17].map(|bytes| chunk(bytes, false)), [0, 1, 1, 2, 32]);
        assert_eq!([0, 1, 4_096, 16_385, 1 << 17].map(|bytes| chunk(bytes, true)), [0, 1, 1, 2, 8]);
    }
    /// A segment of 1,000 bytes from `10.0.0.1`.
    fn segment(sequence: u32) -> Vec<u8> {
        let data = &[7; 1_000];
        let tcp = build::Tcp {
            src: 9,
            dst: 80,
            seq: sequence,
            ack: 7,
            flags: flag::ACK,
            window: 5,
            options: &[],
            data,
        };
        build::Frame::ip(Mac([2; 6]), Mac([4; 6]), build::Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(tcp))
            .to_vec()
            .unwrap()
    }

    /// Lengths and segment sizes of what is handed on of GRE packets received together, each from the address given by its
    /// last byte.
    fn handed_on(packets: &[(u8, Vec<u8>)]) -> Vec<(usize, u16)> {
        let (table, options) = (Table::default(), OptionSets::default());
        let mut seen = Vec::new();
        let mut sink = |frame: &mut Frame<'_>| seen.push((frame.len(), frame.offload.gso_size));
        let mut opener = Opener {
            kind: TunnelKind::Gre { sequence: false },
            table: &table,
            options: &options,
            found: None,
            gathered: None,
            sink: &mut sink,
            frames: 0,
        };
        let mut buffer = Vec::new();
        for (from, frame) in packets {
            buffer.extend([0; FRONT]);
            let inner = buffer.len()..buffer.len() + frame.len();
            buffer.extend(frame);
            let entry = Entry { port: PortId(1), mtu: 1_400, clamp: false };
            let from = IpAddr::from([192, 0, 2, *from]);
            opener.gather(&mut buffer, inner, Owner { entry, tunnel: TunnelKey::new(7, from, from) });
        }
        opener.flush(&mut buffer);
        assert_eq!(opener.frames as usize, seen.len());
        seen
    }

    #[test]
    fn segments_in_packets_of_their_own_are_handed_on_as_one() {
        let packets = [(1, segment(0)), (1, segment(1_000)), (1, segment(2_000)), (1, segment(9_000))];
        assert_eq!(handed_on(&packets), [(3_054, 1_000), (1_054, 0)]);
    }

    #[test]
    fn segments_out_of_different_tunnels_stay_apart() {
        let packets = [(1, segment(0)), (2, segment(1_000)), (2, segment(2_000))];
        assert_eq!(handed_on(&packets), [(1_054, 0), (2_054, 1_000)]);
    }
}
