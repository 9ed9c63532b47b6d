//! What only the first process of a machine does: the kernel's file systems, modules, the machine's name and its end.
//!
//! Sources: mount(2), pivot_root(2), finit_module(2), reboot(2), sethostname(2).

use std::ffi::CStr;
use std::fs::File;
use std::path::Path;

use rustix::mount::MountFlags;
use rustix::system::RebootCommand;

use crate::error::{Because, HostError};

/// Mounts a file system that the kernel makes; the folder is made when it is missing.
///
/// # Errors
/// `ENODEV` for one that the kernel does not know, `EBUSY` where it is mounted already.
pub fn mount(kind: &str, target: &Path) -> Result<(), HostError> {
    let object = || format!("{kind} at {}", target.display());
    std::fs::create_dir_all(target).because("make the folder for", object)?;
    rustix::mount::mount(kind, target, kind, MountFlags::empty(), None::<&CStr>).because("mount", object)
}

/// Loads a module, which may be packed if the kernel can unpack it. One that is loaded is no error.
///
/// # Errors
/// `ENOEXEC` for a module of another kernel, `ENOENT` for one that needs others first.
pub fn load_module(path: &Path) -> Result<(), HostError> {
    let object = || path.display().to_string();
    let file = File::open(path).because("open the module", object)?;
    let packed = path.extension().is_some_and(|end| end != "ko");
    let flags = if packed { MODULE_INIT_COMPRESSED_FILE } else { 0 };
    match rustix::system::finit_module(&file, c"", flags) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno).because("load the module", object),
    }
}

/// Makes the root file system one that can be left: the initial one cannot (`pivot_root` refuses it), so it is mounted once
/// more, over itself. The caller's root is then that mount; what was mounted in the old one before stays there.
///
/// # Errors
/// `EPERM` to others than root, `EROFS` where no folder can be made for a moment.
pub fn own_root() -> Result<(), HostError> {
    let (object, aside) = (|| "the root file system", Path::new("/.root"));
    std::fs::create_dir_all(aside).because("make a folder in", object)?;
    rustix::mount::mount_bind("/", aside).because("mount once more", object)?;
    rustix::process::chdir(aside).because("enter", object)?;
    rustix::mount::mount_move(".", "/").because("move", object)?;
    rustix::process::chroot(".").because("take for its own", object)?;
    rustix::process::chdir("/").because("enter", object)?;
    std::fs::remove_dir(aside).because("remove a folder of", object)
}

/// Sets the machine's name.
///
/// # Errors
/// `EINVAL` for more than 64 bytes.
pub fn set_host_name(name: &str) -> Result<(), HostError> {
    rustix::system::sethostname(name.as_bytes()).because("set the host name", || name)
}

/// Ends the machine, files written first.
///
/// # Errors
/// `EPERM` to others than root.
pub fn power_off() -> Result<(), HostError> {
    rustix::fs::sync();
    rustix::system::reboot(RebootCommand::PowerOff).because("switch off", || "the machine")
}

const MODULE_INIT_COMPRESSED_FILE: i32 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let error = load_module(Path::new("/nowhere/x.ko")).unwrap_err().to_string();
        assert!(error.contains("open the module /nowhere/x.ko"), "{error}");
    }
}
