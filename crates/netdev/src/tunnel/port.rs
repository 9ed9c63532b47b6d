//! The driver of a tunnel's port: frames leave in tunnel packets, gathered until the end of a round.

use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use netloom_datapath::{Budget, Flushed, Frame, OffloadCaps, Port, Received, Refused};
use netloom_flow::{DropReason, OptionSet, OptionSets, TunnelKey};
use netloom_packet::ethernet::HEADER as ETHERNET;
use netloom_packet::tunnel::entropy;
use netloom_packet::{Gso, Headers, Offload, checksum, mss, parse, segment};
use netloom_sys::HostError;
use netloom_sys::eventfd::EventFd;
use netloom_sys::underlay::{Checksum, Protocol, UnderlaySocket};

use super::address::Destination;
use super::door::Door;
use super::header::{self, Wanted};
use super::outbox::{Address, Outbox, post};
use super::settings::{TunnelKind, TunnelSettings};
use super::too_long::Answers;

/// See the module.
#[derive(Debug)]
pub struct TunnelPort {
    settings: TunnelSettings,
    /// Bytes of the longest frame that the underlay takes whole.
    longest: usize,
    /// Sockets of trains.
    trains: Arc<[UnderlaySocket]>,
    /// Sockets of single packets.
    singles: Arc<[UnderlaySocket]>,
    outbox: Outbox,
    sequence: u32,
    answers: Answers,
    /// Rings when there are answers.
    bell: EventFd,
    late: Flushed,
    options: Arc<OptionSets>,
}

impl TunnelPort {
    /// A driver of a tunnel whose packets come in by `door`.
    ///
    /// # Errors
    /// No fd left.
    pub fn new(settings: TunnelSettings, door: &Door) -> Result<Self, HostError> {
        let is_udp = matches!(settings.door().protocol, Protocol::Udp(_));
        let trains = door.lanes(settings.df, Checksum::On)?;
        let checksum = if is_udp && !settings.csum { Checksum::Off } else { Checksum::On };
        let singles = door.lanes(settings.df, checksum)?;
        let longest = usize::from(settings.inner_mtu()) + ETHERNET;
        Ok(Self {
            longest,
            trains,
            singles,
            outbox: Outbox::new(is_udp),
            sequence: 0,
            answers: Answers::default(),
            bell: EventFd::new()?,
            late: Flushed::default(),
            options: Arc::clone(door.options()),
            settings,
        })
    }

    /// Where a frame goes, and what is in front of it.
    fn plan<'a>(
        &self,
        frame: &[u8],
        headers: &Headers,
        said: &TunnelKey,
        options: &'a [u8],
    ) -> Result<(Address, Wanted<'a>), DropReason> {
        let settings = &self.settings;
        let Destination { to, from, tos, ttl, key } = Destination::of(settings, frame, headers, said)?;
        let wanted = Wanted {
            kind: settings.kind,
            key,
            csum: settings.csum,
            sequence: self.sequence,
            gbp: said.gbp(),
            oam: said.flags() & 1 != 0,
            options,
        };
        let hash = entropy::flow_hash(frame, headers);
        let lane = usize::try_from(hash % self.singles.len().max(1) as u64).unwrap_or(0);
        Ok((Address { to, from, tos, ttl, lane }, wanted))
    }

    /// The options that go along, if the tunnel is one that takes some.
    ///
    /// # Errors
    /// [`DropReason::TunnelOptions`]: the packet was under way for longer than its options are known.
    fn options_of(&self, said: &TunnelKey) -> Result<Option<Arc<OptionSet>>, DropReason> {
        match said.options() {
            number if number != 0 && self.settings.kind == TunnelKind::Geneve => {
                self.options.find(number).map(Some).ok_or(DropReason::TunnelOptions)
            }
            _ => Ok(None),
        }
    }

    /// One wire packet: `write` puts the frame behind the header and says how long it is, and what is still to be done.
    ///
    /// # Errors
    /// [`DropReason::TunnelKey`]: the header has no room for the key.
    fn put(
        &mut self,
        address: Address,
        wanted: &Wanted<'_>,
        most: usize,
        write: impl FnOnce(&mut [u8]) -> Option<(usize, Offload)>,
    ) -> Result<(), DropReason> {
        let wanted = Wanted { sequence: self.sequence, ..*wanted };
        let header = header::write(&wanted).ok_or(DropReason::TunnelKey)?;
        let fixed = header.bytes().len();
        let head = fixed + wanted.options.len();
        if !self.outbox.has_room(head + most) {
            self.send();
        }
        let room = self.outbox.room();
        let (front, rest) = room.split_at_mut_checked(head).ok_or(DropReason::PoolExhausted)?;
        let (front, options) = front.split_at_mut(fixed);
        front.copy_from_slice(header.bytes());
        options.copy_from_slice(wanted.options);
        let (length, mut offload) = write(rest).ok_or(DropReason::Malformed)?;
        if let Some(frame) = rest.get_mut(..length) {
            // A field outside the frame cannot be completed: nobody downstream could, either.
            let _ = checksum::complete(frame, &mut offload);
        }
        let packet = room.get_mut(..head + length).unwrap_or_default();
        header::finish(self.settings.kind, self.settings.csum, packet);
        self.sequence = self.sequence.wrapping_add(1);
        let alone = length + wanted.options.len() > self.longest;
        self.outbox.add(address, head + length, alone);
        Ok(())
    }

    /// Sends all that waits.
    fn send(&mut self) {
        let late = post(&self.outbox, &self.trains, &self.singles, self.settings.dst_port);
        self.late.full += late.full;
        self.late.failed += late.failed;
        self.outbox.clear();
    }
}

impl AsFd for TunnelPort {
    /// What is received comes by the door; this rings only when there is an answer to be given.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Port for TunnelPort {
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
        let data = frame.data();
        let longest = match offload.gso {
            Gso::None => data.len(),
            _ => usize::from(headers.payload) + usize::from(offload.gso_size).min(headers.payload_len()),
        };
        let options = self.options_of(&said).map_err(Refused::Packet)?;
        let options = options.as_ref().map_or(&[][..], |set| set.bytes());
        if longest + options.len() > self.longest && self.settings.df {
            if self.answers.add(data, &headers, &self.settings) {
                self.bell.signal();
            }
            return Err(Refused::Packet(DropReason::TunnelTooLong));
        }
        let (address, wanted) = self.plan(data, &headers, &said, options).map_err(Refused::Packet)?;
        if offload.gso == Gso::None {
            let whole = |room: &mut [u8]| {
                room.get_mut(..data.len())?.copy_from_slice(data);
                Some((data.len(), offload))
            };
            return self.put(address, &wanted, data.len(), whole).map_err(Refused::Packet);
        }
        let mut cutter = segment::cut(data, &headers, &offload, NonZeroU32::MIN)
            .map_err(|_| Refused::Packet(DropReason::Malformed))?;
        while cutter.remaining() > 0 {
            let most = cutter.longest();
            let next =
                |room: &mut [u8]| cutter.next_into(room).ok().flatten().map(|unit| (unit.len, unit.offload));
            self.put(address, &wanted, most, next).map_err(Refused::Packet)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Flushed {
        self.send();
        std::mem::take(&mut self.late)
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}
