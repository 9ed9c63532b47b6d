//! Messages with their payloads, numbers in the machine's own byte order.

use super::{Header, Request};
use crate::memory::Region;

/// The longest payload of any message we take: a table of eight memory regions.
pub const MAX_PAYLOAD: usize = 8 + REGIONS * REGION;

/// A message of the front end. File descriptors travel beside it and are counted by [`Message::descriptors`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named as in the vhost-user document; the parts say what they are")]
pub enum Message {
    GetFeatures,
    SetFeatures(u64),
    SetOwner,
    ResetOwner,
    /// All of the guest's memory; a descriptor for each region.
    SetMemTable(Vec<Region>),
    SetLogBase(LogArea),
    SetLogFd,
    SetVringNum {
        queue: u32,
        size: u32,
    },
    SetVringAddr(VringAddress),
    SetVringBase {
        queue: u32,
        base: u32,
    },
    GetVringBase {
        queue: u32,
    },
    SetVringKick(VringFd),
    SetVringCall(VringFd),
    SetVringErr(VringFd),
    GetProtocolFeatures,
    SetProtocolFeatures(u64),
    GetQueueNum,
    SetVringEnable {
        queue: u32,
        on: bool,
    },
    /// The guest has moved here: announce this address.
    SendRarp([u8; 6]),
    NetSetMtu(u64),
    ResetDevice,
    GetMaxMemSlots,
    AddMemReg(Region),
    RemMemReg(Region),
    SetStatus(u64),
    GetStatus,
}

/// Where a ring's parts are, in addresses of the front end's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VringAddress {
    /// The ring.
    pub queue: u32,
    /// Bit 0: writes to the used ring are to be logged.
    pub flags: u32,
    /// Of the descriptor table.
    pub descriptors: u64,
    /// Of the used ring.
    pub used: u64,
    /// Of the available ring.
    pub available: u64,
    /// Of the used ring, but as the guest sees it: for the log.
    pub log: u64,
}

/// Which ring a descriptor is for, and whether one came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VringFd {
    /// The ring.
    pub queue: u32,
    /// False: there is none, the ring is to be polled.
    pub given: bool,
}

/// Where in the descriptor the log of written pages is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogArea {
    /// Bytes: a bit for each page of 4,096 bytes.
    pub size: u64,
    /// From the beginning of the file.
    pub offset: u64,
}

/// Why a message is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadMessage {
    /// Not version 1.
    #[error("Version is not 1: flags {0:#x}")]
    Version(u32),
    /// Longer than any message there is.
    #[error("A payload of {0} bytes: longer than any message")]
    Size(u32),
    /// A number that this back end does not know.
    #[error("Request {0} is not known")]
    Unknown(u32),
    /// Not the length that the request has.
    #[error("{request:?} with a payload of {size} bytes")]
    Length {
        /// The request.
        request: Request,
        /// What came.
        size: usize,
    },
    /// More than eight memory regions.
    #[error("A table of {0} memory regions")]
    Regions(u32),
}

impl Message {
    /// Reads the payload that follows `header`.
    ///
    /// # Errors
    /// [`BadMessage`]; the session ends then, except for [`BadMessage::Unknown`], which is answered if asked for.
    pub fn parse(header: &Header, payload: &[u8]) -> Result<Self, BadMessage> {
        if !header.is_version_1() {
            return Err(BadMessage::Version(header.flags));
        }
        let request = Request::from_number(header.request).ok_or(BadMessage::Unknown(header.request))?;
        let bad = BadMessage::Length { request, size: payload.len() };
        let mut words = Words(payload);
        let message = read(request, &mut words)?.ok_or(bad)?;
        // GET requests of some front ends carry a payload that means nothing.
        if words.0.is_empty() || !message.has_payload() { Ok(message) } else { Err(bad) }
    }

    /// How many file descriptors have to come with it.
    #[must_use]
    pub fn descriptors(&self) -> usize {
        match self {
            Self::SetMemTable(regions) => regions.len(),
            Self::SetLogBase(_) | Self::SetLogFd | Self::AddMemReg(_) => 1,
            Self::SetVringKick(fd) | Self::SetVringCall(fd) | Self::SetVringErr(fd) => usize::from(fd.given),
            _ => 0,
        }
    }

