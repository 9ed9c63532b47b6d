//! A PCI configuration space, as bytes: who a function is, where its registers are, what it can do.
//!
//! ```text
//! 0x000  ids, command, status, class, header type, 6 base address registers, first capability     64 bytes
//! 0x040  capabilities, a list by 8-bit pointers                                                   256 with the above
//! 0x100  extended capabilities, a list by 12-bit pointers (PCI Express)                           4096 in all
//! ```
//! The kernel shows ordinary users the first 64 bytes only. Lists come from the device: they may end anywhere and lead in
//! circles. What cannot be read is left out, and [`ConfigSpace::cut`] says so.
//!
//! Source: PCI Local Bus 3.0 §6, PCI Express Base 5.0 §7 and §9.3.

/// What is read of a configuration space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigSpace {
    /// Who made it and what it is.
    pub ids: Ids,
    /// Command register: 0x2 memory is decoded, 0x4 it may be a bus master.
    pub command: u16,
    /// 0: an endpoint; 1: a bridge.
    pub header_type: u8,
    /// Where its registers are.
    pub bars: Vec<Bar>,
    /// In the order of the list.
    pub capabilities: Vec<Capability>,
    /// In the order of the list.
    pub extended: Vec<ExtendedCapability>,
    /// Interrupts by messages.
    pub msix: Option<MsiX>,
    /// Of a PF.
    pub sriov: Option<SrIov>,
    /// A list leads out of the bytes there are, or in a circle: what follows is not known.
    pub cut: bool,
}

/// Identifiers. A VF has 0xffff as vendor and device: software takes those of its PF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ids {
    /// Vendor.
    pub vendor: u16,
    /// Device.
    pub device: u16,
    /// Vendor of the board.
    pub subsystem_vendor: u16,
    /// The board.
    pub subsystem: u16,
    /// Base class, sub-class and interface, 24 bits: 0x020000 is Ethernet.
    pub class: u32,
    /// Revision.
    pub revision: u8,
}

/// A base address register, with the one behind it if it is of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bar {
    /// Which one, 0 to 5.
    pub index: u8,
    /// Where it is.
    pub address: u64,
    /// What is there.
    pub kind: BarKind,
}

/// What is behind a base address register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BarKind {
    /// Ports.
    Io,
    /// Memory below 4 GiB.
    Memory32 {
        /// Reading it changes nothing.
        prefetchable: bool,
    },
    /// Memory anywhere.
    Memory64 {
        /// Reading it changes nothing.
        prefetchable: bool,
    },
}

/// An entry of the first list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    /// What it is.
    pub id: u8,
    /// Where it begins.
    pub at: u8,
}

/// An entry of the second list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtendedCapability {
    /// What it is.
    pub id: u16,
    /// Of its layout.
    pub version: u8,
    /// Where it begins.
    pub at: u16,
}

/// The MSI-X capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MsiX {
    /// 1 to 2048.
    pub vectors: u16,
    /// It is in use.
    pub enabled: bool,
    /// In which base address register the table is, and where in it.
    pub table: (u8, u32),
    /// The same of the pending bits.
    pub pending: (u8, u32),
}

/// The SR-IOV capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SrIov {
    /// VFs are there.
    pub enabled: bool,
    /// VFs answer at their base address registers.
    pub memory: bool,
    /// VFs at first.
    pub initial: u16,
    /// The most there can be.
    pub total: u16,
    /// VFs now.
    pub number: u16,
    /// From the PF to the first VF, in functions.
    pub offset: u16,
    /// From one VF to the next.
    pub stride: u16,
    /// The device id of the VFs.
    pub vf_device: u16,
    /// Page sizes it can align VFs to: bit n stands for 4 KiB << n.
    pub page_sizes: u32,
    /// The one it does.
    pub page_size: u32,
    /// Where the registers of VF 0 are; those of the others follow, each as large.
    pub bars: Vec<Bar>,
}

/// Bytes that are no configuration space.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Under 64 bytes.
    #[error("A configuration space has 64 bytes at least, and this has {0}")]
    Truncated(usize),
    /// All ones: nothing answers there.
    #[error("Nothing answers: every byte is 0xff")]
    Absent,
}

