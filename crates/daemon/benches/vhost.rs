//! From a guest's ring to another's, and from TAP to TAP, through the daemon's own worker: packets and bytes in a second, and
//! how often each byte was copied. The guests are rings in shared memory that one thread serves; the worker has another one.
//!
//! `cargo xtask bench vhost` runs it in rounds. It prints one line of JSON.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its result, and why there is none")]
#![expect(clippy::disallowed_methods, reason = "it waits for a worker")]

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use netloom_daemon::engine::Patchbay;
use netloom_packet::{Csum, Gso, Offload, VNET_HDR};
use netloom_sys::clock;
use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request};
use netloom_sys::netns::NetNs;
use netloom_sys::packet_socket::{PacketOptions, PacketSocket};
use netloom_sys::tap::Tap;
use netloom_testkit::machine::{Machine, Shape};
use netloom_vhost::{GuestMemory as _, feature};
use serde_json::json;

const LAB: &str = "netloom: 1
nodes: { g1..2: {}, t1..2: {} }
switches: { s1..2: {} }
links: [g1..2 -- s1, t1..2 -- s2]
";
/// As QEMU's card has them unless it is told otherwise.
const ENTRIES: u16 = 256;
/// A super-packet of 45 segments, nearly 64 KiB.
const SEGMENT: u16 = 1_448;
const SEGMENTS: usize = 45;
const HEADERS: usize = 54;

/// A frame that is sent again and again.
struct Sample {
    offload: Offload,
    bytes: Vec<u8>,
}

/// What was received.
#[derive(Debug, Clone, Copy, Default)]
struct Got {
    frames: u64,
    /// Without virtio-net headers.
    bytes: u64,
    seconds: f64,
}

fn main() {
    match run() {
        Ok(value) => println!("{value}"),
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    }
}

