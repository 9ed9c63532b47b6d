//! Pulls: from Debian's docker-registry, and from a registry in this process that does its worst.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, or says that it skips"
)]

mod killed;
mod real;
mod server;
mod tls;

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use netloom_image::document::{Descriptor, Manifest};
use netloom_image::layer::Bounds;
use netloom_image::layer::tar::build::Builder;
use netloom_image::registry::{self, Credentials, Event, Pull, PullError};
use netloom_image::{Digest, Reference, Store, StoreError};

use server::{Answer, Asked, Server};

/// An image: manifest, configuration, layers.
pub(crate) struct Made {
    pub(crate) manifest: Vec<u8>,
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
}

impl Made {
    /// One layer a file, each of so many bytes that do not compress.
    pub(crate) fn of(files: &[(&str, usize)]) -> Self {
        let data = |bytes: usize| {
            (0..bytes).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect::<Vec<_>>()
        };
        let layers: Vec<_> = files
            .iter()
            .map(|(name, bytes)| Builder::default().file(name, 0o644, &data(*bytes)).finish())
            .collect();
        let ids: Vec<_> = layers.iter().map(|layer| format!("\"{}\"", Digest::of(layer))).collect();
        let platform = netloom_image::Platform::host();
        let config = format!(
            r#"{{"os":"linux","architecture":"{}","config":{{"Cmd":["/a"]}},"rootfs":{{"diff_ids":[{}]}}}}"#,
            platform.architecture,
            ids.join(",")
        );
        let descriptors = layers.iter().map(|layer| Descriptor::of("", layer)).collect();
        let manifest = Manifest::made_of(Descriptor::of("", config.as_bytes()), descriptors);
        Self { manifest: serde_json::to_vec(&manifest).unwrap(), config: config.into_bytes(), layers }
    }

    fn part(&self, path: &str) -> Option<&[u8]> {
        if path.ends_with("/manifests/1") || path.ends_with(&Digest::of(&self.manifest).to_string()) {
            return Some(&self.manifest);
        }
        let mut blobs = self.layers.iter().chain([&self.config]);
        blobs.find(|blob| path.ends_with(&Digest::of(blob).to_string())).map(Vec::as_slice)
    }

    /// An honest answer, ranges included.
    fn answer(&self, asked: &Asked) -> Answer {
        let Some(part) = self.part(&asked.path) else { return Answer::status(404) };
        let from = usize::try_from(asked.from).unwrap();
        if from == 0 {
            return Answer::ok(part);
        }
        let range = format!("bytes {from}-{}/{}", part.len() - 1, part.len());
        Answer { status: 206, ..Answer::ok(&part[from..]) }.header("Content-Range", range)
    }

    /// Whether `asked` is for the first layer.
    fn is_first(&self, asked: &Asked) -> bool {
        asked.path.ends_with(&Digest::of(&self.layers[0]).to_string())
    }
}

pub(crate) struct Bench {
    pub(crate) scratch: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let store = Store::open(scratch.path()).unwrap();
        Self { scratch, store }
    }

    pub(crate) fn pull(&self, text: &str) -> Result<Digest, PullError> {
        self.pull_as(text, &Credentials::default(), &|_| ())
    }

    pub(crate) fn pull_as(
        &self,
        text: &str,
        logins: &Credentials,
        watch: &(dyn Fn(Event) + Sync),
    ) -> Result<Digest, PullError> {
        self.pull_with(text, Pull::new(logins), watch)
    }

    pub(crate) fn pull_with(
        &self,
        text: &str,
        options: Pull<'_>,
        watch: &(dyn Fn(Event) + Sync),
    ) -> Result<Digest, PullError> {
        let Reference::Remote(remote) = text.parse().unwrap() else { panic!("{text} is remote") };
        let options = Pull { patience: Duration::from_secs(5), ..options };
        let _using = self.store.using().unwrap();
        let pulled = registry::pull(&self.store, &remote, &options, watch);
        self.is_whole();
        pulled
    }

    fn is_whole(&self) {
        blobs_are_whole(&self.store);
    }

    fn partial(&self) -> Vec<PathBuf> {
        let dir = std::fs::read_dir(self.store.root().join("partial")).unwrap();
        dir.map(|entry| entry.unwrap().path()).collect()
    }
}

/// The store is what it claims, whatever a registry did.
pub(crate) fn blobs_are_whole(store: &Store) {
    for entry in std::fs::read_dir(store.root().join("blobs")).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(
            Digest::of(&std::fs::read(&path).unwrap()).hex(),
            path.file_name().unwrap().to_str().unwrap()
        );
    }
}

