//! What a virtual machine is, beside what every node is: what it boots, and which kind of devices it has.

use serde::{Deserialize, Serialize};

use crate::quantity::{show_processors, show_size};

/// Memory of a virtual machine unless the file says: room for a kernel and a small root file system in memory.
pub(crate) const MEMORY: u64 = 256 << 20;
/// The least: a kernel of today does not start with less.
pub(crate) const LEAST_MEMORY: u64 = 64 << 20;
/// The most processors.
pub(crate) const MOST_CPUS: u32 = 255;

/// What makes a node a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vm {
    /// A Linux kernel beside the lab file; `None`: the machine's own newest, unless a disk is booted.
    pub kernel: Option<String>,
    /// Its initial file system; `None`: netloom's own.
    pub initrd: Option<String>,
    /// Words for the end of its command line.
    pub append: Option<String>,
    /// The image of a disk.
    pub disk: Option<String>,
    /// Where the image of a disk is to be had: `https://..`, instead of a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it must be, in 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What starts a disk.
    #[serde(default)]
    pub firmware: Firmware,
    /// The user-data for cloud-init in the guest.
    pub cloud_init: Option<String>,
    /// The image whose files the guest has, as a container's `image`.
    pub image: Option<String>,
    /// Which kind of devices it has.
    pub virt: Virt,
    /// What they are on.
    #[serde(default, skip_serializing_if = "Board::is_usual")]
    pub board: Board,
    /// Bytes of memory.
    pub memory: u64,
    /// Bytes it can be given while it runs: as many, or more.
    pub most_memory: u64,
    /// Processors.
    pub cpus: u32,
    /// Processors it can be given while it runs: as many, or more.
    pub most_cpus: u32,
    /// This lab has a place for it, and it is elsewhere at first.
    #[serde(default)]
    pub standby: bool,
}

impl Vm {
    /// Whether it has a disk, wherever its image is.
    #[must_use]
    pub const fn has_disk(&self) -> bool {
        self.disk.is_some() || self.url.is_some()
    }

    /// Whether it is booted from its disk, by firmware.
    #[must_use]
    pub const fn boots_disk(&self) -> bool {
        self.has_disk() && self.kernel.is_none() && self.initrd.is_none() && self.image.is_none()
    }

    /// Whether netloom's own init and agent run in it.
    #[must_use]
    pub const fn is_ours(&self) -> bool {
        self.initrd.is_none() && !self.boots_disk()
    }

    /// Cards that can come and go while it runs: its board has a slot for each. With more than that, all are there for good.
    #[must_use]
    pub const fn slots(&self) -> usize {
        match self.board {
            Board::Q35 => 8,
            Board::Microvm => 0,
        }
    }

    /// The least memory it can be given.
    pub const LEAST_MEMORY: u64 = LEAST_MEMORY;

    /// `para, cpu 1, memory 256MiB, image alpine`
    #[must_use]
    pub fn words(&self) -> String {
        let mut words = vec![self.virt.word().to_owned()];
        words.extend((self.board == Board::Microvm).then(|| "microvm".to_owned()));
        let processors = |count: u32| show_processors(u64::from(count) * 1_000);
        let most = (self.most_cpus > self.cpus).then(|| format!("..{}", processors(self.most_cpus)));
        words.push(format!("cpu {}{}", processors(self.cpus), most.unwrap_or_default()));
        let most = (self.most_memory > self.memory).then(|| format!("..{}", show_size(self.most_memory)));
        words.push(format!("memory {}{}", show_size(self.memory), most.unwrap_or_default()));
        for (what, value) in [
            ("image", &self.image),
            ("disk", &self.disk),
            ("disk", &self.url),
            ("kernel", &self.kernel),
            ("initrd", &self.initrd),
        ] {
            words.extend(value.iter().map(|value| format!("{what} {value}")));
        }
        words.extend((self.firmware == Firmware::Uefi).then(|| "firmware uefi".to_owned()));
        words.extend(self.standby.then(|| "standby".to_owned()));
        words.join(", ")
    }
}

words!(/// What starts the disk of a virtual machine.
Firmware {
    /// What personal computers had from 1981 on: its first sector is run.
    #[default]
    Bios,
    /// UEFI: a program of its EFI system partition is run.
    Uefi,
});

words!(/// Which kind of devices a virtual machine has.
Virt {
    /// Hardware that any guest has a driver for.
    Full,
    /// Devices made for virtual machines (virtio).
    #[default]
    Para,
});

words!(/// The board of a virtual machine.
Board {
    /// A personal computer of 2009 with PCI Express, firmware, and slots.
    #[default]
    Q35,
    /// What a kernel needs that knows to be in a virtual machine, and little else.
    Microvm,
});

impl Board {
    /// Whether it is the one that a machine has unless the file says.
    pub(crate) const fn is_usual(&self) -> bool {
        matches!(self, Self::Q35)
    }
}

impl Virt {
    /// The word of the lab file.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Para => "para",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_boots_what() {
        let none = Vm {
            kernel: None,
            initrd: None,
            append: None,
            disk: None,
            url: None,
            sha256: None,
            firmware: Firmware::Bios,
            cloud_init: None,
            image: None,
            virt: Virt::Para,
            board: Board::Q35,
            memory: MEMORY,
            most_memory: MEMORY,
            cpus: 2,
            most_cpus: 2,
            standby: false,
        };
        let text = |text: &str| Some(text.to_owned());
        assert!(none.is_ours() && !none.boots_disk());
        assert_eq!(none.words(), "para, cpu 2, memory 256MiB");
        let small = Vm { board: Board::Microvm, ..none.clone() };
        assert_eq!((small.words().as_str(), small.slots()), ("para, microvm, cpu 2, memory 256MiB", 0));
        let text_of = |vm: &Vm| serde_json::to_string(vm).unwrap();
        assert!(!text_of(&none).contains("board"), "what was kept before there were two is of a q35");
        assert_eq!(serde_json::from_str::<Vm>(&text_of(&small)).unwrap(), small);
        assert_eq!(serde_json::from_str::<Vm>(&text_of(&none)).unwrap(), none);
        let ranged = Vm { most_memory: 1 << 30, most_cpus: 4, ..none.clone() };
        assert_eq!(ranged.words(), "para, cpu 2..4, memory 256MiB..1GiB");
        let standby = Vm { standby: true, ..none.clone() };
        assert_eq!(standby.words(), "para, cpu 2, memory 256MiB, standby");
        let disk = Vm { disk: text("d.qcow2"), ..none.clone() };
        assert!(disk.boots_disk() && !disk.is_ours());
        let uefi = Vm { firmware: Firmware::Uefi, url: text("https://x/d"), ..none.clone() };
        assert!(uefi.boots_disk());
        assert_eq!(uefi.words(), "para, cpu 2, memory 256MiB, disk https://x/d, firmware uefi");
        let with_kernel = Vm { kernel: text("k"), ..disk };
        assert!(with_kernel.is_ours() && !with_kernel.boots_disk());
        let foreign = Vm { initrd: text("i"), virt: Virt::Full, ..none };
        assert!(!foreign.is_ours());
        assert_eq!(foreign.words(), "full, cpu 2, memory 256MiB, initrd i");
    }
}
