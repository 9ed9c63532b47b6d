use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::PathBuf;

use super::*;
use crate::layer::tar::build::Builder;

struct Applied {
    scratch: tempfile::TempDir,
    result: Result<(Report, Digest), LayerError>,
}

impl Applied {
    fn of(tar: &[u8]) -> Self {
        Self::within(tar, Bounds::default())
    }

    fn within(tar: &[u8], bounds: Bounds) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        fs::create_dir(scratch.path().join("root")).unwrap();
        fs::create_dir(scratch.path().join("outside")).unwrap();
        let root = Root::open(&scratch.path().join("root")).unwrap();
        let result = apply(tar, &root, bounds);
        assert_eq!(fs::read_dir(scratch.path().join("outside")).unwrap().count(), 0, "nothing got out");
        Self { scratch, result }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.scratch.path().join("root").join(path)
    }

    fn report(&self) -> &Report {
        &self.result.as_ref().unwrap().0
    }

    fn error(&self) -> String {
        self.result.as_ref().unwrap_err().to_string()
    }
}

#[test]
fn files_directories_and_links_are_made_as_they_were() {
    let tar = Builder::default()
        .dir("./", 0o755)
        .dir("./closed/", 0o500)
        .file("./closed/file", 0o640, b"text")
        .link("link", "/closed/file")
        .hard_link("other", "closed/file")
        .entry(b'6', "pipe", 0o600, "", b"")
        .file("deep/er/file", 0o644, b"")
        .finish();
    let applied = Applied::of(&tar);
    assert_eq!(applied.result.as_ref().unwrap().1, Digest::of(&tar));
    assert_eq!((applied.report().entries, applied.report().bytes), (7, 4));
    let file = fs::metadata(applied.path("closed/file")).unwrap();
    assert_eq!((file.mode() & 0o7777, file.mtime(), file.nlink()), (0o640, 1000, 2));
    let closed = fs::metadata(applied.path("closed")).unwrap();
    assert_eq!((closed.mode() & 0o7777, closed.mtime()), (0o500, 1000));
    assert_eq!(fs::read_link(applied.path("link")).unwrap(), PathBuf::from("/closed/file"));
    assert_eq!(fs::metadata(applied.path("other")).unwrap().ino(), file.ino());
    assert!(fs::symlink_metadata(applied.path("pipe")).unwrap().file_type().is_fifo());
    assert_eq!(fs::metadata(applied.path("deep/er")).unwrap().mode() & 0o7777, 0o755);
}

#[test]
fn paths_that_leave_the_root_are_refused() {
    for path in ["../outside/x", "a/../../outside/x", "/../outside/x", ".."] {
        let applied = Applied::of(&Builder::default().file(path, 0o644, b"x").finish());
        assert!(applied.error().contains("leaves the root"), "{path}: {}", applied.error());
    }
    let link = Builder::default().link("evil", "../outside").file("evil/x", 0o644, b"x").finish();
    assert!(Applied::of(&link).error().contains("leaves the root"));
    let deep =
        Builder::default().dir("a/", 0o755).link("a/evil", "../../outside").file("a/evil/x", 0o644, b"x");
    assert!(Applied::of(&deep.finish()).error().contains("leaves the root"));
    let hard = Builder::default().hard_link("x", "../outside/y").finish();
    assert!(Applied::of(&hard).error().contains("leaves the root"));
    let through = Builder::default().link("evil", "../outside").hard_link("x", "evil/y").finish();
    assert!(Applied::of(&through).error().contains("leaves the root"));
}

#[test]
fn absolute_links_begin_at_the_root() {
    let tar = Builder::default().dir("run/", 0o755).link("var", "/run").file("var/x", 0o644, b"in").finish();
    let applied = Applied::of(&tar);
    assert_eq!(fs::read(applied.path("run/x")).unwrap(), b"in", "{:?}", applied.result);
    // The machine's own directories are not meant.
    let tar = Builder::default().link("var", "/etc").file("var/netloom-test", 0o644, b"x").finish();
    let _ = Applied::of(&tar);
    assert!(!PathBuf::from("/etc/netloom-test").exists());
}

#[test]
fn a_link_is_replaced_not_followed() {
    let scratch = tempfile::tempdir().unwrap();
    let victim = scratch.path().join("victim");
    fs::write(&victim, "mine").unwrap();
    let tar = Builder::default()
        .link("a", victim.to_str().unwrap())
        .file("a", 0o666, b"theirs")
        .dir("d/", 0o755)
        .file("d/x", 0o644, b"")
        .file("d", 0o644, b"file")
        .finish();
    let applied = Applied::of(&tar);
    assert_eq!(fs::read(applied.path("a")).unwrap(), b"theirs", "{:?}", applied.result);
    assert_eq!(fs::read(applied.path("d")).unwrap(), b"file");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
}

