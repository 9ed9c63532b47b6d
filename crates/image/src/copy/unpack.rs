//! From a tar file of strangers to files below a directory.

use std::ffi::{CStr, CString};
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use netloom_sys::HostError;
use netloom_sys::beneath::{self, Kind as There, Place, Root};

use super::{Copied, CopyError};
use crate::layer::tar::{Archive, Entry, Kind};

/// Where a copy goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The directory it goes into.
    dir: PathBuf,
    /// What it is called there, if not as it comes.
    name: Option<CString>,
}

impl Target {
    /// What `cp` means by `path`: a directory to copy into, or else the name of the copy.
    ///
    /// # Errors
    /// [`CopyError::Io`] if there is neither it nor its parent.
    pub fn new(path: &Path) -> Result<Self, CopyError> {
        let because = |source| CopyError::Io { action: "copy to", path: path.to_owned(), source };
        match std::fs::metadata(path) {
            Ok(meta) if meta.is_dir() => return Ok(Self { dir: path.to_owned(), name: None }),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(because(error)),
            _ => {}
        }
        let name = path.file_name().ok_or_else(|| because(io::ErrorKind::InvalidInput.into()))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !std::fs::metadata(parent).map_err(because)?.is_dir() {
            return Err(because(io::ErrorKind::NotADirectory.into()));
        }
        let name = CString::new(name.as_bytes()).map_err(|_| because(io::ErrorKind::InvalidInput.into()))?;
        Ok(Self { dir: parent.to_owned(), name: Some(name) })
    }
}

/// Makes what the tar file `input` has at `target`. Files that are there are replaced, directories joined. What came with
/// setuid or setgid bits has none.
///
/// # Errors
/// [`CopyError`]; what was made until then stays.
pub fn unpack(input: impl Read, target: &Target) -> Result<Copied, CopyError> {
    let root = Root::open(&target.dir)?;
    let mut archive = Archive::new(input);
    let mut copied = Copied::default();
    let mut dirs: Vec<(CString, Entry)> = Vec::new();
    while let Some(entry) = archive.advance()? {
        let path = path(&entry, target)?;
        if copied.entries + copied.left_out >= MOST {
            return Err(CopyError::Many(MOST));
        }
        let (parent, name) = split(&path);
        let dir = root.dir(&parent)?;
        let place = Place::new(dir.as_fd(), &name)?;
        match &entry.kind {
            Kind::Dir => {
                if place.kind()? != Some(There::Dir) {
                    place.make_dir()?;
                }
                dirs.push((path, entry));
            }
            Kind::File(size) => {
                copied.bytes += size;
                clear(&place)?;
                let mut file = place.make_file()?;
                let written = io::copy(&mut archive.data(), &mut file);
                written.map_err(|source| CopyError::Io { action: "write", path: shown(&path), source })?;
                beneath::permit(&file, entry.mode & 0o777)?;
                beneath::date(&file, entry.time.0, entry.time.1)?;
            }
            Kind::Link(to) => {
                clear(&place)?;
                place.make_link(to)?;
            }
            _ => {
                copied.left_out += 1;
                continue;
            }
        }
        copied.entries += 1;
    }
    // At the end, or a directory that may not be written could not be filled.
    for (path, entry) in dirs.iter().rev() {
        let (parent, name) = split(path);
        let dir = root.dir(&parent)?;
        let place = Place::new(dir.as_fd(), &name)?;
        place.permit(entry.mode & 0o777)?;
        place.date(entry.time.0, entry.time.1)?;
    }
    Ok(copied)
}

/// Takes away what is to be replaced.
fn clear(place: &Place<'_>) -> Result<(), HostError> {
    match place.kind()? {
        Some(There::Link | There::Other) => place.remove(),
        // A directory stays: making something in its place fails, and says so.
        Some(There::Dir) | None => Ok(()),
    }
}

/// The path below the target: without a way up, and with the name that is wanted.
fn path(entry: &Entry, target: &Target) -> Result<CString, CopyError> {
    let bytes = entry.path.to_bytes();
    let escape = || CopyError::Escape(entry.path.to_string_lossy().into_owned());
    let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'/').collect();
    if parts.last().is_some_and(|last| last.is_empty()) {
        parts.pop();
    }
    let bad = |part: &&[u8]| part.is_empty() || *part == b"." || *part == b"..";
    if parts.is_empty() || parts.iter().any(bad) {
        return Err(escape());
    }
    if let (Some(first), Some(name)) = (parts.first_mut(), &target.name) {
        *first = name.to_bytes();
    }
    CString::new(parts.join(&b'/')).map_err(|_| escape())
}

fn split(path: &CStr) -> (CString, CString) {
    let bytes = path.to_bytes();
    let at = bytes.iter().rposition(|byte| *byte == b'/');
    let part = |bytes: Option<&[u8]>| CString::new(bytes.unwrap_or_default()).unwrap_or_default();
    match at {
        Some(at) => (part(bytes.get(..at)), part(bytes.get(at + 1..))),
        None => (CString::default(), path.to_owned()),
    }
}

fn shown(path: &CStr) -> PathBuf {
    PathBuf::from(path.to_string_lossy().into_owned())
}

/// Entries of one copy: their directories are kept in memory until its end.
const MOST: u64 = 4_000_000;
