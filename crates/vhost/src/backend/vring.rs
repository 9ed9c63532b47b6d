//! What the front end has said of one ring so far.

use crate::memory::Region;
use crate::message::VringAddress;
use crate::ring::Layout;

/// A ring that can be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingStart {
    /// Entries.
    pub size: u16,
    /// Where it is, in addresses of the guest.
    pub layout: Layout,
    /// The entry of the available ring to begin with.
    pub base: u16,
}

/// One ring in the making.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Vring {
    pub(super) size: u16,
    pub(super) base: u16,
    pub(super) address: Option<VringAddress>,
    pub(super) kicked: bool,
    pub(super) started: bool,
    pub(super) enabled: bool,
}

impl Vring {
    /// The ring, if all of it is known and in these regions.
    pub(super) fn start(&self, regions: &[Region]) -> Option<RingStart> {
        let address = self.address?;
        let entries = u64::from(self.size);
        // With the two bytes of the event index behind each ring.
        let parts = [
            (address.descriptors, 16 * entries),
            (address.available, 6 + 2 * entries),
            (address.used, 6 + 8 * entries),
        ];
        let [descriptors, available, used] =
            parts.map(|(user, len)| regions.iter().find_map(|region| region.guest_address(user, len)));
        let layout = Layout { descriptors: descriptors?, available: available?, used: used? };
        Some(RingStart { size: self.size, layout, base: self.base })
    }
}
