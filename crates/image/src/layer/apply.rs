//! Makes the entries of a layer in a directory, for overlayfs to stack.
//!
//! | in the layer | in the directory |
//! |---|---|
//! | `.wh.NAME` | `NAME`, the device 0:0 by which overlayfs hides what is below |
//! | `.wh..wh..opq` | the attribute `user.overlay.opaque` of its directory |
//! | owner, permissions, time, attributes | the same; an ordinary user's losses are counted in the [`Report`] |
//! | devices | the same as root, else left out and counted |
//!
//! Attributes that would speak to overlayfs itself are left out: they would be a stranger's orders to the kernel.

use std::collections::HashSet;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use netloom_sys::beneath::{self, Place, Root, Special};
use netloom_sys::{Errno, HostError};
use serde::{Deserialize, Serialize};

use super::bounds::Meter;
use super::decompress::Unpacked;
use super::owner::Owners;
use super::tar::{Archive, Entry, Kind};
use super::{Bounds, LayerError, TarError};
use crate::digest::{Digest, Hashing};

/// What became of a layer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Entries made, whiteouts included.
    pub entries: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files whose owner this user could not set.
    pub owners_lost: u64,
    /// The first of them, `PATH (UID:GID)`.
    pub first_owners_lost: Vec<String>,
    /// Devices left out.
    pub devices_lost: u64,
    /// Extended attributes, file capabilities among them, that could not be kept.
    pub attributes_lost: u64,
}

impl Report {
    /// How many are named.
    const NAMED: usize = 5;

    pub(super) fn owner_lost(&mut self, path: &str, uid: u32, gid: u32) {
        self.owners_lost += 1;
        if self.first_owners_lost.len() < Self::NAMED {
            self.first_owners_lost.push(format!("{path} ({uid}:{gid})"));
        }
    }
}

/// Unpacks the layer `blob` into `root`, an empty directory; the digest is that of the tar file.
///
/// # Errors
/// [`LayerError`]. What was made until then stays: the caller removes the directory.
pub fn apply(blob: impl Read, root: &Root, bounds: Bounds) -> Result<(Report, Digest), LayerError> {
    let meter = Meter::default();
    let unpacked = Unpacked::new(meter.input(blob)).map_err(LayerError::Read)?;
    let mut archive = Archive::new(Hashing::new(meter.output(unpacked, bounds)));
    let mut unpacker = Unpacker::new(root, bounds);
    let applied = unpacker.all(&mut archive).and_then(|report| {
        // The digest is that of every byte, those after the end of the archive included.
        let mut rest = archive.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(LayerError::Read)?;
        Ok((report, rest.finish().0))
    });
    match (applied, meter.broken()) {
        (Err(_), Some((what, most))) => Err(LayerError::Bomb { what, most }),
        (applied, _) => applied,
    }
}

struct Unpacker<'a> {
    root: &'a Root,
    bounds: Bounds,
    owners: Owners,
    report: Report,
    /// The directory worked in last: most entries are beside the one before.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// Directories whose permissions and times come last: making something inside takes the one and changes the other.
    dirs: Vec<Dir>,
    /// Paths that this layer deletes from those below.
    deleted: HashSet<Vec<u8>>,
}

struct Dir {
    path: CString,
    mode: u32,
    time: (i64, u32),
}

impl<'a> Unpacker<'a> {
    fn new(root: &'a Root, bounds: Bounds) -> Self {
        Self {
            root,
            bounds,
            owners: Owners::of_this_process(),
            report: Report::default(),
            last: None,
            dirs: Vec::new(),
            deleted: HashSet::new(),
        }
    }

    fn all<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<Report, LayerError> {
        while let Some(entry) = archive.advance()? {
            self.report.entries += 1;
            if self.report.entries > self.bounds.entries {
                return Err(LayerError::Bomb { what: "entries", most: self.bounds.entries });
            }
            self.one(&entry, archive)?;
        }
        self.last = None;
        self.finish_dirs()?;
        Ok(std::mem::take(&mut self.report))
    }

    fn one<R: Read>(&mut self, entry: &Entry, archive: &mut Archive<R>) -> Result<(), LayerError> {
        let path = Path::new(&entry.path)?;
        let Some(name) = path.name else {
            return self.root_dir(entry);
        };
        let dir = self.enter(&path)?;
        let made = self.make(entry, &path, &dir, name, archive);
        self.last = Some((path.parent.to_vec(), dir));
        made
    }

