//! What tunnels of one protocol and port share: the socket they listen at, those they send from, and the table that says
//! whose a packet is.

use std::collections::BTreeMap;
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
use netloom_sys::underlay::{BATCH, Checksum, Datagram, Datagrams, Protocol, UnderlaySocket};
use netloom_sys::{Errno, HostError};

use super::header;
use super::settings::{DoorKey, TunnelKind, TunnelSettings};
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
    lanes: Mutex<Lanes>,
    table: RwLock<Arc<Table>>,
    options: Arc<OptionSets>,
}

impl Door {
    /// Opens the socket that a tunnel listens at, in the calling thread's network namespace. Options of tunnels that
    /// somebody wants to know of are in `options`.
    ///
    /// # Errors
    /// As [`UnderlaySocket::listen`].
    pub fn open(settings: &TunnelSettings, options: Arc<OptionSets>) -> Result<Arc<Self>, HostError> {
        let key = settings.door();
        Ok(Arc::new(Self {
            key,
            kind: settings.kind,
            listener: UnderlaySocket::listen(key.protocol, key.v6, key.local)?,
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
}

impl DoorPort {
    /// Drives a door.
    #[must_use]
    pub fn new(door: Arc<Door>) -> Self {
        Self { door, batch: Datagrams::new() }
    }
}

impl AsFd for DoorPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.door.listener.as_fd()
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
            sink,
            frames: 0,
        };
        let mut received = Received::default();
        let mut bytes = 0_u32;
        loop {
            let room =
                chunk(budget.bytes.saturating_sub(bytes)).min(budget.packets.saturating_sub(opener.frames));
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
            for n in 0..count {
                match self.batch.datagram(n).and_then(|datagram| whole(self.door.key, datagram)) {
                    Some(mut datagram) => {
                        bytes = bytes.saturating_add(u32::try_from(datagram.range.len()).unwrap_or(u32::MAX));
                        opener.open(&mut datagram);
                    }
                    None => received.malformed += 1,
                }
            }
            if count < wanted {
                received.unsure = !budget.exhaust;
                if received.unsure {
                    break;
                }
            }
        }
        received.packets = opener.frames;
        received
    }

    fn transmit(&mut self, _: &mut Frame<'_>) -> Result<(), Refused> {
        Err(Refused::Error(Errno::OPNOTSUPP.raw_os_error()))
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}

/// How many packets to ask for when `bytes` are left of a budget: so few that even super-packets overrun it only once.
fn chunk(bytes: u32) -> u32 {
    bytes.div_ceil(16 << 10)
}

/// The packet without the IP header that IPv4 has in front of what is not UDP.
fn whole(key: DoorKey, mut datagram: Datagram<'_>) -> Option<Datagram<'_>> {
    if let (Protocol::Ip(..), false) = (key.protocol, key.v6) {
        let ip = datagram.buffer.get(datagram.range.clone())?;
        let length = usize::from(ip.first()? & 0x0f) * 4;
        (datagram.tos, datagram.ttl) = (*ip.get(1)?, *ip.get(8)?);
        if length < 20 || length > ip.len() {
            return None;
        }
        datagram.range.start += length;
    }
    Some(datagram)
}

/// Takes packets of the underlay apart.
struct Opener<'a> {
    kind: TunnelKind,
    table: &'a Table,
    options: &'a OptionSets,
    /// The last packet's tunnel, and what it was found by: mostly the next one's too.
    found: Option<(Found, Entry)>,
    sink: &'a mut dyn FnMut(&mut Frame<'_>),
    frames: u32,
}

type Found = (bool, u64, std::net::IpAddr, Option<std::net::IpAddr>);

/// A frame of a tunnel: whose it is, and what its outer headers said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Owner {
    entry: Entry,
    tunnel: TunnelKey,
}

