//! An ordinary user becomes root of a user namespace and joins two network namespaces there.
//!
//! Entering a user namespace takes a process with one thread, which the usual test harness is not: this file has its own
//! `main`. Run by root, it first becomes an ordinary user.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test that is its own harness")]

use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use netloom_sys::netlink::{LinkChange, Netlink, NetlinkSocket, NewLink, Request};
use netloom_sys::netns::NetNs;
use netloom_sys::packet_socket::{BATCH, PacketOptions, PacketSocket, ReceiveBatch};
use netloom_sys::{process, sysctl, userns};

fn main() -> ExitCode {
    if process::is_root() && userns::is_first() {
        return as_ordinary_user();
    }
    if let Err(error) = userns::become_root() {
        println!("skipped: {error}; {}", userns::obstacle().unwrap_or_else(|| "no setting says why".into()));
        println!("test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
        return ExitCode::SUCCESS;
    }
    root_of_its_own();
    println!("test root_of_its_own ... ok");
    println!("test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
    ExitCode::SUCCESS
}

fn as_ordinary_user() -> ExitCode {
    let mut command = Command::new("/proc/self/exe");
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    match command.status() {
        Ok(status) => ExitCode::from(u8::from(!status.success())),
        Err(error) => {
            println!("skipped: cannot run as an ordinary user: {error}");
            println!("test result: ok. 0 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out");
            ExitCode::SUCCESS
        }
    }
}

/// The rootless lab in small: a fabric with packet sockets, and a node with an address.
fn root_of_its_own() {
    assert!(process::is_root(), "root inside");
    assert!(!userns::is_first());
    assert!(std::fs::write("/proc/sys/kernel/hostname", "x").is_err(), "and not of the machine");

    let (fabric, node) = (NetNs::create().unwrap(), NetNs::create().unwrap());
    sysctl::write_in(&node, &[("net.ipv4.ip_forward", "1")]).unwrap();
    let with = LinkChange { no_ipv6_autoconf: true, ..LinkChange::up() };
    let end = NewLink { name: "p1".into(), index: Some(9), netns: None, with: with.clone() };
    let peer =
        NewLink { name: "eth0".into(), index: Some(2), netns: Some(node.raw()), with: LinkChange::default() };
    let port = fabric
        .run(|| {
            let batch = [Request::AddVeth { end, peer }, Request::DropIngress { index: 9 }];
            NetlinkSocket::open().unwrap().batch(&batch).unwrap();
            PacketSocket::open(9, PacketOptions::default()).unwrap()
        })
        .unwrap();
    node.run(|| {
        let address = Request::AddAddress { index: 2, address: IpAddr::from([10, 1, 0, 1]), prefix: 24 };
        let batch = [Request::SetLink { index: 2, change: with }, address];
        NetlinkSocket::open().unwrap().batch(&batch).unwrap();
        // To nobody: the node asks for the address by ARP, which is what the fabric sees.
        let socket = std::net::UdpSocket::bind("10.1.0.1:0").unwrap();
        socket.send_to(b"x", "10.1.0.9:9").unwrap();
    })
    .unwrap();
    let mut batch = ReceiveBatch::new();
    assert_eq!(port.receive(&mut batch, BATCH).unwrap(), 1);
    let arp = batch.frame(0).unwrap();
    assert_eq!(arp.buffer[netloom_sys::packet_socket::FRONT..][12..14], [8, 6]);
}

/// Any number that is not root's; no such account need exist.
const NOBODY: u32 = 65_534;