impl ConfigSpace {
    /// Reads what is there, up to 4096 bytes, little-endian.
    ///
    /// # Errors
    /// [`Malformed`], where not even the header is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let space = Bytes(bytes.get(..bytes.len().min(WHOLE)).unwrap_or(bytes));
        let header = bytes.get(..HEADER).ok_or(Malformed::Truncated(bytes.len()))?;
        if header.iter().all(|byte| *byte == 0xff) {
            return Err(Malformed::Absent);
        }
        let header_type = space.u8(0x0e).unwrap_or(0) & 0x7f;
        let bars = if header_type == 0 { 6 } else { 2 };
        let mut out = Self {
            ids: ids(space, header_type),
            command: space.u16(0x04).unwrap_or(0),
            header_type,
            bars: base_addresses(space, 0x10, bars),
            capabilities: Vec::new(),
            extended: Vec::new(),
            msix: None,
            sriov: None,
            cut: false,
        };
        out.list(space);
        out.extended_list(space);
        Ok(out)
    }

    /// Walks the first list. Each entry takes 4 bytes of 192 at least: more than 48 are a circle.
    fn list(&mut self, space: Bytes<'_>) {
        if space.u16(0x06).unwrap_or(0) & STATUS_LIST == 0 {
            return;
        }
        let mut at = space.u8(0x34).unwrap_or(0) & !3;
        while at != 0 {
            let (id, next) = (space.u8(usize::from(at)), space.u8(usize::from(at) + 1));
            let (Some(id), Some(next)) = (id, next) else {
                self.cut = true;
                return;
            };
            if usize::from(at) < HEADER || self.capabilities.len() == 48 {
                self.cut = true;
                return;
            }
            self.capabilities.push(Capability { id, at });
            if id == CAP_MSIX && self.msix.is_none() {
                self.msix = msix(space, usize::from(at));
                self.cut |= self.msix.is_none();
            }
            at = next & !3;
        }
    }

    /// Walks the second list, if there are bytes for one. Each entry takes 8 bytes of 3840 at least.
    fn extended_list(&mut self, space: Bytes<'_>) {
        let mut at = 0x100;
        // A header of zeros at the front: there is none.
        while let Some(head) = space.u32(usize::from(at)).filter(|head| *head != 0 && *head != u32::MAX) {
            if self.extended.len() == 480 {
                self.cut = true;
                return;
            }
            let word = |bits: u32| u16::try_from(bits & 0xffff).unwrap_or(0);
            let version = u8::try_from((head >> 16) & 0xf).unwrap_or(0);
            self.extended.push(ExtendedCapability { id: word(head), version, at });
            if word(head) == EXT_SRIOV && self.sriov.is_none() {
                self.sriov = sriov(space, usize::from(at));
                self.cut |= self.sriov.is_none();
            }
            match word(head >> 20) & !3 {
                0 => return,
                next if next < 0x100 => {
                    self.cut = true;
                    return;
                }
                next => at = next,
            }
            self.cut |= space.u32(usize::from(at)).is_none();
        }
    }

    /// The identifiers of a VF whose PF this is: those that its own space does not have.
    #[must_use]
    pub fn ids_of_vf(&self, own: &Ids) -> Ids {
        let device = self.sriov.as_ref().map_or(own.device, |sriov| sriov.vf_device);
        Ids { vendor: self.ids.vendor, device, ..*own }
    }
}

fn ids(space: Bytes<'_>, header_type: u8) -> Ids {
    let word = |at| space.u16(at).unwrap_or(0);
    // A bridge has other things there.
    let board = |at| if header_type == 0 { word(at) } else { 0 };
    Ids {
        vendor: word(0x00),
        device: word(0x02),
        subsystem_vendor: board(0x2c),
        subsystem: board(0x2e),
        class: space.u32(0x08).unwrap_or(0) >> 8,
        revision: space.u8(0x08).unwrap_or(0),
    }
}

/// Base address registers from `at` on; those that are zero are not there.
fn base_addresses(space: Bytes<'_>, at: usize, count: u8) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut index = 0;
    while index < count {
        let Some(low) = space.u32(at + 4 * usize::from(index)) else { break };
        let number = index;
        index += 1;
        let prefetchable = low & 0x8 != 0;
        let bar = match low & 0x7 {
            _ if low == 0 => continue,
            kind if kind & 1 == 1 => (u64::from(low & !0x3), BarKind::Io),
            0x4 if index < count => {
                let high = space.u32(at + 4 * usize::from(index)).unwrap_or(0);
                index += 1;
                ((u64::from(high) << 32) | u64::from(low & !0xf), BarKind::Memory64 { prefetchable })
            }
            _ => (u64::from(low & !0xf), BarKind::Memory32 { prefetchable }),
        };
        bars.push(Bar { index: number, address: bar.0, kind: bar.1 });
    }
    bars
}

