//! What a guest boots from: a tree of files, put together from layers of an image, this binary, modules and a
//! configuration, and written as one archive.
//!
//! A layer wins over those before it, file by file, as overlayfs has it: a character device 0:0 hides what is below, and
//! a directory with the attribute `user.overlay.opaque` hides all that was in it. Layers come from strangers: nothing in
//! them is followed, every entry is told apart by what it is itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cpio::{self, Meta};
use crate::guest::{CONFIG, GuestConfig};
use crate::kernel::{Kernel, KernelError};
use crate::payload::{FOLDER, Payload};

/// The files of a guest, by their paths without a `/` in front.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    entries: BTreeMap<Vec<u8>, Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    meta: Meta,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Nothing,
    Bytes(Vec<u8>),
    File(PathBuf, u64),
}

impl Entry {
    /// Where a link leads.
    fn target(&self) -> Option<String> {
        match &self.content {
            Content::Bytes(target) if self.meta.mode & 0o170_000 == cpio::LINK => {
                Some(String::from_utf8_lossy(target).into_owned())
            }
            _ => None,
        }
    }
}

impl Tree {
    /// The folders without which no guest starts, and a console.
    #[must_use]
    pub fn new() -> Self {
        let mut tree = Self::default();
        for folder in ["dev", "etc", "proc", "root", "run", "sys", "tmp", "var"] {
            tree.folder(folder);
        }
        let console = Meta { mode: cpio::CHARACTERS | 0o600, uid: 0, gid: 0, device: (5, 1) };
        tree.put("dev/console", console, Content::Nothing);
        tree
    }

    /// Adds a layer: all that is in `root`.
    ///
    /// # Errors
    /// What cannot be read of it.
    pub fn layer(&mut self, root: &Path) -> io::Result<()> {
        self.walk(root, &mut Vec::new())
    }

    /// Adds a file with these bytes.
    pub fn bytes(&mut self, path: &str, permissions: u32, bytes: impl Into<Vec<u8>>) {
        let meta = plain(cpio::FILE | permissions);
        self.put(path, meta, Content::Bytes(bytes.into()));
    }

    /// Adds the first `length` bytes of a file of the machine.
    pub fn file(&mut self, path: &str, permissions: u32, source: &Path, length: u64) {
        let meta = plain(cpio::FILE | permissions);
        self.put(path, meta, Content::File(source.to_owned(), length));
    }

    /// Adds a file of the machine.
    ///
    /// # Errors
    /// It is not there.
    pub fn whole_file(&mut self, path: &str, permissions: u32, source: &Path) -> io::Result<()> {
        self.file(path, permissions, source, fs::metadata(source)?.len());
        Ok(())
    }

    /// Where a path leads in the tree once the links in its folders are followed, so that a file can be laid over the one a guest
    /// would find there. Links lead nowhere but inside; one that leads round in circles is not followed for ever.
    #[must_use]
    pub fn resolve(&self, path: &str) -> String {
        let mut done: Vec<String> = Vec::new();
        let mut rest: Vec<String> = parts(path);
        let mut links = 0;
        while let Some(part) = (!rest.is_empty()).then(|| rest.remove(0)) {
            if part == ".." {
                done.pop();
                continue;
            }
            done.push(part);
            let at = done.join("/");
            let target = self.entries.get(at.as_bytes()).and_then(Entry::target);
            if let Some(target) = target.filter(|_| !rest.is_empty() && links < MOST_LINKS) {
                links += 1;
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                rest.splice(0..0, parts(&target));
            }
        }
        done.join("/")
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.put(path, plain(cpio::LINK | 0o777), Content::Bytes(target.as_bytes().to_vec()));
    }

