//! A capture file as Wireshark reads it.

use std::io::Write;
use std::process::{Command, Stdio};

use netloom_datapath::{CaptureSink, Frame, Way};
use netloom_flow::Nanos;
use netloom_netdev::{Capture, CaptureOptions};
use netloom_packet::{Csum, Offload, checksum};

/// Ethernet, IPv4, UDP from port 9 to 10, "hello"; the checksum field has the pseudo header's sum.
fn datagram() -> (Vec<u8>, Offload) {
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0];
    bytes.extend([0x45, 0, 0, 33, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let header = checksum::checksum(&bytes[14..]);
    bytes[24..26].copy_from_slice(&header.to_be_bytes());
    let pseudo = checksum::pseudo_v4([10, 0, 0, 1], [10, 0, 0, 2], 17, 13).fold();
    bytes.extend([0, 9, 0, 10, 0, 13]);
    bytes.extend(pseudo.to_be_bytes());
    bytes.extend(b"hello");
    (bytes, Offload { csum: Csum::Partial { start: 34, offset: 6 }, ..Offload::PLAIN })
}

#[test]
fn wireshark_agrees() {
    let mut capture =
        Capture::new(CaptureOptions { epoch_offset: 1_700_000_000_000_000_000, ..Default::default() });
    let mut taps = ["s1-eth1", "s1-eth2"].map(|name| capture.tap(name));
    for (tap, way) in taps.iter_mut().zip([Way::Rx, Way::Tx]) {
        let (mut bytes, offload) = datagram();
        let end = bytes.len();
        tap.frame(way, Nanos(42), &Frame::new(&mut bytes, 0..end, offload).unwrap());
    }
    drop(taps);
    let mut file = Vec::new();
    assert_eq!(capture.reader().write_all(&mut file).unwrap(), 2);

    let fields =
        ["frame.time_epoch", "frame.interface_name", "udp.checksum.status", "frame.packet_flags_direction"];
    let mut command = Command::new("tshark");
    command.args(["-r", "-", "-o", "udp.check_checksum:TRUE", "-T", "fields"]);
    command.args(fields.iter().flat_map(|field| ["-e", field]));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            eprintln!("skipped: tshark: {error}");
            return;
        }
    };
    child.stdin.take().unwrap().write_all(&file).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let time = "1700000000.000000042";
    assert_eq!(rows, [[time, "s1-eth1", "1", "0x00000001"], [time, "s1-eth2", "1", "0x00000002"]]);
}
