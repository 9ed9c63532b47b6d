//! Anything at all: nothing panics, nothing is sent to another port, and what is sent is whole.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod support;

use std::net::{IpAddr, Ipv4Addr};

use netloom_packet::Mac;
use netloom_services::{Network, Output, link_local};
use proptest::prelude::*;
use support::*;

fn open() -> Network {
    let mut spec = spec();
    spec.forwards = true;
    Network::new(spec, NOW)
}

/// Payloads to every service, framed well.
fn framed(kind: u8, data: &[u8]) -> Vec<u8> {
    let any: IpAddr = Ipv4Addr::UNSPECIFIED.into();
    match kind % 4 {
        0 => udp((WEB, Mac::BROADCAST), (any, 68), (Ipv4Addr::BROADCAST.into(), 67), data),
        1 => udp(
            (WEB, Mac([0x33, 0x33, 0, 1, 0, 2])),
            (link_local(WEB).into(), 546),
            (v6("ff02::1:2").into(), 547),
            data,
        ),
        2 => udp((WEB, SERVICE), ([10, 0, 0, 1].into(), 9), (SERVER.into(), 53), data),
        _ => udp((WEB, SERVICE), (v6("fd00::1").into(), 9), (v6("fd00::fd").into(), 53), data),
    }
}

proptest! {
    #[test]
    fn any_frame(port in 0u32..4, frame in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut network = open();
        prop_assert!(handle(&mut network, port, &frame).len() <= 1);
    }

    #[test]
    fn any_payload(kind: u8, data in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut network = open();
        prop_assert!(handle(&mut network, 1, &framed(kind, &data)).len() <= 1);
    }

    /// Bytes of a good message changed, so that the depths are reached.
    #[test]
    fn any_change_of_a_question(changes in proptest::collection::vec((0usize..60, any::<u8>()), 0..6), cut in 0usize..60) {
        let mut network = open();
        let mut data = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\x01\x03web\x03red\0\0\x01\0\x01\0\0\x29\x10\0\0\0\0\0\0\x08\0\x0a\0\x04abcd".to_vec();
        for (at, value) in changes {
            if let Some(byte) = data.get_mut(at) {
                *byte = value;
            }
        }
        data.truncate(data.len().saturating_sub(cut));
        for output in handle(&mut network, 1, &framed(2, &data)) {
            match output {
                Output::Send { frame, .. } => prop_assert!(opened(&frame).3.len() <= 1_232),
                Output::Ask { token, query } => {
                    prop_assert!(query.len() <= 12 + 255 + 4 + 11);
                    // Whatever comes back, the client gets one answer.
                    let mut out = Vec::new();
                    network.upstream(token, Some(&data), NOW, &mut out);
                    prop_assert_eq!(out.len(), 1);
                }
            }
        }
    }

    /// What servers outside say is as hostile as what guests say.
    #[test]
    fn any_answer_from_outside(reply in proptest::collection::vec(any::<u8>(), 0..1_500)) {
        let mut network = open();
        let asked = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x07example\x03org\0\0\x01\0\x01";
        let out = handle(&mut network, 1, &framed(2, asked));
        let [Output::Ask { token, .. }] = out.as_slice() else { panic!("{out:?}") };
        let real = [&[0x12, 0x34, 0x81, 0x80][..], &asked[4..], &reply].concat();
        let mut out = Vec::new();
        network.upstream(*token, Some(&real), NOW, &mut out);
        prop_assert_eq!(out.len(), 1);
    }
}
