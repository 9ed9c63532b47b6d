//! Trains taken apart again are the datagrams that were put together.

use std::num::NonZeroU32;

use netloom_packet::build::{Frame, Ip, Tcp};
use netloom_packet::segment::cut;
use netloom_packet::train::Train;
use netloom_packet::{Csum, Gso, Mac, Offload, checksum, parse};
use proptest::prelude::*;

const A: Mac = Mac([2, 0, 0, 0, 0, 1]);
const B: Mac = Mac([2, 0, 0, 0, 0, 2]);
const FRONT: usize = 12;

/// A datagram as a TAP delivers it, its checksum still to be computed. It may be fragmented.
fn datagram(six: bool, id: u16, ports: (u16, u16), data: &[u8]) -> (Vec<u8>, Offload) {
    fragmentable(six, id, ports, data, 0)
}

fn fragmentable(six: bool, id: u16, ports: (u16, u16), data: &[u8], fragment: u16) -> (Vec<u8>, Offload) {
    let ip = if six { Ip::v6([1; 8], [2; 8]) } else { Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]) };
    let fragment = if six { ip.fragment } else { fragment };
    let frame = Frame::ip(A, B, Ip { id, fragment, ..ip }.udp(ports.0, ports.1, data));
    let mut bytes = vec![0xa5; frame.len()];
    let (_, offload) = frame.emit_partial(&mut bytes).expect("fits");
    (bytes, offload)
}

/// A train of these, and how many it took.
fn train(frames: &[(Vec<u8>, Offload)]) -> (Train, usize) {
    let mut train = Train::new(FRONT);
    let mut frames = frames.iter();
    let Some((first, offload)) = frames.next() else { return (train, 0) };
    assert!(train.start(first, offload));
    let taken = frames.take_while(|(frame, offload)| train.append(frame, offload)).count();
    (train, 1 + taken)
}

/// What a train stands for, with the checksums computed.
fn apart(mut train: Train) -> Vec<Vec<u8>> {
    let (bytes, offload) = train.finish();
    let frame = &bytes[FRONT..];
    let headers = parse(frame).expect("a frame");
    assert_eq!(offload.check(frame.len(), &headers), Ok(()));
    assert!(checksum::verify_ipv4(frame, &headers).unwrap_or(true));
    let mut cutter = cut(frame, &headers, &offload, NonZeroU32::MIN).expect("consistent");
    let mut buffer = vec![0; cutter.longest()];
    let mut all = Vec::new();
    while let Some(unit) = cutter.next_into(&mut buffer).expect("room") {
        all.push(finished((buffer[..unit.len].to_vec(), unit.offload)));
    }
    all
}

fn finished((mut frame, mut offload): (Vec<u8>, Offload)) -> Vec<u8> {
    checksum::complete(&mut frame, &mut offload).expect("in the frame");
    frame
}

#[test]
fn three_datagrams_become_one_and_three_again() {
    for six in [false, true] {
        let frames = [(0xffff, &[1; 18][..]), (0, &[2; 18]), (1, &[3; 5])]
            .map(|(id, data)| datagram(six, id, (7, 9), data));
        let (train, taken) = train(&frames);
        assert_eq!((taken, train.len()), (3, 3));
        assert_eq!(apart(train), frames.map(finished).to_vec());
    }
}

#[test]
fn one_alone_stays_as_it_is() {
    let frame = datagram(false, 5, (7, 9), b"alone");
    let (mut train, _) = train(std::slice::from_ref(&frame));
    let (bytes, offload) = train.finish();
    assert_eq!((&bytes[FRONT..], offload.gso), (&frame.0[..], Gso::None));
    assert_eq!(offload.csum, frame.1.csum);
    assert!(train.is_empty());
}

#[test]
fn a_shorter_one_is_the_last_and_a_longer_one_is_not_taken() {
    let of = |lengths: &[usize]| {
        let frames: Vec<_> =
            (0..).zip(lengths).map(|(id, n)| datagram(false, id, (7, 9), &vec![4; *n])).collect();
        train(&frames).1
    };
    assert_eq!(of(&[10, 10, 9, 10]), 3);
    assert_eq!(of(&[10, 11]), 1);
    assert_eq!(of(&[10; 100]), 64, "as many as every kernel takes");
    assert_eq!(of(&[1_400; 30]), 11, "16 KiB");
}

