//! Anything at all as what comes with an image: a tar file of a layer, of `docker save` or of a copy, an index or manifest, a
//! configuration, a reference. Reading never panics, holds no more than it may, and what was read is written to be read alike.
//!
//! The first byte chooses: 0 a tar file, 1 a document, 2 a configuration, 3 a reference.

#![no_main]

use std::io::Read;

use libfuzzer_sys::fuzz_target;
use netloom_image::Reference;
use netloom_image::document::{Descriptor, Document, ImageConfig, Manifest};
use netloom_image::layer::tar::Archive;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    match choice % 4 {
        0 => tar(rest),
        1 => document(rest),
        2 => config(rest),
        _ => reference(rest),
    }
});

fn tar(bytes: &[u8]) {
    let mut archive = Archive::new(bytes);
    let mut all = 0;
    while let Ok(Some(entry)) = archive.advance() {
        assert!(entry.path.as_bytes().len() <= 4095, "a path that no kernel takes");
        assert!(entry.mode <= 0o7777);
        let mut data = Vec::new();
        if archive.data().take(1 << 20).read_to_end(&mut data).is_err() {
            return;
        }
        all += data.len();
        assert!(all <= bytes.len(), "more data than there was");
    }
}

fn document(bytes: &[u8]) {
    let Ok(document) = Document::parse(bytes) else { return };
    match document {
        Document::Manifest(manifest) => {
            let written = serde_json::to_vec(&manifest).expect("plain data");
            assert!(matches!(Document::parse(&written), Ok(Document::Manifest(again)) if again == manifest));
            let _ = manifest.size();
        }
        Document::Index(index) => {
            let _ = index.choose(&netloom_image::Platform::host());
            let _ = index.platforms();
        }
    }
}

fn config(bytes: &[u8]) {
    let manifest = Manifest::made_of(Descriptor::of("", b"{}"), Vec::new());
    if let Ok(config) = ImageConfig::parse(bytes, &manifest) {
        let written = serde_json::to_vec(&config).expect("plain data");
        assert_eq!(ImageConfig::parse(&written, &manifest).expect("what was written is read"), config);
        let _ = config.command();
        let _ = config.config.healthcheck.as_ref().map(netloom_image::document::Healthcheck::command);
    }
}

fn reference(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        let shown = reference.to_string();
        assert_eq!(shown.parse::<Reference>().as_ref(), Ok(&reference), "{shown}");
    }
}
