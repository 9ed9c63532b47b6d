//! Physical and virtual functions of network cards (SR-IOV), in a list and in full.

use serde::{Deserialize, Serialize};

/// A physical or virtual function.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FunctionRow {
    /// Its network device, `PF:N` for the virtual function N of a device, else its address.
    pub name: String,
    /// Where it is on the PCI bus.
    pub address: String,
    /// `pf` or `vf`.
    pub kind: String,
    /// Of a VF: the address of its PF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pf: Option<String>,
    /// Of a VF: its number at its PF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u16>,
    /// Its network devices in this namespace.
    #[serde(default)]
    pub devices: Vec<String>,
    /// Vendor and device: `8086:10c9`.
    #[serde(default)]
    pub ids: String,
    /// Its driver, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Its IOMMU group; none: no IOMMU is in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iommu_group: Option<u32>,
    /// Other functions of that group, which can only be handed over together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<String>,
    /// The processors' memory it is next to, where the machine has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numa_node: Option<u32>,
    /// Of a PF: VFs there are, and the most there can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vfs: Option<(u16, u16)>,
    /// Of a PF: what the switch inside its card does with VFs, `legacy` or `switchdev`, where its driver says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eswitch: Option<String>,
    /// Of a VF: the network device by which its frames come and go, where that switch shows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representor: Option<String>,
    /// Who has it: a lab and its node, `free` of a VF that netloom made, `foreign` of one that it did not.
    #[serde(default)]
    pub owner: String,
    /// Of a VF: what its PF does with it, where the driver says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attributes: Option<AttributesRow>,
}

/// What a PF does with one of its VFs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AttributesRow {
    /// The address set for it; empty: none was.
    pub mac: String,
    /// Its VLAN; 0: none.
    pub vlan: u16,
    /// Frames from other addresses are dropped.
    pub spoof_check: bool,
    /// It may change its own address and hear everything.
    pub trust: bool,
    /// Guaranteed, in Mbit/s; 0: nothing.
    pub min_rate: u32,
    /// At most, in Mbit/s; 0: no bound.
    pub max_rate: u32,
    /// `auto`, `enable` or `disable`.
    pub state: String,
}

/// A function in full; a VF beside its PF.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FunctionInfo {
    /// The PF.
    pub pf: FunctionRow,
    /// Its configuration space.
    pub pf_space: SpaceRow,
    /// The VF; none: the PF has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vf: Option<FunctionRow>,
    /// Its configuration space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vf_space: Option<SpaceRow>,
}

/// A PCI configuration space, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SpaceRow {
    /// Bytes that could be read: 4096 by root, 64 by others.
    pub bytes: u64,
    /// Vendor and device as they stand there: `ffff:ffff` of a VF.
    pub ids: String,
    /// Vendor and device as software sees them.
    pub means: String,
    /// Vendor and device of the board.
    pub subsystem: String,
    /// Base class, sub-class and interface: `020000`.
    pub class: String,
    /// Revision.
    pub revision: u8,
    /// `memory`, `bus master`.
    pub command: Vec<String>,
    /// Base address registers.
    pub bars: Vec<BarRow>,
    /// Capabilities in the order of their lists.
    pub capabilities: Vec<CapabilityRow>,
    /// Interrupts by messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msix: Option<MsiXRow>,
    /// Of a PF.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sriov: Option<SrIovRow>,
    /// A list leads out of the bytes that could be read.
    pub cut: bool,
}

/// A base address register.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BarRow {
    /// Which one, 0 to 5.
    pub index: u8,
    /// Where it is: `0xfe800000`.
    pub address: String,
    /// How many bytes, where the kernel says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// `io`, `memory 32`, `memory 64`, with `prefetchable`.
    pub kind: String,
}

/// A capability.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct CapabilityRow {
    /// Where it begins.
    pub at: u16,
    /// Its number.
    pub id: u16,
    /// In the second list, of PCI Express.
    pub extended: bool,
    /// What it is called.
    pub name: String,
}

/// The MSI-X capability.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MsiXRow {
    /// 1 to 2048.
    pub vectors: u16,
    /// It is in use.
    pub enabled: bool,
    /// Base address register of the table, and where in it.
    pub table: (u8, u32),
    /// The same of the pending bits.
    pub pending: (u8, u32),
}

/// The SR-IOV capability.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SrIovRow {
    /// VFs are there.
    pub enabled: bool,
    /// They answer at their base address registers.
    pub memory: bool,
    /// VFs now, at first, and at most.
    pub vfs: (u16, u16, u16),
    /// From the PF to the first VF, in functions.
    pub offset: u16,
    /// From one VF to the next.
    pub stride: u16,
    /// Vendor and device of the VFs.
    pub vf_ids: String,
    /// In bytes: what VFs are aligned to.
    pub page_size: u64,
    /// Registers of VF 0; those of the others follow.
    pub bars: Vec<BarRow>,
}
