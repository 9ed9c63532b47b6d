//! Mounts as descriptors: the new mount API (Linux 5.12), which makes a tree aside and attaches it in one step.
//!
//! A [`Tree`] that is never attached disappears with its descriptor, so a failure half way leaves nothing behind.

#![expect(unsafe_code, reason = "mount_setattr has no safe form")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags};

use crate::error::{Because, HostError};

/// Limits of a mount, or of a whole tree of mounts. What is `false` stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// Nothing can be written.
    pub read_only: bool,
    /// Device files cannot be opened.
    pub no_devices: bool,
    /// Setuid bits and file capabilities have no effect.
    pub no_setuid: bool,
    /// Programs cannot be started.
    pub no_exec: bool,
}

impl Limits {
    /// Nothing but reading plain files.
    pub const ALL: Self = Self { read_only: true, no_devices: true, no_setuid: true, no_exec: true };

    fn bits(self) -> u64 {
        let mut bits = 0;
        for (wanted, flag) in [
            (self.read_only, libc::MOUNT_ATTR_RDONLY),
            (self.no_devices, libc::MOUNT_ATTR_NODEV),
            (self.no_setuid, libc::MOUNT_ATTR_NOSUID),
            (self.no_exec, libc::MOUNT_ATTR_NOEXEC),
        ] {
            if wanted {
                bits |= flag;
            }
        }
        bits
    }
}

/// A mount, with those below it, that is not attached anywhere yet.
#[derive(Debug)]
pub struct Tree {
    fd: OwnedFd,
    what: String,
}

impl Tree {
    /// Clones what is mounted at `path`, with everything mounted below it. `path` may be a directory or a file.
    ///
    /// # Errors
    /// `ENOENT`, or `EINVAL` when `path` belongs to another mount namespace.
    pub fn of(path: &Path) -> Result<Self, HostError> {
        let flags =
            OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
        let fd = rustix::mount::open_tree(CWD, path, flags)
            .because("take for a mount", || path.display().to_string())?;
        Ok(Self { fd, what: path.display().to_string() })
    }

    /// Clones what is at `path` below the directory `base`: no link of it leads out of `base`.
    ///
    /// # Errors
    /// `ENOENT`, `EXDEV` for a way out, `ELOOP` for a link of /proc.
    pub fn beneath(base: &Path, path: &Path) -> Result<Self, HostError> {
        let what = || base.join(path).display().to_string();
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let base_fd = rustix::fs::open(base, flags, Mode::empty()).because("open the directory", what)?;
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let at = rustix::fs::openat2(&base_fd, path, flags, Mode::empty(), resolve).because("open", what)?;
        let flags = OpenTreeFlags::OPEN_TREE_CLONE
            | OpenTreeFlags::OPEN_TREE_CLOEXEC
            | OpenTreeFlags::AT_RECURSIVE
            | OpenTreeFlags::AT_EMPTY_PATH;
        let fd = rustix::mount::open_tree(&at, "", flags).because("take for a mount", what)?;
        Ok(Self { fd, what: what() })
    }

    /// Stacks the directories `lower`, the lowest first, and over them `upper`, which takes what is written; `work` is an
    /// empty directory beside it. Marks of removal are read as `user.overlay.*`, which user namespaces can write.
    ///
    /// The directories are named by descriptors: an option of the mount API holds 255 bytes. One a layer where the kernel
    /// takes them so (`lowerdir+`, Linux 6.5), else all in one option, short by being numbers below /proc/self/fd, which is
    /// the working directory meanwhile.
    ///
    /// # Errors
    /// `ENOENT`, `EINVAL` for more layers than an older kernel takes, or a file system that cannot hold the upper layer.
    pub fn overlay(lower: &[PathBuf], upper: &Path, work: &Path, limits: Limits) -> Result<Self, HostError> {
        let open = |path: &PathBuf| {
            rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
                .because("open the layer", || path.display().to_string())
        };
        let lower = lower.iter().rev().map(open).collect::<Result<Vec<_>, _>>()?;
        let (upper, work) = (open(&upper.to_owned())?, open(&work.to_owned())?);
        let here = std::env::current_dir().because("find", || "the working directory")?;
        std::env::set_current_dir("/proc/self/fd").because("enter", || "/proc/self/fd")?;
        let made = overlay(&lower, &upper, &work, limits);
        std::env::set_current_dir(&here).because("return to", || here.display().to_string())?;
        made
    }

