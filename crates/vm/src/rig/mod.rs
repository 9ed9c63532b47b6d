//! A machine in which netloom itself runs, with network cards of SR-IOV that QEMU emulates: to learn and to test what takes
//! such a card where there is none.
//!
//! ```text
//! Rig ──► image: this binary, busybox, programs, files, drivers ──► initial file system, in memory
//!    └──► command (pure) ──► QEMU, which ends with who started it (keeper)
//!              agent's port ◄── frames ──► Session (pure)
//! ```
//! Nothing of it has a name on this machine: no file, no socket. The guest is `netloom guest rig`, which is the init of other
//! guests with a root that labs can be made in. It deliberately reaches nothing outside: its cards hang on a wire of their own.

mod command;
mod image;
mod keeper;
mod session;

use std::path::PathBuf;

use crate::kernel::{Kernel, KernelError};

pub use command::{Descriptors, command};
pub use image::image;
pub use keeper::{become_qemu, keeper};
pub use session::{Said, Session};

/// The first QEMU with a card of SR-IOV: igb, an Intel 82576.
pub const QEMU: (u32, u32) = (8, 0);
/// What the card is called where nobody says.
pub const CARD: &str = "enp1s0";
/// As many cards as there are slots for.
pub const MOST_CARDS: usize = 8;

/// What it is to be.
#[derive(Debug, Clone)]
pub struct Rig {
    /// What boots.
    pub kernel: Kernel,
    /// Bytes of memory.
    pub memory: u64,
    /// The names of its cards, [`MOST_CARDS`] at most.
    pub cards: Vec<String>,
    /// Programs of this machine that it has, too, in /usr/bin; with the libraries they are linked with.
    pub programs: Vec<PathBuf>,
    /// Files and folders of this machine that it has, too: its path, and ours.
    pub copies: Vec<(String, PathBuf)>,
    /// Texts as files: their path.
    pub texts: Vec<(String, String)>,
}

/// It cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RigError {
    /// Of the kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A file that cannot be read, named by its own error.
    #[error("Its files cannot be put together")]
    Files(#[source] std::io::Error),
    /// There is no shell, nor a ping, without one.
    #[error("There is no busybox on this machine, which is the programs of the guest")]
    NoBusybox,
    /// Too little memory for its files.
    #[error("Its files are {files} MiB, which takes {wanted} MiB of memory to unpack")]
    Memory {
        /// Mebibytes of them.
        files: u64,
        /// Mebibytes of memory.
        wanted: u64,
    },
}

/// The newest kernel of this machine that knows the card.
///
/// # Errors
/// As [`Kernel::newest`].
pub fn kernel() -> Result<Kernel, KernelError> {
    Kernel::newest(&image::NEEDED)
}

/// The Ethernet address of a card: one of those that QEMU's are made for.
fn mac(number: usize) -> [u8; 6] {
    [0x52, 0x54, 0x00, 0x00, 0x08, u8::try_from(number + 1).unwrap_or(u8::MAX)]
}
