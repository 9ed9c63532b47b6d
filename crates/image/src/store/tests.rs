use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::document::{Descriptor, Manifest};
use crate::layer::Bounds;
use crate::layer::tar::build::Builder;

struct Bench {
    _scratch: tempfile::TempDir,
    store: Store,
}

fn bench() -> Bench {
    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(scratch.path()).unwrap();
    Bench { _scratch: scratch, store }
}

/// Adds an image of these layers under a name.
fn add(store: &Store, name: &str, layers: &[Vec<u8>]) -> Digest {
    let descriptors: Vec<_> = layers.iter().map(|layer| Descriptor::of("", layer)).collect();
    for (descriptor, layer) in descriptors.iter().zip(layers) {
        store.add_blob(descriptor, &layer[..]).unwrap();
    }
    let ids: Vec<_> = descriptors.iter().map(|layer| format!("\"{}\"", layer.digest)).collect();
    let config = format!(r#"{{"config":{{}},"rootfs":{{"diff_ids":[{}]}}}}"#, ids.join(","));
    store.add_document(config.as_bytes()).unwrap();
    let manifest = Manifest::made_of(Descriptor::of("", config.as_bytes()), descriptors);
    let digest = store.add_document(&serde_json::to_vec(&manifest).unwrap()).unwrap();
    store.name(name, digest, 1).unwrap();
    digest
}

fn layer(file: &str) -> Vec<u8> {
    Builder::default().dir("d/", 0o500).file("d/f", 0o400, b"x").file(file, 0o644, file.as_bytes()).finish()
}

fn count(store: &Store, dir: &str) -> usize {
    fs::read_dir(store.root().join(dir)).unwrap().count()
}

#[test]
fn blobs_are_what_their_name_says_or_not_there() {
    let bench = bench();
    let wanted = Descriptor::of("", b"abc");
    let said = |bytes: &[u8]| bench.store.add_blob(&wanted, bytes).unwrap_err().to_string();
    assert!(said(b"abd").contains("has the digest"));
    assert!(said(b"ab").contains("2 bytes, not 3"));
    assert!(said(b"abcd").contains("4 bytes, not 3"));
    assert!(!bench.store.has_blob(&wanted.digest));
    bench.store.add_blob(&wanted, &b"abc"[..]).unwrap();
    assert_eq!(bench.store.document(&wanted.digest).unwrap(), b"abc");
    let rotten = bench.store.place("blobs", &wanted.digest);
    fs::write(rotten, "abX").unwrap();
    assert!(matches!(bench.store.document(&wanted.digest), Err(StoreError::Mismatch { .. })));
}

#[test]
fn a_blob_that_was_begun_is_gone_on_with() {
    let bench = bench();
    let wanted = Descriptor::of("", b"abcdef");
    let mut partial = bench.store.partial(&wanted).unwrap();
    partial.add(b"abc").unwrap();
    drop(partial);
    let mut partial = bench.store.partial(&wanted).unwrap();
    assert_eq!(partial.have(), 3);
    partial.add(b"def").unwrap();
    partial.finish().unwrap();
    assert!(bench.store.has_blob(&wanted.digest));
    assert_eq!(count(&bench.store, "partial"), 0);
    assert_eq!(bench.store.add_unknown(&b"abcdef"[..]).unwrap().digest, wanted.digest);
}

#[test]
fn images_are_found_by_name_and_by_digest() {
    let bench = bench();
    let digest = add(&bench.store, "docker.io/library/app:1", &[layer("one")]);
    add(&bench.store, "docker.io/library/other:latest", &[]);
    let find = |text: &str| bench.store.find(text).map(|named| named.name);
    for text in ["app:1", "docker.io/library/app:1", &digest.to_string(), &digest.short(), &digest.hex()[..4]]
    {
        assert_eq!(find(text).unwrap(), "docker.io/library/app:1", "{text}");
    }
    assert!(
        matches!(find("app"), Err(StoreError::Unknown { near, .. }) if near == ["docker.io/library/app:1"])
    );
    assert!(find(&digest.hex()[..3]).is_err());
}

#[test]
fn layers_are_unpacked_once_and_only_if_they_are_right() {
    let bench = bench();
    let digest = add(&bench.store, "a:1", &[layer("one"), layer("two")]);
    let image = bench.store.image(digest).unwrap();
    let layers = bench.store.unpack(&image, Bounds::default(), |_| ()).unwrap();
    assert_eq!(fs::read(layers[1].dir.join("two")).unwrap(), b"two");
    let inode = |layers: &[Layer]| fs::metadata(&layers[0].dir).unwrap().ino();
    let again = bench.store.unpack(&image, Bounds::default(), |_| ()).unwrap();
    assert_eq!(inode(&layers), inode(&again));
    assert_eq!(count(&bench.store, "tmp"), 0);
    // The blob rots before it is unpacked: neither the layer nor a trace of it appears.
    let digest = add(&bench.store, "b:1", &[layer("three")]);
    let image = bench.store.image(digest).unwrap();
    let path = bench.store.place("blobs", &image.manifest.layers[0].digest);
    let rotten = layer("thrEe");
    fs::write(path, rotten).unwrap();
    let error = bench.store.unpack(&image, Bounds::default(), |_| ()).unwrap_err();
    assert!(matches!(error, StoreError::Mismatch { .. }), "{error}");
    assert_eq!((count(&bench.store, "layers"), count(&bench.store, "tmp")), (2, 0));
}

#[test]
fn a_bomb_leaves_the_store_as_it_was() {
    let bench = bench();
    let digest = add(&bench.store, "a:1", &[layer("one")]);
    let image = bench.store.image(digest).unwrap();
    let few = Bounds { entries: 2, ..Bounds::default() };
    let error = bench.store.unpack(&image, few, |_| ()).unwrap_err();
    assert!(error.to_string().ends_with("cannot be unpacked: it has more than 2 entries"), "{error}");
    assert_eq!((count(&bench.store, "layers"), count(&bench.store, "tmp")), (0, 0));
    bench.store.unpack(&image, Bounds::default(), |_| ()).unwrap();
}

#[test]
fn what_nobody_needs_goes_and_the_rest_stays() {
    let bench = bench();
    let store = &bench.store;
    let shared = layer("shared");
    let keep = add(store, "keep:1", std::slice::from_ref(&shared));
    let drop_it = add(store, "drop:1", &[shared, layer("only")]);
    for digest in [keep, drop_it] {
        store.unpack(&store.image(digest).unwrap(), Bounds::default(), |_| ()).unwrap();
    }
    drop(store.partial(&Descriptor::of("", b"unfinished")).unwrap());
    assert_eq!(store.gc().unwrap(), Freed { leftovers: 1, ..Freed::default() });
    assert_eq!(store.remove("drop:1").unwrap().manifest, drop_it);
    let freed = store.gc().unwrap();
    assert_eq!((freed.blobs, freed.layers), (3, 1), "manifest, configuration and its own layer");
    assert!(store.unpack(&store.image(keep).unwrap(), Bounds::default(), |_| ()).is_ok());
    assert_eq!(store.gc().unwrap(), Freed::default());
}

#[test]
fn a_pin_keeps_an_image_as_long_as_its_owner_lives() {
    let bench = bench();
    let store = &bench.store;
    let digest = add(store, "a:1", &[layer("one")]);
    let pin = store.pin("shop", &[digest]).unwrap();
    assert!(matches!(store.remove("a:1"), Err(StoreError::InUse { by, .. }) if by == ["shop"]));
    // Given to another image meanwhile, as a pull does: what runs is kept all the same.
    add(store, "a:1", &[]);
    store.gc().unwrap();
    assert!(store.image(digest).is_ok());
    drop(pin);
    assert!(store.gc().unwrap().blobs >= 3);
    assert!(store.image(digest).is_err());
    // A dead owner's file remains, without its lock.
    fs::write(store.root().join("pins/dead"), r#"{"owner":"x","manifests":[]}"#).unwrap();
    store.gc().unwrap();
    assert_eq!(count(store, "pins"), 0);
}

#[test]
fn nothing_is_removed_while_something_is_added() {
    let bench = bench();
    let using = bench.store.using().unwrap();
    assert!(matches!(bench.store.gc(), Err(StoreError::Busy)));
    drop(using);
    bench.store.gc().unwrap();
}

#[test]
fn a_store_that_others_may_read_is_refused() {
    let bench = bench();
    let root = bench.store.root();
    assert_eq!(fs::metadata(root).unwrap().mode() & 0o777, 0o700);
    fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(Store::open(root.parent().unwrap()), Err(StoreError::Foreign(_))));
}