#[test]
fn what_differs_is_not_taken() {
    let first = datagram(false, 1, (7, 9), b"0123");
    let refuses = |change: fn(&mut (Vec<u8>, Offload))| {
        let mut next = datagram(false, 2, (7, 9), b"4567");
        change(&mut next);
        let (mut train, _) = train(std::slice::from_ref(&first));
        !train.append(&next.0, &next.1)
    };
    assert!(!refuses(|_| {}));
    assert!(refuses(|next| next.0[0] ^= 2), "destination");
    assert!(refuses(|next| *next = datagram(false, 3, (7, 9), b"4567")), "IPv4 id");
    assert!(refuses(|next| *next = datagram(false, 2, (8, 9), b"4567")), "port");
    assert!(refuses(|next| *next = datagram(true, 2, (7, 9), b"4567")), "version");
    assert!(refuses(|next| next.0[24] ^= 1), "a wrong IPv4 checksum stays wrong");
    assert!(refuses(|next| next.0[40] ^= 1), "a wrong sum of the pseudo header stays wrong");
    assert!(refuses(|next| next.0.push(0)), "padding");
    assert!(refuses(|next| next.1.csum = Csum::Complete), "nobody vouches for its checksum");
    assert!(refuses(|next| *next = datagram(false, 2, (7, 9), b"")), "empty");
}

#[test]
fn the_id_of_what_must_not_be_fragmented_means_nothing() {
    let frames = [7, 7, 9].map(|id| fragmentable(false, id, (7, 9), b"0123", 0x4000));
    let (train, taken) = train(&frames);
    assert_eq!(taken, 3);
    let counted = [7, 8, 9].map(|id| finished(fragmentable(false, id, (7, 9), b"0123", 0x4000)));
    assert_eq!(apart(train), counted);
}

#[test]
fn what_is_no_datagram_begins_nothing() {
    let mut bytes = [0; 60];
    let tcp = Tcp { src: 1, dst: 2, seq: 0, ack: 0, flags: 0, window: 1, options: &[], data: b"x" };
    let frame = Frame::ip(A, B, Ip::v4([10, 0, 0, 1], [10, 0, 0, 2]).tcp(tcp));
    let (length, offload) = frame.emit_partial(&mut bytes).expect("fits");
    assert!(!Train::new(FRONT).start(&bytes[..length], &offload));
    let (frame, offload) = datagram(false, 1, (7, 9), b"0123");
    for end in 0..frame.len() {
        assert!(!Train::new(FRONT).start(&frame[..end], &offload), "{end}");
    }
    let gso = Offload { gso: Gso::Udp, gso_size: 2, ..offload };
    assert!(!Train::new(FRONT).start(&frame, &gso), "one already");
}

proptest! {
    #[test]
    fn trains_are_their_datagrams(
        six in any::<bool>(),
        id in any::<u16>(),
        size in 1usize..300,
        count in 1u8..70,
        last in 1usize..300,
        fill in any::<u8>(),
    ) {
        let frames: Vec<_> = (0..count)
            .map(|n| {
                let size = if n == count - 1 { last.min(size) } else { size };
                datagram(six, id.wrapping_add(n.into()), (7, 9), &vec![fill.wrapping_add(n); size])
            })
            .collect();
        let (train, taken) = train(&frames);
        prop_assert_eq!(taken, train.len());
        let wanted: Vec<_> = frames.into_iter().take(taken).map(finished).collect();
        prop_assert_eq!(apart(train), wanted);
    }

    #[test]
    fn any_bytes_do_no_harm(first in proptest::collection::vec(any::<u8>(), 0..90), start in any::<u16>()) {
        let offload = Offload { csum: Csum::Partial { start, offset: 6 }, ..Offload::PLAIN };
        let mut train = Train::new(FRONT);
        prop_assert!(!train.append(&first, &offload), "nothing to follow");
        let _ = train.start(&first, &offload) && train.append(&first, &offload);
        let _ = train.finish();
        prop_assert!(train.is_empty());
    }
}
