//! The state machine.

use super::Host;
use super::vring::Vring;
use crate::feature::{self, protocol};
use crate::memory::Region;
use crate::message::reply;
use crate::message::{BadMessage, Header, Message, VringAddress, VringFd};

/// The back end's side of one connection of a network device.
///
/// What a front end may do in any order is taken in any order: QEMU enables rings before it sets features.
#[derive(Debug)]
pub struct Backend {
    offered: u64,
    features: u64,
    protocol: u64,
    status: u64,
    mtu: Option<u64>,
    regions: Vec<Region>,
    vrings: Vec<Vring>,
}

/// Why a session ends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// A message that is none.
    #[error(transparent)]
    Message(#[from] BadMessage),
    /// Not as many file descriptors as the message has.
    #[error("{got} file descriptors beside a message that has {wanted}")]
    Descriptors {
        /// How many it has.
        wanted: usize,
        /// How many came.
        got: usize,
    },
    /// A feature that was not offered.
    #[error("Features {0:#x} were not offered")]
    Features(u64),
    /// A ring that the device does not have.
    #[error("There is no ring {0}")]
    Ring(u32),
    /// A ring's size that is no power of two up to 32,768.
    #[error("A ring of {0} entries")]
    RingSize(u32),
    /// An entry of a ring that does not exist.
    #[error("A ring that begins at entry {0}")]
    RingBase(u32),
    /// A ring that begins before it was said where it is, or that is not in the guest's memory.
    #[error("Ring {0} is not in the guest's memory")]
    RingAddress(u32),
    /// A region of no bytes, beyond the end of the address space, over another one, or in too large a number.
    #[error("A memory region that is not possible, at guest address {0:#x}")]
    Region(u64),
    /// The host could not do it.
    #[error("{0}")]
    Host(String),
}

impl Backend {
    /// A device of that many pairs of queues (1 to 64) that offers no more than `features` of
    /// [`OFFERED`](feature::OFFERED).
    #[must_use]
    pub fn new(pairs: u8, features: u64) -> Self {
        let pairs = usize::from(pairs.clamp(1, MAX_PAIRS));
        Self {
            offered: features & feature::OFFERED,
            features: 0,
            protocol: 0,
            status: 0,
            mtu: None,
            regions: Vec::new(),
            vrings: vec![Vring::default(); 2 * pairs],
        }
    }

    /// The device features that were agreed upon.
    #[must_use]
    pub fn features(&self) -> u64 {
        self.features
    }

    /// The MTU that the front end told.
    #[must_use]
    pub fn mtu(&self) -> Option<u64> {
        self.mtu
    }

    /// Takes a message with the descriptors that came beside it; the bytes to answer with, if it is answered.
    ///
    /// # Errors
    /// [`Violation`]: the session has ended, and [`Self::end`] is to be called. What was asked with a wish for an
    /// acknowledgement is refused by one instead.
    pub fn handle<H: Host>(
        &mut self,
        header: &Header,
        payload: &[u8],
        descriptors: Vec<H::Fd>,
        host: &mut H,
    ) -> Result<Option<Vec<u8>>, Violation> {
        let acknowledge = header.needs_reply() && self.protocol & protocol::REPLY_ACK != 0;
        match self.try_handle(header, payload, descriptors, host) {
            Ok(Some(payload)) => Ok(Some(reply(header.request, &payload))),
            Ok(None) if acknowledge => Ok(Some(reply(header.request, &DONE.to_ne_bytes()))),
            Ok(None) => Ok(None),
            // A front end of another version is told so; whatever else is wrong with a message is no accident.
            Err(Violation::Message(BadMessage::Unknown(_)) | Violation::Host(_)) if acknowledge => {
                Ok(Some(reply(header.request, &REFUSED.to_ne_bytes())))
            }
            Err(violation) => Err(violation),
        }
    }

    /// The connection has ended: no ring is served any more, the guest's memory is let go.
    pub fn end<H: Host>(&mut self, host: &mut H) {
        self.stop_all(host);
        for region in self.regions.drain(..) {
            host.unmap(&region);
        }
        self.features = 0;
        self.protocol = 0;
        self.status = 0;
    }