#[test]
fn an_image_comes_whole_and_once() {
    let made = Made::of(&[("a", 300_000), ("b", 10), ("c", 1_000)]);
    let wanted = Digest::of(&made.manifest);
    let server = Server::start(move |asked| made.answer(asked));
    let bench = Bench::new();
    let events = Mutex::new(Vec::new());
    let name = format!("{}/team/app:1", server.address);
    let digest =
        bench.pull_as(&name, &Credentials::default(), &|event| events.lock().unwrap().push(event)).unwrap();
    assert_eq!(digest, wanted);
    let image = bench.store.image(digest).unwrap();
    let layers = bench.store.unpack(&image, Bounds::default(), |_| ()).unwrap();
    assert_eq!(std::fs::read(layers[0].dir.join("a")).unwrap().len(), 300_000);
    let done = events.lock().unwrap().iter().filter(|event| matches!(event, Event::Done(_))).count();
    assert_eq!(done, 4, "three layers and a configuration");
    // What is here is not asked for again; a digest pins.
    let before = server.paths().len();
    bench.pull(&format!("{}/team/app@{wanted}", server.address)).unwrap();
    assert_eq!(server.paths().len(), before + 1, "{:?}", server.paths());
}

#[test]
fn what_breaks_off_goes_on_where_it_was() {
    let made = Made::of(&[("a", 200_000)]);
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let honest = made.answer(asked);
        match made.is_first(asked).then(|| tries.fetch_add(1, Ordering::Relaxed)) {
            Some(0 | 1) => Answer { cut: Some(70_000), ..honest },
            _ => honest,
        }
    });
    let bench = Bench::new();
    bench.pull(&format!("{}/app:1", server.address)).unwrap();
    let from: Vec<u64> =
        server.asked.lock().unwrap().iter().map(|asked| asked.from).filter(|from| *from > 0).collect();
    assert_eq!(from, [70_000, 140_000]);
}

#[test]
fn a_registry_without_ranges_begins_anew() {
    let made = Made::of(&[("a", 100_000)]);
    let tries = AtomicUsize::new(0);
    let server = Server::start(move |asked| {
        let honest = Answer::ok(made.part(&asked.path).unwrap());
        let first = made.is_first(asked) && tries.fetch_add(1, Ordering::Relaxed) == 0;
        Answer { cut: first.then_some(40_000), ..honest }
    });
    Bench::new().pull(&format!("{}/app:1", server.address)).unwrap();
}

#[test]
fn one_that_always_breaks_off_is_given_up_and_what_came_is_kept() {
    let made = Made::of(&[("a", 100_000)]);
    let server = Server::start(move |asked| {
        let honest = made.answer(asked);
        let cut = if asked.from == 0 { 30_000 } else { 0 };
        if made.is_first(asked) { Answer { cut: Some(cut), ..honest } } else { honest }
    });
    let bench = Bench::new();
    let error = bench.pull(&format!("{}/app:1", server.address)).unwrap_err();
    assert!(matches!(error, PullError::BrokeOff { have: 30_000, .. }), "{error}");
    assert_eq!(std::fs::metadata(&bench.partial()[0]).unwrap().len(), 30_000);
}

#[test]
fn other_bytes_than_announced_are_refused() {
    let bench = Bench::new();
    let said = |spoil: fn(Answer) -> Answer| {
        let made = Made::of(&[("a", 5_000)]);
        let server = Server::start(move |asked| {
            let honest = made.answer(asked);
            if made.is_first(asked) { spoil(honest) } else { honest }
        });
        (bench.pull(&format!("{}/app:1", server.address)).unwrap_err(), server)
    };
    let (digest, _) = said(|mut answer| {
        answer.body[700] ^= 1;
        answer
    });
    assert!(matches!(digest, PullError::Store(StoreError::Mismatch { .. })), "{digest}");
    let (long, _) = said(|mut answer| {
        answer.body.push(0);
        answer
    });
    assert!(matches!(long, PullError::Store(StoreError::Length { .. })), "{long}");
    let (endless, server) = said(|answer| Answer { endless: true, ..answer });
    assert!(matches!(endless, PullError::Store(StoreError::Length { .. })), "{endless}");
    assert!(server.poured.load(Ordering::Relaxed) < 64 << 20, "it is not listened to for long");
}

