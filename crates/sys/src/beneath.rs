//! A directory that nothing leads out of: files of strangers are made below it, whatever links they brought along.
//!
//! A [`Root`] resolves directories as a process would whose root it is (`openat2(2)`, `RESOLVE_IN_ROOT`): an absolute link
//! begins at the root, `..` ends there. A [`Place`] is a name in such a directory; what is made there is made by `*at(2)`
//! calls that follow no link. So there is no moment in which a path is checked first and used later.

use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    self, AtFlags, CWD, FileType, Gid, Mode, OFlags, ResolveFlags, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use rustix::time::Timespec;

use crate::error::{Because, HostError};

/// The directory.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
}

/// A name in a directory below a [`Root`].
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    dir: BorrowedFd<'a>,
    name: &'a CStr,
}

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Dir,
    /// A symbolic link.
    Link,
    /// Anything else.
    Other,
}

/// The kinds of special files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// A character device.
    Character,
    /// A block device.
    Block,
    /// A named pipe.
    Fifo,
}

impl Root {
    /// Opens a directory of the caller's own; its path is followed as usual.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `EACCES`.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())
            .because("open the directory", || path.display().to_string())?;
        Ok(Self { fd })
    }

    /// Opens the directory `path` below it, or itself for an empty path.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`.
    pub fn dir(&self, path: &CStr) -> Result<OwnedFd, HostError> {
        self.open_at(path, OFlags::PATH | OFlags::DIRECTORY).because("open the directory", || text(path))
    }

    /// Opens the directory `path` for changing it, unless a link stands there.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `EACCES`.
    pub fn dir_itself(&self, path: &CStr) -> Result<OwnedFd, HostError> {
        self.open_at(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW)
            .because("open the directory", || text(path))
    }

    /// Opens the file `path` below it for reading.
    ///
    /// # Errors
    /// `ENOENT`, `ELOOP`, `EACCES`.
    pub fn file(&self, path: &CStr) -> Result<std::fs::File, HostError> {
        // Whoever opens a named pipe for reading waits for a writer, without this flag.
        let fd = self
            .open_at(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)
            .because("open the file", || text(path))?;
        Ok(fd.into())
    }

    /// Where the link `path` leads.
    ///
    /// # Errors
    /// `EINVAL` if it is none, `ENOENT`.
    pub fn link(&self, path: &CStr) -> Result<CString, HostError> {
        let name = self
            .open_at(path, OFlags::PATH | OFlags::NOFOLLOW)
            .and_then(|link| fs::readlinkat(&link, c"", Vec::new()));
        name.because("read the link", || text(path))
    }

    fn open_at(&self, path: &CStr, flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { c"." } else { path };
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        loop {
            match fs::openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
                // Somebody renamed something meanwhile: the kernel could not be sure that `..` stayed inside.
                Err(Errno::AGAIN) => {}
                other => return other,
            }
        }
    }
}

