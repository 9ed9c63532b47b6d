//! HTTPS, to a registry whose certificate is signed by an authority of the test's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use netloom_image::Digest;
use netloom_image::registry::{Credentials, Pull, PullError};

use crate::real::Registry;
use crate::{Bench, Made};

/// An authority, and what it has signed for 127.0.0.1; `None`, said aloud, without the program openssl.
fn sign(dir: &Path) -> Option<[PathBuf; 3]> {
    let file = |name: &str| dir.join(name).display().to_string();
    let [ca, ca_key, key, wish, certificate, names] =
        ["ca.crt", "ca.key", "server.key", "server.csr", "server.crt", "names"].map(file);
    std::fs::write(&names, "subjectAltName=IP:127.0.0.1\n").unwrap();
    let curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2";
    let lines = [
        format!("req -x509 {curve} -subj /CN=authority -keyout {ca_key} -out {ca}"),
        format!("req {curve} -subj /CN=registry -keyout {key} -out {wish}").replace(" -days 2", ""),
        format!(
            "x509 -req -in {wish} -CA {ca} -CAkey {ca_key} -CAcreateserial -days 2 -extfile {names} -out {certificate}"
        ),
    ];
    for line in lines {
        match Command::new("openssl").args(line.split(' ')).output() {
            Ok(done) => assert!(done.status.success(), "{line}: {done:?}"),
            Err(error) => {
                eprintln!("skipped: openssl cannot be started: {error}");
                return None;
            }
        }
    }
    Some([ca, certificate, key].map(PathBuf::from))
}

#[test]
fn a_registry_is_trusted_by_the_authority_that_is_kept_for_it_and_by_no_other() {
    let bench = Bench::new();
    let Some([ca, certificate, key]) = sign(bench.scratch.path()) else { return };
    let Some(plain) = Registry::start(&bench) else { return };
    let made = Made::of(&[("a", 100_000)]);
    plain.push("team/app", "1", &made);
    drop(plain);
    let Some(registry) = Registry::secure(&bench, &certificate, &key) else { return };
    let name = format!("{}/team/app:1", registry.address);
    let logins = Credentials::default();
    let pull = |authorities: Vec<PathBuf>| {
        bench.pull_with(&name, Pull { authorities, ..Pull::new(&logins) }, &|_| ())
    };
    // Signed by itself, but not by whom the registry is signed by.
    let other = tempfile::tempdir().unwrap();
    let Some([other, ..]) = sign(other.path()) else { return };
    let refused = pull(vec![other]).unwrap_err();
    assert!(refused.is_untrusted(), "{refused}");
    // In plain HTTP nothing is understood, and nothing of the image comes.
    let plain = pull(Vec::new()).unwrap_err();
    assert!(!plain.is_untrusted() && bench.partial().is_empty(), "{plain}");
    assert_eq!(pull(vec![ca]).unwrap(), Digest::of(&made.manifest));
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let bench = Bench::new();
    let logins = Credentials::default();
    let file = bench.scratch.path().join("ca.crt");
    for text in [None, Some("nonsense"), Some("-----BEGIN CERTIFICATE-----\nAAAA\n")] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let options = Pull { authorities: vec![file.clone()], ..Pull::new(&logins) };
        let refused = bench.pull_with("127.0.0.1:1/app", options, &|_| ()).unwrap_err();
        assert!(matches!(refused, PullError::Authority { .. }), "{refused}");
        assert!(refused.to_string().contains("ca.crt"), "{refused}");
    }
}
