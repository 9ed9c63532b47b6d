//! What a virtual machine is to be: plain values, with nothing left to look up.

use std::path::PathBuf;

/// A virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineSpec {
    /// The node's full name, for the process list.
    pub name: String,
    /// Who executes its instructions.
    pub accel: Accel,
    /// What its devices are on.
    pub board: Board,
    /// Which kind of devices it has.
    pub virt: Virt,
    /// Bytes of memory, of which it may be lent less.
    pub memory: u64,
    /// Processors that are always there, 1 or more.
    pub cpus: u32,
    /// Processors besides, of those that can be taken away and given while it runs.
    pub plugged: u32,
    /// Processors it can have at most.
    pub most_cpus: u32,
    /// What it boots.
    pub boot: Boot,
    /// Its disks, in order.
    pub disks: Vec<Disk>,
    /// A CD that is not written.
    pub seed: Option<PathBuf>,
    /// Slots on its board in which cards come and go, 0 to 8; with none, cards are on the board for good. [`Board::Microvm`]: 0.
    pub slots: u32,
    /// Its network interfaces, in order.
    pub nics: Vec<Nic>,
    /// Functions of the machine that the guest has whole, by their PCI addresses (vfio).
    pub functions: Vec<String>,
    /// The descriptor of the control socket.
    pub qmp: u32,
    /// The descriptor of the first serial port.
    pub serial: u32,
    /// The descriptor of the port that the agent in the guest has.
    pub agent: u32,
    /// The descriptor of the file that is its memory, as long as that.
    pub ram: u32,
    /// Whether it waits for what a machine of the same kind was, instead of booting.
    pub incoming: bool,
}

/// Who executes a guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accel {
    /// The processor, by /dev/kvm; with QEMU's word for what guests see of it.
    Kvm(&'static str),
    /// QEMU's translator: everywhere, and an order of magnitude slower.
    Tcg,
}

/// A board, by QEMU's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Board {
    /// A personal computer of 2009: firmware, PCI Express, slots, AHCI.
    #[default]
    Q35,
    /// What a kernel that knows of virtual machines needs: [`Virt::Para`] and [`Boot::Kernel`] only, no slots, and processors that
    /// stay. It has ACPI and PCI Express, so that its devices are those of the other.
    Microvm,
}

impl Board {
    /// QEMU's name of it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Q35 => "q35",
            Self::Microvm => "microvm",
        }
    }
}

/// Which kind of devices a guest sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Virt {
    /// Hardware that any guest has a driver for: full virtualization.
    Full,
    /// Devices made for virtual machines (virtio): the guest helps.
    #[default]
    Para,
}

/// What a machine boots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Boot {
    /// A Linux kernel, at once.
    Kernel {
        /// The kernel.
        kernel: PathBuf,
        /// Its initial file system.
        initrd: Option<PathBuf>,
        /// Its command line.
        append: String,
    },
    /// The firmware looks at the disks.
    Firmware(Firmware),
}

/// What a machine has in its flash memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Firmware {
    /// QEMU's own: it runs the first sector of a disk.
    Bios,
    /// UEFI.
    Uefi {
        /// Its program, which is not written.
        code: PathBuf,
        /// What it remembers, such as what to boot.
        variables: PathBuf,
    },
}

/// A disk: what the guest writes lies over an image that is not written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// What was written, in QEMU's own format.
    pub overlay: PathBuf,
    /// The image.
    pub base: PathBuf,
    /// How it lies there.
    pub format: DiskFormat,
}

/// How the image of a disk lies in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFormat {
    /// Byte for byte.
    Raw,
    /// QEMU's own format.
    Qcow2,
}

/// A network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// Which of the machine's cards it is; the number of its slot, if there are any.
    pub number: u32,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Who carries its frames.
    pub backend: NicBackend,
}

/// Who carries the frames of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NicBackend {
    /// A vhost-user back end that listens at a socket, for [`Virt::Para`] only.
    VhostUser {
        /// The socket.
        socket: PathBuf,
    },
    /// One end of a pair of sockets: a frame a datagram, without offloads.
    Datagram {
        /// The descriptor.
        fd: u32,
    },
}