#[test]
fn whiteouts_become_those_of_overlayfs() {
    let tar = Builder::default()
        .file("etc/.wh.gone", 0o644, b"")
        .file("etc/.wh..wh..opq", 0o644, b"")
        .file("etc/.wh.stays", 0o644, b"")
        .file("etc/stays", 0o644, b"new")
        .file(".wh.again", 0o644, b"")
        .dir("again/", 0o755)
        .file(".wh..wh.plnk", 0o644, b"")
        .finish();
    let applied = Applied::of(&tar);
    let gone = fs::symlink_metadata(applied.path("etc/gone")).unwrap();
    assert!(gone.file_type().is_char_device() && gone.rdev() == 0);
    assert_eq!(fs::read(applied.path("etc/stays")).unwrap(), b"new");
    let opaque = |path: &str| {
        let mut value = [0; 8];
        rustix::fs::getxattr(applied.path(path), "user.overlay.opaque", &mut value[..])
            .map(|n| value[..n].to_vec())
    };
    assert_eq!(opaque("etc"), Ok(b"y".to_vec()));
    assert_eq!(opaque("again"), Ok(b"y".to_vec()));
    let mut names: Vec<_> = fs::read_dir(applied.path("")).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["again", "etc"]);
    for bad in [".wh.", ".wh...", ".wh.."] {
        let result = Applied::of(&Builder::default().file(bad, 0o644, b"").finish());
        assert!(result.error().contains("deletes what has no name"), "{bad}: {:?}", result.result);
    }
}

#[test]
fn orders_to_overlayfs_are_left_out() {
    let tar = Builder::default()
        .pax(&[("SCHILY.xattr.user.overlay.redirect", b"/etc"), ("SCHILY.xattr.user.kept", b"1")])
        .dir("d/", 0o755)
        .entry(b'3', "zero", 0o600, "", b"")
        .finish();
    let applied = Applied::of(&tar);
    let mut names = [0; 256];
    let n = rustix::fs::listxattr(applied.path("d"), &mut names[..]).unwrap();
    let names = String::from_utf8_lossy(&names[..n]).into_owned();
    assert!(names.contains("user.kept") && !names.contains("overlay"), "{names}");
    assert!(!applied.path("zero").exists());
    assert_eq!(applied.report().devices_lost, 1);
}

#[test]
fn capabilities_and_owners_are_kept_by_root_and_counted_otherwise() {
    // struct vfs_cap_data, revision 2: cap_net_raw permitted and effective.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let tar = Builder::default()
        .pax(&[("SCHILY.xattr.security.capability", &capability), ("uid", b"1234"), ("gid", b"42")])
        .file("ping", 0o4755, b"x")
        .finish();
    let applied = Applied::of(&tar);
    let meta = fs::metadata(applied.path("ping")).unwrap();
    if Owners::of_this_process() == Owners::Root {
        let mut value = [0; 32];
        let n = rustix::fs::getxattr(applied.path("ping"), "security.capability", &mut value[..]).unwrap();
        assert_eq!(value[..n], capability);
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (1234, 42, 0o4755));
        assert_eq!(applied.report().owners_lost, 0);
    } else {
        assert_eq!(meta.mode() & 0o7777, 0o755, "a stranger's setuid program does not become ours");
        assert_eq!(applied.report().first_owners_lost, ["ping (1234:42)"]);
        assert_eq!(applied.report().attributes_lost, 1);
    }
}

#[test]
fn bombs_go_off_at_the_bounds() {
    let mut zeros = Vec::new();
    let tar = Builder::default().file("zeros", 0o644, &vec![0; 4 << 20]).finish();
    flate2::read::GzEncoder::new(&tar[..], flate2::Compression::best()).read_to_end(&mut zeros).unwrap();
    let tight = Bounds { free_bytes: 1 << 20, ..Bounds::default() };
    assert_eq!(
        Applied::within(&zeros, tight).error(),
        "it has more than 250 times the bytes it had compressed"
    );
    assert!(Applied::of(&zeros).result.is_ok());
    let few = Bounds { bytes: 1 << 20, ..Bounds::default() };
    assert_eq!(Applied::within(&tar, few).error(), "it has more than 1048576 bytes");
    let many = (0..20).fold(Builder::default(), |tar, n| tar.file(&n.to_string(), 0o644, b""));
    let few = Bounds { entries: 10, ..Bounds::default() };
    assert_eq!(Applied::within(&many.finish(), few).error(), "it has more than 10 entries");
}

#[test]
fn what_cannot_be_is_refused() {
    for (tar, wanted) in [
        (Builder::default().hard_link("a", "missing"), "a file that is not there"),
        (Builder::default().dir("d", 0o755).hard_link("a", "d"), "one name only"),
        (
            Builder::default().file("/", 0o644, b"").entry(b'2', ".", 0o777, "x", b""),
            "the root is a directory",
        ),
        (Builder::default().file("a//b", 0o644, b""), "empty parts"),
        (Builder::default().file("f", 0o644, b"").file("f/x", 0o644, b""), "Not a directory"),
        (Builder::default().link("loop", "loop").file("loop/x", 0o644, b""), "symbolic links"),
    ] {
        let applied = Applied::of(&tar.finish());
        assert!(applied.error().contains(wanted), "{wanted}: {}", applied.error());
    }
    let long = "n".repeat(256);
    let tar = Builder::default().pax(&[("path", long.as_bytes())]).file("x", 0o644, b"").finish();
    assert!(Applied::of(&tar).error().contains("255 bytes"));
}

#[test]
fn a_root_that_is_not_empty_is_no_way_out_either() {
    // A layer that shares its directory with links of an earlier attempt.
    let scratch = tempfile::tempdir().unwrap();
    fs::create_dir(scratch.path().join("root")).unwrap();
    symlink("../..", scratch.path().join("root/up")).unwrap();
    let root = Root::open(&scratch.path().join("root")).unwrap();
    let tar = Builder::default().file("up/x", 0o644, b"").finish();
    assert!(apply(&tar[..], &root, Bounds::default()).is_err());
}
