//! Where labs keep their sockets, locks and journals.
//!
//! | who | directory | modes |
//! |---|---|---|
//! | root | `/run/netloom/<lab>` | both 0755, so that others see the names; files 0600 |
//! | others | `$XDG_RUNTIME_DIR/netloom/<lab>`, else `/tmp/netloom-<uid>/<lab>` | 0700, owner checked |
//!
//! `NETLOOM_RUN_DIR` names another directory, for tests.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::geteuid;

/// The directory of all labs of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Homes {
    base: PathBuf,
    /// Whether names are public (root's).
    public: bool,
}

/// The directory of one lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home {
    dir: PathBuf,
    lab: String,
    public: bool,
}

/// The folder of [`Homes::claims`].
const CLAIMS: &str = ".vf";

/// Why there is no place for a lab's state.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// Not a DNS label.
    #[error("{0:?} cannot be the name of a lab: use up to 63 of a-z, 0-9 and -, not - at either end")]
    Name(String),
    /// Somebody else made it, or a symbolic link stands there.
    #[error("{} belongs to somebody else or is open to others", .0.display())]
    Foreign(PathBuf),
    /// The path of the socket would be too long for the kernel.
    #[error("{} is too long for a socket: 107 bytes at most", .0.display())]
    TooLong(PathBuf),
    /// The host refused.
    #[error("Cannot {action} {}", .path.display())]
    Io {
        /// A verb.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

/// Whether `name` is a DNS label: 1 to 63 of `a-z`, `0-9`, `-`, not `-` at either end.
#[must_use]
pub fn is_label(name: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

impl Homes {
    /// Those of the user who runs this process.
    #[must_use]
    pub fn mine() -> Self {
        if let Some(dir) = env("NETLOOM_RUN_DIR") {
            return Self { base: dir.into(), public: false };
        }
        let uid = geteuid();
        // Root of a user namespace that does not own /run is an ordinary user with a long name.
        if uid.is_root() && access("/run", Access::WRITE_OK).is_ok() {
            return Self::of_root();
        }
        match env("XDG_RUNTIME_DIR") {
            Some(dir) if Path::new(&dir).is_absolute() => {
                Self { base: Path::new(&dir).join("netloom"), public: false }
            }
            _ => Self { base: format!("/tmp/netloom-{}", uid.as_raw()).into(), public: false },
        }
    }

    /// Those of root, whose names everybody sees.
    #[must_use]
    pub fn of_root() -> Self {
        Self { base: "/run/netloom".into(), public: true }
    }

    /// Those in `base`, for tests.
    #[must_use]
    pub fn at(base: impl Into<PathBuf>) -> Self {
        Self { base: base.into(), public: false }
    }

    /// The directory of all of them.
    #[must_use]
    pub fn base(&self) -> &Path {
        &self.base
    }

    /// Where labs note which virtual functions of network cards they have. No lab can be called so.
    #[must_use]
    pub fn claims(&self) -> PathBuf {
        self.base.join(CLAIMS)
    }

    /// The names that have a directory, sorted.
    #[must_use]
    pub fn list(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(&self.base) else { return Vec::new() };
        let mut names: Vec<_> = entries
            .filter_map(Result::ok)
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| is_label(name))
            .collect();
        names.sort();
        names
    }

    /// The directory of `lab`, which need not exist.
    ///
    /// # Errors
    /// [`HomeError::Name`] and [`HomeError::TooLong`].
    pub fn home(&self, lab: &str) -> Result<Home, HomeError> {
        if !is_label(lab) {
            return Err(HomeError::Name(lab.to_owned()));
        }
        let home = Home { dir: self.base.join(lab), lab: lab.to_owned(), public: self.public };
        // sun_path is 108 bytes with its closing 0.
        if home.socket().as_os_str().len() > 107 {
            return Err(HomeError::TooLong(home.socket()));
        }
        Ok(home)
    }
}

impl Home {
    /// As [`Homes::claims`].
    #[must_use]
    pub fn claims(&self) -> PathBuf {
        self.dir.parent().unwrap_or(&self.dir).join(CLAIMS)
    }

    /// The lab's name.
    #[must_use]
    pub fn lab(&self) -> &str {
        &self.lab
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// `api.sock`.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.dir.join("api.sock")
    }

    /// Who the daemon is.
    #[must_use]
    pub fn pid_file(&self) -> PathBuf {
        self.dir.join("daemon.pid")
    }

    /// Held by the daemon as long as it lives.
    #[must_use]
    pub fn lock_file(&self) -> PathBuf {
        self.dir.join("lock")
    }

    /// What the daemon says.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }

    /// What was made and can outlive the daemon.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        self.dir.join("journal.ndjson")
    }

    /// Makes the directory, and the one above it, if they are not there, and checks whose they are.
    ///
    /// # Errors
    /// [`HomeError::Foreign`] and [`HomeError::Io`].
    pub fn create(&self) -> Result<(), HomeError> {
        let mut tries = 0;
        loop {
            if let Some(base) = self.dir.parent() {
                self.create_one(base)?;
            }
            match self.create_one(&self.dir) {
                // The last lab of this user ended meanwhile and took the directory above along.
                Err(HomeError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound && tries < 8 =>
                {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    fn create_one(&self, dir: &Path) -> Result<(), HomeError> {
        let mode = if self.public { 0o755 } else { 0o700 };
        let io = |action| move |source| HomeError::Io { action, path: dir.to_owned(), source };
        match fs::DirBuilder::new().mode(mode).create(dir) {
            // The umask may have taken bits away.
            Ok(()) => fs::set_permissions(dir, fs::Permissions::from_mode(mode)).map_err(io("open")),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(dir).map_err(io("look at"))?;
                let open = if self.public { 0o022 } else { 0o077 };
                let mine = found.is_dir() && found.uid() == geteuid().as_raw() && found.mode() & open == 0;
                if mine { Ok(()) } else { Err(HomeError::Foreign(dir.to_owned())) }
            }
            Err(source) => Err(io("create")(source)),
        }
    }

    /// Whether anything is there.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.dir.is_dir()
    }

    /// Removes the files named here, and then the directory if it is empty. Never goes into a directory: a
    /// forgotten mount in there would take the user's files along. Returns what is left.
    #[must_use]
    pub fn remove(&self) -> Vec<String> {
        let mut left = Vec::new();
        let torn = self.pid_file().with_extension("new");
        let files = [self.socket(), self.journal(), self.log_file(), torn, self.pid_file(), self.lock_file()];
        for file in files {
            match fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    left.push(format!("{}: {error}", file.display()));
                }
                _ => {}
            }
        }
        match fs::remove_dir(&self.dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                left.push(format!("{}: {error}", self.dir.display()));
            }
            // Where it was the last lab, the directory above goes too; with others in it, it stays.
            _ => drop(self.dir.parent().map(fs::remove_dir)),
        }
        left
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a user's runtime directory is stands in the environment"
)]
pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_directory_are_refused() {
        let homes = Homes::at("/tmp/x");
        for name in ["", "..", "a/b", ".", "-a", "a-", "Shop", "a b", &"a".repeat(64)] {
            assert!(matches!(homes.home(name), Err(HomeError::Name(_))), "{name:?}");
        }
        for name in ["a", "shop-7f3a", "0", &"a".repeat(63)] {
            assert_eq!(homes.home(name).unwrap().lab(), name);
        }
    }

    #[test]
    fn a_path_too_long_for_a_socket_is_refused_at_once() {
        let homes = Homes::at(format!("/{}", "d".repeat(100)));
        assert!(matches!(homes.home("a"), Err(HomeError::TooLong(_))));
    }

    #[test]
    fn directories_are_private_whatever_the_umask_and_owner_checked() {
        let place = tempfile::tempdir().unwrap();
        let homes = Homes::at(place.path().join("base"));
        let home = homes.home("shop").unwrap();
        home.create().unwrap();
        home.create().unwrap();
        assert_eq!(fs::metadata(home.dir()).unwrap().mode() & 0o777, 0o700);
        assert_eq!(homes.list(), ["shop"]);
        fs::set_permissions(home.dir(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(home.create(), Err(HomeError::Foreign(_))));
    }

    #[test]
    fn a_symbolic_link_is_no_home() {
        let place = tempfile::tempdir().unwrap();
        let homes = Homes::at(place.path().join("base"));
        std::os::unix::fs::symlink(place.path(), place.path().join("base")).unwrap();
        assert!(matches!(homes.home("shop").unwrap().create(), Err(HomeError::Foreign(_))));
    }

    #[test]
    fn removal_takes_our_files_and_tells_of_others() {
        let place = tempfile::tempdir().unwrap();
        let home = Homes::at(place.path().join("base")).home("shop").unwrap();
        home.create().unwrap();
        fs::write(home.log_file(), "x").unwrap();
        fs::create_dir(home.dir().join("nodes")).unwrap();
        let left = home.remove();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(!home.log_file().exists() && home.dir().join("nodes").exists());
        fs::remove_dir(home.dir().join("nodes")).unwrap();
        let other = Homes::at(place.path().join("base")).home("other").unwrap();
        other.create().unwrap();
        assert!(home.remove().is_empty() && !home.exists() && other.exists());
        assert!(other.remove().is_empty() && !place.path().join("base").exists());
    }
}
