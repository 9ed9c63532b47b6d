//! From a spec to a running virtual machine, and what runs inside it.
//!
//! ```text
//! MachineSpec ──► command (pure) ──► qemu-system-x86_64, a child of the spawner
//!                                      │ descriptors: qmp, serial, agent, one a NIC, two a disk
//!        Qmp (pure) ◄── JSON lines ────┤
//!        frame (pure) ◄── frames ──────┘──► guest: init, agent (the same binary, in the initial file system)
//! ```
//!
//! [`initramfs`] gathers what the guest boots from: this binary with its libraries, the kernel's modules, the files of an
//! image. Nothing here keeps a machine; the daemon does.

pub mod card;
pub mod command;
pub mod cpio;
pub mod elf;
pub mod firmware;
pub mod frame;
pub mod guest;
pub mod initramfs;
pub mod iso;
pub mod kernel;
pub mod moving;
pub mod overlay;
pub mod payload;
pub mod probe;
pub mod qmp;
pub mod rig;
pub mod seed;
mod spec;

pub use spec::{Accel, Board, Boot, Disk, DiskFormat, Firmware, MachineSpec, Nic, NicBackend, Virt};
