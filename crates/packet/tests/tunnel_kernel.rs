//! VXLAN with the kernel's own device, in a network namespace: it takes what we write, and we read what it writes.
//!
//! The device lives in a namespace of its own, and this program is started once more in one beside it. Its other end is a
//! UDP socket of the test: outer headers are the kernel's on both sides, the bytes compared begin with VXLAN.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use netloom_packet::build::{Frame, Ip};
use netloom_packet::tunnel::vxlan::{Extension, Gbp, Vxlan};
use netloom_packet::{Mac, arp, checksum, icmp, parse};

const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
/// Two namespaces and a veth pair: the device is in the inner one, the test in the outer one.
const SETUP: &str = "
    set -e
    ip link set lo up
    ip link add v0 type veth peer name v1
    unshare --net sleep 60 &
    inner=$!
    trap 'kill $inner' EXIT
    until [ \"$(readlink /proc/$inner/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
    ip link set v1 netns $inner
    ip addr add 10.8.0.1/24 dev v0
    ip link set v0 up
    nsenter --target $inner --net sh -ec '
        ip addr add 10.8.0.2/24 dev v1
        ip link set v1 up
        ip link add vx type vxlan id 11259375 dstport 4789 remote 10.8.0.1 '$GBP'
        ip addr add 10.9.0.2/24 dev vx
        ip link set vx up'
";

/// Starts one of the tests below where the device is. `false`, aloud, where that cannot be.
fn inside(test: &str, gbp: &str) -> bool {
    let possible = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script]).env("GBP", gbp);
        command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--ignored", "--nocapture"]);
        command.output()
    };
    let probe = possible(SETUP);
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no namespace with a VXLAN device of the kernel: {probe:?}");
        return false;
    }
    let output = possible(&format!("{SETUP}\n\"$0\" \"$@\"")).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    true
}

#[test]
fn the_kernel_answers_through_vxlan() {
    inside("in_namespace::echo", "");
}

#[test]
fn the_kernel_agrees_on_the_group_policy() {
    inside("in_namespace::echo_with_policy", "gbp");
}

mod in_namespace {
    use super::*;

    /// Sends a frame through the tunnel and waits for one that `wanted` knows.
    fn exchange(frame: &[u8], vxlan: Vxlan, extension: Extension, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let socket = UdpSocket::bind("10.8.0.1:4789").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut packet = [&[0; 8], frame].concat();
        assert!(vxlan.emit(&mut packet));
        socket.send_to(&packet, "10.8.0.2:4789").unwrap();
        let mut buffer = [0; 2000];
        loop {
            let length = socket.recv(&mut buffer).unwrap();
            let answer = &buffer[..length];
            let header = Vxlan::parse(answer, extension).unwrap();
            assert_eq!(header.vni, vxlan.vni);
            if wanted(&answer[8..]) {
                return answer[8..].to_vec();
            }
        }
    }

    /// The device's address, by ARP.
    fn resolve(vxlan: Vxlan, extension: Extension) -> Mac {
        let frame = Frame::arp_request(OWN, [10, 9, 0, 1].into(), [10, 9, 0, 2].into()).to_vec().unwrap();
        let is_reply = |frame: &[u8]| {
            let headers = parse(frame).unwrap();
            arp::Arp::of(frame, &headers).is_some_and(|arp| arp.op() == 2)
        };
        let reply = exchange(&frame, vxlan, extension, is_reply);
        Mac(*reply[6..].first_chunk().unwrap())
    }

    fn ping(vxlan: Vxlan, extension: Extension) {
        let device = resolve(vxlan, extension);
        let ip = Ip::v4([10, 9, 0, 1], [10, 9, 0, 2]).echo(7, 9, b"through the tunnel");
        let frame = Frame::ip(OWN, device, ip).to_vec().unwrap();
        let is_reply = |frame: &[u8]| {
            let headers = parse(frame).unwrap();
            icmp::Icmp::of(frame, &headers).is_some_and(|icmp| icmp.kind() == icmp::ECHO_REPLY)
        };
        let reply = exchange(&frame, vxlan, extension, is_reply);
        let headers = parse(&reply).unwrap();
        assert_eq!(checksum::verify_l4(&reply, &headers), Some(true));
        assert_eq!(&reply[42..], b"through the tunnel");
    }

    #[test]
    #[ignore = "started by the tests above, in a namespace"]
    fn echo() {
        ping(Vxlan::new(0x00ab_cdef), Extension::None);
    }

    #[test]
    #[ignore = "started by the tests above, in a namespace"]
    fn echo_with_policy() {
        let gbp = Some(Gbp { policy: 42, flags: 0 });
        ping(Vxlan { gbp, ..Vxlan::new(0x00ab_cdef) }, Extension::Gbp);
    }
}