    /// Whether there is something at a path.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path.as_bytes())
    }

    /// Bytes of all files.
    #[must_use]
    pub fn size(&self) -> u64 {
        let size = |entry: &Entry| match &entry.content {
            Content::Nothing => 0,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::File(_, length) => *length,
        };
        self.entries.values().map(size).sum()
    }

    /// Adds netloom's own part: this binary, its configuration, and the modules it loads, whose paths are written into it.
    ///
    /// # Errors
    /// The kernel lacks a driver.
    pub fn own(
        &mut self,
        payload: &Payload,
        kernel: &Kernel,
        drivers: &[&str],
        mut config: GuestConfig,
    ) -> Result<(), KernelError> {
        for part in &payload.parts {
            self.file(&format!("{FOLDER}/{}", part.name), 0o755, &part.source, part.length);
        }
        config.modules.clear();
        for (number, module) in kernel.files(drivers)?.into_iter().enumerate() {
            let name = module.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let path = format!("{FOLDER}/modules/{number:02}-{name}");
            let read = |source| KernelError::Read { path: module.clone(), source };
            self.whole_file(&path, 0o644, &module).map_err(read)?;
            config.modules.push(format!("/{path}"));
        }
        let text = serde_json::to_vec(&config).unwrap_or_default();
        self.bytes(CONFIG.trim_start_matches('/'), 0o600, text);
        Ok(())
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// A file that cannot be read, named; the writer's.
    pub fn write(&self, to: impl Write) -> io::Result<()> {
        let mut writer = cpio::Writer::new(to);
        for (path, entry) in &self.entries {
            match &entry.content {
                Content::Nothing => writer.add(path, entry.meta, &[])?,
                Content::Bytes(bytes) => writer.add(path, entry.meta, bytes)?,
                Content::File(source, length) => {
                    let named = |error: io::Error| {
                        io::Error::new(error.kind(), format!("{}: {error}", source.display()))
                    };
                    let mut file = File::open(source).map_err(named)?;
                    writer.add_from(path, entry.meta, *length, &mut file)?;
                }
            }
        }
        writer.finish().map(drop)
    }

    fn folder(&mut self, path: &str) {
        self.put(path, plain(cpio::DIRECTORY | 0o755), Content::Nothing);
    }

    /// Puts an entry at a path, with the folders above it. A link in the way gives way: nothing is written through it.
    fn put(&mut self, path: &str, meta: Meta, content: Content) {
        let path = path.as_bytes();
        for (at, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let above = path.get(..at).unwrap_or_default();
            if self.entries.get(above).is_none_or(|entry| !is_folder(entry)) {
                let entry = Entry { meta: plain(cpio::DIRECTORY | 0o755), content: Content::Nothing };
                self.entries.insert(above.to_vec(), entry);
            }
        }
        self.insert(path.to_vec(), Entry { meta, content });
    }

    /// Puts an entry in place; a folder stays one, with what is in it, unless something else takes its place.
    fn insert(&mut self, path: Vec<u8>, entry: Entry) {
        if !is_folder(&entry) {
            self.hide_below(&path);
        }
        self.entries.insert(path, entry);
    }

    fn hide_below(&mut self, path: &[u8]) {
        let mut from = path.to_vec();
        from.push(b'/');
        let below: Vec<Vec<u8>> = self
            .entries
            .range(from.clone()..)
            .take_while(|(path, _)| path.starts_with(&from))
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.entries.remove(&path);
        }
    }

    fn walk(&mut self, folder: &Path, path: &mut Vec<u8>) -> io::Result<()> {
        let named =
            |at: &Path, error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", at.display()));
        let mut names: Vec<_> = fs::read_dir(folder)
            .map_err(|error| named(folder, error))?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?;
        names.sort();
        for name in names {
            let source = folder.join(&name);
            let length = path.len();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(name.as_bytes());
            self.one(&source, path).map_err(|error| named(&source, error))?;
            path.truncate(length);
        }
        Ok(())
    }

    fn one(&mut self, source: &Path, path: &mut Vec<u8>) -> io::Result<()> {
        let found = fs::symlink_metadata(source)?;
        let kind = found.file_type();
        let device = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
        let permissions = found.mode() & 0o7777;
        let meta =
            |kind| Meta { mode: kind | permissions, uid: found.uid(), gid: found.gid(), device: (0, 0) };
        if kind.is_dir() {
            if is_opaque(source) {
                self.hide_below(path);
            }
            let entry = Entry { meta: meta(cpio::DIRECTORY), content: Content::Nothing };
            self.insert(path.clone(), entry);
            return self.walk(source, path);
        }
        let entry = if kind.is_file() {
            Entry { meta: meta(cpio::FILE), content: Content::File(source.to_owned(), found.len()) }
        } else if kind.is_symlink() {
            let target = fs::read_link(source)?;
            Entry { meta: meta(cpio::LINK), content: Content::Bytes(target.as_os_str().as_bytes().to_vec()) }
        } else if kind.is_char_device() && device == (0, 0) {
            self.hide_below(path);
            self.entries.remove(path.as_slice());
            return Ok(());
        } else {
            // Devices, pipes and sockets: a guest makes its own.
            return Ok(());
        };
        self.insert(path.clone(), entry);
        Ok(())
    }
}