    fn try_handle<H: Host>(
        &mut self,
        header: &Header,
        payload: &[u8],
        mut fds: Vec<H::Fd>,
        host: &mut H,
    ) -> Result<Option<Vec<u8>>, Violation> {
        let message = Message::parse(header, payload)?;
        let (wanted, got) = (message.descriptors(), fds.len());
        if got < wanted || (got > wanted && !message.may_bring_more()) {
            return Err(Violation::Descriptors { wanted, got });
        }
        let first = if wanted > 0 { fds.drain(..1).next() } else { None };
        match message {
            Message::GetFeatures => return word(self.offered),
            Message::GetProtocolFeatures => return word(protocol::OFFERED),
            Message::GetQueueNum => return word(self.vrings.len() as u64 / 2),
            Message::GetMaxMemSlots => return word(SLOTS as u64),
            Message::GetStatus => return word(self.status),
            Message::SetFeatures(features) => self.set_features(features, host)?,
            Message::SetProtocolFeatures(features) => self.set_protocol(features)?,
            Message::SetStatus(status) => self.status = status,
            Message::NetSetMtu(mtu) => self.mtu = Some(mtu),
            // Who the owner is, the connection says.
            Message::SetOwner | Message::ResetOwner => {}
            Message::ResetDevice => self.reset(host),
            Message::SetMemTable(regions) => {
                let fds = first.into_iter().chain(fds);
                self.set_memory(regions.into_iter().zip(fds).collect(), host)?;
            }
            Message::AddMemReg(region) => self.add_region(region, first, host)?,
            Message::RemMemReg(region) => self.remove_region(&region, host)?,
            Message::SetLogBase(area) => {
                if let Some(fd) = first {
                    host.log(area, fd).map_err(refused)?;
                }
                return word(DONE);
            }
            // The log's own wake-up: nobody of ours waits for it.
            Message::SetLogFd => {}
            Message::SendRarp(address) => host.announce(address),
            Message::SetVringNum { queue, size } => self.set_size(queue, size)?,
            Message::SetVringAddr(address) => self.set_address(address, host)?,
            Message::SetVringBase { queue, base } => {
                let base = u16::try_from(base).map_err(|_| Violation::RingBase(base))?;
                self.vring(queue)?.1.base = base;
            }
            Message::GetVringBase { queue } => return self.stop(queue, host).map(Some),
            Message::SetVringKick(fd) => self.set_kick(fd, first, host)?,
            Message::SetVringCall(fd) => host.call(self.vring(fd.queue)?.0, first),
            Message::SetVringErr(fd) => host.error(self.vring(fd.queue)?.0, first),
            Message::SetVringEnable { queue, on } => {
                let (index, vring) = self.vring(queue)?;
                vring.enabled = on;
                host.enable(index, on);
            }
        }
        Ok(None)
    }

    fn set_features<H: Host>(&mut self, features: u64, host: &mut H) -> Result<(), Violation> {
        let unknown = features & !self.offered;
        if unknown != 0 {
            return Err(Violation::Features(unknown));
        }
        self.features = features;
        host.features(features);
        Ok(())
    }

    fn set_protocol(&mut self, features: u64) -> Result<(), Violation> {
        let unknown = features & !protocol::OFFERED;
        if unknown != 0 {
            return Err(Violation::Features(unknown));
        }
        self.protocol = features;
        Ok(())
    }

    fn set_memory<H: Host>(&mut self, table: Vec<(Region, H::Fd)>, host: &mut H) -> Result<(), Violation> {
        let mut regions: Vec<Region> = Vec::with_capacity(table.len());
        for (region, _) in &table {
            check(region, &regions)?;
            regions.push(*region);
        }
        host.map_all(table).map_err(refused)?;
        self.regions = regions;
        self.halt_lost(host);
        Ok(())
    }

    fn add_region<H: Host>(
        &mut self,
        region: Region,
        fd: Option<H::Fd>,
        host: &mut H,
    ) -> Result<(), Violation> {
        check(&region, &self.regions)?;
        if let Some(fd) = fd {
            host.map(region, fd).map_err(refused)?;
            self.regions.push(region);
        }
        Ok(())
    }

    /// The offset in the file is not compared: front ends leave it out.
    fn remove_region<H: Host>(&mut self, region: &Region, host: &mut H) -> Result<(), Violation> {
        let same = |there: &Region| {
            (there.guest, there.user, there.size) == (region.guest, region.user, region.size)
        };
        let place = self.regions.iter().position(same).ok_or(Violation::Region(region.guest))?;
        let gone = self.regions.remove(place);
        self.halt_lost(host);
        host.unmap(&gone);
        Ok(())
    }

