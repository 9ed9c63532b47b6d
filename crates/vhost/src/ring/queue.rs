//! A ring: chains taken off it, and given back.

use super::Broken;
use super::chain::Chain;
use super::descriptor::{DESCRIPTOR, Descriptor};
use crate::memory::{GuestMemory, Unmapped};

/// Where the three parts of a ring are, in addresses of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Layout {
    /// The descriptor table.
    pub descriptors: u64,
    /// The available ring.
    pub available: u64,
    /// The used ring.
    pub used: u64,
}

/// A split virtqueue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    pub(super) size: u16,
    pub(super) layout: Layout,
    pub(super) event_idx: bool,
    indirect: bool,
    /// The next entry of the available ring to take.
    pub(super) next_available: u16,
    /// Up to where the guest had filled it when it was looked at: to look costs more than to take.
    seen: u16,
    /// The next entry of the used ring to fill.
    pub(super) next_used: u16,
    /// Up to which used entry the guest was notified.
    pub(super) told: u16,
}

impl Queue {
    /// A ring of `size` entries that goes on at entry `base` of the available ring.
    ///
    /// `None` unless the size is a power of two up to 32,768.
    #[must_use]
    pub fn new(size: u16, layout: Layout, base: u16) -> Option<Self> {
        (size.is_power_of_two()).then_some(Self {
            size,
            layout,
            event_idx: false,
            indirect: false,
            next_available: base,
            seen: base,
            next_used: base,
            told: base,
        })
    }

    /// With what was negotiated: notifications by index, descriptors in tables.
    #[must_use]
    pub fn with_features(self, event_idx: bool, indirect: bool) -> Self {
        Self { event_idx, indirect, ..self }
    }

    /// Goes on where a device before us left off: what it used is in the guest's memory.
    ///
    /// Frames are used in the order in which they were made available, so all that was taken and not used is taken again.
    ///
    /// # Errors
    /// [`Unmapped`] if the used ring is not in the guest's memory.
    pub fn resume<M: GuestMemory + ?Sized>(&mut self, memory: &M) -> Result<(), Unmapped> {
        self.next_used = memory.load(self.used_index()?)?;
        self.told = self.next_used;
        self.next_available = self.next_used;
        self.seen = self.next_used;
        Ok(())
    }

    /// The next entry of the available ring: what a device after us goes on with.
    #[must_use]
    pub fn base(&self) -> u16 {
        self.next_available
    }

    /// How many chains the guest offers.
    ///
    /// # Errors
    /// [`Broken::Available`], [`Broken::Unmapped`].
    pub fn available<M: GuestMemory + ?Sized>(&self, memory: &M) -> Result<u16, Broken> {
        let index = memory.load(at(self.layout.available, 2)?)?;
        let count = index.wrapping_sub(self.next_available);
        if count > self.size { Err(Broken::Available(count, self.size)) } else { Ok(count) }
    }

    /// Takes the next chain, if there is one, into `chain`.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn pop<M: GuestMemory + ?Sized>(&mut self, memory: &M, chain: &mut Chain) -> Result<bool, Broken> {
        if self.next_available == self.seen {
            self.seen = self.next_available.wrapping_add(self.available(memory)?);
            if self.next_available == self.seen {
                return Ok(false);
            }
        }
        let entry = u64::from(self.next_available & (self.size - 1));
        let mut head = [0; 2];
        memory.read(at(self.layout.available, 4 + 2 * entry)?, &mut head)?;
        chain.begin(u16::from_le_bytes(head));
        self.next_available = self.next_available.wrapping_add(1);
        self.walk(memory, chain)?;
        Ok(true)
    }

    /// Puts the last `count` chains taken back, as if they had not been taken.
    pub fn put_back(&mut self, count: u16) {
        self.next_available = self.next_available.wrapping_sub(count);
    }

    /// Gives a chain back, with `written` bytes in it. The guest sees it after [`Self::publish`].
    ///
    /// # Errors
    /// [`Unmapped`] if the used ring is not in the guest's memory.
    pub fn push<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        chain: &Chain,
        written: u32,
    ) -> Result<(), Unmapped> {
        self.push_head(memory, chain.head, written)
    }

    pub(crate) fn push_head<M: GuestMemory + ?Sized>(
        &mut self,
        memory: &M,
        head: u16,
        written: u32,
    ) -> Result<(), Unmapped> {
        let entry = u64::from(self.next_used & (self.size - 1));
        let [h0, h1] = head.to_le_bytes();
        let [w0, w1, w2, w3] = written.to_le_bytes();
        memory.write(at(self.layout.used, 4 + 8 * entry)?, &[h0, h1, 0, 0, w0, w1, w2, w3])?;
        self.next_used = self.next_used.wrapping_add(1);
        Ok(())
    }

    /// Lets the guest see all that was given back.
    ///
    /// # Errors
    /// [`Unmapped`] if the used ring is not in the guest's memory.
    pub fn publish<M: GuestMemory + ?Sized>(&self, memory: &M) -> Result<(), Unmapped> {
        memory.store(self.used_index()?, self.next_used)
    }

    fn used_index(&self) -> Result<u64, Unmapped> {
        at(self.layout.used, 2)
    }

    /// Follows the descriptors of a chain, each read once.
    fn walk<M: GuestMemory + ?Sized>(&self, memory: &M, chain: &mut Chain) -> Result<(), Broken> {
        let mut table = Table { at: self.layout.descriptors, size: self.size, inner: false };
        let mut index = chain.head;
        // The ring's size bounds a chain, tables included (virtio 1.3 §2.7.5.3.1); and no driver makes long ones.
        let most = self.size.min(CHAIN);
        for _ in 0..most {
            let descriptor = table.read(memory, index)?;
            if descriptor.is_table() {
                table = self.inner(&table, &descriptor)?;
                index = 0;
                continue;
            }
            chain.add(&descriptor)?;
            match descriptor.next() {
                Some(next) => index = next,
                None => return Ok(()),
            }
        }
        Err(Broken::Endless(most))
    }

    fn inner(&self, outer: &Table, descriptor: &Descriptor) -> Result<Table, Broken> {
        let bad = Broken::Indirect(descriptor.length);
        let whole = descriptor.length.is_multiple_of(u32::from(DESCRIPTOR));
        let allowed = self.indirect && !outer.inner && descriptor.next().is_none();
        let size = u16::try_from(descriptor.length / u32::from(DESCRIPTOR)).map_err(|_| bad)?;
        if !whole || !allowed || size == 0 {
            return Err(bad);
        }
        Ok(Table { at: descriptor.address, size, inner: true })
    }
}

/// Descriptors in one chain at most. Source: QEMU has no longer rings (`VIRTQUEUE_MAX_SIZE`).
const CHAIN: u16 = 1_024;

/// Descriptors in the guest's memory.
struct Table {
    at: u64,
    size: u16,
    inner: bool,
}

impl Table {
    fn read<M: GuestMemory + ?Sized>(&self, memory: &M, index: u16) -> Result<Descriptor, Broken> {
        if index >= self.size {
            return Err(Broken::Descriptor(index, self.size));
        }
        let mut bytes = [0; 16];
        memory.read(at(self.at, u64::from(index) * u64::from(DESCRIPTOR))?, &mut bytes)?;
        Ok(Descriptor::parse(&bytes))
    }
}

/// The address `offset` bytes behind `base`.
pub(super) fn at(base: u64, offset: u64) -> Result<u64, Unmapped> {
    base.checked_add(offset).ok_or(Unmapped(base))
}