/// The names of a path, `.` and what is empty left out.
fn parts(path: &str) -> Vec<String> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").map(str::to_owned).collect()
}

/// Links that are followed on the way of one path. Source: `MAXSYMLINKS` of Linux is 40.
const MOST_LINKS: usize = 40;

fn is_folder(entry: &Entry) -> bool {
    entry.meta.mode & 0o170_000 == cpio::DIRECTORY
}

const fn plain(mode: u32) -> Meta {
    Meta { mode, uid: 0, gid: 0, device: (0, 0) }
}

fn is_opaque(folder: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::lgetxattr(folder, "user.overlay.opaque", &mut value[..]) == Ok(1) && value == *b"y"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tree: &Tree) -> Vec<String> {
        tree.entries.keys().map(|path| String::from_utf8(path.clone()).unwrap()).collect()
    }

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn a_later_layer_wins_file_by_file() {
        let dir = tempfile::tempdir().unwrap();
        let (low, high) = (dir.path().join("low"), dir.path().join("high"));
        write(&low, "etc/a", "1");
        write(&low, "etc/b", "2");
        write(&low, "usr/x/y", "3");
        write(&high, "etc/b", "4");
        // What was a folder is a file now.
        write(&high, "usr/x", "5");
        std::os::unix::fs::symlink("/etc/passwd", high.join("l")).unwrap();
        let mut tree = Tree::default();
        tree.layer(&low).unwrap();
        tree.layer(&high).unwrap();
        assert_eq!(paths(&tree), ["etc", "etc/a", "etc/b", "l", "usr", "usr/x"]);
        let mut out = Vec::new();
        tree.write(&mut out).unwrap();
        let text = String::from_utf8_lossy(&out);
        // A header of 110 bytes and these names end at a multiple of four: the bytes follow.
        assert!(text.contains("etc/a\x001\0") && text.contains("etc/b\x004\0"), "{text}");
        assert!(text.contains("/etc/passwd"), "the link itself, not what it leads to");
        assert_eq!(tree.size(), 3 + "/etc/passwd".len() as u64);
    }

    #[test]
    fn an_opaque_folder_hides_what_was_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let (low, high) = (dir.path().join("low"), dir.path().join("high"));
        write(&low, "etc/a", "1");
        write(&high, "etc/b", "2");
        let attribute = "user.overlay.opaque";
        let set = rustix::fs::setxattr(high.join("etc"), attribute, b"y", rustix::fs::XattrFlags::empty());
        if set.is_err() {
            eprintln!("skipped: this file system has no attributes");
            return;
        }
        let mut tree = Tree::default();
        tree.layer(&low).unwrap();
        tree.layer(&high).unwrap();
        assert_eq!(paths(&tree), ["etc", "etc/b"]);
    }

    #[test]
    fn nothing_is_written_through_a_link_of_an_image() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/", dir.path().join(".netloom")).unwrap();
        let mut tree = Tree::default();
        tree.layer(dir.path()).unwrap();
        tree.bytes(".netloom/config.json", 0o600, "{}");
        assert!(is_folder(&tree.entries[b".netloom".as_slice()]));
        assert_eq!(paths(&tree), [".netloom", ".netloom/config.json"]);
    }

    #[test]
    fn a_file_is_laid_where_the_guest_would_find_it() {
        let mut tree = Tree::default();
        tree.link("bin", "usr/bin");
        tree.link("var/run", "/run");
        tree.link("usr/local", "../opt/./local");
        tree.link("round", "round");
        let leads = |path: &str| tree.resolve(path);
        assert_eq!(leads("/bin/x"), "usr/bin/x");
        assert_eq!(leads("/var/run/a/b"), "run/a/b");
        assert_eq!(leads("usr/local/x"), "opt/local/x");
        assert_eq!(leads("../../etc/x"), "etc/x");
        assert_eq!(leads("/bin"), "bin", "the link itself is what is replaced");
        assert!(leads("round/x").ends_with('x'));
    }

    #[test]
    fn a_new_tree_has_what_a_guest_starts_with() {
        let tree = Tree::new();
        for path in ["dev/console", "proc", "sys", "tmp"] {
            assert!(tree.has(path), "{path}");
        }
    }
}
