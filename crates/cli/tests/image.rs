//! `netloom image` from an archive to nothing, in a store of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, or says that it skips"
)]

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
    archive_of(b"hello")
}

fn archive_of(file: &[u8]) -> Vec<u8> {
    let layer = Builder::default().file("hello", 0o755, file).finish();
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

/// Answers one registry's requests until the test ends: without a login nothing, with one that there is no such image.
/// What was given as a login comes by the channel.
fn registry() -> (u16, std::sync::mpsc::Receiver<String>) {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (given, logins) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let login = lines.iter().find_map(|line| {
                line.split_once(": ").filter(|(name, _)| name.eq_ignore_ascii_case("authorization"))
            });
            let head = match login {
                Some((_, login)) => {
                    let _ = given.send(login.to_owned());
                    "404 X"
                }
                None => "401 X\r\nWWW-Authenticate: Basic realm=\"test\"",
            };
            let _ = write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (port, logins)
}

#[test]
fn a_helper_of_docker_gives_the_login() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let (port, logins) = registry();
    let helper = place.path().join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\nread server\n[ \"$1 $server\" = 'get 127.0.0.1:{port}' ] || {{ echo 'wrong question'; exit 1; }}\n\
         echo '{{\"ServerURL\":\"x\",\"Username\":\"me\",\"Secret\":\"secret\"}}'\n"
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = format!(r#"{{"credHelpers":{{"127.0.0.1:{port}":"test"}}}}"#);
    std::fs::write(place.path().join("config.json"), config).unwrap();
    let pull = |docker_config: &Path| {
        let mut path = place.path().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(env!("CARGO_BIN_EXE_netloom"));
        command.args(["image", "pull", &format!("127.0.0.1:{port}/a/b:1")]).env("PATH", path);
        command.env("NETLOOM_DATA_DIR", place.path().join("data")).env("DOCKER_CONFIG", docker_config);
        let output = command.output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = pull(place.path());
    // "me:secret" in base64.
    assert_eq!(logins.try_iter().last().as_deref(), Some("Basic bWU6c2VjcmV0"), "{said}");
    assert!(said.contains("has no"), "{said}");
    let said = pull(&place.path().join("none"));
    assert!(said.contains("without a login") && logins.try_iter().next().is_none(), "{said}");
}

#[test]
fn on_a_full_disk_it_is_said_and_the_store_stays_whole() {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("hello.tar"), archive()).unwrap();
    let big = archive_of(&vec![7; 3 << 20]);
    std::fs::write(place.path().join("big.tar"), big).unwrap();
    std::fs::create_dir(place.path().join("data")).unwrap();
    // A disk of one mebibyte, seen by these commands only.
    let script = "mount -t tmpfs -o size=1m,mode=755 tmpfs data || exit 77
        \"$0\" image load docker-archive:big.tar; echo code $?
        \"$0\" image ls && \"$0\" image gc && \"$0\" image load docker-archive:hello.tar && \"$0\" image inspect hello:1";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(env!("CARGO_BIN_EXE_netloom")).current_dir(place.path());
    let output = command.env("NETLOOM_DATA_DIR", place.path().join("data")).output().unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) || error.starts_with("unshare:") {
        eprintln!("skipped: no disk of its own: {error}");
        return;
    }
    assert!(output.status.success(), "{said}{error}");
    assert!(said.starts_with("code 3\nNo images."), "{said}{error}");
    assert!(error.contains("No space left") && error.contains("netloom image gc"), "{error}");
    assert!(said.contains("cmd         /hello"), "{said}");
}

#[test]
fn authorities_of_a_registry_are_looked_for_where_docker_and_podman_keep_them() {
    for folder in ["containers", "docker"] {
        let place = tempfile::tempdir().unwrap();
        let certs = place.path().join("config").join(folder).join("certs.d/127.0.0.1:1");
        std::fs::create_dir_all(&certs).unwrap();
        // Those of clients, and others' notes, are not meant.
        std::fs::write(certs.join("client.cert"), "x").unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_netloom"));
        command
            .args(["image", "pull", "127.0.0.1:1/app"])
            .env("XDG_CONFIG_HOME", place.path().join("config"));
        command.env("NETLOOM_DATA_DIR", place.path().join("data"));
        let mut said = || String::from_utf8_lossy(&command.output().unwrap().stderr).into_owned();
        let none = said();
        assert!(none.contains("Cannot reach the registry"), "{none}");
        std::fs::write(certs.join("ca.crt"), "nonsense").unwrap();
        let one = said();
        assert!(one.contains("ca.crt") && one.contains("no certificate is in it"), "{one}");
    }
}
