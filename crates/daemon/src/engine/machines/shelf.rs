//! Where snapshots of virtual machines are kept.
//!
//! ```text
//! DATA/snapshots/LAB/NODE/NAME/about.json    what it is of, and when
//!                              ram           the guest's memory, with holes where it is zero
//!                              devices       what QEMU says of its devices
//!                              disk.qcow2    what it had written to its disk
//! ```
//! A folder is whole or not there: it is filled under another name first.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use netloom_sys::shared_memory::sealed_memory;
use rustix::fs::SeekFrom;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

/// What is told of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::engine) struct About {
    /// Seconds since 1970.
    pub(in crate::engine) taken: u64,
    /// Bytes of memory that the machine has.
    pub(in crate::engine) memory: u64,
    /// Processors that it has.
    pub(in crate::engine) processors: u32,
    /// What the machine was made of: only one that is made of the same can go on from here.
    pub(in crate::engine) made_of: String,
}

/// The snapshots of a node.
#[derive(Debug)]
pub(in crate::engine) struct Shelf {
    folder: PathBuf,
}

/// One that is being made: gone if it is dropped before it is finished.
#[derive(Debug)]
pub(super) struct Draft {
    folder: PathBuf,
    place: PathBuf,
}

/// One that is there.
#[derive(Debug)]
pub(super) struct Kept {
    folder: PathBuf,
    pub(super) about: About,
}

impl Shelf {
    /// Of a node; `below` is where the lab's snapshots are.
    pub(super) fn new(below: &Path, node: &str) -> Self {
        Self { folder: below.join(node.replace('/', ".")) }
    }

    /// Names, what is told of them, and bytes on the disk; the oldest first.
    pub(in crate::engine) fn list(&self) -> Vec<(String, About, u64)> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut all: Vec<(String, About, u64)> = entries
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok().filter(|name| !name.ends_with(TORN))?;
                let kept = self.open(&name).ok()?;
                Some((name, kept.about, on_disk(&entry.path())))
            })
            .collect();
        all.sort_by(|a, b| (a.1.taken, &a.0).cmp(&(b.1.taken, &b.0)));
        all
    }

    /// Begins one.
    pub(super) fn begin(&self, name: &str) -> Result<Draft, String> {
        let draft =
            Draft { folder: self.folder.join(format!("{name}{TORN}")), place: self.folder.join(name) };
        let _ = std::fs::remove_dir_all(&draft.folder);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&draft.folder)
            .map_err(|error| format!("{}: {error}", draft.folder.display()))?;
        Ok(draft)
    }

    /// One by its name.
    pub(super) fn open(&self, name: &str) -> Result<Kept, String> {
        let folder = self.folder.join(name);
        let file = folder.join(ABOUT);
        let text = std::fs::read(&file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => format!("there is no snapshot {name}"),
            _ => format!("{}: {error}", file.display()),
        })?;
        let about = serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(Kept { folder, about })
    }

    /// Removes one.
    pub(in crate::engine) fn remove(&self, name: &str) -> Result<(), String> {
        let kept = self.open(name)?;
        // Whatever happens then, it is none any more.
        let gone = std::fs::remove_file(kept.folder.join(ABOUT));
        gone.and_then(|()| std::fs::remove_dir_all(&kept.folder)).map_err(|error| error.to_string())
    }
}

impl Draft {
    /// Keeps the guest's memory.
    pub(super) fn ram(&self, ram: impl AsFd) -> Result<(), String> {
        let file = self.file(RAM)?;
        let failed = |errno: Errno| format!("{RAM}: {errno}");
        let length = rustix::fs::fstat(&ram).map_err(failed)?.st_size;
        copy(ram.as_fd(), file.as_fd(), u64::try_from(length).unwrap_or(0)).map_err(failed)?;
        rustix::fs::ftruncate(&file, u64::try_from(length).unwrap_or(0)).map_err(failed)
    }

    /// Keeps what QEMU said of its devices.
    pub(super) fn devices(&self, bytes: &[u8]) -> Result<(), String> {
        self.file(DEVICES)?.write_all_at(bytes, 0).map_err(|error| format!("{DEVICES}: {error}"))
    }

    /// Keeps what was written to the disk.
    pub(super) fn disk(&self, disk: &Path) -> Result<(), String> {
        std::fs::copy(disk, self.folder.join(DISK))
            .map(drop)
            .map_err(|error| format!("{}: {error}", disk.display()))
    }