    fn make<R: Read>(
        &mut self,
        entry: &Entry,
        path: &Path<'_>,
        dir: &OwnedFd,
        name: &[u8],
        archive: &mut Archive<R>,
    ) -> Result<(), LayerError> {
        if name == OPAQUE {
            return set_opaque(self.root, path.parent).map_err(path.told());
        }
        if let Some(hidden) = name.strip_prefix(WHITEOUT) {
            if hidden.starts_with(WHITEOUT) {
                // `.wh..wh.aufs` and the like: the books of a file system of former times.
                return Ok(());
            }
            return self.hide(path, dir, hidden);
        }
        let c_name = c_string(name);
        let place = Place::new(dir.as_fd(), &c_name).map_err(path.told())?;
        let kept = self.make_room(&place, entry, path)?;
        match &entry.kind {
            Kind::Dir => self.dir(entry, path, &place, kept),
            Kind::File(size) => self.file(entry, path, &place, *size, archive),
            Kind::Link(to) => {
                place.make_link(to).map_err(path.told())?;
                self.give(entry, path, &place)?;
                place.date(entry.time.0, entry.time.1).map_err(path.told())
            }
            Kind::HardLink(to) => self.hard_link(path, &place, to),
            Kind::Character(0, 0) => {
                // It would hide a file of the layer below, and be no device.
                self.report.devices_lost += 1;
                Ok(())
            }
            Kind::Character(major, minor) => {
                self.special(entry, path, &place, Special::Character, (*major, *minor))
            }
            Kind::Block(major, minor) => self.special(entry, path, &place, Special::Block, (*major, *minor)),
            Kind::Fifo => self.special(entry, path, &place, Special::Fifo, (0, 0)),
        }
    }

    /// The directory an entry is made in; those missing on the way are made.
    fn enter(&mut self, path: &Path<'_>) -> Result<OwnedFd, LayerError> {
        match self.last.take() {
            Some((last, fd)) if last == path.parent => return Ok(fd),
            _ => {}
        }
        let c_path = c_string(path.parent);
        match self.root.dir(&c_path) {
            Err(error) if error.errno == Errno::NOENT => {}
            other => {
                self.check_climb(path)?;
                return other.map_err(path.told());
            }
        }
        self.check_climb(path)?;
        let mut done = Vec::new();
        for part in path.parent.split(|byte| *byte == b'/') {
            let dir = self.root.dir(&c_string(&done)).map_err(path.told())?;
            let name = c_string(part);
            let place = Place::new(dir.as_fd(), &name).map_err(path.told())?;
            if place.kind().map_err(path.told())?.is_none() {
                place.make_dir().map_err(path.told())?;
                place.permit(0o755).map_err(path.told())?;
            }
            if !done.is_empty() {
                done.push(b'/');
            }
            done.extend(part);
        }
        self.root.dir(&c_path).map_err(path.told())
    }

    /// Refuses a way through a link that climbs above the root. It would lead nowhere else, as the kernel keeps to the root;
    /// but who builds such a layer is up to something.
    fn check_climb(&self, path: &Path<'_>) -> Result<(), LayerError> {
        let mut depth: Vec<Vec<u8>> = Vec::new();
        for part in path.parent.split(|byte| *byte == b'/').filter(|part| !part.is_empty()) {
            depth.push(part.to_vec());
            let Ok(to) = self.root.link(&c_string(&depth.join(&b'/'))) else { continue };
            depth.pop();
            if to.as_bytes().starts_with(b"/") {
                depth.clear();
            }
            for step in to.as_bytes().split(|byte| *byte == b'/') {
                match step {
                    b"" | b"." => {}
                    b".." => {
                        if depth.pop().is_none() {
                            return Err(LayerError::Escape(path.text()));
                        }
                    }
                    step => depth.push(step.to_vec()),
                }
            }
        }
        Ok(())
    }

    /// Removes what stands where `entry` goes, unless both are directories; whether one was kept.
    fn make_room(&mut self, place: &Place<'_>, entry: &Entry, path: &Path<'_>) -> Result<bool, LayerError> {
        match place.kind().map_err(path.told())? {
            None => Ok(false),
            Some(beneath::Kind::Dir) if entry.kind == Kind::Dir => Ok(true),
            Some(beneath::Kind::Dir) => {
                place.remove_dir_all().map_err(path.told())?;
                Ok(false)
            }
            Some(_) => {
                place.remove().map_err(path.told())?;
                Ok(false)
            }
        }
    }

    fn root_dir(&mut self, entry: &Entry) -> Result<(), LayerError> {
        if entry.kind != Kind::Dir {
            return Err(LayerError::Entry { path: "/".into(), reason: "the root is a directory" });
        }
        let told = |source| LayerError::Host { path: "/".into(), source };
        let dir = self.root.dir_itself(c"").map_err(told)?;
        let give = |uid, gid| beneath::own(&dir, uid, gid);
        self.owners.give((entry.uid, entry.gid), "/", &mut self.report, give).map_err(told)?;
        self.attributes(entry, &dir).map_err(told)?;
        self.dirs.push(Dir { path: CString::default(), mode: entry.mode, time: entry.time });
        Ok(())
    }

