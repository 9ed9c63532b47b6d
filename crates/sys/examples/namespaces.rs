//! Measures what a lab costs to begin and end: `cargo run -p netloom-sys --example namespaces -- 256 2` (nodes, threads).
//!
//! Makes that many namespaces, each with a TAP, an address of both families, a default route and `lo` up; then takes them
//! down. Prints milliseconds per node.

#![expect(clippy::print_stdout, reason = "a measurement prints its result")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netloom_sys::memory::Memory;
use netloom_sys::netlink::{LinkChange, Netlink, NetlinkSocket, Request, RouteSpec};
use netloom_sys::netns::{NetNs, NetNsMaker};
use netloom_sys::tap::Tap;
use netloom_sys::{clock, rlimit};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let count: u32 = std::env::args().nth(1).map_or(Ok(256), |count| count.parse())?;
    let threads: u32 = std::env::args().nth(2).map_or(Ok(1), |threads| threads.parse())?;
    rlimit::raise_open_files()?;
    let before = Memory::of_machine()?.available;
    let (start, cpu) = (clock::now(), clock::process_cpu());
    let makers = (0..threads).map(|_| NetNsMaker::start()).collect::<Result<Vec<_>, _>>()?;
    let turns = makers.iter().cycle().zip(0..count);
    let pending: Vec<_> = turns.map(|(maker, n)| maker.make(move |_| furnish(n))).collect();
    let mut nodes = Vec::new();
    for pending in pending {
        let (ns, tap) = pending.wait()?;
        nodes.push((ns, tap?));
    }
    let (up, cpu_up) = (clock::now(), clock::process_cpu());
    let after = Memory::of_machine()?.available;
    println!("memory: {} KiB each", before.saturating_sub(after) / 1024 / u64::from(count.max(1)));
    let (spaces, taps): (Vec<NetNs>, Vec<Tap>) = nodes.into_iter().unzip();
    drop(taps);
    let closed = clock::now();
    drop(spaces);
    drop(makers);
    let down = clock::now();
    println!(
        "{count} nodes: up {:.3} ms each, {:.3} of processor time",
        per(start, up, count),
        per(cpu, cpu_up, count)
    );
    println!("down: TAPs {:.3}, namespaces {:.3} ms each", per(up, closed, count), per(closed, down, count));
    Ok(())
}

fn furnish(n: u32) -> Result<Tap, Box<dyn std::error::Error + Send + Sync>> {
    let tap = Tap::create("eth0")?;
    tap.persist(true)?;
    let [_, _, high, low] = n.to_be_bytes();
    let index = tap.index();
    let change = LinkChange {
        mac: Some([2, 0, 0, 0, high, low]),
        tx_queue_len: Some(4_096),
        no_ipv6_autoconf: true,
        ..LinkChange::up()
    };
    NetlinkSocket::open()?.batch(&[
        Request::SetLink { index: 1, change: LinkChange::up() },
        Request::SetLink { index, change },
        Request::AddAddress { index, address: IpAddr::V4(Ipv4Addr::new(10, 0, high, low)), prefix: 16 },
        Request::AddAddress {
            index,
            address: IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100)),
            prefix: 64,
        },
        Request::SetRoute(RouteSpec::default_via(IpAddr::V4(Ipv4Addr::new(10, 0, 255, 254)))),
    ])?;
    Ok(tap)
}

fn per(from: u64, to: u64, count: u32) -> f64 {
    std::time::Duration::from_nanos(to - from).as_secs_f64() * 1000.0 / f64::from(count)
}