fn run() -> Result<serde_json::Value, Box<dyn Error>> {
    let seconds = std::env::args().skip_while(|word| word != "--seconds").nth(1);
    let seconds: f64 = seconds.map_or(Ok(1.0), |word| word.parse())?;
    let folder = tempfile::tempdir()?;
    let bay = Patchbay::start(&folder.path().join("run"), LAB)?;
    let small = Sample { offload: Offload::PLAIN, bytes: frame(64, 17) };
    let large = Sample { offload: tso(), bytes: frame(HEADERS + SEGMENTS * usize::from(SEGMENT), 6) };
    let short = Shape { entries: ENTRIES, room: 0x800, longest: 0x800 };
    let long = Shape { entries: ENTRIES, room: 0x1000, longest: 0x11000 };
    let (guest_small, _) = guests(&bay, short, &small, seconds)?;
    let (guest_large, copies) = guests(&bay, long, &large, seconds)?;
    let taps = Taps::plug(&bay)?;
    let tap_small = taps.flood(&bay, &small, seconds)?;
    let tap_large = taps.flood(&bay, &large, seconds)?;
    let drops: Vec<String> =
        bay.drops().iter().map(|(reason, packets)| format!("{reason:?} {packets}")).collect();
    Ok(json!({
        "guest_packets": packets(guest_small),
        "guest_gbit": gbit(guest_large),
        "guest_copies": copies,
        "tap_packets": packets(tap_small),
        "tap_gbit": gbit(tap_large),
        "drops": drops.join(", "),
    }))
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn packets(got: Got) -> f64 {
    got.frames as f64 / got.seconds
}

#[expect(clippy::cast_precision_loss, reason = "a rate")]
fn gbit(got: Got) -> f64 {
    got.bytes as f64 * 8.0 / got.seconds / 1e9
}

/// Two guests, one that sends and one that receives; what came, and how often a byte of it was copied.
///
/// # Errors
/// If a byte behind a frame's front was not copied exactly once.
fn guests(bay: &Patchbay, shape: Shape, sample: &Sample, seconds: f64) -> Result<(Got, f64), Box<dyn Error>> {
    let (from_socket, from_status) = bay.plug_guest("g1", 1)?;
    let (to_socket, to_status) = bay.plug_guest("g2", 1)?;
    let (mut from, mut to) = (plug(&from_socket, shape), plug(&to_socket, shape));
    // The switch learns where the receiver is.
    to.send(&Offload::PLAIN, &turned(&sample.bytes[..64]));
    std::thread::sleep(Duration::from_millis(50));
    flood(&mut from, &mut to, sample, 0.2);
    let before = [from_status.copied.out(), to_status.copied.across(), to_status.copied.inward()];
    let sent = bay.counters("g2").iter().map(|port| port.tx().packets).sum::<u64>();
    let got = flood(&mut from, &mut to, sample, seconds);
    std::thread::sleep(Duration::from_millis(20));
    let after = [from_status.copied.out(), to_status.copied.across(), to_status.copied.inward()];
    let [out, across, into] = std::array::from_fn(|n| after[n] - before[n]);
    let front = sample.bytes.len().min(netloom_datapath::FRONT) as u64;
    let frames = into / front;
    if across != frames * (sample.bytes.len() as u64 - front) || frames == 0 {
        return Err(format!("{frames} frames, but {across} bytes went across, {into} by way of us").into());
    }
    let packets = bay.counters("g2").iter().map(|port| port.tx().packets).sum::<u64>() - sent;
    if packets < frames {
        return Err(format!("{frames} frames were given, {packets} packets counted").into());
    }
    bay.unplug("g1")?;
    bay.unplug("g2")?;
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let copies = (out + across + into) as f64 / (frames * sample.bytes.len() as u64) as f64;
    Ok((got, copies))
}

fn plug(socket: &Path, shape: Shape) -> Machine {
    let mut machine = Machine::new(shape);
    let agreed = feature::OFFERED & !(feature::LOG_ALL | feature::PROTOCOL_FEATURES);
    machine.plug(socket, agreed, [0; 2], &mut || std::thread::sleep(Duration::from_millis(1)));
    machine
}

/// Sends and receives as fast as one thread can.
fn flood(from: &mut Machine, to: &mut Machine, sample: &Sample, seconds: f64) -> Got {
    (0..from.rings[1].size).for_each(|slot| from.write(slot, &sample.offload, &sample.bytes));
    let Machine { ram, kicks, rings: [_, ring], .. } = from;
    let mut free: Vec<u16> = (0..ring.size).collect();
    let ram = &*ram;
    let mut got = Got::default();
    let mut left = 0_u16;
    let start = clock::now();
    let mut now = start;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some seconds")]
    let end = start + (seconds * 1e9) as u64;
    while now < end {
        for _ in 0..8 {
            // What was sent is sent again.
            (0..ring.used_by_now(ram)).for_each(|_| free.push(low(ring.next_used(ram).0)));
            let before = ring.offered();
            free.drain(..).for_each(|slot| ring.prepare(ram, slot));
            if ring.offered() != before {
                ring.publish(ram);
                std::sync::atomic::fence(std::sync::atomic::Ordering::SeqCst);
                if crosses(ring.avail_event(ram), before, ring.offered()) {
                    kicks[1].signal();
                }
            }
            receive(to, &mut left, &mut got);
        }
        now = clock::now();
    }
    #[expect(clippy::cast_precision_loss, reason = "some seconds")]
    let seconds = (now - start) as f64 / 1e9;
    // What is on its way comes, so that the next flood begins with nothing.
    let mut quiet = 0;
    while quiet < 100 {
        let there = ring.used_by_now(ram);
        (0..there).for_each(|_| free.push(low(ring.next_used(ram).0)));
        let mut late = Got::default();
        receive(to, &mut left, &mut late);
        quiet = if there > 0 || late.bytes > 0 { 0 } else { quiet + 1 };
        std::thread::sleep(Duration::from_micros(100));
    }
    Got { seconds, ..got }
}

/// Takes what came, and offers the buffers again.
fn receive(to: &mut Machine, left: &mut u16, got: &mut Got) {
    let count = to.rings[0].used_by_now(&to.ram);
    for _ in 0..count {
        let (head, length) = to.rings[0].next_used(&to.ram);
        let slot = low(head);
        got.bytes += u64::from(length);
        if *left == 0 {
            let mut number = [0; 2];
            let at = to.buffer(slot) + VNET_HDR as u64 - 2;
            to.ram.read(at, &mut number).unwrap_or_default();
            *left = u16::from_le_bytes(number);
            got.frames += 1;
            got.bytes -= VNET_HDR as u64;
        }
        *left = left.saturating_sub(1);
        to.rings[0].prepare(&to.ram, slot);
    }
    if count > 0 {
        to.rings[0].publish(&to.ram);
    }
}

fn low(head: u32) -> u16 {
    u16::try_from(head).unwrap_or(0)
}

/// Whether the device is to be called for the step from `old` to `new` (virtio 1.3 §2.7.10).
const fn crosses(event: u16, old: u16, new: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

/// Two TAPs in namespaces of their own, one with a packet socket to send by.
struct Taps {
    socket: PacketSocket,
    _places: [NetNs; 2],
}

impl Taps {
    fn plug(bay: &Patchbay) -> Result<Self, Box<dyn Error>> {
        let [one, two] = [NetNs::create()?, NetNs::create()?];
        let first = || {
            let tap = tap()?;
            let socket = PacketSocket::open(tap.index(), PacketOptions::default()).map_err(said)?;
            Ok::<_, String>((tap, socket))
        };
        let (first, socket) = one.run(first)??;
        bay.plug_tap("t1", first)?;
        bay.plug_tap("t2", two.run(tap)??)?;
        Ok(Self { socket, _places: [one, two] })
    }

    /// Sends by one as fast as this thread can; what came to the other.
    fn flood(&self, bay: &Patchbay, sample: &Sample, seconds: f64) -> Result<Got, Box<dyn Error>> {
        let mut whole = vec![0; VNET_HDR];
        if let Some(header) = whole.first_chunk_mut() {
            sample.offload.emit(header);
        }
        whole.extend(&sample.bytes);
        let port = bay.counters("t2").into_iter().next().ok_or("no counters")?;
        let before = port.tx();
        let start = clock::now();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some seconds")]
        let end = start + (seconds * 1e9) as u64;
        while clock::now() < end {
            // A full queue is what a flood is about.
            let _ = self.socket.send([whole.as_slice(); 32]);
        }
        let (after, now) = (port.tx(), clock::now());
        let frames = after.packets - before.packets;
        let wire = if sample.offload.gso == Gso::None { 1 } else { SEGMENTS as u64 };
        #[expect(clippy::cast_precision_loss, reason = "some seconds")]
        let seconds = (now - start) as f64 / 1e9;
        let frames = frames / wire;
        Ok(Got { frames, bytes: frames * sample.bytes.len() as u64, seconds })
    }
}

/// A TAP that is up, in the namespace of this thread.
fn tap() -> Result<Tap, String> {
    let tap = Tap::create("eth0").map_err(said)?;
    let change = LinkChange {
        up: Some(true),
        tx_queue_len: Some(4_096),
        no_ipv6_autoconf: true,
        ..LinkChange::default()
    };
    let index = tap.index();
    let requests = [Request::NoQueue { index }, Request::SetLink { index, change }];
    NetlinkSocket::open().map_err(said)?.batch(&requests).map_err(said)?;
    Ok(tap)
}

fn said(error: impl Error) -> String {
    error.to_string()
}

fn tso() -> Offload {
    Offload {
        gso: Gso::Tcp4,
        gso_size: SEGMENT,
        hdr_len: 54,
        csum: Csum::Partial { start: 34, offset: 16 },
        ..Offload::PLAIN
    }
}

/// A frame of `len` bytes of the IP protocol `protocol`: UDP or TCP.
fn frame(len: usize, protocol: u8) -> Vec<u8> {
    let mut frame = vec![0x2e; len];
    frame[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1]);
    let [high, low] = u16::try_from(len - 14).unwrap_or(u16::MAX).to_be_bytes();
    let ip = [8, 0, 0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    frame[12..34].copy_from_slice(&ip);
    let [high, low] = u16::try_from(len - 34).unwrap_or(u16::MAX).to_be_bytes();
    let l4: &[u8] = match protocol {
        6 => &[4, 0, 4, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0],
        _ => &[4, 0, 4, 1, high, low, 0, 0],
    };
    frame[34..34 + l4.len()].copy_from_slice(l4);
    frame
}

/// The same frame the other way.
fn turned(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    let (to, from) = frame.split_at_mut(6);
    to.swap_with_slice(&mut from[..6]);
    frame
}
