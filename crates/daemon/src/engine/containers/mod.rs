//! Containers: the images they are made of, and the directories that hold what they write.
//!
//! ```text
//!  up ──► prepare: images found or pulled, unpacked, pinned; a directory a container   (anything may fail; nothing has changed)
//!     ──► plan carried out
//!     ──► adopt: new containers take the place of old ones of their name               (nothing fails any more)
//!     ──► programs end and start; then the old directories go
//! ```
//!
//! A container keeps the image it was made with, whatever its name comes to mean meanwhile. Labs without containers never
//! open the store of images.
//!
//! What containers write lies in `<data>/containers/<lab>.<pid>/`, a directory that the journal has: not in the memory that
//! hosts have for their few files.

mod images;
mod spec;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::CString;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use netloom_api::{ApiError, ErrorKind};
use netloom_image::store::{Pin, remove_tree};
use netloom_lab::Lab;
use netloom_lab::container::{Container, VolumeSource};
use netloom_lab::lab::Node;
use netloom_sys::beneath::{Place, Root};
use netloom_sys::{Errno, HostError};

pub(super) use images::Ready;

use super::hints::refused;
use super::journal::Ledger;
use crate::{Sink, data_dir};

/// The containers of a lab.
#[derive(Debug)]
pub(super) struct Containers {
    lab: String,
    /// The file that containers see as /etc/resolv.conf if they have no name server.
    resolver: PathBuf,
    ledger: Arc<Ledger>,
    made: Mutex<Made>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Made {
    /// By the names of their nodes.
    containers: BTreeMap<String, One>,
    pin: Option<Pin>,
    /// The directory of what they write, once it is there.
    base: Option<PathBuf>,
}

/// A container that was made.
#[derive(Debug, Clone)]
pub(super) struct One {
    /// Its image.
    pub(super) image: Arc<Ready>,
    /// What it writes goes there.
    pub(super) written: PathBuf,
}

/// Containers that are prepared and have no part in the lab yet. Dropped, their directories go.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    containers: BTreeMap<String, One>,
    pin: Option<Pin>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
}

impl Drop for Fresh {
    fn drop(&mut self) {
        discard(std::mem::take(&mut self.containers).into_values());
    }
}

/// Containers whose place others have taken, or whose node is gone: to be dropped once their programs have ended.
#[derive(Debug, Default)]
pub(super) struct Former {
    /// Nodes that have another container now.
    pub(super) replaced: BTreeSet<String>,
    containers: Vec<One>,
}

impl Drop for Former {
    fn drop(&mut self) {
        discard(std::mem::take(&mut self.containers));
    }
}