/// Control u16 (bits 0 to 10 vectors less 1, bit 15 enabled), table and pending bits u32 each: 3 bits of register, then
/// where in it.
fn msix(space: Bytes<'_>, at: usize) -> Option<MsiX> {
    let control = space.u16(at + 2)?;
    let place = |word: u32| (u8::try_from(word & 7).unwrap_or(0), word & !7);
    Some(MsiX {
        vectors: (control & 0x7ff) + 1,
        enabled: control & 0x8000 != 0,
        table: place(space.u32(at + 4)?),
        pending: place(space.u32(at + 8)?),
    })
}

/// 64 bytes; PCI Express Base 5.0 §9.3.3.
fn sriov(space: Bytes<'_>, at: usize) -> Option<SrIov> {
    let control = space.u16(at + 0x08)?;
    // The last field, so that nothing is read of half a capability.
    space.u32(at + 0x3c)?;
    Some(SrIov {
        enabled: control & 0x1 != 0,
        memory: control & 0x8 != 0,
        initial: space.u16(at + 0x0c)?,
        total: space.u16(at + 0x0e)?,
        number: space.u16(at + 0x10)?,
        offset: space.u16(at + 0x14)?,
        stride: space.u16(at + 0x16)?,
        vf_device: space.u16(at + 0x1a)?,
        page_sizes: space.u32(at + 0x1c)?,
        page_size: space.u32(at + 0x20)?,
        bars: base_addresses(space, at + 0x24, 6),
    })
}

/// The name of a capability of the first list.
#[must_use]
pub const fn name(id: u8) -> &'static str {
    match id {
        0x01 => "power management",
        0x03 => "vital product data",
        0x05 => "MSI",
        0x09 => "vendor's",
        0x10 => "PCI Express",
        0x11 => "MSI-X",
        0x12 => "SATA",
        0x13 => "advanced features",
        _ => "other",
    }
}

/// The name of a capability of the second list.
#[must_use]
pub const fn extended_name(id: u16) -> &'static str {
    match id {
        0x0001 => "error reporting",
        0x0002 | 0x0009 => "virtual channel",
        0x0003 => "serial number",
        0x0004 => "power budgeting",
        0x000b => "vendor's",
        0x000d => "access control",
        0x000e => "alternative routing id",
        0x000f => "address translation",
        0x0010 => "SR-IOV",
        0x0013 => "page requests",
        0x0015 => "resizable BAR",
        0x0017 => "TPH requester",
        0x0018 => "latency tolerance",
        0x0019 => "secondary PCI Express",
        0x001b => "process address space",
        0x001e => "L1 substates",
        _ => "other",
    }
}

/// Numbers by their place; `None` beyond the end.
#[derive(Clone, Copy)]
struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn u8(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn u16(self, at: usize) -> Option<u16> {
        Some(u16::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }

    fn u32(self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.0.get(at..)?.first_chunk()?))
    }
}

const HEADER: usize = 64;
const WHOLE: usize = 4096;
/// In the status register: there is a list.
const STATUS_LIST: u16 = 0x0010;
const CAP_MSIX: u8 = 0x11;
const EXT_SRIOV: u16 = 0x0010;

#[cfg(test)]
mod tests {
    use super::*;

