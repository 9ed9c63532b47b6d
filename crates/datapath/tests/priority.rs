//! Priority beside full queues of super-packets, at any rate and phase, on a manual clock.

#![expect(clippy::unwrap_used, reason = "what a test builds itself is there")]

mod harness;

use harness::{Answer, Lab, Naive, in_port, out};
use netloom_datapath::{Change, OffloadCaps};
use netloom_flow::{DpAction, LinkSettings, Nanos, PacketMask, PortId, Qos, Queue, word};
use netloom_testkit::{Host, Packet};
use proptest::prelude::*;

const MBIT: u64 = 1_000_000;
/// Bytes of an urgent packet.
const URGENT: usize = 100;
/// Bytes of the segments that fill the other queue.
const FRAME: u64 = 1_502;

/// Port 1 to port 2: UDP by queue 1, TCP by queue 0.
fn lab(link: Option<u64>) -> Lab {
    let mut lab = Lab::new(Naive::new(|key| {
        let to = 3 - in_port(key);
        let is_urgent = key.0[word::L4] >> 32 & 0xffff == 7;
        let action = if is_urgent { DpAction::Enqueue { port: PortId(to), queue: 1 } } else { out(to) };
        let mut mask = PacketMask::default();
        (mask.0[word::IN_PORT], mask.0[word::L4]) = (u64::MAX, 0xffff << 32);
        Answer { mask, actions: vec![action], cacheable: true }
    }));
    lab.device(1);
    let settings = LinkSettings { rate: link, ..LinkSettings::default() };
    lab.device_with(2, OffloadCaps::ALL, |spec| spec.from_switch = settings);
    lab
}

fn set(lab: &mut Lab, max_rate: Option<u64>, guaranteed: u64) {
    let bulk = Queue { priority: 1, min_rate: guaranteed, ..Queue::default() };
    let qos = Qos { max_rate, queues: [(0, bulk), (1, Queue::default())].into() };
    lab.worker.apply(Change::SetQos { port: PortId(2), qos: Some(Box::new(qos)) }, lab.now);
}

fn held(lab: &Lab) -> u64 {
    lab.counters.queues(PortId(2)).iter().find(|(queue, _)| *queue == 0).unwrap().1.held.bytes
}

/// Lets time pass with a full queue; when the urgent packet left, and the bytes that left on the wire.
fn run(lab: &mut Lab, until: Nanos, left: &mut Option<Nanos>) -> u64 {
    let mut bytes = 0;
    let step = Nanos::from_millis(1);
    while lab.now < until {
        while held(lab) < 600_000 {
            lab.send(1, [Host::new(1).tcp_super(&Host::new(2), 64_000, 1_448)]);
        }
        let mut look = |lab: &mut Lab| {
            for packet in lab.received(2) {
                bytes += on_the_wire(&packet);
                if packet.bytes.len() == URGENT {
                    *left = Some(lab.now);
                }
            }
        };
        look(lab);
        lab.run_until(until.min(lab.now + step), look);
    }
    bytes
}

fn on_the_wire(packet: &Packet) -> u64 {
    let segments = (packet.bytes.len() - 54).div_ceil(1_448).max(1);
    (packet.bytes.len() + (segments - 1) * 54) as u64
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// An urgent packet does not wait for what is left over to the other queue. It waits for one piece, a frame or
    /// 50 us, that is on a link of that rate; and for what is due to another's guarantee, which may be one more. The rate
    /// holds.
    #[test]
    fn an_urgent_packet_waits_for_a_piece_or_not_at_all(
        rate in prop::sample::select(vec![MBIT, 10 * MBIT, 100 * MBIT, 500 * MBIT, 1_000 * MBIT, 2_000 * MBIT]),
        behind in prop::sample::select(vec!["shaper", "guarantee", "link"]),
        gaps in prop::collection::vec(1_000..3_000_000_u64, 4..10),
    ) {
        let mut lab = lab((behind == "link").then_some(rate));
        set(&mut lab, (behind != "link").then_some(rate), if behind == "guarantee" { rate / 2 } else { 0 });
        run(&mut lab, Nanos::from_millis(100_200), &mut None);
        let (begin, mut bytes) = (lab.now, 0);
        let frame = (FRAME * 8 * 1_000_000_000).div_ceil(rate);
        let piece = frame.max(50_000) + 1;
        for gap in gaps {
            let now = lab.now;
            bytes += run(&mut lab, now + Nanos(gap), &mut None);
            let (asked, mut left) = (lab.now, None);
            lab.send(1, [Host::new(1).udp(&Host::new(2), (1, 7), &[0; URGENT - 42])]);
            bytes += run(&mut lab, asked + Nanos(3 * piece + 1_000), &mut left);
            let own = URGENT as u64 * 8 * 1_000_000_000 / rate + 1;
            let most = match behind {
                "shaper" => 0,
                "guarantee" => 2 * piece,
                _ => piece + own,
            };
            let took = left.expect("it has left") - asked;
            prop_assert!(took.0 <= most, "{took:?} with a {behind} at {rate}, where a piece takes {piece} ns");
        }
        let span = u128::from((lab.now - begin).0);
        let exact = span * u128::from(rate) / 8_000_000_000;
        // The last piece and an urgent packet may be on their way, or ahead.
        let slack = u128::from(piece) * u128::from(rate) / 4_000_000_000 + 2_000;
        prop_assert!(u128::from(bytes).abs_diff(exact) <= slack, "{bytes} of {exact} at {rate} in {span} ns");
    }
}
