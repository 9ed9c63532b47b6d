//! A guest without a machine: memory, and the driver's side of split rings (virtio 1.3 §2.7), to hold a device against.

use netloom_vhost::{GuestMemory, Unmapped};
use std::sync::atomic::{AtomicU8, Ordering};

/// Memory of a guest from address 0 on.
#[derive(Debug)]
pub struct GuestRam(Vec<AtomicU8>);

impl GuestRam {
    /// That many bytes of zero.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        Self((0..bytes).map(|_| AtomicU8::new(0)).collect())
    }

    fn span(&self, at: u64, len: usize) -> Result<&[AtomicU8], Unmapped> {
        let from = usize::try_from(at).map_err(|_| Unmapped(at))?;
        let end = from.checked_add(len).ok_or(Unmapped(at))?;
        self.0.get(from..end).ok_or(Unmapped(at))
    }
}

impl GuestMemory for GuestRam {
    fn read(&self, at: u64, to: &mut [u8]) -> Result<(), Unmapped> {
        let from = self.span(at, to.len())?;
        to.iter_mut().zip(from).for_each(|(to, from)| *to = from.load(Ordering::Relaxed));
        Ok(())
    }

    fn write(&self, at: u64, from: &[u8]) -> Result<(), Unmapped> {
        let to = self.span(at, from.len())?;
        from.iter().zip(to).for_each(|(from, to)| to.store(*from, Ordering::Relaxed));
        Ok(())
    }

    fn piece(&self, at: u64, len: usize) -> Result<&[AtomicU8], Unmapped> {
        self.span(at, len)
    }

    fn copy_in(&self, at: u64, from: &[AtomicU8]) -> Result<(), Unmapped> {
        let bytes: Vec<u8> = from.iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
        self.write(at, &bytes)
    }

    fn load(&self, at: u64) -> Result<u16, Unmapped> {
        let mut bytes = [0; 2];
        if at % 2 == 1 {
            return Err(Unmapped(at));
        }
        self.read(at, &mut bytes)?;
        Ok(u16::from_le_bytes(bytes))
    }

    fn store(&self, at: u64, value: u16) -> Result<(), Unmapped> {
        if at % 2 == 1 { Err(Unmapped(at)) } else { self.write(at, &value.to_le_bytes()) }
    }
}

/// A descriptor as the driver writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffer {
    /// Where it is.
    pub address: u64,
    /// Bytes.
    pub length: u32,
    /// `NEXT` 1, `WRITE` 2, `INDIRECT` 4.
    pub flags: u16,
    /// The descriptor that follows.
    pub next: u16,
}

/// The driver's side of one ring.
#[derive(Debug)]
pub struct DriverRing {
    /// Entries.
    pub size: u16,
    /// Of the descriptor table.
    pub descriptors: u64,
    /// Of the available ring.
    pub available: u64,
    /// Of the used ring.
    pub used: u64,
    offered: u16,
    seen: u16,
}

impl DriverRing {
    /// A ring of `size` entries that lies at `base`, part behind part; its indices begin at `index`.
    ///
    /// # Panics
    /// If it does not fit in `memory`.
    pub fn new(memory: &impl GuestMemory, size: u16, base: u64, index: u16) -> Self {
        let entries = u64::from(size);
        let available = base + 16 * entries;
        let used = (available + 6 + 2 * entries).next_multiple_of(4);
        memory.store(available + 2, index).expect("the ring is in memory");
        memory.store(used + 2, index).expect("the ring is in memory");
        Self { size, descriptors: base, available, used, offered: index, seen: index }
    }

    /// Bytes that a ring of `size` entries takes.
    #[must_use]
    pub fn bytes(size: u16) -> u64 {
        26 * u64::from(size) + 16
    }

    /// Writes descriptor number `index`.
    ///
    /// # Panics
    /// If it is not in memory.
    pub fn describe(&self, memory: &impl GuestMemory, index: u16, buffer: Buffer) {
        write_descriptor(memory, self.descriptors, index, buffer);
    }

    /// Offers the chain that begins with descriptor `head`.
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn offer(&mut self, memory: &impl GuestMemory, head: u16) {
        self.prepare(memory, head);
        self.publish(memory);
    }

    /// Puts the chain that begins with descriptor `head` into the ring; the device sees it after [`Self::publish`].
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn prepare(&mut self, memory: &impl GuestMemory, head: u16) {
        let entry = u64::from(self.offered % self.size);
        memory.write(self.available + 4 + 2 * entry, &head.to_le_bytes()).expect("the ring is in memory");
        self.offered = self.offered.wrapping_add(1);
    }

    /// Lets the device see what was prepared.
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn publish(&self, memory: &impl GuestMemory) {
        memory.store(self.available + 2, self.offered).expect("the ring is in memory");
    }

    /// The entry of the available ring that is filled next.
    #[must_use]
    pub const fn offered(&self) -> u16 {
        self.offered
    }

    /// The next chain that the device gave back: its head, and the bytes that it says it wrote.
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn take_used(&mut self, memory: &impl GuestMemory) -> Option<(u32, u32)> {
        (self.used_by_now(memory) > 0).then(|| self.next_used(memory))
    }

    /// How many chains the device has given back that were not taken yet.
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn used_by_now(&self, memory: &impl GuestMemory) -> u16 {
        memory.load(self.used + 2).expect("the ring is in memory").wrapping_sub(self.seen)
    }

    /// The next chain of those.
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn next_used(&mut self, memory: &impl GuestMemory) -> (u32, u32) {
        let mut bytes = [0; 8];
        let entry = u64::from(self.seen % self.size);
        memory.read(self.used + 4 + 8 * entry, &mut bytes).expect("the ring is in memory");
        self.seen = self.seen.wrapping_add(1);
        let [a, b, c, d, e, f, g, h] = bytes;
        (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
    }

    /// Asks to be told when the device passes the used entry `index`.
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn set_used_event(&self, memory: &impl GuestMemory, index: u16) {
        memory.store(self.available + 4 + 2 * u64::from(self.size), index).expect("the ring is in memory");
    }

    /// The available entry that the device wants to be told of.
    ///
    /// # Panics
    /// If the ring is not in memory.
    pub fn avail_event(&self, memory: &impl GuestMemory) -> u16 {
        memory.load(self.used + 4 + 8 * u64::from(self.size)).expect("the ring is in memory")
    }
}

/// Writes a descriptor into a table at `table`.
///
/// # Panics
/// If it is not in memory.
pub fn write_descriptor(memory: &impl GuestMemory, table: u64, index: u16, buffer: Buffer) {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&buffer.address.to_le_bytes());
    bytes[8..12].copy_from_slice(&buffer.length.to_le_bytes());
    bytes[12..14].copy_from_slice(&buffer.flags.to_le_bytes());
    bytes[14..].copy_from_slice(&buffer.next.to_le_bytes());
    memory.write(table + 16 * u64::from(index), &bytes).expect("the table is in memory");
}