impl<'a> Place<'a> {
    /// The name `name` in `dir`, which came from [`Root::dir`].
    ///
    /// # Errors
    /// `EINVAL` if the name has a slash, or is `.`, `..` or nothing: it must be one step down.
    pub fn new(dir: BorrowedFd<'a>, name: &'a CStr) -> Result<Self, HostError> {
        let bytes = name.to_bytes();
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
            return Err(HostError::new("make the file", text(name), Errno::INVAL));
        }
        Ok(Self { dir, name })
    }

    /// What stands there.
    ///
    /// # Errors
    /// `EACCES`.
    pub fn kind(&self) -> Result<Option<Kind>, HostError> {
        match fs::statat(self.dir, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => Ok(Some(match FileType::from_raw_mode(found.st_mode) {
                FileType::Directory => Kind::Dir,
                FileType::Symlink => Kind::Link,
                _ => Kind::Other,
            })),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(self.error("look at", errno)),
        }
    }

    /// Makes a directory that only this user may enter.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`.
    pub fn make_dir(&self) -> Result<(), HostError> {
        self.told("make the directory", fs::mkdirat(self.dir, self.name, Mode::RWXU))
    }

    /// Makes a file, empty, open for writing.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`.
    pub fn make_file(&self) -> Result<std::fs::File, HostError> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = fs::openat(self.dir, self.name, flags, Mode::RUSR | Mode::WUSR);
        self.told("make the file", made).map(Into::into)
    }

    /// Makes a symbolic link with the text `to`, wherever that leads.
    ///
    /// # Errors
    /// `EEXIST`, `ENOSPC`.
    pub fn make_link(&self, to: &CStr) -> Result<(), HostError> {
        self.told("make the link", fs::symlinkat(to, self.dir, self.name))
    }

    /// Makes another name of the file at `other`; a link there is not followed.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `EPERM` for a directory, `EMLINK`.
    pub fn make_hard_link(&self, other: &Place<'_>) -> Result<(), HostError> {
        let made = fs::linkat(other.dir, other.name, self.dir, self.name, AtFlags::empty());
        self.told("make the hard link", made)
    }

    /// Makes a special file; `device` is major and minor number, of no meaning for a pipe.
    ///
    /// # Errors
    /// `EPERM` for a device without `CAP_MKNOD` in the machine's first user namespace; the device 0:0 is open to everybody
    /// since Linux 5.8.
    pub fn make_special(&self, special: Special, device: (u32, u32)) -> Result<(), HostError> {
        let kind = match special {
            Special::Character => FileType::CharacterDevice,
            Special::Block => FileType::BlockDevice,
            Special::Fifo => FileType::Fifo,
        };
        let number = fs::makedev(device.0, device.1);
        let made = fs::mknodat(self.dir, self.name, kind, Mode::RUSR | Mode::WUSR, number);
        self.told("make the device", made)
    }

    /// Removes what is no directory.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`.
    pub fn remove(&self) -> Result<(), HostError> {
        self.told("remove", fs::unlinkat(self.dir, self.name, AtFlags::empty()))
    }

    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    /// `ENOTDIR`, `EACCES`.
    pub fn remove_dir_all(&self) -> Result<(), HostError> {
        // The number is ours as long as `dir` is borrowed, and the last step follows no link.
        let path = Path::new("/proc/self/fd")
            .join(self.dir.as_raw_fd().to_string())
            .join(self.name.to_string_lossy().as_ref());
        std::fs::remove_dir_all(path).map_err(|error| HostError::from_io("remove", text(self.name), &error))
    }

    /// Gives it to a user and a group, a link itself.
    ///
    /// # Errors
    /// `EPERM` without `CAP_CHOWN`, `EINVAL` for numbers the user namespace does not know.
    pub fn own(&self, uid: u32, gid: u32) -> Result<(), HostError> {
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        let done = fs::chownat(self.dir, self.name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW);
        self.told("change the owner of", done)
    }

    /// Sets the permissions of what is not a link: chmod(2) would follow it.
    ///
    /// # Errors
    /// `ELOOP` for a link.
    pub fn permit(&self, mode: u32) -> Result<(), HostError> {
        if self.kind()? == Some(Kind::Link) {
            return Err(self.error("set the permissions of", Errno::LOOP));
        }
        let done = fs::chmodat(self.dir, self.name, Mode::from_raw_mode(mode), AtFlags::empty());
        self.told("set the permissions of", done)
    }

    /// Sets the time of last change, a link's own.
    ///
    /// # Errors
    /// Not met in practice.
    pub fn date(&self, seconds: i64, nanoseconds: u32) -> Result<(), HostError> {
        let times = stamps(seconds, nanoseconds);
        self.told("set the time of", fs::utimensat(self.dir, self.name, &times, AtFlags::SYMLINK_NOFOLLOW))
    }

    fn told<T>(&self, operation: &'static str, result: Result<T, Errno>) -> Result<T, HostError> {
        result.map_err(|errno| self.error(operation, errno))
    }

    fn error(&self, operation: &'static str, errno: Errno) -> HostError {
        HostError::new(operation, text(self.name), errno)
    }
}

/// Sets an extended attribute of an open file or directory.
///
/// # Errors
/// `EPERM`, `ENOTSUP` where the file system has none of this name space, `ENOSPC`, `E2BIG`.
pub fn set_attribute(file: impl AsFd, name: &CStr, value: &[u8]) -> Result<(), HostError> {
    fs::fsetxattr(file, name, value, XattrFlags::empty()).because("set the attribute", || text(name))
}

/// Sets the owner of an open file or directory.
///
/// # Errors
/// As [`Place::own`].
pub fn own(file: impl AsFd, uid: u32, gid: u32) -> Result<(), HostError> {
    fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
        .because("change the owner of", || "the file")
}

/// Sets the permissions of an open file or directory.
///
/// # Errors
/// `EPERM` for a file of somebody else.
pub fn permit(file: impl AsFd, mode: u32) -> Result<(), HostError> {
    fs::fchmod(file, Mode::from_raw_mode(mode)).because("set the permissions of", || "the file")
}