    /// Stops the rings that are not in the guest's memory any more.
    fn halt_lost<H: Host>(&mut self, host: &mut H) {
        for queue in 0..self.vrings.len() {
            let lost = |vring: &Vring| vring.started && vring.start(&self.regions).is_none();
            if self.vrings.get(queue).is_some_and(lost) {
                self.halt(queue, host);
            }
        }
    }

    fn set_size(&mut self, queue: u32, size: u32) -> Result<(), Violation> {
        let entries = u16::try_from(size).ok().filter(|size| size.is_power_of_two());
        self.vring(queue)?.1.size = entries.ok_or(Violation::RingSize(size))?;
        Ok(())
    }

    /// A running ring is told its place again when the log begins or ends.
    fn set_address<H: Host>(&mut self, address: VringAddress, host: &mut H) -> Result<(), Violation> {
        let (index, vring) = self.vring(address.queue)?;
        let moved = vring.started
            && vring
                .address
                .is_none_or(|old| VringAddress { flags: address.flags, log: address.log, ..old } != address);
        vring.address = Some(address);
        if moved {
            self.halt(index, host);
            self.begin(address.queue, host)?;
        }
        Ok(())
    }

    fn set_kick<H: Host>(&mut self, kick: VringFd, fd: Option<H::Fd>, host: &mut H) -> Result<(), Violation> {
        let (index, vring) = self.vring(kick.queue)?;
        vring.kicked = true;
        host.kick(index, fd);
        if vring.started { Ok(()) } else { self.begin(kick.queue, host) }
    }

    fn begin<H: Host>(&mut self, queue: u32, host: &mut H) -> Result<(), Violation> {
        // Without features of the protocol, rings are enabled from birth.
        let by_itself = self.features & feature::PROTOCOL_FEATURES == 0 && self.protocol == 0;
        let index = self.vring(queue)?.0;
        let start = self.vrings.get(index).and_then(|vring| vring.start(&self.regions));
        host.start(index, start.ok_or(Violation::RingAddress(queue))?).map_err(refused)?;
        let vring = self.vring(queue)?.1;
        vring.started = true;
        vring.enabled |= by_itself;
        host.enable(index, vring.enabled);
        Ok(())
    }

    /// Stops a ring; where to go on with it.
    fn stop<H: Host>(&mut self, queue: u32, host: &mut H) -> Result<Vec<u8>, Violation> {
        let index = self.vring(queue)?.0;
        self.halt(index, host);
        let vring = self.vring(queue)?.1;
        vring.kicked = false;
        let base = u32::from(vring.base);
        host.kick(index, None);
        Ok([queue.to_ne_bytes(), base.to_ne_bytes()].concat())
    }

    fn halt<H: Host>(&mut self, queue: usize, host: &mut H) {
        let Some(vring) = self.vrings.get_mut(queue) else { return };
        if std::mem::take(&mut vring.started) {
            vring.base = host.stop(queue).unwrap_or(vring.base);
        }
    }

    fn stop_all<H: Host>(&mut self, host: &mut H) {
        for queue in 0..self.vrings.len() {
            self.halt(queue, host);
            for forget in [H::kick, H::call, H::error] {
                forget(host, queue, None);
            }
        }
        self.vrings.fill(Vring::default());
    }

    fn reset<H: Host>(&mut self, host: &mut H) {
        self.stop_all(host);
        self.features = 0;
        self.status = 0;
        host.features(0);
    }

    fn vring(&mut self, queue: u32) -> Result<(usize, &mut Vring), Violation> {
        let index = usize::try_from(queue).unwrap_or(usize::MAX);
        self.vrings.get_mut(index).map(|vring| (index, vring)).ok_or(Violation::Ring(queue))
    }
}

fn check(region: &Region, others: &[Region]) -> Result<(), Violation> {
    let fits =
        region.is_sound() && others.len() < SLOTS && !others.iter().any(|other| region.overlaps(other));
    if fits { Ok(()) } else { Err(Violation::Region(region.guest)) }
}

#[expect(clippy::unnecessary_wraps, reason = "it is what the caller returns")]
fn word(word: u64) -> Result<Option<Vec<u8>>, Violation> {
    Ok(Some(word.to_ne_bytes().to_vec()))
}

fn refused(error: impl std::error::Error) -> Violation {
    Violation::Host(error.to_string())
}

/// Rings are numbered by one byte in some messages.
const MAX_PAIRS: u8 = 64;
/// Memory regions at a time: as many as a guest with hot-plugged memory has.
const SLOTS: usize = 64;
const DONE: u64 = 0;
const REFUSED: u64 = 1;
