//! Fragments: held, looked at as one, and sent on one by one.

mod switched;

use netloom_flow::DropReason;
use netloom_packet::{checksum, parse};
use proptest::prelude::*;

use self::switched::{Net, ends, frame, frame6, ip, udp};

const FLOWS: [&str; 4] = [
    "table=0,in_port=1,ip,actions=ct(commit,nat(src=192.0.2.1)),2",
    "table=0,in_port=1,ipv6,actions=ct(commit,table=1)",
    "table=0,in_port=2,ip,actions=ct(nat,table=1)",
    "table=1,ct_state=+trk-inv,actions=3",
];

fn short(number: usize) -> u16 {
    u16::try_from(number).expect("a length")
}

/// Cuts an IPv4 frame into fragments of `size` bytes of payload, a multiple of 8.
fn cut(frame: &[u8], size: usize, id: u16) -> Vec<Vec<u8>> {
    let payload = &frame[34..];
    let count = payload.len().div_ceil(size);
    (0..count)
        .map(|n| {
            let part = &payload[n * size..payload.len().min((n + 1) * size)];
            let mut out = frame[..34].to_vec();
            out.extend(part);
            out[16..18].copy_from_slice(&short(20 + part.len()).to_be_bytes());
            out[18..20].copy_from_slice(&id.to_be_bytes());
            let more = if n + 1 < count { 0x2000 } else { 0 };
            let fragment = more | short(n * size / 8);
            out[20..22].copy_from_slice(&fragment.to_be_bytes());
            out[24..26].fill(0);
            let check = checksum::checksum(&out[14..34]);
            out[24..26].copy_from_slice(&check.to_be_bytes());
            out
        })
        .collect()
}

/// The same for IPv6.
fn cut6(frame: &[u8], size: usize, id: u32) -> Vec<Vec<u8>> {
    let payload = &frame[54..];
    let count = payload.len().div_ceil(size);
    (0..count)
        .map(|n| {
            let part = &payload[n * size..payload.len().min((n + 1) * size)];
            let mut out = frame[..54].to_vec();
            out[18..20].copy_from_slice(&short(8 + part.len()).to_be_bytes());
            let next = std::mem::replace(&mut out[20], 44);
            let fragment = short(n * size) | u16::from(n + 1 < count);
            out.extend([next, 0]);
            out.extend(fragment.to_be_bytes());
            out.extend(id.to_be_bytes());
            out.extend(part);
            out
        })
        .collect()
}

#[test]
fn all_fragments_wait_for_the_last_and_are_translated() {
    let mut net = Net::new(&FLOWS);
    let whole = frame(ip(1), ip(2), udp(5_000, 53, &[7; 3_000]));
    let parts = cut(&whole, 1_000, 9);
    assert!(net.send(1, parts[2].clone()).is_empty());
    assert!(net.send(1, parts[0].clone()).is_empty());
    assert!(net.send(1, parts[3].clone()).is_empty());
    let out = net.send(1, parts[1].clone());
    assert_eq!(out.len(), 4);
    let expected = cut(&frame([192, 0, 2, 1].into(), ip(2), udp(5_000, 53, &[7; 3_000])), 1_000, 9);
    for (at, n) in [2, 0, 3, 1].into_iter().enumerate() {
        assert_eq!(out[at], (2, expected[n].clone()), "fragment {n}");
    }
    assert_eq!(net.connections().len(), 1);
    let answer = cut(&frame(ip(2), [192, 0, 2, 1].into(), udp(53, 5_000, &[1; 2_000])), 1_480, 4);
    assert!(net.send(2, answer[0].clone()).is_empty());
    let out = net.send(2, answer[1].clone());
    assert_eq!(out.iter().map(|(port, bytes)| (*port, ends(bytes).2)).collect::<Vec<_>>(), [(3, ip(1)); 2]);
}

#[test]
fn fragments_of_ipv6_are_one_datagram() {
    let mut net = Net::new(&FLOWS);
    let parts = cut6(&frame6(1, 2, udp(5_000, 53, &[7; 3_000])), 1_200, 77);
    assert!(net.send(1, parts[1].clone()).is_empty());
    assert!(net.send(1, parts[0].clone()).is_empty());
    let out = net.send(1, parts[2].clone());
    assert_eq!(out.len(), 3);
    assert!(out.iter().all(|(port, bytes)| *port == 3 && parts.contains(bytes)));
}

