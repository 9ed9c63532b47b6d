//! Configuration spaces as rows.

use netloom_api::{BarRow, CapabilityRow, MsiXRow, SpaceRow, SrIovRow};
use netloom_sriov::config::{self, Bar, BarKind, Ids, MsiX, SrIov};
use netloom_sriov::{Address, ConfigSpace, Sysfs};

/// Bits of the command register. Source: PCI Local Bus 3.0 §6.2.2.
const COMMANDS: [(u16, &str); 3] = [(0x1, "io"), (0x2, "memory"), (0x4, "bus master")];

/// Reads and decodes the space of a function.
///
/// # Errors
/// It cannot be read, or is none.
pub(super) fn read(
    sysfs: &Sysfs,
    address: Address,
) -> Result<(ConfigSpace, SpaceRow), Box<dyn std::error::Error>> {
    let bytes = sysfs.config(address)?;
    let space = ConfigSpace::parse(&bytes)?;
    let row = row(&space, bytes.len() as u64, &sysfs.sizes(address));
    Ok((space, row))
}

/// `8086:10c9`.
pub(super) fn ids(ids: Ids) -> String {
    format!("{:04x}:{:04x}", ids.vendor, ids.device)
}

fn row(space: &ConfigSpace, bytes: u64, sizes: &[u64]) -> SpaceRow {
    let Ids { subsystem_vendor, subsystem, class, revision, .. } = space.ids;
    let commands = COMMANDS.iter().filter(|(bit, _)| space.command & bit != 0);
    let first = space.capabilities.iter().map(|it| CapabilityRow {
        at: u16::from(it.at),
        id: u16::from(it.id),
        extended: false,
        name: config::name(it.id).to_owned(),
    });
    let second = space.extended.iter().map(|it| CapabilityRow {
        at: it.at,
        id: it.id,
        extended: true,
        name: config::extended_name(it.id).to_owned(),
    });
    SpaceRow {
        bytes,
        ids: ids(space.ids),
        means: ids(space.ids),
        subsystem: format!("{subsystem_vendor:04x}:{subsystem:04x}"),
        class: format!("{class:06x}"),
        revision,
        command: commands.map(|(_, word)| (*word).to_owned()).collect(),
        bars: space.bars.iter().map(|bar| bar_row(bar, sizes)).collect(),
        capabilities: first.chain(second).collect(),
        msix: space.msix.map(msix),
        sriov: space.sriov.as_ref().map(|sriov| sriov_row(sriov, space.ids.vendor, sizes)),
        cut: space.cut,
    }
}

fn bar_row(bar: &Bar, sizes: &[u64]) -> BarRow {
    let memory =
        |bits, prefetchable| format!("memory {bits}{}", if prefetchable { ", prefetchable" } else { "" });
    BarRow {
        index: bar.index,
        address: format!("{:#x}", bar.address),
        size: sizes.get(usize::from(bar.index)).copied().filter(|size| *size > 0),
        kind: match bar.kind {
            BarKind::Io => "io".to_owned(),
            BarKind::Memory32 { prefetchable } => memory(32, prefetchable),
            BarKind::Memory64 { prefetchable } => memory(64, prefetchable),
        },
    }
}

fn msix(it: MsiX) -> MsiXRow {
    MsiXRow { vectors: it.vectors, enabled: it.enabled, table: it.table, pending: it.pending }
}

/// The kernel lists the registers of all VFs together behind the six of the PF and its ROM.
const FIRST_OF_VFS: usize = 7;

fn sriov_row(it: &SrIov, vendor: u16, sizes: &[u64]) -> SrIovRow {
    let all = sizes.get(FIRST_OF_VFS..).unwrap_or_default();
    let each: Vec<u64> = all.iter().map(|size| size / u64::from(it.total.max(1))).collect();
    SrIovRow {
        enabled: it.enabled,
        memory: it.memory,
        vfs: (it.number, it.initial, it.total),
        offset: it.offset,
        stride: it.stride,
        vf_ids: format!("{vendor:04x}:{:04x}", it.vf_device),
        page_size: u64::from(it.page_size) << 12,
        bars: it.bars.iter().map(|bar| bar_row(bar, &each)).collect(),
    }
}
