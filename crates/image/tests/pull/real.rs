//! Debian's docker-registry on loopback.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use netloom_image::Digest;
use netloom_image::layer::Bounds;

use crate::{Bench, Made};

/// A registry, ended when dropped.
pub(crate) struct Registry {
    child: Child,
    pub(crate) address: String,
}

impl Registry {
    /// `None`, said aloud, where the program is not there.
    pub(crate) fn start(bench: &Bench) -> Option<Self> {
        Self::with(bench, "")
    }

    /// The same in HTTPS, with what was pushed to the one before of this bench.
    pub(crate) fn secure(bench: &Bench, certificate: &Path, key: &Path) -> Option<Self> {
        let (certificate, key) = (certificate.display(), key.display());
        Self::with(bench, &format!(", tls: {{ certificate: {certificate}, key: {key} }}"))
    }

    fn with(bench: &Bench, more: &str) -> Option<Self> {
        // Free a moment ago: somebody else may take it, then the registry ends and the test says so.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        let file = bench.scratch.path().join("registry.yml");
        let data = bench.scratch.path().join("registry");
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\nhttp: {{ addr: {address}{more} }}\n",
            data.display()
        );
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new("docker-registry");
        command.arg("serve").arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => {
                let mut registry = Self { child, address };
                registry.wait();
                Some(registry)
            }
            Err(error) => {
                eprintln!("skipped: docker-registry cannot be started: {error}");
                None
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "a process of others says nothing when it is ready")]
    fn wait(&mut self) {
        for _ in 0..500 {
            if TcpStream::connect(&self.address).is_ok() {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the registry has ended");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        panic!("the registry does not listen");
    }

    pub(crate) fn push(&self, name: &str, tag: &str, made: &Made) {
        let agent = ureq::Agent::new_with_defaults();
        let base = format!("http://{}/v2/{name}", self.address);
        for blob in made.layers.iter().chain([&made.config]) {
            let begun = agent.post(format!("{base}/blobs/uploads/")).send_empty().unwrap();
            let place = begun.headers().get("location").unwrap().to_str().unwrap().to_owned();
            let joint = if place.contains('?') { '&' } else { '?' };
            agent.put(format!("{place}{joint}digest={}", Digest::of(blob))).send(&blob[..]).unwrap();
        }
        let kind = "application/vnd.oci.image.manifest.v1+json";
        agent.put(format!("{base}/manifests/{tag}")).content_type(kind).send(&made.manifest[..]).unwrap();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_image_is_pulled_from_a_real_registry() {
    let bench = Bench::new();
    let Some(registry) = Registry::start(&bench) else { return };
    let made = Made::of(&[("a", 400_000), ("b", 5)]);
    registry.push("team/app", "1", &made);
    let name = format!("{}/team/app:1", registry.address);
    let digest = bench.pull(&name).unwrap();
    assert_eq!(digest, Digest::of(&made.manifest));
    let image = bench.store.image(digest).unwrap();
    let layers = bench.store.unpack(&image, Bounds::default(), |_| ()).unwrap();
    assert_eq!(std::fs::read(layers[1].dir.join("b")).unwrap().len(), 5);
    // Begun by another process and left half-way: the registry gives the rest.
    let other = Bench::new();
    let half = &made.layers[0][..200_000];
    let wanted = netloom_image::document::Descriptor::of("", &made.layers[0]);
    other.store.partial(&wanted).unwrap().add(half).unwrap();
    other.pull(&name).unwrap();
    let missing = bench.pull(&format!("{}/team/app:2", registry.address)).unwrap_err();
    assert!(missing.to_string().ends_with("has no team/app:2"), "{missing}");
}