    /// Whether it may come with more than it needs: what to remove is named by a region, and QEMU adds its descriptor.
    #[must_use]
    pub fn may_bring_more(&self) -> bool {
        matches!(self, Self::RemMemReg(_))
    }

    fn has_payload(&self) -> bool {
        !matches!(
            self,
            Self::GetFeatures
                | Self::GetProtocolFeatures
                | Self::GetQueueNum
                | Self::GetMaxMemSlots
                | Self::GetStatus
                | Self::SetOwner
                | Self::ResetOwner
                | Self::SetLogFd
        )
    }
}

/// `None` if the payload is too short.
fn read(request: Request, words: &mut Words<'_>) -> Result<Option<Message>, BadMessage> {
    let message = match request {
        Request::GetFeatures => Some(Message::GetFeatures),
        Request::SetFeatures => words.u64().map(Message::SetFeatures),
        Request::SetOwner => Some(Message::SetOwner),
        Request::ResetOwner => Some(Message::ResetOwner),
        Request::SetMemTable => return mem_table(words),
        Request::SetLogBase => words.log_area().map(Message::SetLogBase),
        Request::SetLogFd => Some(Message::SetLogFd),
        Request::SetVringNum => words.pair().map(|(queue, size)| Message::SetVringNum { queue, size }),
        Request::SetVringAddr => words.vring_address().map(Message::SetVringAddr),
        Request::SetVringBase => words.pair().map(|(queue, base)| Message::SetVringBase { queue, base }),
        Request::GetVringBase => words.pair().map(|(queue, _)| Message::GetVringBase { queue }),
        Request::SetVringKick => words.vring_fd().map(Message::SetVringKick),
        Request::SetVringCall => words.vring_fd().map(Message::SetVringCall),
        Request::SetVringErr => words.vring_fd().map(Message::SetVringErr),
        Request::GetProtocolFeatures => Some(Message::GetProtocolFeatures),
        Request::SetProtocolFeatures => words.u64().map(Message::SetProtocolFeatures),
        Request::GetQueueNum => Some(Message::GetQueueNum),
        Request::SetVringEnable => {
            words.pair().map(|(queue, on)| Message::SetVringEnable { queue, on: on != 0 })
        }
        Request::SendRarp => words.u64().map(|mac| {
            let [a, b, c, d, e, f, ..] = mac.to_ne_bytes();
            Message::SendRarp([a, b, c, d, e, f])
        }),
        Request::NetSetMtu => words.u64().map(Message::NetSetMtu),
        Request::ResetDevice => Some(Message::ResetDevice),
        Request::GetMaxMemSlots => Some(Message::GetMaxMemSlots),
        Request::AddMemReg => words.padded_region().map(Message::AddMemReg),
        Request::RemMemReg => words.padded_region().map(Message::RemMemReg),
        Request::SetStatus => words.u64().map(Message::SetStatus),
        Request::GetStatus => Some(Message::GetStatus),
    };
    Ok(message)
}

fn mem_table(words: &mut Words<'_>) -> Result<Option<Message>, BadMessage> {
    let Some((count, _padding)) = words.pair() else { return Ok(None) };
    match usize::try_from(count) {
        Ok(regions) if regions <= REGIONS => {
            Ok((0..regions).map(|_| words.region()).collect::<Option<_>>().map(Message::SetMemTable))
        }
        _ => Err(BadMessage::Regions(count)),
    }
}