impl Opener<'_> {
    /// Hands on what is in a packet, or in each of a train; TCP segments that follow each other as one.
    fn open(&mut self, datagram: &mut Datagram<'_>) {
        let Range { mut start, end } = datagram.range.clone();
        let step = if datagram.segment == 0 { end - start } else { datagram.segment };
        let is_train = end - start > step;
        let mut gathered: Option<(Coalesced, Owner)> = None;
        while start < end {
            let packet = start..end.min(start + step);
            start = packet.end;
            let (inner, owner) = match self.unwrap(datagram, packet) {
                Ok(found) => found,
                Err((port, reason)) => {
                    self.flush(datagram, gathered.take());
                    self.refuse(datagram, port, reason);
                    continue;
                }
            };
            if let Some((frame, first)) = &mut gathered
                && *first == owner
                && frame.append(datagram.buffer, inner.clone())
            {
                continue;
            }
            self.flush(datagram, gathered.take());
            gathered = Coalesced::start(datagram.buffer, inner.clone())
                .filter(|_| is_train)
                .map(|frame| (frame, owner));
            if gathered.is_none() {
                self.single(datagram, inner, owner);
            }
        }
        self.flush(datagram, gathered);
    }

    /// The frame in a tunnel packet, with what the underlay and the tunnel do to it; or why there is none.
    fn unwrap(
        &mut self,
        datagram: &mut Datagram<'_>,
        packet: Range<usize>,
    ) -> Result<(Range<usize>, Owner), (Option<PortId>, DropReason)> {
        let bytes = datagram.buffer.get_mut(packet.clone()).unwrap_or_default();
        let read = header::read(self.kind, bytes, self.options).map_err(|bad| (None, reason(bad)))?;
        let found: Found = (read.is_mirror, read.key, datagram.from, datagram.to);
        let entry = match self.found {
            Some((last, entry)) if last == found => entry,
            _ => {
                let (is_mirror, key, from, to) = found;
                let entry = self.table.find(is_mirror, key, from, to);
                let entry = entry.ok_or((None, DropReason::TunnelUnknown))?;
                self.found = Some((found, entry));
                entry
            }
        };
        let options = bytes.get(read.options.clone()).unwrap_or_default();
        let options = self.number_of(options).ok_or((Some(entry.port), DropReason::TunnelOptions))?;
        let frame = bytes.get_mut(read.inner.clone()).unwrap_or_default();
        if (datagram.tos & 0x03 != 0 || entry.clamp)
            && let Ok(headers) = parse(frame)
        {
            inherit::leave(frame, &headers, Csum::Complete, datagram.tos)
                .map_err(|bad| (Some(entry.port), reason(bad)))?;
            if entry.clamp {
                let _ =
                    mss::clamp(frame, &headers, Csum::Complete, mss::of_mtu(entry.mtu, headers.is_ipv6()));
            }
        }
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

    fn flush(&mut self, datagram: &mut Datagram<'_>, gathered: Option<(Coalesced, Owner)>) {
        if let Some((frame, owner)) = gathered {
            let (range, offload) = frame.finish(datagram.buffer);
            self.hand_on(datagram, range, offload, owner);
        }
    }

    /// A frame that came alone.
    fn single(&mut self, datagram: &mut Datagram<'_>, inner: Range<usize>, owner: Owner) {
        let mtu = usize::from(owner.entry.mtu);
        let frame = datagram.buffer.get_mut(inner.clone()).unwrap_or_default();
        // With room for two tags.
        let offload = if frame.len() > mtu + ETHERNET + 8 {
            super_offload_of(frame, mtu).unwrap_or_else(|| offload_of(frame))
        } else {
            offload_of(frame)
        };
        self.hand_on(datagram, inner, offload, owner);
    }

    fn hand_on(&mut self, datagram: &mut Datagram<'_>, range: Range<usize>, offload: Offload, owner: Owner) {
        if let Some(mut frame) = Frame::new(datagram.buffer, range, offload) {
            frame.came_by(owner.entry.port, owner.tunnel);
            (self.sink)(&mut frame);
            self.frames += 1;
        }
    }

    fn refuse(&mut self, datagram: &mut Datagram<'_>, port: Option<PortId>, reason: DropReason) {
        if let Some(mut frame) = Frame::new(datagram.buffer, 0..0, Offload::PLAIN) {
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