    fn dir(
        &mut self,
        entry: &Entry,
        path: &Path<'_>,
        place: &Place<'_>,
        kept: bool,
    ) -> Result<(), LayerError> {
        if !kept {
            place.make_dir().map_err(path.told())?;
        }
        let whole = path.whole();
        let dir = self.root.dir_itself(&c_string(&whole)).map_err(path.told())?;
        if self.deleted.contains(&whole) {
            // Deleted and made anew in one layer: nothing of the one below shows through.
            beneath::set_attribute(&dir, OPAQUE_ATTRIBUTE, b"y").map_err(path.told())?;
        }
        let owner = self.give(entry, path, place)?;
        self.attributes(entry, &dir).map_err(path.told())?;
        let mode = if owner { entry.mode } else { entry.mode & 0o1777 };
        self.dirs.push(Dir { path: c_string(&whole), mode, time: entry.time });
        Ok(())
    }

    fn file<R: Read>(
        &mut self,
        entry: &Entry,
        path: &Path<'_>,
        place: &Place<'_>,
        size: u64,
        archive: &mut Archive<R>,
    ) -> Result<(), LayerError> {
        let mut file = place.make_file().map_err(path.told())?;
        copy(archive, &mut file, path)?;
        self.report.bytes = self.report.bytes.saturating_add(size);
        let own = |uid, gid| beneath::own(&file, uid, gid);
        let owner = self.owners.give((entry.uid, entry.gid), &path.text(), &mut self.report, own);
        let owner = owner.map_err(path.told())?;
        // Changing the owner takes away setuid bits and capabilities: they come after it. A stranger's setuid program does
        // not become this user's.
        let mode = if owner { entry.mode } else { entry.mode & 0o1777 };
        beneath::permit(&file, mode).map_err(path.told())?;
        self.attributes(entry, &file).map_err(path.told())?;
        beneath::date(&file, entry.time.0, entry.time.1).map_err(path.told())
    }

    fn hard_link(&mut self, path: &Path<'_>, place: &Place<'_>, to: &CStr) -> Result<(), LayerError> {
        let target = Path::new(to)?;
        let Some(name) = target.name else {
            return Err(LayerError::Entry { path: path.text(), reason: "a directory has one name only" });
        };
        self.check_climb(&target)?;
        let name = c_string(name);
        let dir = self.root.dir(&c_string(target.parent)).map_err(path.told())?;
        let other = Place::new(dir.as_fd(), &name).map_err(path.told())?;
        match other.kind().map_err(path.told())? {
            None => Err(LayerError::Entry {
                path: path.text(),
                reason: "it is another name of a file that is not there",
            }),
            Some(beneath::Kind::Dir) => {
                Err(LayerError::Entry { path: path.text(), reason: "a directory has one name only" })
            }
            Some(_) => place.make_hard_link(&other).map_err(path.told()),
        }
    }

    fn special(
        &mut self,
        entry: &Entry,
        path: &Path<'_>,
        place: &Place<'_>,
        special: Special,
        device: (u32, u32),
    ) -> Result<(), LayerError> {
        match place.make_special(special, device) {
            Err(error) if special != Special::Fifo && error.errno == Errno::PERM => {
                self.report.devices_lost += 1;
                return Ok(());
            }
            made => made.map_err(path.told())?,
        }
        self.give(entry, path, place)?;
        place.permit(entry.mode).map_err(path.told())?;
        place.date(entry.time.0, entry.time.1).map_err(path.told())
    }

    /// Hides `hidden` of the layers below. What this layer itself has there stays, whichever came first.
    fn hide(&mut self, path: &Path<'_>, dir: &OwnedFd, hidden: &[u8]) -> Result<(), LayerError> {
        let name = c_string(hidden);
        let place = Place::new(dir.as_fd(), &name)
            .map_err(|_| LayerError::Entry { path: path.text(), reason: "it deletes what has no name" })?;
        let whole = join(path.parent, hidden);
        match place.kind().map_err(path.told())? {
            None => place.make_special(Special::Character, (0, 0)).map_err(path.told())?,
            Some(beneath::Kind::Dir) => set_opaque(self.root, &whole).map_err(path.told())?,
            Some(_) => {}
        }
        self.deleted.insert(whole);
        Ok(())
    }

    fn give(&mut self, entry: &Entry, path: &Path<'_>, place: &Place<'_>) -> Result<bool, LayerError> {
        let own = |uid, gid| place.own(uid, gid);
        let given = self.owners.give((entry.uid, entry.gid), &path.text(), &mut self.report, own);
        given.map_err(path.told())
    }

