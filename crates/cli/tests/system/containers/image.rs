//! Images of a test's own: busybox, and what the test adds.

use std::path::Path;

use netloom_image::Digest;
use netloom_image::document::{Descriptor, Index, Manifest};
use netloom_image::layer::tar::build::Builder;

use crate::place::Place;

/// Where Debian's busybox-static has its program.
const BUSYBOX: [&str; 2] = ["/usr/bin/busybox", "/bin/busybox"];
const APPLETS: &[&str] = &[
    "cat", "chmod", "chown", "chroot", "cp", "cut", "date", "dd", "dmesg", "echo", "env", "false", "find",
    "grep", "head", "hostname", "httpd", "id", "insmod", "ip", "kill", "ln", "ls", "mkdir", "mknod", "mount",
    "nc", "ping", "ps", "pwd", "readlink", "rm", "sed", "sh", "sleep", "sort", "stat", "swapoff", "tail",
    "test", "touch", "tr", "true", "umount", "uname", "unshare", "wc", "wget",
];

/// The program, or word that the test is skipped.
pub(crate) fn busybox() -> Option<Vec<u8>> {
    let found = BUSYBOX.iter().find_map(|path| std::fs::read(path).ok());
    if found.is_none() {
        eprintln!("skipped: busybox-static is not installed");
    }
    found
}

/// A layer with busybox and its names, and users.
pub(crate) fn base(busybox: &[u8]) -> Builder {
    let dirs =
        [("bin", 0o755), ("etc", 0o755), ("root", 0o700), ("srv", 0o755), ("tmp", 0o1777), ("var", 0o755)];
    let layer = dirs.iter().fold(Builder::default(), |layer, (dir, mode)| layer.dir(dir, *mode));
    let layer = layer.file("bin/busybox", 0o755, busybox);
    let layer = APPLETS.iter().fold(layer, |layer, name| layer.link(&format!("bin/{name}"), "busybox"));
    layer.file("etc/passwd", 0o644, b"root:x:0:0::/root:/bin/sh\nwww:x:33:34::/srv:/bin/sh\n").file(
        "etc/group",
        0o644,
        b"root:x:0:\nwww:x:34:\nlogs:x:40:www\n",
    )
}

/// Writes an OCI image layout into `place`; `config` is the inner part of its configuration.
pub(crate) fn layout(place: &Place, dir: &str, layers: &[Vec<u8>], config: &str) {
    let root = place.path(dir);
    let blobs = root.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8]| {
        let descriptor = Descriptor::of("application/vnd.oci.image.layer.v1.tar", bytes);
        std::fs::write(blobs.join(descriptor.digest.hex()), bytes).unwrap();
        descriptor
    };
    let ids: Vec<_> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
    let architecture = netloom_image::Platform::host().architecture;
    let config = format!(
        r#"{{"os":"linux","architecture":"{architecture}","config":{config},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        ids.join(",")
    );
    let mut config = blob(config.as_bytes());
    config.media_type = "application/vnd.oci.image.config.v1+json".to_owned();
    let manifest = Manifest::made_of(config, layers.iter().map(|layer| blob(layer)).collect());
    let mut manifest = blob(&serde_json::to_vec(&manifest).unwrap());
    manifest.media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    let index = Index { schema_version: 2, media_type: None, manifests: vec![manifest] };
    write(&root.join("index.json"), &serde_json::to_vec(&index).unwrap());
    write(&root.join("oci-layout"), br#"{"imageLayoutVersion":"1.0.0"}"#);
}

fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

/// The usual image of these tests, in the directory `img`; whether it could be made.
pub(crate) fn usual(place: &Place, config: &str) -> bool {
    let Some(busybox) = busybox() else { return false };
    let top = Builder::default().file("srv/index.html", 0o644, b"Welcome\n").file("etc/top", 0o644, b"top\n");
    layout(place, "img", &[base(&busybox).finish(), top.finish()], config);
    true
}
