use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::document::{Descriptor, Manifest};
use crate::layer::Bounds;
use crate::layer::tar::build::Builder;
use crate::store::Store;

/// A store and a place for files.
struct Bench {
    scratch: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(&scratch.path().join("data")).unwrap();
        Self { scratch, store }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn files(&self, loaded: &Loaded) -> Vec<String> {
        let image = self.store.image(loaded.manifest).unwrap();
        let layers = self.store.unpack(&image, Bounds::default(), |_| ()).unwrap();
        let names =
            |dir: &Path| fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        layers.iter().flat_map(|layer| names(&layer.dir).collect::<Vec<_>>()).collect()
    }
}

/// An image of one layer with a file of this name: manifest, configuration, layer.
fn parts(file: &str) -> [Vec<u8>; 3] {
    let layer = Builder::default().file(file, 0o644, file.as_bytes()).finish();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#,
        Digest::of(&layer)
    );
    let manifest = Manifest::made_of(Descriptor::of("", config.as_bytes()), vec![Descriptor::of("", &layer)]);
    [serde_json::to_vec(&manifest).unwrap(), config.into_bytes(), layer]
}

/// Writes a layout with an image for each (tag, platform, file).
fn layout(dir: &Path, images: &[(Option<&str>, &str, &str)]) {
    fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
    fs::write(dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let mut entries = Vec::new();
    for (tag, platform, file) in images {
        let blobs = parts(file);
        let mut entry = Descriptor::of("application/vnd.oci.image.manifest.v1+json", &blobs[0]);
        entry.platform = Some(platform.parse().unwrap());
        if let Some(tag) = tag {
            entry.annotations.insert("org.opencontainers.image.ref.name".into(), (*tag).into());
        }
        entries.push(entry);
        for blob in blobs {
            fs::write(dir.join("blobs/sha256").join(Digest::of(&blob).hex()), blob).unwrap();
        }
    }
    let index = crate::document::Index { schema_version: 2, media_type: None, manifests: entries };
    fs::write(dir.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
}

fn amd64() -> Platform {
    "linux/amd64".parse().unwrap()
}

#[test]
fn an_image_of_a_layout_is_chosen_by_tag_or_platform() {
    let bench = Bench::new();
    let dir = bench.path("app");
    layout(&dir, &[(Some("1"), "linux/amd64", "one"), (Some("quay.io/a/b:2"), "linux/amd64", "two")]);
    let one = load_oci_dir(&bench.store, &dir, Some("1"), &amd64()).unwrap();
    assert_eq!(
        (one.names.as_slice(), bench.files(&one)),
        (&["localhost/app:1".to_owned()][..], vec!["one".to_owned()])
    );
    let two = load_oci_dir(&bench.store, &dir, Some("quay.io/a/b:2"), &amd64()).unwrap();
    assert_eq!(two.names, ["quay.io/a/b:2"]);
    let several = load_oci_dir(&bench.store, &dir, None, &amd64()).unwrap_err();
    assert!(matches!(&several, SourceError::Several { has, .. } if has.len() == 2), "{several}");
    let none = load_oci_dir(&bench.store, &dir, Some("3"), &amd64()).unwrap_err();
    assert!(none.to_string().ends_with("has no image \"3\""), "{none}");
    let both = bench.path("both");
    layout(&both, &[(None, "linux/arm64", "arm"), (None, "linux/amd64", "amd")]);
    let chosen = load_oci_dir(&bench.store, &both, None, &amd64()).unwrap();
    assert_eq!(
        (bench.files(&chosen), chosen.names),
        (vec!["amd".to_owned()], vec!["localhost/both:latest".to_owned()])
    );
    let riscv = load_oci_dir(&bench.store, &both, None, &"linux/riscv64".parse().unwrap()).unwrap_err();
    assert!(matches!(&riscv, SourceError::Platform { has, .. } if has.len() == 2), "{riscv}");
}

#[test]
fn what_is_wrong_with_a_layout_is_said() {
    let bench = Bench::new();
    let load =
        |name: &str| load_oci_dir(&bench.store, &bench.path(name), None, &amd64()).unwrap_err().to_string();
    assert!(load("missing").starts_with("Cannot read"));
    fs::create_dir(bench.path("empty")).unwrap();
    assert!(load("empty").ends_with("is no OCI image layout: it has no file oci-layout"));
    layout(&bench.path("swapped"), &[(None, "linux/amd64", "x")]);
    let layer = Digest::of(&parts("x")[2]).hex();
    fs::write(bench.path("swapped/blobs/sha256").join(&layer), vec![0; parts("x")[2].len()]).unwrap();
    assert!(load("swapped").contains("has the digest"), "{}", load("swapped"));
    layout(&bench.path("short"), &[(None, "linux/amd64", "y")]);
    fs::write(bench.path("short/blobs/sha256").join(Digest::of(&parts("y")[2]).hex()), "y").unwrap();
    assert!(load("short").contains("1 bytes, not"), "{}", load("short"));
    // A link out of the directory is not followed out of it.
    layout(&bench.path("linked"), &[(None, "linux/amd64", "z")]);
    let index = bench.path("linked/index.json");
    fs::rename(&index, bench.path("index.json")).unwrap();
    std::os::unix::fs::symlink("../index.json", &index).unwrap();
    assert!(load("linked").starts_with("Cannot read"), "{}", load("linked"));
    assert!(bench.store.names().unwrap().is_empty());
}

#[test]
fn archives_of_docker_save_are_loaded() {
    let bench = Bench::new();
    let ([_, one, layer], [_, two, other]) = (parts("one"), parts("two"));
    let manifest = r#"[{"Config":"1.json","RepoTags":["app:1","app:new"],"Layers":["1/layer.tar"]},
        {"Config":"./2.json","RepoTags":null,"Layers":["2/layer.tar"]},
        {"Config":"1.json","RepoTags":[],"Layers":["3/layer.tar"]}]"#;
    let tar = Builder::default()
        .dir("1/", 0o755)
        .file("1/layer.tar", 0o644, &layer)
        .file("1.json", 0o644, &one)
        .file("2/layer.tar", 0o644, &other)
        .file("./2.json", 0o644, &two)
        .link("3/layer.tar", "../1/layer.tar")
        .file("manifest.json", 0o644, manifest.replace("./2.json", "2.json").as_bytes())
        .finish();
    let file = bench.path("saved.tar");
    fs::write(&file, tar).unwrap();
    let loaded = load_docker_archive(&bench.store, &file).unwrap();
    assert_eq!(loaded[0].names, ["docker.io/library/app:1", "docker.io/library/app:new"]);
    assert_eq!(loaded[1].names, ["localhost/saved:latest"]);
    assert_eq!(loaded[0].manifest, loaded[2].manifest);
    assert_eq!([bench.files(&loaded[0]), bench.files(&loaded[1])], [["one"], ["two"]]);
}

#[test]
fn what_is_wrong_with_an_archive_is_said() {
    let bench = Bench::new();
    let file = bench.path("x.tar");
    let load = |tar: Vec<u8>| {
        fs::write(&file, tar).unwrap();
        load_docker_archive(&bench.store, &file).unwrap_err().to_string()
    };
    assert!(load(vec![7; 1024]).contains("not a tar file"));
    assert!(load(Builder::default().file("a", 0o644, b"").finish()).contains("no manifest.json"));
    let manifest = br#"[{"Config":"c","RepoTags":null,"Layers":["../../../etc/passwd"]}]"#;
    let [_, config, _] = parts("a");
    let tar = Builder::default().file("c", 0o644, &config).file("manifest.json", 0o644, manifest).finish();
    assert!(load(tar.clone()).ends_with("lacks ../../../etc/passwd"));
    assert!(load(tar[..700].to_vec()).contains("middle of an entry"));
}