    /// An 82576 with three VFs, as much of it as is read.
    fn igb() -> Vec<u8> {
        let mut space = vec![0; WHOLE];
        let mut put = |at: usize, bytes: &[u8]| space[at..at + bytes.len()].copy_from_slice(bytes);
        put(0x00, &[0x86, 0x80, 0xc9, 0x10, 0x06, 0x04, 0x10, 0x00, 0x01, 0x00, 0x00, 0x02, 0, 0, 0x80, 0]);
        put(0x10, &0xfe80_0000_u32.to_le_bytes());
        put(0x18, &0xc041_u32.to_le_bytes());
        put(0x1c, &[0x0c, 0x00, 0x00, 0xe0, 0x03, 0, 0, 0]);
        put(0x2c, &[0x86, 0x80, 0x2b, 0xa0]);
        put(0x34, &[0x40]);
        put(0x40, &[0x01, 0x70]);
        put(0x70, &[0x11, 0xa0, 0x09, 0x80, 0x03, 0, 0, 0, 0x03, 0x20, 0, 0]);
        put(0xa0, &[0x10, 0x00]);
        put(0x100, &[0x01, 0x00, 0x02, 0x16]);
        put(0x160, &[0x10, 0x00, 0x01, 0x00, 0, 0, 0, 0, 0x09, 0x00, 0, 0, 8, 0, 7, 0, 3, 0, 0, 0]);
        put(0x174, &[0x80, 0x00, 0x02, 0x00, 0, 0, 0xca, 0x10, 0x53, 0x05, 0, 0, 0x01, 0, 0, 0]);
        put(0x184, &[0x04, 0x00, 0x00, 0xfe, 0x01, 0, 0, 0]);
        space
    }

    #[test]
    fn a_pf_with_its_lists_is_read() {
        let space = ConfigSpace::parse(&igb()).unwrap();
        let Ids { vendor, device, subsystem, class, revision, .. } = space.ids;
        assert_eq!((vendor, device, subsystem, class, revision), (0x8086, 0x10c9, 0xa02b, 0x02_0000, 1));
        let bars: Vec<_> = space.bars.iter().map(|bar| (bar.index, bar.address, bar.kind)).collect();
        assert_eq!(
            bars,
            [
                (0, 0xfe80_0000, BarKind::Memory32 { prefetchable: false }),
                (2, 0xc040, BarKind::Io),
                (3, 0x3_e000_0000, BarKind::Memory64 { prefetchable: true }),
            ]
        );
        let ids: Vec<_> = space.capabilities.iter().map(|it| name(it.id)).collect();
        assert_eq!(ids, ["power management", "MSI-X", "PCI Express"]);
        let msix = space.msix.unwrap();
        assert_eq!(msix, MsiX { vectors: 10, enabled: true, table: (3, 0), pending: (3, 0x2000) });
        let extended: Vec<_> = space.extended.iter().map(|it| (it.at, extended_name(it.id))).collect();
        assert_eq!(extended, [(0x100, "error reporting"), (0x160, "SR-IOV")]);
        let sriov = space.sriov.as_ref().unwrap();
        assert_eq!((sriov.enabled, sriov.memory, sriov.initial, sriov.total), (true, true, 8, 7));
        assert_eq!((sriov.number, sriov.offset, sriov.stride, sriov.vf_device), (3, 0x80, 2, 0x10ca));
        assert_eq!((sriov.page_sizes, sriov.page_size), (0x553, 1));
        assert_eq!(sriov.bars[0].address, 0x1_fe00_0000);
        assert!(!space.cut);
        let own = Ids { vendor: 0xffff, device: 0xffff, subsystem: 1, ..Ids::default() };
        let of_vf = space.ids_of_vf(&own);
        assert_eq!((of_vf.vendor, of_vf.device, of_vf.subsystem), (0x8086, 0x10ca, 1));
    }

    #[test]
    fn every_truncation_is_read_as_far_as_it_goes() {
        let whole = igb();
        for length in 0..whole.len() {
            match ConfigSpace::parse(&whole[..length]) {
                Err(Malformed::Truncated(n)) => assert!(n == length && length < 64),
                Err(error) => panic!("{error} at {length}"),
                Ok(space) => {
                    assert!(length >= 64);
                    assert_eq!(space.sriov.is_some(), length >= 0x1a0, "{length}");
                }
            }
        }
    }

    #[test]
    fn lists_in_circles_end() {
        let mut space = igb();
        space[0xa1] = 0x40;
        space[0x160..0x164].copy_from_slice(&[0x10, 0x00, 0x01, 0x10]);
        let read = ConfigSpace::parse(&space).unwrap();
        assert!(read.cut && read.capabilities.len() == 48 && read.extended.len() == 480);
    }

    #[test]
    fn nobody_there_is_no_function() {
        assert_eq!(ConfigSpace::parse(&[0xff; 256]), Err(Malformed::Absent));
    }

    proptest::proptest! {
        #[test]
        fn whatever_answers_is_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..512)) {
            if let Ok(space) = ConfigSpace::parse(&bytes) {
                proptest::prop_assert!(space.bars.len() <= 6 && space.capabilities.len() <= 48);
            }
        }
    }
}