impl Containers {
    /// None yet. `folder` is the lab's own.
    pub(super) fn new(lab: &str, folder: &Path, ledger: Arc<Ledger>) -> Self {
        let resolver = folder.join("resolv.conf");
        Self { lab: lab.to_owned(), resolver, ledger, made: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// The container of a node.
    pub(super) fn of(&self, node: &str) -> Option<One> {
        self.made().containers.get(node).cloned()
    }

    /// Has everything ready that `lab` needs and `before` did not have.
    ///
    /// # Errors
    /// An image is not to be had; a volume is not there; the disk is full. Nothing has changed then.
    pub(super) fn prepare(&self, lab: &Lab, before: &Lab, sink: &Sink) -> Result<Fresh, ApiError> {
        let mut fresh = Fresh::default();
        let all: Vec<(&Node, Cow<'_, Container>)> =
            lab.nodes.iter().filter_map(|node| Some((node, container_of(node)?))).collect();
        let wanted: Vec<(&Node, &Container)> = all
            .iter()
            .map(|(node, container)| (*node, &**container))
            .filter(|(node, container)| !self.stays(node, container, lab, before))
            .collect();
        if wanted.is_empty() {
            return Ok(fresh);
        }
        let base = self.base()?;
        for (node, container) in &wanted {
            self.check_volumes(lab, node, container)?;
        }
        let kept: Vec<Arc<Ready>> =
            self.made().containers.values().map(|one| Arc::clone(&one.image)).collect();
        let images = images::fetch(&self.lab, &wanted, lab.dir(), &kept, sink)?;
        fresh.pin = images.pin;
        fresh.notes = images.notes;
        for (node, container) in &wanted {
            let Some(image) = images.ready.get(&container.image) else { continue };
            image.check(node, container)?;
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let written = base.join(format!("{}.{number}", node.name.replace('/', ".")));
            std::fs::create_dir(&written).map_err(|error| not_made(&written, &error))?;
            fresh.containers.insert(node.name.clone(), One { image: Arc::clone(image), written });
        }
        Ok(fresh)
    }

    /// Whether a node keeps the container it has.
    fn stays(&self, node: &Node, container: &Container, lab: &Lab, before: &Lab) -> bool {
        let same = before.node(&node.name).and_then(container_of).as_deref() == Some(container);
        same && lab.dir() == before.dir() && self.made().containers.contains_key(&node.name)
    }

    /// Takes fresh containers into the lab.
    pub(super) fn adopt(&self, mut fresh: Fresh, lab: &Lab) -> Former {
        let mut former = Former::default();
        let mut made = self.made();
        let gone: Vec<String> = made
            .containers
            .keys()
            .filter(|name| lab.node(name).is_none_or(|node| container_of(node).is_none()))
            .cloned()
            .collect();
        for name in gone {
            former.containers.extend(made.containers.remove(&name));
        }
        for (name, one) in std::mem::take(&mut fresh.containers) {
            if let Some(old) = made.containers.insert(name.clone(), one) {
                former.replaced.insert(name);
                former.containers.push(old);
            }
        }
        if let Some(pin) = fresh.pin.take() {
            made.pin = Some(pin);
        }
        former
    }

    /// Writes the file that containers see as /etc/resolv.conf if they have no name server.
    ///
    /// # Errors
    /// The host's.
    pub(super) fn write_resolver(&self) -> std::io::Result<()> {
        if self.resolver.exists() {
            return Ok(());
        }
        self.ledger.write(
            &self.resolver,
            "# The names of the lab are in /etc/hosts; this node has no name server.\n",
        )
    }

    /// Removes what all containers wrote; what could not be removed.
    pub(super) fn remove_all(&self) -> Vec<String> {
        let mut made = self.made();
        made.containers.clear();
        made.pin = None;
        let _ = std::fs::remove_file(&self.resolver);
        let Some(base) = made.base.take() else { return Vec::new() };
        match remove_tree(&base) {
            Ok(_) => Vec::new(),
            Err(error) => vec![format!("what containers wrote: {error}")],
        }
    }

    /// The directory of this daemon's containers, made and noted.
    fn base(&self) -> Result<PathBuf, ApiError> {
        let data = images::data()?;
        let all = folder(&data);
        make_private(&all).map_err(|error| not_made(&all, &error))?;
        let base = all.join(format!("{}.{}", self.lab, std::process::id()));
        if !base.exists() {
            self.ledger.folder(&base).map_err(|error| not_made(&base, &error))?;
        }
        self.made().base = Some(base.clone());
        Ok(base)
    }

    /// Sources of volumes must be there; volumes of the lab's own are made.
    fn check_volumes(&self, lab: &Lab, node: &Node, container: &Container) -> Result<(), ApiError> {
        for volume in &container.volumes {
            match &volume.source {
                VolumeSource::Path(path) => {
                    if volume.make
                        && let Some(inside) = spec::beneath(lab.dir(), Path::new(path))
                    {
                        make_beneath(lab.dir(), &inside)
                            .map_err(|error| not_made(&lab.dir().join(&inside), &error))?;
                    }
                    let path = lab.dir().join(path);
                    std::fs::metadata(&path).map_err(|error| {
                        let said = format!("Cannot show {} the volume {}.", node.name, path.display());
                        ApiError::caused(ErrorKind::Failed, said, &error)
                            .hint(format!("line {} of the lab file names it; make it first", node.line))
                    })?;
                }
                VolumeSource::Named(name) => {
                    let dir = volumes(&self.lab).unwrap_or_default();
                    let all = dir.parent().unwrap_or(&dir);
                    let made = make_private(all).and_then(|()| make_private(&dir));
                    let dir = dir.join(name);
                    let made = made.and_then(|()| match std::fs::create_dir(&dir) {
                        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
                        other => other,
                    });
                    made.map_err(|error| not_made(&dir, &error))?;
                }
            }
        }
        Ok(())
    }

    fn made(&self) -> MutexGuard<'_, Made> {
        // Whole between any two statements.
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What makes a node a container; of a virtual machine with an image, its image as that of a container.
fn container_of(node: &Node) -> Option<Cow<'_, Container>> {
    let own = node.container.as_deref().map(Cow::Borrowed);
    own.or_else(|| super::machines::container(node.vm.as_deref()?).map(Cow::Owned))
}

/// Where all labs of this user have what their containers write.
pub(super) fn folder(data: &Path) -> PathBuf {
    data.join("containers")
}

/// Removes the volumes that containers of a lab kept their data in, and what virtual machines wrote to their disks.
///
/// # Errors
/// The host's, in words.
pub fn remove_volumes(lab: &str) -> Result<(), String> {
    for dir in volumes(lab).into_iter().chain(disks(lab)).chain(snapshots(lab)).filter(|dir| dir.exists()) {
        remove_tree(&dir).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Where a lab has what its virtual machines wrote to their disks.
pub(super) fn disks(lab: &str) -> Option<PathBuf> {
    data_dir().map(|data| data.join("disks").join(lab))
}

/// Where a lab has what its virtual machines were.
pub(super) fn snapshots(lab: &str) -> Option<PathBuf> {
    data_dir().map(|data| data.join("snapshots").join(lab))
}

/// Where a lab has its volumes.
fn volumes(lab: &str) -> Option<PathBuf> {
    data_dir().map(|data| data.join("volumes").join(lab))
}

/// A directory that nobody else may enter: programs with setuid bits may lie in it.
fn make_private(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Makes the directory `inside` of `dir`, as far as nothing is there. Hosts write there, too: no link of theirs is followed
/// out of it. It belongs to the user from then on, and so is not taken away.
fn make_beneath(dir: &Path, inside: &Path) -> Result<(), HostError> {
    let name = |path: &Path| {
        CString::new(path.as_os_str().as_encoded_bytes())
            .map_err(|_| HostError::new("make the directory", path.display().to_string(), Errno::INVAL))
    };
    let root = Root::open(dir)?;
    let mut made = PathBuf::new();
    for part in inside {
        let parent = root.dir(&name(&made)?)?;
        let last = name(Path::new(part))?;
        let place = Place::new(parent.as_fd(), &last)?;
        if place.kind()?.is_none() {
            place.make_dir()?;
            place.permit(0o755)?;
        }
        made.push(part);
    }
    Ok(())
}

fn not_made(dir: &Path, error: &(impl std::error::Error + 'static)) -> ApiError {
    refused(ErrorKind::Failed, format!("Cannot make the directory {}.", dir.display()), error)
}

fn discard(containers: impl IntoIterator<Item = One>) {
    for one in containers {
        if let Err(error) = remove_tree(&one.written) {
            tracing::warn!(%error, "what a container wrote stays until the lab ends");
        }
    }
}
