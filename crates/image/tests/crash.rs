//! A writer that is killed a hundred times, at whatever moment, leaves a store in which everything that is there is whole.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use netloom_image::document::{Descriptor, Manifest};
use netloom_image::layer::Bounds;
use netloom_image::layer::tar::build::Builder;
use netloom_image::{Digest, Store};

const KILLS: u64 = 100;
/// Names the store to the process that writes.
const PLACE: &str = "NETLOOM_CRASH_TEST";
const FILES: usize = 30;

/// The writer, once it is told where: adds, unpacks and removes images until it is killed.
#[test]
fn writer() {
    let Some(place) = std::env::var_os(PLACE) else { return };
    let store = Store::open(Path::new(&place)).unwrap();
    println!("ready");
    for round in 0.. {
        let number = round % 3;
        {
            let _using = store.using().unwrap();
            let digest = add(&store, number);
            store.name(&format!("localhost/app:{number}"), digest, round).unwrap();
        }
        let named = store.find(&format!("localhost/app:{number}")).unwrap();
        store.unpack(&store.image(named.manifest).unwrap(), Bounds::default(), |_| ()).unwrap();
        let _ = store.remove(&format!("localhost/app:{}", (number + 1) % 3));
        store.gc().unwrap();
    }
}

fn layers(number: u64) -> Vec<Vec<u8>> {
    let layer = |salt: u64| {
        let files = (0..FILES).fold(Builder::default(), |tar, file| {
            tar.file(&format!("f{file}"), 0o644, &[u8::try_from(salt).unwrap(); 3_000])
        });
        files.finish()
    };
    // The first is common to all.
    vec![layer(100), layer(number)]
}

fn add(store: &Store, number: u64) -> Digest {
    let layers = layers(number);
    let descriptors: Vec<_> = layers.iter().map(|layer| Descriptor::of("", layer)).collect();
    for (descriptor, layer) in descriptors.iter().zip(&layers) {
        store.add_blob(descriptor, &layer[..]).unwrap();
    }
    let ids: Vec<_> = descriptors.iter().map(|layer| format!("\"{}\"", layer.digest)).collect();
    let config = format!(r#"{{"rootfs":{{"diff_ids":[{}]}}}}"#, ids.join(","));
    store.add_document(config.as_bytes()).unwrap();
    let manifest = Manifest::made_of(Descriptor::of("", config.as_bytes()), descriptors);
    store.add_document(&serde_json::to_vec(&manifest).unwrap()).unwrap()
}

#[test]
fn whatever_moment_it_is_killed_at_what_is_there_is_whole() {
    let scratch = tempfile::tempdir().unwrap();
    let mut named = 0;
    for kill in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "writer", "--nocapture", "--test-threads=1"])
            .env(PLACE, scratch.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It is at work; from there on another moment each time, none of them further away than three rounds.
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready") {
            line.clear();
            assert!(
                std::io::BufRead::read_line(&mut out, &mut line).unwrap() > 0,
                "the writer failed to start"
            );
        }
        pause(Duration::from_micros(kill * 7_919 % 30_000));
        child.kill().unwrap();
        let ended = child.wait().unwrap();
        assert!(ended.code().is_none(), "the writer failed by itself: {ended}");
        named += check(&Store::open(scratch.path()).unwrap());
    }
    assert!(
        named > KILLS / 2,
        "{named} images were there in {KILLS} stores: the writer hardly came to write"
    );
    let store = Store::open(scratch.path()).unwrap();
    store.gc().unwrap();
    for dir in ["tmp", "partial"] {
        assert_eq!(fs::read_dir(store.root().join(dir)).unwrap().count(), 0, "{dir}");
    }
    check(&store);
}

/// Checks everything that has its final name; returns how many images have one.
fn check(store: &Store) -> u64 {
    for entry in fs::read_dir(store.root().join("blobs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        assert_eq!(Digest::of(&fs::read(&path).unwrap()).hex(), name);
    }
    for entry in fs::read_dir(store.root().join("layers")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "dead") {
            continue;
        }
        assert_eq!(fs::read_dir(path.join("fs")).unwrap().count(), FILES, "{}", path.display());
        assert!(
            (0..FILES).all(|file| fs::metadata(path.join(format!("fs/f{file}"))).unwrap().len() == 3_000)
        );
    }
    let names = store.names().unwrap();
    for named in &names {
        let image = store.image(named.manifest).unwrap();
        let layers = store.unpack(&image, Bounds::default(), |_| ()).unwrap();
        assert_eq!(layers.len(), 2);
    }
    names.len() as u64
}

#[expect(clippy::disallowed_methods, reason = "the moment of the kill is a moment in time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
