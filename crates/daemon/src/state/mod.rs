//! What a lab keeps in the file system: its directory, its lock, and who its daemon is.

mod data;
mod home;
mod identity;
mod lock;

pub use data::{authorities, data_dir, docker_config};
pub use home::{Home, HomeError, Homes, is_label};
pub use identity::Identity;
pub(crate) use identity::{boot_id, start_of};
pub use lock::{Lock, LockError};