/// What of a payload is not read yet.
struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn u32(&mut self) -> Option<u32> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_ne_bytes(*word))
    }

    fn u64(&mut self) -> Option<u64> {
        let (word, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u64::from_ne_bytes(*word))
    }

    fn pair(&mut self) -> Option<(u32, u32)> {
        Some((self.u32()?, self.u32()?))
    }

    fn region(&mut self) -> Option<Region> {
        let [guest, size, user, offset] = [self.u64()?, self.u64()?, self.u64()?, self.u64()?];
        Some(Region { guest, size, user, offset })
    }

    fn padded_region(&mut self) -> Option<Region> {
        self.u64()?;
        self.region()
    }

    fn log_area(&mut self) -> Option<LogArea> {
        Some(LogArea { size: self.u64()?, offset: self.u64()? })
    }

    fn vring_address(&mut self) -> Option<VringAddress> {
        let (queue, flags) = self.pair()?;
        let [descriptors, used, available, log] = [self.u64()?, self.u64()?, self.u64()?, self.u64()?];
        Some(VringAddress { queue, flags, descriptors, used, available, log })
    }

    /// Bits 0 to 7: the ring; bit 8: no descriptor.
    fn vring_fd(&mut self) -> Option<VringFd> {
        let word = self.u64()?;
        let queue = u32::from(word.to_le_bytes()[0]);
        Some(VringFd { queue, given: word & NO_FD == 0 })
    }
}

/// Regions in one table at most (`VHOST_USER_MAX_RAM_SLOTS` of the first protocol version).
const REGIONS: usize = 8;
/// Bytes of one.
const REGION: usize = 32;
const NO_FD: u64 = 1 << 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(request: Request, payload: &[u8]) -> Result<Message, BadMessage> {
        let size = u32::try_from(payload.len()).unwrap();
        Message::parse(&Header { request: request.number(), flags: 1, size }, payload)
    }

    fn words(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    #[test]
    fn a_table_of_regions_and_every_way_to_cut_it() {
        let mut bytes = words(&[0, 0x1000, 0x2000, 0x7f00_0000, 0, 0x10_0000, 0x4000, 0x7f80_0000, 0x2000]);
        bytes[..4].copy_from_slice(&2_u32.to_ne_bytes());
        let Ok(Message::SetMemTable(regions)) = parse(Request::SetMemTable, &bytes) else { panic!() };
        assert_eq!(regions[1], Region { guest: 0x10_0000, size: 0x4000, user: 0x7f80_0000, offset: 0x2000 });
        for cut in 0..bytes.len() {
            assert!(parse(Request::SetMemTable, &bytes[..cut]).is_err(), "{cut} bytes");
        }
        bytes[..4].copy_from_slice(&9_u32.to_ne_bytes());
        assert_eq!(parse(Request::SetMemTable, &bytes), Err(BadMessage::Regions(9)));
        bytes[..4].copy_from_slice(&1_u32.to_ne_bytes());
        assert!(parse(Request::SetMemTable, &bytes).is_err(), "more than it says");
    }

    #[test]
    fn what_a_ring_is_told() {
        let kick = parse(Request::SetVringKick, &words(&[3])).unwrap();
        assert_eq!(kick, Message::SetVringKick(VringFd { queue: 3, given: true }));
        assert_eq!(kick.descriptors(), 1);
        let polled = parse(Request::SetVringCall, &words(&[0x103])).unwrap();
        assert_eq!(
            (polled.descriptors(), polled),
            (0, Message::SetVringCall(VringFd { queue: 3, given: false }))
        );
        let enable: Vec<u8> = [1_u32, 1].iter().flat_map(|word| word.to_ne_bytes()).collect();
        assert_eq!(
            parse(Request::SetVringEnable, &enable),
            Ok(Message::SetVringEnable { queue: 1, on: true })
        );
        let rarp = parse(Request::SendRarp, &[2, 0, 0, 0, 0, 7, 0, 0]).unwrap();
        assert_eq!(rarp, Message::SendRarp([2, 0, 0, 0, 0, 7]));
    }

    #[test]
    fn nonsense_is_told_apart() {
        let header = Header { request: 1, flags: 2, size: 0 };
        assert_eq!(Message::parse(&header, &[]), Err(BadMessage::Version(2)));
        let header = Header { request: 99, flags: 1, size: 0 };
        assert_eq!(Message::parse(&header, &[]), Err(BadMessage::Unknown(99)));
        assert!(matches!(parse(Request::SetFeatures, &[1, 2]), Err(BadMessage::Length { size: 2, .. })));
        assert_eq!(parse(Request::GetFeatures, &[0; 8]), Ok(Message::GetFeatures), "said for nothing");
    }
}