#[test]
fn what_is_hostile_is_dropped_whole() {
    let whole = frame(ip(1), ip(2), udp(5_000, 53, &[7; 3_000]));
    let parts = cut(&whole, 1_000, 9);
    // Another cut of the same datagram: the second overlaps.
    let others = cut(&whole, 1_504, 9);
    let mut net = Net::new(&FLOWS);
    net.send(1, parts[0].clone());
    assert!(net.send(1, others[1].clone()).is_empty(), "the end may come before the middle");
    assert!(net.send(1, parts[1].clone()).is_empty());
    assert_eq!(net.drops(), [(DropReason::FragmentBad, 3)]);
    // Twice the same.
    let mut net = Net::new(&FLOWS);
    net.send(1, parts[0].clone());
    net.send(1, parts[0].clone());
    assert_eq!(net.drops(), [(DropReason::FragmentBad, 2)]);
    // A first fragment that hides the ports: parse finds no UDP header in four bytes, and no multiple of 8.
    let mut net = Net::new(&FLOWS);
    let mut tiny = parts[0].clone();
    tiny.truncate(38);
    tiny[16..18].copy_from_slice(&24_u16.to_be_bytes());
    net.send(1, tiny);
    // Beyond the end of any datagram.
    let mut far = parts[1].clone();
    far[20..22].copy_from_slice(&0x3fff_u16.to_be_bytes());
    net.send(1, far);
    assert_eq!(net.drops(), [(DropReason::FragmentBad, 2)]);
}

#[test]
fn what_does_not_come_is_given_up_and_memory_is_bounded() {
    let mut net = Net::new(&FLOWS);
    let whole = frame(ip(1), ip(2), udp(5_000, 53, &[7; 64]));
    for id in 0..1_030 {
        net.send(1, cut(&whole, 40, id)[0].clone());
    }
    assert_eq!(net.drops(), [(DropReason::FragmentFull, 6)]);
    net.after(31);
    net.worker.judge(net.now);
    assert_eq!(net.drops(), [(DropReason::FragmentTimeout, 1_024), (DropReason::FragmentFull, 6)]);
    let parts = cut(&whole, 40, 1);
    net.send(1, parts[1].clone());
    assert_eq!(net.send(1, parts[0].clone()).len(), 2);
}

#[test]
fn flows_see_ports_of_fragments_only_if_told_to() {
    use netloom_openflow::Message;
    use netloom_openflow::msg::{Config, FragMode};
    use netloom_switch::{Connection, Kind, PortTraffic};
    let mut net = Net::new(&["priority=2,udp,tp_dst=53,actions=2", "priority=1,udp,nw_frag=yes,actions=3"]);
    let parts = cut(&frame(ip(1), ip(2), udp(5_000, 53, &[7; 100])), 56, 1);
    let mut connection = Connection::new(netloom_openflow::Version::V13, Kind::Service, "test");
    let bridge = net.model.switch.bridges().next().unwrap().0;
    for (frag, first, later) in [
        (None, vec![3], vec![3]),
        (Some(FragMode::NxMatch), vec![2], vec![3]),
        (Some(FragMode::Drop), vec![], vec![]),
        (Some(FragMode::Normal), vec![3], vec![3]),
    ] {
        if let Some(frag) = frag {
            let config = Config { frag, ..Config::default() };
            let counts = |_| PortTraffic::default();
            let message = Message::SetConfig(config);
            let handled = net.model.switch.handle(bridge, &mut connection, message, &counts, net.now);
            assert!(handled.answers.is_empty());
        }
        let ports = |net: &mut Net, n: usize| -> Vec<u32> {
            net.send(1, parts[n].clone()).iter().map(|(port, _)| *port).collect()
        };
        assert_eq!((ports(&mut net, 0), ports(&mut net, 1)), (first, later), "{frag:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_order_and_any_size_gives_the_same_datagram(
        length in 41_usize..4_000,
        size in 1_usize..60,
        order in proptest::collection::vec(any::<u32>(), 128),
    ) {
        let mut net = Net::new(&FLOWS);
        let data: Vec<u8> = (0..=255).cycle().take(length).collect();
        let whole = frame(ip(1), ip(2), udp(5_000, 53, &data));
        let size = (size * 8).max((length + 8).div_ceil(128).next_multiple_of(8));
        let mut parts: Vec<(u32, Vec<u8>)> = order.into_iter().zip(cut(&whole, size, 3)).collect();
        parts.sort();
        let mut out = Vec::new();
        for (n, (_, part)) in parts.iter().enumerate() {
            prop_assert!(out.is_empty(), "before fragment {}", n);
            out = net.send(1, part.clone());
        }
        prop_assert_eq!(out.len(), parts.len());
        let mut bytes = vec![0; length + 8];
        for (_, part) in &out {
            let offset = usize::from(u16::from_be_bytes([part[20], part[21]]) & 0x1fff) * 8;
            bytes[offset..offset + part.len() - 34].copy_from_slice(&part[34..]);
            prop_assert_eq!(checksum::verify_ipv4(part, &parse(part).unwrap()), Some(true));
        }
        let expected = frame([192, 0, 2, 1].into(), ip(2), udp(5_000, 53, &data));
        prop_assert_eq!(&bytes[..], &expected[34..]);
    }
}