    fn attributes(&mut self, entry: &Entry, file: impl AsFd) -> Result<(), HostError> {
        for (name, value) in &entry.attributes {
            if !is_wanted(name.to_bytes()) {
                continue;
            }
            match beneath::set_attribute(&file, name, value) {
                Ok(()) => {}
                Err(error)
                    if matches!(
                        error.errno,
                        Errno::PERM | Errno::OPNOTSUPP | Errno::INVAL | Errno::TOOBIG
                    ) =>
                {
                    self.report.attributes_lost += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Inner directories first: an outer one may turn out to be closed to this user.
    fn finish_dirs(&mut self) -> Result<(), LayerError> {
        for dir in self.dirs.drain(..).rev() {
            let told = |source| LayerError::Host { path: dir.path.to_string_lossy().into_owned(), source };
            match self.root.dir_itself(&dir.path) {
                Ok(open) => {
                    beneath::date(&open, dir.time.0, dir.time.1).map_err(told)?;
                    beneath::permit(&open, dir.mode).map_err(told)?;
                }
                // A later entry of the layer took its place, or it came twice and is closed by now.
                Err(error)
                    if matches!(error.errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {}
                Err(error) => return Err(told(error)),
            }
        }
        Ok(())
    }
}

const WHITEOUT: &[u8] = b".wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";
const OPAQUE_ATTRIBUTE: &CStr = c"user.overlay.opaque";

fn set_opaque(root: &Root, path: &[u8]) -> Result<(), HostError> {
    let dir = root.dir_itself(&c_string(path))?;
    beneath::set_attribute(dir, OPAQUE_ATTRIBUTE, b"y")
}

/// Attributes of files that mean something to programs; labels of security modules mean those of the builder's machine.
fn is_wanted(name: &[u8]) -> bool {
    if name.starts_with(b"user.overlay.") {
        return false;
    }
    name == b"security.capability" || name.starts_with(b"user.") || name.starts_with(b"system.posix_acl_")
}

fn copy<R: Read>(archive: &mut Archive<R>, file: &mut File, path: &Path<'_>) -> Result<(), LayerError> {
    let mut data = archive.data();
    let mut buffer = [0; 64 << 10];
    loop {
        let n = match data.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(TarError::Truncated.into());
            }
            Err(error) => return Err(LayerError::Read(error)),
        };
        let written = io::Write::write_all(file, buffer.get(..n).unwrap_or_default());
        written.map_err(|error| path.told()(HostError::from_io("write", path.text(), &error)))?;
    }
}

/// The path of an entry, its `.` and slashes taken out: where it is, and its name, which the root has none of.
struct Path<'a> {
    raw: &'a CStr,
    parent: &'a [u8],
    name: Option<&'a [u8]>,
}

impl<'a> Path<'a> {
    fn new(raw: &'a CStr) -> Result<Self, LayerError> {
        let text = || raw.to_string_lossy().into_owned();
        let mut bytes = raw.to_bytes();
        if bytes.split(|byte| *byte == b'/').any(|part| part == b"..") {
            return Err(LayerError::Escape(text()));
        }
        loop {
            let before = bytes;
            bytes = bytes.strip_prefix(b"/").unwrap_or(bytes);
            bytes = bytes.strip_prefix(b"./").unwrap_or(bytes);
            bytes = bytes.strip_suffix(b"/").unwrap_or(bytes);
            bytes = bytes.strip_suffix(b"/.").unwrap_or(bytes);
            if bytes == before {
                break;
            }
        }
        if bytes.is_empty() || bytes == b"." {
            return Ok(Self { raw, parent: b"", name: None });
        }
        // Doubled slashes and dots in between would make two texts of one path.
        if bytes.split(|byte| *byte == b'/').any(|part| part.is_empty() || part == b".") {
            return Err(LayerError::Entry { path: text(), reason: "its path has empty parts" });
        }
        if bytes.split(|byte| *byte == b'/').any(|part| part.len() > 255) {
            return Err(LayerError::Entry { path: text(), reason: "a name has 255 bytes at most" });
        }
        let at = bytes.iter().rposition(|byte| *byte == b'/');
        let (parent, name) = match at {
            Some(at) => (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default()),
            None => (&b""[..], bytes),
        };
        Ok(Self { raw, parent, name: Some(name) })
    }

    fn whole(&self) -> Vec<u8> {
        join(self.parent, self.name.unwrap_or_default())
    }

    fn text(&self) -> String {
        self.raw.to_string_lossy().into_owned()
    }

    fn told(&self) -> impl Fn(HostError) -> LayerError + use<> {
        let path = self.text();
        move |source| LayerError::Host { path: path.clone(), source }
    }
}

fn join(parent: &[u8], name: &[u8]) -> Vec<u8> {
    if parent.is_empty() { name.to_vec() } else { [parent, b"/", name].concat() }
}

/// Parts of a path that was a `CStr` hold no 0.
fn c_string(bytes: &[u8]) -> CString {
    CString::new(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests;