#[test]
fn documents_are_bounded_and_held_against_their_digest() {
    let bench = Bench::new();
    let said = |answer: Answer, name: &str| {
        let server = Server::start(move |_| answer.clone());
        bench.pull(&format!("{}/app{name}", server.address)).unwrap_err().to_string()
    };
    let other = Digest::of(b"other");
    let made = Made::of(&[]);
    assert!(said(Answer::ok(&made.manifest), &format!("@{other}")).contains("has the digest"));
    let lied = Answer::ok(&made.manifest).header("Docker-Content-Digest", other.to_string());
    assert!(said(lied, ":1").contains("has the digest"));
    assert!(said(Answer { endless: true, ..Answer::ok(b"{") }, ":1").contains("too long"));
    assert!(said(Answer::ok(b"<html>"), ":1").contains("a document that is no good, 1"));
    assert!(said(Answer::status(404), ":1").ends_with("has no app:1"));
    let busy = Answer { status: 429, ..Answer::ok(br#"{"errors":[{"message":"slow down"}]}"#) };
    assert!(said(busy, ":1").ends_with("answered 429 to app:1: slow down"));
}

#[test]
fn redirects_end() {
    let bench = Bench::new();
    let circle = Server::start(|_| Answer::status(307).header("Location", "/again"));
    let error = bench.pull(&format!("{}/app:1", circle.address)).unwrap_err();
    assert!(error.to_string().ends_with("redirects in circles"), "{error}");
    assert_eq!(circle.paths().len(), 6);
    let nowhere = Server::start(|_| Answer::status(302));
    assert!(
        bench.pull(&format!("{}/app:1", nowhere.address)).unwrap_err().to_string().ends_with("to nowhere")
    );
}

#[test]
fn credentials_go_to_the_registry_and_nobody_else() {
    let made = std::sync::Arc::new(Made::of(&[("a", 1_000)]));
    let (here, there) = (std::sync::Arc::clone(&made), made);
    let storage = Server::start(move |asked| there.answer(asked));
    let away = storage.address.clone();
    let own = Mutex::new(String::new());
    let own = std::sync::Arc::new(own);
    let address = std::sync::Arc::clone(&own);
    let server = Server::start(move |asked| {
        let authorization = asked.authorization.as_deref();
        if asked.path.starts_with("/token") {
            // me:secret
            let right = authorization == Some("Basic bWU6c2VjcmV0");
            return if right { Answer::ok(br#"{"token":"t0ken"}"#) } else { Answer::status(401) };
        }
        if authorization != Some("Bearer t0ken") {
            let challenge =
                format!("Bearer realm=\"http://{}/token\",service=\"test\"", address.lock().unwrap());
            return Answer::status(401).header("WWW-Authenticate", challenge);
        }
        if here.is_first(asked) {
            return Answer::status(307).header("Location", format!("http://{away}{}", asked.path));
        }
        here.answer(asked)
    });
    own.lock().unwrap().clone_from(&server.address);
    let bench = Bench::new();
    let name = format!("{}/app:1", server.address);
    let denied = bench.pull(&name).unwrap_err();
    assert!(matches!(denied, PullError::Denied { had: false, .. }), "{denied}");
    let file = bench.scratch.path().join("config.json");
    let config = format!(r#"{{"auths":{{"{}":{{"auth":"bWU6c2VjcmV0"}}}}}}"#, server.address);
    std::fs::write(&file, config).unwrap();
    bench.pull_as(&name, &Credentials::load(&file).unwrap(), &|_| ()).unwrap();
    let asked = storage.asked.lock().unwrap();
    assert!(!asked.is_empty() && asked.iter().all(|asked| asked.authorization.is_none()), "{asked:?}");
}

#[test]
fn the_platform_is_chosen() {
    let made = Made::of(&[]);
    let entry = |platform: &str, digest: Digest| {
        let (os, architecture) = platform.split_once('/').unwrap();
        format!(
            r#"{{"digest":"{digest}","size":1,"platform":{{"os":"{os}","architecture":"{architecture}"}}}}"#
        )
    };
    let here = netloom_image::Platform::host().to_string();
    let wanted = Digest::of(&made.manifest);
    let entries = [entry("linux/s390x", Digest::of(b"x")), entry(&here, wanted)].join(",");
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{entries}]}}"#);
    let only = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entry("linux/s390x", wanted));
    let server = Server::start(move |asked| match asked.path.rsplit('/').next() {
        Some("multi") => Answer::ok(index.as_bytes()),
        Some("only") => Answer::ok(only.as_bytes()),
        _ => made.answer(asked),
    });
    let bench = Bench::new();
    assert_eq!(bench.pull(&format!("{}/app:multi", server.address)).unwrap(), wanted);
    let error = bench.pull(&format!("{}/app:only", server.address)).unwrap_err();
    assert!(matches!(&error, PullError::Platform { has, .. } if has == &["linux/s390x"]), "{error}");
}
