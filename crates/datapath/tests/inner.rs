//! Tunnels whose two ends are switches of the lab.

mod harness;

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::{Attach, Change, Inner, PortSpec};
use netloom_flow::qos::DEFAULT_QUEUE;
use netloom_flow::{DpAction, DropReason, PortId, TenantId, TunnelKey, word};
use netloom_packet::parse;
use netloom_testkit::{Host, Packet};

/// Device 1 at a switch, 2 at another; 3 and 4 are the ends of what is between the switches. What comes by 1 leaves under
/// key 77.
fn lab(inner: Option<Inner>) -> Lab {
    let rule = |key: &netloom_flow::PacketKey| {
        let here = [127, 0, 0, 1].into();
        let key77 = Box::new(TunnelKey::new(77, here, here));
        Answer::all(vec![match in_port(key) {
            1 => DpAction::Tunnel {
                port: PortId(3),
                queue: DEFAULT_QUEUE,
                key: key77,
                max_len: None,
                options: None,
            },
            3 => out(1),
            _ => out(2),
        }])
    };
    let mut lab = Lab::new(Naive::new(rule));
    lab.device(1);
    lab.device(2);
    for (near, far) in [(3, 4), (4, 3)] {
        let spec = PortSpec::new(PortId(near), TenantId(0), Attach::Peer(PortId(far)));
        lab.worker.apply(Change::AddPort(PortSpec { inner, ..spec }, None), lab.now);
    }
    lab
}

fn hosts() -> (Host, Host) {
    (Host::new(1), Host::new(2))
}

/// The keys that the far switch looked up.
fn seen(lab: &Lab) -> Vec<u64> {
    lab.slow.asked.iter().filter(|key| in_port(key) == 4).map(|key| key.0[word::TUN_ID]).collect()
}

#[test]
fn the_other_end_is_told_the_key() {
    let (a, b) = hosts();
    let packet = a.udp(&b, (1, 2), &[7; 100]);
    let mut lab = lab(Some(Inner { mtu: None, clamp: false }));
    lab.send(1, [packet.clone()]);
    assert_eq!(lab.received(2), std::slice::from_ref(&packet));
    assert_eq!(seen(&lab), [77]);
    let mut plain = self::lab(None);
    plain.send(1, [packet.clone()]);
    assert_eq!(plain.received(2), [packet]);
    assert_eq!(seen(&plain), [0], "what was said of another tunnel ends at a link");
}

#[test]
fn what_would_not_fit_is_dropped_and_answered() {
    let (a, b) = hosts();
    let mut lab = lab(Some(Inner { mtu: Some(1_400), clamp: false }));
    let fits = [a.udp6(&b, (1, 2), &[7; 1_352]), a.tcp_super(&b, 20_000, 1_360)];
    lab.send(1, fits.clone());
    assert_eq!(lab.received(2), fits);
    lab.send(1, [a.udp6(&b, (1, 2), &[7; 1_353])]);
    assert!(lab.received(2).is_empty());
    let answers: Vec<Packet> = lab.received(1);
    assert_eq!(answers.len(), 1);
    let headers = parse(&answers[0].bytes).unwrap();
    let icmp = &answers[0].bytes[usize::from(headers.l4)..];
    assert_eq!((icmp[0], &icmp[4..8]), (2, &1_400_u32.to_be_bytes()[..]), "packet too big");
    assert_eq!(lab.drops(), [(DropReason::TunnelTooLong, 1)]);
    lab.send(1, [a.tcp_super(&b, 20_000, 1_448)]);
    assert!(lab.received(2).is_empty());
    assert_eq!(lab.drops(), [(DropReason::TunnelTooLong, 1 + 14)], "each packet of it counts");
}
