use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::*;

/// How a server answers: what it has, how much of it at a time, and whether it knows ranges.
#[derive(Debug, Clone)]
struct Manners {
    file: Vec<u8>,
    most: usize,
    ranges: bool,
    says_length: bool,
}

/// A web server on loopback; what was asked of it.
struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/disk.img", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // One that is gone before it has its answer is what is tried here.
                let _ = answer(stream, &manners, &noted);
            }
        });
        Self { url, asked }
    }

    fn ranges(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn answer(mut stream: TcpStream, manners: &Manners, asked: &Mutex<Vec<String>>) -> io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let range = lines.by_ref().take_while(|line| !line.is_empty()).find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("range: bytes=")
            .map(|range| range.trim_end_matches('-').to_owned())
    });
    asked.lock().unwrap().push(range.clone().unwrap_or_default());
    if first.starts_with("GET /moved") {
        return write!(
            stream,
            "HTTP/1.1 302 Found\r\nLocation: /disk.img\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    if first.starts_with("GET /nothing") {
        return write!(stream, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }
    let from = range.filter(|_| manners.ranges).and_then(|range| range.parse::<usize>().ok());
    let all = manners.file.len();
    let Some(rest) = manners.file.get(from.unwrap_or(0)..).filter(|rest| from.is_none() || !rest.is_empty())
    else {
        return write!(stream, "HTTP/1.1 416 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    match from {
        Some(from) => {
            write!(stream, "HTTP/1.1 206 Partial\r\nContent-Range: bytes {from}-{}/{all}\r\n", all - 1)?
        }
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    if manners.says_length {
        write!(stream, "Content-Length: {}\r\n", rest.len())?;
    }
    write!(stream, "Connection: close\r\n\r\n")?;
    stream.write_all(&rest[..rest.len().min(manners.most)])
}

fn file() -> Vec<u8> {
    (0..400_000_u32).flat_map(u32::to_le_bytes).collect()
}

fn polite() -> Manners {
    Manners { file: file(), most: usize::MAX, ranges: true, says_length: true }
}

struct Bench {
    _place: tempfile::TempDir,
    store: Store,
}

fn bench() -> Bench {
    let place = tempfile::tempdir().unwrap();
    let store = Store::open(place.path()).unwrap();
    Bench { _place: place, store }
}

fn fetch(bench: &Bench, url: &str, digest: Digest) -> Result<(), DownloadError> {
    download(&bench.store, url, digest, &[], &|_| true)
}

fn is_whole(bench: &Bench) {
    let (path, size) = bench.store.file(&Digest::of(&file())).unwrap();
    assert_eq!(size, 1_600_000);
    assert_eq!(std::fs::read(path).unwrap(), file());
}

#[test]
fn a_file_comes_and_comes_once() {
    let (bench, server) = (bench(), Server::start(polite()));
    let (total, most) = (AtomicU64::new(0), AtomicU64::new(0));
    let watch = |event: Event| {
        match event {
            Event::Wanted(_, size) => total.store(size, Ordering::Relaxed),
            Event::Bytes(_, have) => drop(most.fetch_max(have, Ordering::Relaxed)),
            _ => {}
        }
        true
    };
    let moved = server.url.replace("disk.img", "moved");
    download(&bench.store, &moved, Digest::of(&file()), &[], &watch).unwrap();
    is_whole(&bench);
    assert_eq!((total.into_inner(), most.into_inner()), (1_600_000, 1_600_000));
    let before = server.ranges().len();
    fetch(&bench, &server.url, Digest::of(&file())).unwrap();
    assert_eq!(server.ranges().len(), before, "nobody is asked for what is there");
}

#[test]
fn it_goes_on_where_it_broke_off() {
    let (bench, server) = (bench(), Server::start(Manners { most: 700_000, ..polite() }));
    fetch(&bench, &server.url, Digest::of(&file())).unwrap();
    is_whole(&bench);
    let asked = server.ranges();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(
        asked.windows(2).all(|pair| pair[0].parse::<u64>().unwrap_or(0) < pair[1].parse().unwrap()),
        "{asked:?}"
    );
}

#[test]
fn one_that_was_stopped_goes_on_the_next_time() {
    let (bench, server) = (bench(), Server::start(polite()));
    let stopped = AtomicBool::new(false);
    let watch = |event: Event| !matches!(event, Event::Bytes(_, have) if have > 500_000 && !stopped.swap(true, Ordering::Relaxed));
    let error = download(&bench.store, &server.url, Digest::of(&file()), &[], &watch).unwrap_err();
    assert!(matches!(error, DownloadError::Stopped { have, .. } if have > 500_000), "{error}");
    fetch(&bench, &server.url, Digest::of(&file())).unwrap();
    is_whole(&bench);
    assert!(server.ranges()[1].parse::<u64>().unwrap() > 500_000);
}

#[test]
fn a_server_that_knows_no_ranges_or_no_length_will_do() {
    for manners in [Manners { says_length: false, ..polite() }, Manners { ranges: false, ..polite() }] {
        let (bench, server) = (bench(), Server::start(manners));
        // What was begun before is of no use there.
        let wanted = Descriptor { digest: Digest::of(&file()), size: MOST, ..Descriptor::of("", b"") };
        bench.store.partial(&wanted).unwrap().add(&file()[..1_000]).unwrap();
        fetch(&bench, &server.url, Digest::of(&file())).unwrap();
        is_whole(&bench);
    }
}

#[test]
fn what_is_something_else_leaves_nothing() {
    let (bench, server) = (bench(), Server::start(polite()));
    let wanted = Digest::of(b"something else");
    let error = fetch(&bench, &server.url, wanted).unwrap_err().to_string();
    assert!(error.contains(&Digest::of(&file()).hex()) && error.contains(&wanted.hex()), "{error}");
    for folder in ["blobs", "partial"] {
        assert_eq!(std::fs::read_dir(bench.store.root().join(folder)).unwrap().count(), 0, "{folder}");
    }
}

#[test]
fn one_that_gives_nothing_is_given_up() {
    let (bench, server) = (bench(), Server::start(Manners { most: 0, ..polite() }));
    let error = fetch(&bench, &server.url, Digest::of(&file())).unwrap_err();
    assert!(matches!(error, DownloadError::BrokeOff { have: 0, .. }), "{error}");
    assert_eq!(server.ranges().len(), 3);
    let error = fetch(&bench, &server.url.replace("disk.img", "nothing"), Digest::of(&file())).unwrap_err();
    assert!(matches!(error, DownloadError::Status { status: 404, .. }), "{error}");
    let error = fetch(&bench, "http://127.0.0.1:9/x", Digest::of(&file())).unwrap_err();
    assert!(matches!(error, DownloadError::Reach { .. }), "{error}");
}

#[test]
fn a_disk_is_kept_while_it_has_a_name_or_a_pin() {
    let bench = bench();
    let bytes = file();
    let digest = bench.store.add_unknown(&bytes[..]).unwrap().digest;
    bench.store.name_disk("https://host/disk.img", digest, 1).unwrap();
    bench.store.gc().unwrap();
    is_whole(&bench);
    let pin = bench.store.pin("lab", &[digest]).unwrap();
    let refused = bench.store.remove("https://host/disk.img").unwrap_err();
    assert!(matches!(refused, StoreError::InUse { .. }), "{refused}");
    bench.store.gc().unwrap();
    is_whole(&bench);
    drop(pin);
    bench.store.remove("https://host/disk.img").unwrap();
    assert_eq!(bench.store.gc().unwrap().blobs, 1);
    assert!(bench.store.file(&digest).is_err());
}
