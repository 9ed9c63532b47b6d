//! `netloom image` from an archive to nothing, in a store of the test's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::Path;
use std::process::{Command, Output};

use netloom_image::Digest;
use netloom_image::layer::tar::build::Builder;

fn netloom(place: &Path, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netloom"));
    command.args(words).current_dir(place).env("NETLOOM_DATA_DIR", place.join("data")).output().unwrap()
}

fn ok(place: &Path, words: &[&str]) -> String {
    let output = netloom(place, words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What `docker save` writes for an image of one file.
fn archive() -> Vec<u8> {
    let layer = Builder::default().file("hello", 0o755, b"hello").finish();
    let config = format!(
        r#"{{"os":"linux","architecture":"amd64","config":{{"Cmd":["/hello"],"Env":["A=1"]}},"rootfs":{{"diff_ids":["{}"]}}}}"#,
        Digest::of(&layer)
    );
    let manifest = br#"[{"Config":"c.json","RepoTags":["hello:1"],"Layers":["l.tar"]}]"#;
    let tar = Builder::default().file("l.tar", 0o644, &layer).file("c.json", 0o644, config.as_bytes());
    tar.file("manifest.json", 0o644, manifest).finish()
}

#[test]
fn an_image_is_loaded_listed_shown_and_removed() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    std::fs::write(place.join("hello.tar"), archive()).unwrap();
    assert!(ok(place, &["image", "ls"]).starts_with("No images."));
    let loaded = ok(place, &["image", "load", "docker-archive:hello.tar"]);
    assert!(loaded.contains("hello:1") && loaded.contains("linux/amd64"), "{loaded}");
    let listed: serde_json::Value = serde_json::from_str(&ok(place, &["image", "ls", "-o", "json"])).unwrap();
    assert_eq!(listed["schema"], 1);
    assert_eq!(listed["images"][0]["name"], "docker.io/library/hello:1");
    let shown = ok(place, &["image", "inspect", "hello:1"]);
    assert!(shown.contains("cmd         /hello\n") && shown.contains("env         A=1\n"), "{shown}");
    let removed = ok(place, &["image", "rm", "hello:1"]);
    assert!(
        removed.starts_with("removed hello:1\nfreed ") && removed.ends_with("3 blobs, 1 layer\n"),
        "{removed}"
    );
    assert_eq!(ok(place, &["image", "gc"]), "nothing to free\n");
}

#[test]
fn what_cannot_be_done_is_said_with_a_hint() {
    let place = tempfile::tempdir().unwrap();
    for (words, code, wanted) in [
        (["image", "inspect", "nginx"], 2, "netloom image ls"),
        (["image", "load", "nginx"], 2, "netloom image pull nginx"),
        (["image", "pull", "oci:x"], 2, "netloom image load oci:x"),
        (["image", "pull", "Nginx"], 2, "did you mean nginx?"),
        (["image", "load", "oci:missing"], 3, "Cannot read"),
        (["image", "pull", "127.0.0.1:1/app"], 3, "Cannot reach the registry 127.0.0.1:1"),
    ] {
        let output = netloom(place.path(), &words);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(code) && said.contains(wanted), "{words:?}: {output:?}");
    }
}