    /// It is whole, and takes the place of one of the same name.
    pub(super) fn finish(self, about: &About) -> Result<(), String> {
        let text = serde_json::to_vec(about).map_err(|error| error.to_string())?;
        self.file(ABOUT)?.write_all_at(&text, 0).map_err(|error| format!("{ABOUT}: {error}"))?;
        let old = std::fs::remove_dir_all(&self.place);
        if let Err(error) = old
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(format!("{}: {error}", self.place.display()));
        }
        std::fs::rename(&self.folder, &self.place)
            .map_err(|error| format!("{}: {error}", self.place.display()))
    }

    fn file(&self, name: &str) -> Result<File, String> {
        let path = self.folder.join(name);
        let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        open.map_err(|error| format!("{}: {error}", path.display()))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Renamed, if it was finished.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Kept {
    /// Room for memory as the guest's was, to be shared, and how to fill it: that may go on beside other things.
    pub(super) fn ram(
        &self,
    ) -> Result<(OwnedFd, impl FnOnce() -> Result<(), String> + Send + 'static), String> {
        let file = self.file(RAM)?;
        let length = file.metadata().map_err(|error| format!("{RAM}: {error}"))?.len();
        if length != self.about.memory {
            return Err(format!("{RAM} is torn: {length} bytes of {}", self.about.memory));
        }
        let ram = sealed_memory("guest", length).map_err(|error| error.to_string())?;
        let to = ram.try_clone().map_err(|error| error.to_string())?;
        Ok((ram, move || fill(&file, &to, length).map_err(|errno| format!("{RAM}: {errno}"))))
    }

    /// What QEMU said of its devices.
    pub(super) fn devices(&self) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let read = self.file(DEVICES)?.take(MOST_DEVICES).read_to_end(&mut bytes);
        read.map_err(|error| format!("{DEVICES}: {error}"))?;
        Ok(bytes)
    }

    /// What had been written to its disk, beside `place`, ready to be put there; `None`: it has no disk.
    pub(super) fn disk(&self, place: &Path) -> Result<Option<PathBuf>, String> {
        let kept = self.folder.join(DISK);
        if !kept.exists() {
            return Ok(None);
        }
        let beside = place.with_extension("restored");
        std::fs::copy(&kept, &beside).map_err(|error| format!("{}: {error}", beside.display()))?;
        Ok(Some(beside))
    }

    fn file(&self, name: &str) -> Result<File, String> {
        let path = self.folder.join(name);
        File::open(&path).map_err(|error| format!("{}: {error}", path.display()))
    }
}

/// Copies all but holes, up to `length` bytes, to the same place of a file that is empty.
fn fill(from: &File, to: &OwnedFd, length: u64) -> Result<(), Errno> {
    let mut at = 0;
    while at < length {
        let mut data = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        at = rustix::fs::seek(from, SeekFrom::Hole(data))?.min(length);
        rustix::fs::seek(to, SeekFrom::Start(data))?;
        while data < at {
            let left = usize::try_from(at - data).unwrap_or(usize::MAX);
            if rustix::fs::sendfile(to, from, Some(&mut data), left)? == 0 {
                return Err(Errno::IO);
            }
        }
    }
    Ok(())
}

/// Copies what is not zero, up to `length` bytes, to the same place of a file that has holes there.
fn copy(
    from: std::os::fd::BorrowedFd<'_>,
    to: std::os::fd::BorrowedFd<'_>,
    length: u64,
) -> Result<(), Errno> {
    let mut buffer = vec![0; CHUNK];
    let mut at = 0;
    while at < length {
        // What has no page was never written.
        let data = match rustix::fs::seek(from, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno),
        };
        let end = rustix::fs::seek(from, SeekFrom::Hole(data))?.min(length);
        at = data;
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(CHUNK).min(CHUNK);
            let read = rustix::io::pread(from, buffer.get_mut(..wanted).unwrap_or_default(), at)?;
            if read == 0 {
                return Err(Errno::IO);
            }
            write(to, buffer.get(..read).unwrap_or_default(), at)?;
            at += read as u64;
        }
    }
    Ok(())
}

