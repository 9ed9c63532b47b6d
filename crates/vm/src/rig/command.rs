//! QEMU's command line for a rig: a pure function.
//!
//! The cards are PCI Express devices behind root ports, as SR-IOV wants it, and hang on one wire; the IOMMU is for handing a
//! function over to a machine inside. Sources: QEMU's invocation manual; `docs/system/devices/igb.rst`; `docs/pcie_sriov.txt`.

use super::{Rig, mac};
use crate::command::AGENT_PORT;
use crate::spec::Accel;

/// What QEMU gets as descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// The initial file system.
    pub initrd: i32,
    /// The stream that the agent in the guest answers at.
    pub agent: i32,
    /// A pipe that takes what the kernel says.
    pub console: i32,
}

/// The arguments of `qemu-system-x86_64`.
#[must_use]
pub fn command(rig: &Rig, accel: Accel, given: Descriptors) -> Vec<String> {
    // Interrupts are remapped by QEMU's IOMMU, which takes an interrupt controller that QEMU has a part of.
    let (board, processor) = match accel {
        Accel::Kvm(processor) => ("q35,accel=kvm,kernel-irqchip=split", processor),
        Accel::Tcg => ("q35,accel=tcg", "max"),
    };
    let mut args: Vec<String> = ["-nodefaults", "-no-user-config", "-no-reboot"].map(str::to_owned).into();
    let mut pair = |flag: &str, value: String| args.extend([flag.to_owned(), value]);
    pair("-display", "none".to_owned());
    pair("-name", "netloom-rig".to_owned());
    pair("-machine", board.to_owned());
    pair("-cpu", processor.to_owned());
    pair("-smp", "2".to_owned());
    pair("-m", format!("{}M", rig.memory.div_ceil(1 << 20)));
    pair("-device", "intel-iommu,intremap=on".to_owned());
    let Descriptors { initrd, agent, console } = given;
    pair("-chardev", format!("file,id=console,path=/proc/self/fd/{console},append=on"));
    pair("-serial", "chardev:console".to_owned());
    pair("-chardev", format!("socket,id=agent,fd={agent}"));
    pair("-device", "virtio-serial-pci,id=ports".to_owned());
    pair("-device", format!("virtserialport,bus=ports.0,chardev=agent,name={AGENT_PORT}"));
    for number in 0..rig.cards.len() {
        let address = mac(number).map(|byte| format!("{byte:02x}")).join(":");
        pair("-netdev", format!("hubport,id=wire{number},hubid=0"));
        pair("-device", format!("pcie-root-port,id=slot{number},chassis={},slot={number}", number + 1));
        pair("-device", format!("igb,bus=slot{number},netdev=wire{number},mac={address},romfile="));
    }
    pair("-kernel", rig.kernel.image.display().to_string());
    pair("-initrd", format!("/proc/self/fd/{initrd}"));
    pair("-append", append(accel));
    args
}

/// The kernel's command line. What is only translated has no processor that could be made to guess wrong.
fn append(accel: Accel) -> String {
    let emulated = if accel == Accel::Tcg { " mitigations=off nokaslr" } else { "" };
    format!(
        "console=ttyS0 quiet panic=-1 intel_iommu=on{emulated} rdinit={} -- guest rig",
        super::image::NETLOOM
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::Kernel;

    #[test]
    fn cards_are_behind_ports_of_their_own() {
        let kernel = Kernel { image: "/boot/vmlinuz".into(), version: "6.1.0".to_owned(), modules: None };
        let rig = Rig {
            kernel,
            memory: 768 << 20,
            cards: vec!["enp1s0".to_owned(), "enp2s0".to_owned()],
            programs: Vec::new(),
            copies: Vec::new(),
            texts: Vec::new(),
        };
        let given = Descriptors { initrd: 7, agent: 8, console: 9 };
        let expected = "-nodefaults -no-user-config -no-reboot -display none -name netloom-rig \
            -machine q35,accel=tcg -cpu max -smp 2 -m 768M -device intel-iommu,intremap=on \
            -chardev file,id=console,path=/proc/self/fd/9,append=on -serial chardev:console \
            -chardev socket,id=agent,fd=8 -device virtio-serial-pci,id=ports \
            -device virtserialport,bus=ports.0,chardev=agent,name=netloom.agent.0 \
            -netdev hubport,id=wire0,hubid=0 -device pcie-root-port,id=slot0,chassis=1,slot=0 \
            -device igb,bus=slot0,netdev=wire0,mac=52:54:00:00:08:01,romfile= \
            -netdev hubport,id=wire1,hubid=0 -device pcie-root-port,id=slot1,chassis=2,slot=1 \
            -device igb,bus=slot1,netdev=wire1,mac=52:54:00:00:08:02,romfile= \
            -kernel /boot/vmlinuz -initrd /proc/self/fd/7 \
            -append console=ttyS0 quiet panic=-1 intel_iommu=on mitigations=off nokaslr \
            rdinit=/usr/bin/netloom -- guest rig";
        assert_eq!(command(&rig, Accel::Tcg, given).join(" "), expected);
        let text = command(&rig, Accel::Kvm("host"), given).join(" ");
        assert!(text.contains("-machine q35,accel=kvm,kernel-irqchip=split -cpu host"), "{text}");
        assert!(!text.contains("mitigations"), "{text}");
    }
}