    /// Makes a new file system of the type `kind` (tmpfs, proc, sysfs, devpts, overlay) with its options.
    ///
    /// # Errors
    /// `EPERM` where the namespace may not mount it, `EINVAL` for an option, `ENODEV` for an unknown type.
    pub fn new(kind: &str, options: &[(&str, &str)], limits: Limits) -> Result<Self, HostError> {
        let what = || format!("a file system {kind}");
        let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).because("make", what)?;
        for (key, value) in options {
            rustix::mount::fsconfig_set_string(&context, *key, *value)
                .because("set an option of", || format!("{kind}: {key}={value}"))?;
        }
        rustix::mount::fsconfig_create(&context).because("make", what)?;
        let attributes = MountAttrFlags::from_bits_retain(u32::try_from(limits.bits()).unwrap_or(0));
        let fd = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
            .because("make", what)?;
        Ok(Self { fd, what: kind.to_owned() })
    }

    /// Its root, to open what is in it without attaching it.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Limits every mount of the tree.
    ///
    /// # Errors
    /// Not met in practice.
    pub fn limit(&self, limits: Limits) -> Result<(), HostError> {
        change(self.fd.as_fd(), c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, limits.bits(), 0)
            .because("limit the mount", || self.what.clone())
    }

    /// Lets programs be started from the tree, though the file system it came from was mounted `noexec`.
    ///
    /// # Errors
    /// `EPERM` in a user namespace that got the mount from outside.
    pub fn allow_exec(&self) -> Result<(), HostError> {
        change(self.fd.as_fd(), c"", libc::AT_EMPTY_PATH | libc::AT_RECURSIVE, 0, libc::MOUNT_ATTR_NOEXEC)
            .because("allow programs on the mount", || self.what.clone())
    }

    /// Attaches the tree at `target`, over what is there.
    ///
    /// # Errors
    /// `ENOENT` without a mount point, `ENOTDIR` for a directory over a file or the reverse.
    pub fn attach(self, target: &Path) -> Result<(), HostError> {
        let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_SYMLINKS;
        rustix::mount::move_mount(self.fd.as_fd(), "", CWD, target, flags)
            .because("mount", || format!("{} at {}", self.what, target.display()))
    }
}

impl AsFd for Tree {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn overlay(lower: &[OwnedFd], upper: &OwnedFd, work: &OwnedFd, limits: Limits) -> Result<Tree, HostError> {
    // A kernel that knows no `lowerdir+` says so when the option is set, or, up to Linux 6.4, not before all is mounted.
    match stack(lower, upper, work, limits, true) {
        Err(error) if error.errno == Errno::INVAL => stack(lower, upper, work, limits, false),
        done => done,
    }
}

/// Mounts the layers; `each`: named one by one.
fn stack(
    lower: &[OwnedFd],
    upper: &OwnedFd,
    work: &OwnedFd,
    limits: Limits,
    each: bool,
) -> Result<Tree, HostError> {
    let what = || "an overlay of layers";
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).because("make", what)?;
    let number = |fd: &OwnedFd| fd.as_raw_fd().to_string();
    let set = |key: &str, value: &str| rustix::mount::fsconfig_set_string(&context, key, value);
    rustix::mount::fsconfig_set_flag(&context, "userxattr").because("set an option of", what)?;
    let layers: Vec<String> = lower.iter().map(number).collect();
    if each {
        let mut layers = layers.iter();
        layers.try_for_each(|layer| set("lowerdir+", layer)).because("set the layers of", what)?;
    } else {
        set("lowerdir", &layers.join(":")).because("set the layers of", what)?;
    }
    set("upperdir", &number(upper)).because("set the upper layer of", what)?;
    set("workdir", &number(work)).because("set the upper layer of", what)?;
    rustix::mount::fsconfig_create(&context).because("make", what)?;
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(limits.bits()).unwrap_or(0));
    let fd =
        rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).because("make", what)?;
    Ok(Tree { fd, what: what().to_owned() })
}