/// Writes the pages that are not zero, neighbours at once.
fn write(to: std::os::fd::BorrowedFd<'_>, bytes: &[u8], at: u64) -> Result<(), Errno> {
    let is_zero = |page: &[u8]| ZERO.get(..page.len()) == Some(page);
    for (start, run) in runs(bytes, is_zero) {
        let mut done = 0;
        while let Some(left) = run.get(done..).filter(|left| !left.is_empty()) {
            done += rustix::io::pwrite(to, left, at + (start + done) as u64)?;
        }
    }
    Ok(())
}

/// The stretches of whole pages that are not `empty`, with their places.
fn runs(bytes: &[u8], empty: impl Fn(&[u8]) -> bool) -> Vec<(usize, &[u8])> {
    let mut runs = Vec::new();
    let mut begin = None;
    for (page, part) in bytes.chunks(PAGE).enumerate() {
        match (empty(part), begin) {
            (false, None) => begin = Some(page * PAGE),
            (true, Some(start)) => {
                runs.extend(bytes.get(start..page * PAGE).map(|run| (start, run)));
                begin = None;
            }
            _ => {}
        }
    }
    if let Some(start) = begin {
        runs.extend(bytes.get(start..).map(|run| (start, run)));
    }
    runs
}

fn on_disk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).map(|known| known.blocks() * 512).sum()
}

const ABOUT: &str = "about.json";
const RAM: &str = "ram";
const DEVICES: &str = "devices";
const DISK: &str = "disk.qcow2";
/// The end of the name of one that is being made.
const TORN: &str = ".new";
const PAGE: usize = 4_096;
const ZERO: [u8; PAGE] = [0; PAGE];
const CHUNK: usize = 1 << 20;
/// The most bytes that QEMU may say of its devices: memory is not among them.
pub(super) const MOST_DEVICES: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_holes_stay_holes() {
        let place = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(place.path(), "red/db");
        let length = 8 << 20;
        let ram = sealed_memory("t", length).unwrap();
        for (at, byte) in [(0_u64, 1_u8), (4_095, 2), (5 << 20, 3), (length - 1, 4)] {
            rustix::io::pwrite(&ram, &[byte], at).unwrap();
        }
        // Written, and zero again: not kept either.
        rustix::io::pwrite(&ram, &[0; 1 << 20], 2 << 20).unwrap();
        let disk = place.path().join("d.qcow2");
        std::fs::write(&disk, "disk").unwrap();
        let about = About { taken: 7, memory: length, processors: 2, made_of: "it".to_owned() };
        let draft = shelf.begin("one").unwrap();
        draft.ram(&ram).unwrap();
        draft.devices(b"devices").unwrap();
        draft.disk(&disk).unwrap();
        assert!(shelf.list().is_empty(), "it is not whole");
        draft.finish(&about).unwrap();
        let [(name, known, bytes)] = shelf.list().try_into().unwrap();
        assert_eq!((name.as_str(), &known), ("one", &about));
        assert!(bytes < 256 << 10, "three pages and small files: {bytes}");
        let kept = shelf.open("one").unwrap();
        let (back, fill) = kept.ram().unwrap();
        fill().unwrap();
        let mut all = [vec![0; 8 << 20], vec![0; 8 << 20]];
        rustix::io::pread(&ram, &mut all[0], 0).unwrap();
        rustix::io::pread(&back, &mut all[1], 0).unwrap();
        assert!(all[0] == all[1]);
        assert_eq!(kept.devices().unwrap(), b"devices");
        std::fs::write(&disk, "other").unwrap();
        let beside = kept.disk(&disk).unwrap().unwrap();
        assert_eq!(std::fs::read(beside).unwrap(), b"disk");
    }

    #[test]
    fn one_takes_the_place_of_another_and_a_draft_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let shelf = Shelf::new(place.path(), "vm1");
        let about = |taken| About { taken, memory: 0, processors: 1, made_of: String::new() };
        shelf.begin("a").unwrap().finish(&about(1)).unwrap();
        shelf.begin("a").unwrap().finish(&about(2)).unwrap();
        shelf.begin("b").unwrap().finish(&about(1)).unwrap();
        drop(shelf.begin("c").unwrap());
        let names: Vec<String> = shelf.list().into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["b", "a"], "the oldest first");
        shelf.remove("a").unwrap();
        assert_eq!(shelf.open("a").unwrap_err(), "there is no snapshot a");
        assert_eq!(std::fs::read_dir(place.path().join("vm1")).unwrap().count(), 1);
    }
}