/// Sets the time of last change of an open file or directory.
///
/// # Errors
/// Not met in practice.
pub fn date(file: impl AsFd, seconds: i64, nanoseconds: u32) -> Result<(), HostError> {
    fs::futimens(file, &stamps(seconds, nanoseconds)).because("set the time of", || "the file")
}

/// Has everything on the file system of `path` written to the disk.
///
/// # Errors
/// `EIO`, `ENOSPC`.
pub fn sync_all(path: &Path) -> Result<(), HostError> {
    let because = || path.display().to_string();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = fs::openat(CWD, path, flags, Mode::empty()).because("open the directory", because)?;
    fs::syncfs(&dir).because("write to the disk", because)
}

fn stamps(seconds: i64, nanoseconds: u32) -> Timestamps {
    let time = Timespec { tv_sec: seconds, tv_nsec: i64::from(nanoseconds.min(999_999_999)) };
    Timestamps { last_access: time, last_modification: time }
}

fn text(name: &CStr) -> String {
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::fs as std_fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    /// A directory of this process's own, gone at the end.
    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("netloom-beneath-{name}-{}", std::process::id()));
            std_fs::create_dir_all(path.join("root/inner")).unwrap();
            std_fs::create_dir_all(path.join("outside")).unwrap();
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = std_fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn links_and_dots_lead_nowhere_but_inside() {
        let scratch = Scratch::new("inside");
        let base = scratch.0.join("root");
        symlink("../../outside", base.join("relative")).unwrap();
        symlink("/inner", base.join("absolute")).unwrap();
        symlink("/proc/self/root", base.join("magic")).unwrap();
        let root = Root::open(&base).unwrap();
        let inner = std_fs::metadata(base.join("inner")).unwrap().ino();
        let seen = |path: &CStr| root.dir(path).map(|fd| fs::fstat(fd).unwrap().st_ino);
        assert_eq!(seen(c"absolute"), Ok(inner));
        assert_eq!(seen(c"../../inner"), Ok(inner));
        assert_eq!(seen(c"relative").unwrap_err().errno, Errno::NOENT);
        assert_eq!(seen(c"magic/etc").unwrap_err().errno, Errno::NOENT);
        assert_eq!(root.link(c"absolute").unwrap().as_c_str(), c"/inner");
        assert_eq!(root.dir_itself(c"absolute").unwrap_err().errno, Errno::NOTDIR);
    }

    #[test]
    fn nothing_is_made_through_a_link() {
        let scratch = Scratch::new("made");
        let outside = scratch.0.join("outside/file");
        std_fs::write(&outside, "untouched").unwrap();
        symlink(&outside, scratch.0.join("root/link")).unwrap();
        let root = Root::open(&scratch.0.join("root")).unwrap();
        let dir = root.dir(c"").unwrap();
        let link = Place::new(dir.as_fd(), c"link").unwrap();
        assert_eq!(link.kind().unwrap(), Some(Kind::Link));
        assert_eq!(link.make_file().unwrap_err().errno, Errno::EXIST);
        assert_eq!(link.permit(0o777).unwrap_err().errno, Errno::LOOP);
        link.date(1, 0).unwrap();
        let second = Place::new(dir.as_fd(), c"second").unwrap();
        second.make_hard_link(&link).unwrap();
        assert_eq!(second.kind().unwrap(), Some(Kind::Link), "the link itself has another name");
        assert_eq!(std_fs::read_to_string(&outside).unwrap(), "untouched");
        assert!(std_fs::metadata(&outside).unwrap().mtime() > 1);
        for name in [c"", c".", c"..", c"a/b"] {
            assert!(Place::new(dir.as_fd(), name).is_err());
        }
    }

    #[test]
    fn files_are_made_furnished_and_removed() {
        let scratch = Scratch::new("files");
        let root = Root::open(&scratch.0.join("root")).unwrap();
        let dir = root.dir(c"inner").unwrap();
        let place = Place::new(dir.as_fd(), c"new").unwrap();
        place.make_dir().unwrap();
        let file = Place::new(dir.as_fd(), c"file").unwrap();
        let open = file.make_file().unwrap();
        permit(&open, 0o4755).unwrap();
        date(&open, 1_000, 7).unwrap();
        let meta = std_fs::metadata(scratch.0.join("root/inner/file")).unwrap();
        assert_eq!((meta.mode() & 0o7777, meta.mtime(), meta.mtime_nsec()), (0o4755, 1_000, 7));
        file.remove().unwrap();
        place.remove_dir_all().unwrap();
        assert_eq!(place.kind().unwrap(), None);
        Place::new(dir.as_fd(), c"pipe").unwrap().make_special(Special::Fifo, (0, 0)).unwrap();
    }
}