/// Attaches `tree` at the directory `at` and makes it the root of this process and its mount namespace; what was the root
/// is out of reach for good. One thread only.
///
/// # Errors
/// `EINVAL` when mounts are shared with other namespaces: [`isolate`] first.
pub fn make_root(tree: Tree, at: &Path) -> Result<(), HostError> {
    tree.attach(at)?;
    let what = || "a root file system";
    std::env::set_current_dir(at).because("enter", what)?;
    // The new root over the old one, at one place: then the old one is what is unmounted there.
    rustix::process::pivot_root(".", ".").because("change to", what)?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).because("let go of", || "the machine's root")?;
    std::env::set_current_dir("/").because("enter", what)
}

/// Whether the root of a tree is a directory, which decides what it can be attached to.
///
/// # Errors
/// Not met in practice.
pub fn is_dir(root: BorrowedFd<'_>) -> Result<bool, HostError> {
    let found = rustix::fs::fstat(root).because("look at", || "a mount")?;
    Ok(rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::Directory)
}

/// Limits every mount this process sees.
///
/// # Errors
/// Not met in practice.
pub fn limit_everything(limits: Limits) -> Result<(), HostError> {
    change(CWD, c"/", libc::AT_RECURSIVE, limits.bits(), 0).because("limit", || "all mounts")
}

/// Limits the mount at `path` alone, without those below it.
///
/// # Errors
/// `EINVAL` if nothing is mounted there.
pub fn limit_one(path: &std::ffi::CStr, limits: Limits) -> Result<(), HostError> {
    change(CWD, path, 0, limits.bits(), 0).because("limit the mount", || path.to_string_lossy().into_owned())
}

/// No mount made here appears elsewhere. With `follow`, those made and removed elsewhere go on to appear here.
///
/// # Errors
/// `EPERM` when the mount namespace is not the caller's own.
pub fn isolate(follow: bool) -> Result<(), HostError> {
    let propagation = if follow { libc::MS_SLAVE } else { libc::MS_PRIVATE };
    set(CWD, c"/", libc::AT_RECURSIVE, 0, 0, propagation).because("isolate", || "the mounts")
}

/// Moves this process into a mount namespace of its own, with a copy of all mounts. One thread only.
///
/// # Errors
/// `EPERM` without `CAP_SYS_ADMIN`.
pub fn own_namespace() -> Result<(), HostError> {
    // SAFETY: CLONE_NEWNS does not touch the table of descriptors, the only thing that makes unshare(2) unsafe.
    unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }
        .because("make", || "a mount namespace")
}

fn change(at: BorrowedFd<'_>, path: &std::ffi::CStr, flags: i32, on: u64, off: u64) -> Result<(), Errno> {
    set(at, path, flags, on, off, 0)
}

fn set(
    at: BorrowedFd<'_>,
    path: &std::ffi::CStr,
    flags: i32,
    on: u64,
    off: u64,
    propagation: u64,
) -> Result<(), Errno> {
    // SAFETY: all zero is a valid `mount_attr`: plain numbers, 0 meaning "leave as it is".
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = on;
    attributes.attr_clr = off;
    attributes.propagation = propagation;
    // SAFETY: `path` is NUL-terminated, `attributes` has the size given, and both outlive the call; `at` is open.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            at.as_raw_fd(),
            path.as_ptr(),
            flags,
            &raw mut attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if answer < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    Ok(())
}
