//! A puller that is killed at whatever moment leaves a store in which everything that is there is whole, and the next pull
//! goes on from there. Ten times here; `cargo xtask chaos --pulls 100` says how often.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use netloom_image::layer::Bounds;
use netloom_image::registry::{self, Credentials, Pull};
use netloom_image::{Digest, Reference, Store};

use crate::real::Registry;
use crate::server::Server;
use crate::{Bench, Made, blobs_are_whole};

/// Names the store to the process that pulls.
const PLACE: &str = "NETLOOM_PULL_PLACE";
/// Names the image.
const IMAGE: &str = "NETLOOM_PULL_IMAGE";
/// How often it is killed.
const KILLS: &str = "NETLOOM_PULL_KILLS";
/// Bytes of each of the layers.
const LAYERS: [(&str, usize); 4] = [("a", 6_000_000), ("b", 3_000_000), ("c", 2_000_000), ("d", 10)];

/// The puller, once it is told where: pulls, names and unpacks an image, as `netloom image pull` does.
#[test]
fn puller() {
    let (Some(place), Some(image)) = (std::env::var_os(PLACE), std::env::var_os(IMAGE)) else { return };
    let store = Store::open(Path::new(&place)).unwrap();
    let Reference::Remote(remote) = image.to_str().unwrap().parse().unwrap() else { panic!("it is remote") };
    let using = store.using().unwrap();
    let logins = Credentials::default();
    println!("ready");
    let digest = registry::pull(&store, &remote, &Pull::new(&logins), &|_| ()).unwrap();
    store.name(&remote.to_string(), digest, 1).unwrap();
    drop(using);
    store.unpack(&store.image(digest).unwrap(), Bounds::default(), |_| ()).unwrap();
}

/// The process, once it is about to pull.
fn begin(place: &Path, image: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::puller", "--nocapture", "--test-threads=1"])
        .envs([(PLACE, place.as_os_str()), (IMAGE, image.as_ref())])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("ready") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut out, &mut line).unwrap() > 0, "the puller failed to start");
    }
    // What it says later is not read, and must not stop it either.
    std::thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    child
}

#[test]
fn whatever_moment_a_puller_is_killed_at_the_store_is_whole_and_the_next_goes_on() {
    let kills: u64 = std::env::var_os(KILLS).map_or(10, |kills| kills.to_str().unwrap().parse().unwrap());
    let made = Made::of(&LAYERS);
    let wanted = Digest::of(&made.manifest);
    let bench = Bench::new();
    let registry = Registry::start(&bench);
    let address = match &registry {
        Some(registry) => {
            registry.push("team/app", "1", &made);
            registry.address.clone()
        }
        None => Server::start(move |asked| made.answer(asked)).address,
    };
    let image = format!("{address}/team/app:1");
    // How long it takes in peace.
    let peace = tempfile::tempdir().unwrap();
    let begun = now();
    assert!(begin(peace.path(), &image).wait().unwrap().success());
    let span = u64::try_from(begun.elapsed().as_micros()).unwrap();

    let scratch = tempfile::tempdir().unwrap();
    let store = Store::open(scratch.path()).unwrap();
    let (mut random, mut killed, mut partial, mut most) = (0x9e37_79b9_7f4a_7c15_u64, 0, 0, 0);
    // Some are too quick to be killed, but not most of them.
    for _ in 0..kills * 10 {
        if killed == kills {
            break;
        }
        let mut child = begin(scratch.path(), &image);
        pause(Duration::from_micros(next(&mut random) % span));
        child.kill().unwrap();
        match child.wait().unwrap().code() {
            // It was quicker than usual, and says so by its code.
            Some(code) => assert_eq!(code, 0),
            None => killed += 1,
        }
        most = most.max(check(&store));
        partial += u64::from(fs::read_dir(store.root().join("partial")).unwrap().next().is_some());
        if store.names().unwrap().is_empty() && !next(&mut random).is_multiple_of(4) {
            // The next one goes on with what is there.
            continue;
        }
        let _ = store.remove(&image);
        store.gc().unwrap();
    }
    println!("{killed} killed, {partial} of them with a blob half-way, up to {most} layers there");
    assert_eq!(killed, kills, "most pulls were too quick to be killed");
    assert!(partial > kills / 10, "{partial} of {kills} stores had a blob half-way: it was killed too late");
    assert!(begin(scratch.path(), &image).wait().unwrap().success());
    assert_eq!(check(&store), LAYERS.len());
    assert_eq!(store.find(&image).unwrap().manifest, wanted);
    store.gc().unwrap();
    for dir in ["tmp", "partial"] {
        assert_eq!(fs::read_dir(store.root().join(dir)).unwrap().count(), 0, "{dir}");
    }
}

/// Checks everything that has its final name; returns how many layers do.
fn check(store: &Store) -> usize {
    blobs_are_whole(store);
    for named in store.names().unwrap() {
        store.image(named.manifest).unwrap();
    }
    let layers = fs::read_dir(store.root().join("layers")).unwrap().map(|entry| entry.unwrap().path());
    let layers: Vec<_> = layers.filter(|path| path.extension().is_none()).collect();
    for layer in &layers {
        let files = fs::read_dir(layer.join("fs")).unwrap().map(|entry| entry.unwrap());
        let sizes: Vec<_> = files.map(|file| (file.file_name(), file.metadata().unwrap().len())).collect();
        let [(name, size)] = sizes.as_slice() else { panic!("{}: {sizes:?}", layer.display()) };
        let (_, wanted) = LAYERS.iter().find(|(layer, _)| *layer == name).unwrap();
        assert_eq!(*size, *wanted as u64, "{}", layer.display());
    }
    layers.len()
}

/// xorshift64*: the same moments in each run, as far as the machine lets them be.
fn next(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
}

#[expect(clippy::disallowed_methods, reason = "the moment of the kill is a moment in time")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[expect(clippy::disallowed_methods, reason = "how long a pull takes here")]
fn now() -> Instant {
    Instant::now()
}
