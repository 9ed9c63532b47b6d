use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;
use crate::layer::tar::build::Builder;

#[test]
fn a_tree_arrives_as_it_was() {
    let place = tempfile::tempdir().unwrap();
    let (from, to) = (place.path().join("from"), place.path().join("to"));
    let deep = from.join("d".repeat(90)).join("e".repeat(90));
    fs::create_dir_all(&deep).unwrap();
    fs::create_dir(&to).unwrap();
    fs::write(deep.join("file"), [7; 1_500]).unwrap();
    fs::write(from.join("empty"), "").unwrap();
    symlink("x".repeat(150), from.join("link")).unwrap();
    fs::set_permissions(from.join("empty"), fs::Permissions::from_mode(0o4751)).unwrap();
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o555)).unwrap();
    let mut tar = Vec::new();
    let packed = pack(&from, Path::new("from"), &mut tar).unwrap();
    assert_eq!((packed.entries, packed.bytes, tar.len() % 512), (6, 1_500, 0));
    for (target, copy) in [(to.clone(), to.join("from")), (to.join("new"), to.join("new"))] {
        let unpacked = unpack(&tar[..], &Target::new(&target).unwrap()).unwrap();
        assert_eq!(unpacked, packed);
        let file = copy.join("d".repeat(90)).join("e".repeat(90)).join("file");
        assert_eq!(fs::read(&file).unwrap(), [7; 1_500]);
        let mode = |path: &Path| fs::symlink_metadata(path).unwrap().mode() & 0o7777;
        assert_eq!((mode(&copy.join("empty")), mode(file.parent().unwrap())), (0o751, 0o555));
        assert_eq!(fs::read_link(copy.join("link")).unwrap().as_os_str().len(), 150);
        let dates = |path: &Path| fs::symlink_metadata(path).unwrap().mtime();
        assert_eq!(dates(&file), dates(&deep.join("file")));
        fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        // Another time over it: files are replaced.
        if target == to {
            fs::write(&file, "other").unwrap();
            unpack(&tar[..], &Target::new(&target).unwrap()).unwrap();
            assert_eq!(fs::read(&file).unwrap(), [7; 1_500]);
            fs::set_permissions(file.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    fs::set_permissions(&deep, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_may_get_another_name_and_a_target_must_have_a_place() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), "text").unwrap();
    let mut tar = Vec::new();
    pack(&place.path().join("a"), Path::new("a"), &mut tar).unwrap();
    unpack(&tar[..], &Target::new(&place.path().join("b")).unwrap()).unwrap();
    assert_eq!(fs::read_to_string(place.path().join("b")).unwrap(), "text");
    for missing in ["none/b", "a/b"] {
        Target::new(&place.path().join(missing)).unwrap_err();
    }
    pack(&place.path().join("none"), Path::new("x"), &mut tar).unwrap_err();
}

#[test]
fn nothing_of_a_hostile_copy_leaves_the_target() {
    let place = tempfile::tempdir().unwrap();
    let (outside, target) = (place.path().join("outside"), place.path().join("target"));
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(&target).unwrap();
    let file = |path: &str| Builder::default().file(path, 0o644, b"x").finish();
    for path in ["../outside/x", "/etc/x", "a/../../x", "..", ".", "a//b"] {
        let refused = unpack(&file(path)[..], &Target::new(&target).unwrap());
        assert!(matches!(refused, Err(CopyError::Escape(_))), "{path}: {refused:?}");
    }
    for to in ["../outside", outside.to_str().unwrap()] {
        let tar = Builder::default().dir("a", 0o755).link("a/way", to).file("a/way/x", 0o644, b"x").finish();
        let _ = unpack(&tar[..], &Target::new(&target).unwrap());
        let tar = Builder::default().link("way", to).file("way", 0o4755, b"x").finish();
        unpack(&tar[..], &Target::new(&target).unwrap()).unwrap();
        assert_eq!(fs::symlink_metadata(target.join("way")).unwrap().mode() & 0o7777, 0o755);
    }
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    let tar = Builder::default().entry(b'3', "device", 0o644, "", b"").finish();
    assert_eq!(unpack(&tar[..], &Target::new(&target).unwrap()).unwrap().left_out, 1);
}

#[test]
fn every_truncation_is_an_error() {
    let whole = Builder::default().dir("a", 0o755).file("a/f", 0o644, b"text").finish();
    let place = tempfile::tempdir().unwrap();
    for length in (1..whole.len() - 1024).filter(|length| length % 512 != 0) {
        let target = Target::new(place.path()).unwrap();
        unpack(&whole[..length], &target).unwrap_err();
    }
}
