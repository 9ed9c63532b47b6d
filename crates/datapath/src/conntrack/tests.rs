//! The tracker against a naive one: a list that is searched from end to end, written from the rules in the manual.

use netloom_flow::{BridgeId, ConnectionFilter, Nanos, TenantId, Track, ct_state};
use netloom_packet::tcp::flag;
use proptest::prelude::*;

use super::look::{Look, Segment, Transport};
use super::tracker::{Tracker, TrackerConfig};
use super::tuple::{Tuple, mapped};

/// A packet of a small world.
#[derive(Debug, Clone, Copy)]
struct Packet {
    from: u8,
    to: u8,
    ports: (u8, u8),
    kind: Kind,
    zone: u16,
    commit: bool,
    force: bool,
    mark: u32,
    /// Seconds before it.
    pause: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Datagram,
    Query,
    Answer,
    Syn,
    /// Neither begins a connection nor can it be anything but a part of one.
    SynAck,
}

fn packet() -> impl Strategy<Value = Packet> {
    let kind = prop_oneof![
        3 => Just(Kind::Datagram),
        1 => Just(Kind::Query),
        1 => Just(Kind::Answer),
        1 => Just(Kind::Syn),
        1 => Just(Kind::SynAck),
    ];
    let ends = (1_u8..3, 1_u8..3, (1_u8..3, 1_u8..3));
    (ends, kind, 0_u16..2, any::<bool>(), prop::bool::weighted(0.2), 0_u32..4, 0_u64..25).prop_map(
        |((from, to, ports), kind, zone, commit, force, mark, pause)| Packet {
            from,
            to,
            ports,
            kind,
            zone,
            commit,
            force,
            mark,
            pause,
        },
    )
}

impl Packet {
    fn look(&self) -> Look {
        let (src, dst) = (mapped([10, 0, 0, self.from]), mapped([10, 0, 0, self.to]));
        let tuple = Tuple {
            src,
            dst,
            src_port: self.ports.0.into(),
            dst_port: self.ports.1.into(),
            proto: 17,
            is_ipv6: false,
            kinds: [0, 0],
        };
        let id = u16::from(self.ports.0);
        let query = |kinds| Tuple { proto: 1, src_port: id, dst_port: id, kinds, ..tuple };
        let tcp = |flags, ack| {
            let segment = Segment { flags, seq: 100, ack, window: 1_000, scale: None, len: 0 };
            (Tuple { proto: 6, ..tuple }, Transport::Tcp(segment))
        };
        let (tuple, transport) = match self.kind {
            Kind::Datagram => (tuple, Transport::Other),
            Kind::Query => (query([8, 0]), Transport::Other),
            Kind::Answer => (query([0, 8]), Transport::Other),
            Kind::Syn => tcp(flag::SYN, 0),
            Kind::SynAck => tcp(flag::SYN | flag::ACK, 101),
        };
        Look { tuple, is_error: false, transport }
    }
}

/// A connection, as the naive tracker knows it.
#[derive(Debug, Clone)]
struct Known {
    zone: u16,
    original: Tuple,
    seen: [bool; 2],
    /// Sides of TCP whose SYN the other one has acknowledged.
    acknowledged: [bool; 2],
    packets: u32,
    mark: u32,
    expires: u64,
}

#[derive(Debug, Default)]
struct Naive {
    list: Vec<Known>,
}

impl Naive {
    /// State and mark.
    fn track(&mut self, packet: &Packet, now: u64) -> (u32, u32) {
        let tuple = packet.look().tuple;
        self.list.retain(|known| known.expires > now);
        let is_it = |known: &Known| {
            known.zone == packet.zone && [known.original, known.original.reversed()].contains(&tuple)
        };
        if let Some(at) = self.list.iter().position(is_it) {
            let is_reply = self.list[at].original != tuple;
            if packet.commit && packet.force && is_reply {
                self.list.remove(at);
            } else {
                return self.meet(at, is_reply, packet, now);
            }
        }
        if matches!(packet.kind, Kind::Answer | Kind::SynAck) {
            return (ct_state::TRK | ct_state::INV, 0);
        }
        if !packet.commit {
            return (ct_state::TRK | ct_state::NEW, 0);
        }
        let (original, mark) = (tuple, packet.mark);
        let expires = now + if packet.kind == Kind::Syn { 30 } else { 60 };
        let seen = [true, false];
        let acknowledged = [false; 2];
        let zone = packet.zone;
        self.list.push(Known { zone, original, seen, acknowledged, packets: 1, mark, expires });
        (ct_state::TRK | ct_state::NEW, packet.mark)
    }

    fn meet(&mut self, at: usize, is_reply: bool, packet: &Packet, now: u64) -> (u32, u32) {
        let known = &mut self.list[at];
        known.seen[usize::from(is_reply)] = true;
        known.packets += 1;
        let is_answered = known.seen[1];
        // Acknowledged is who was heard. If each side acknowledges the other's SYN with its own, as in a simultaneous
        // open (RFC 9293 section 3.5), the connection is established without a plain ACK.
        let other = usize::from(!is_reply);
        known.acknowledged[other] |= packet.kind == Kind::SynAck && known.seen[other];
        known.expires = now
            + match packet.kind {
                Kind::Syn | Kind::SynAck if known.acknowledged == [true; 2] => 86_400,
                Kind::Syn | Kind::SynAck => 30,
                _ if is_answered => 30,
                _ => 60,
            };
        if packet.commit {
            known.mark = packet.mark;
        }
        let mut state = ct_state::TRK;
        state |= if is_answered { ct_state::EST } else { ct_state::NEW };
        state |= if is_reply { ct_state::RPL } else { 0 };
        (state, known.mark)
    }
}

/// Shows packets to both.
fn compare(packets: &[Packet]) -> Result<(), TestCaseError> {
    let tracker = Tracker::new(TrackerConfig { seed: 9, limit: 1_000 });
    let (mut naive, mut seconds) = (Naive::default(), 100);
    for packet in packets {
        // The windows of TCP have tests of their own; here a SYN against the direction would be a question of them.
        if packet.kind == Kind::SynAck && packet.from == packet.to {
            continue;
        }
        seconds += packet.pause;
        let now = Nanos::from_secs(seconds);
        let mark = if packet.commit { (packet.mark, u32::MAX) } else { (0, 0) };
        let wanted = Track {
            bridge: BridgeId(3),
            zone: packet.zone,
            commit: packet.commit,
            force: packet.force,
            mark,
            ..Track::default()
        };
        let outcome = tracker.track(&wanted, TenantId(0), &packet.look(), None, now);
        let tracked = outcome.expect("there is room").tracked;
        let expected = naive.track(packet, seconds);
        prop_assert_eq!((tracked.state, tracked.mark), expected, "{:?}", packet);
        if packet.pause > 20 {
            tracker.expire(now);
            naive.list.retain(|known| known.expires > seconds);
            prop_assert_eq!(tracker.count(), naive.list.len());
        }
    }
    let now = Nanos::from_secs(seconds);
    prop_assert_eq!(tracker.rows(&ConnectionFilter::default(), now).len(), naive.list.len());
    tracker.expire(now + Nanos::from_secs(100_000));
    prop_assert_eq!(tracker.count(), 0, "nothing is left behind");
    Ok(())
}

proptest! {
    #[test]
    fn it_says_what_a_naive_one_says(packets in proptest::collection::vec(packet(), 1..120)) {
        compare(&packets)?;
    }
}

/// OVS's tracker (`conntrack-tcp.c`) calls it established, too; Linux's waits for a plain ACK.
#[test]
fn two_syns_that_acknowledge_each_other_make_a_connection() {
    let of = |kind, (from, to), pause| Packet {
        from,
        to,
        ports: (1, 1),
        kind,
        zone: 0,
        commit: true,
        force: false,
        mark: 0,
        pause,
    };
    let packets = [
        of(Kind::Syn, (2, 1), 3),
        of(Kind::SynAck, (1, 2), 9),
        of(Kind::SynAck, (2, 1), 9),
        of(Kind::Datagram, (1, 1), 9),
        of(Kind::Datagram, (1, 1), 9),
        of(Kind::Datagram, (1, 1), 22),
    ];
    compare(&packets).expect("both say the same");
}

#[test]
fn two_threads_agree_on_one_connection_each() {
    let tracker = Tracker::new(TrackerConfig { seed: 9, limit: 10_000 });
    let packet = |n: u16| {
        let tuple = Tuple {
            src: mapped([10, 0, 0, 1]),
            dst: mapped([10, 0, 0, 2]),
            src_port: n,
            dst_port: 53,
            proto: 17,
            is_ipv6: false,
            kinds: [0, 0],
        };
        Look { tuple, is_error: false, transport: Transport::Other }
    };
    let wanted = Track { commit: true, ..Track::default() };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for n in 0..2_000 {
                    let outcome = tracker.track(&wanted, TenantId(0), &packet(n), None, Nanos::from_secs(1));
                    assert!(outcome.is_ok_and(|it| it.tracked.state & ct_state::NEW != 0));
                }
            });
        }
    });
    assert_eq!(tracker.count(), 2_000);
    let rows = tracker.rows(&ConnectionFilter::default(), Nanos::from_secs(1));
    assert!(rows.iter().all(|row| row.packets == [2, 0]));
}

/// A segment from host 1 to host 2, or back.
fn segment(flags: u16, is_reply: bool, seq: u32, ack: u32, len: u32) -> Look {
    let (from, to, ports) = if is_reply { (2, 1, (80, 9)) } else { (1, 2, (9, 80)) };
    let kind = Kind::Syn;
    let plain = Packet { from, to, ports, kind, zone: 0, commit: false, force: false, mark: 0, pause: 0 };
    let transport = Transport::Tcp(Segment { flags, seq, ack, window: 1_000, scale: None, len });
    Look { transport, ..plain.look() }
}

#[test]
fn connections_that_were_kept_are_known_again() {
    let [old, new] = [9, 8].map(|seed| Tracker::new(TrackerConfig { seed, limit: 100 }));
    let (before, after) = (Nanos::from_secs(50), Nanos::from_secs(52));
    let passed = after.since(before);
    let commit = Track { bridge: BridgeId(3), zone: 4, commit: true, mark: (7, 7), ..Track::default() };
    let look = |tracker: &Tracker, wanted: &Track, look: &Look, now| {
        tracker.track(wanted, TenantId(0), look, None, now).expect("there is room").tracked
    };
    let (syn, ack) = (flag::SYN, flag::ACK);
    for (flags, is_reply, seq, acks) in [(syn, false, 9, 0), (syn | ack, true, 99, 10), (ack, false, 10, 100)]
    {
        look(&old, &commit, &segment(flags, is_reply, seq, acks, 0), before);
    }
    // One that opens, and a datagram.
    let other = |kind, ports| Packet {
        from: 1,
        to: 2,
        ports,
        kind,
        zone: 4,
        commit: true,
        force: false,
        mark: 7,
        pause: 0,
    };
    look(&old, &commit, &other(Kind::Syn, (5, 5)).look(), before);
    look(&old, &commit, &other(Kind::Datagram, (6, 6)).look(), before);
    assert_eq!(old.count(), 3);
    assert_eq!(old.keep(BridgeId(2), before), []);

    let kept = old.keep(BridgeId(3), before);
    assert_eq!(kept.len(), 2, "{kept:?}");
    for line in kept.iter().map(ToString::to_string) {
        let read = line.parse().expect(&line);
        assert!(new.resume(BridgeId(1), &read, passed, after), "{line}");
        assert!(!new.resume(BridgeId(1), &read, passed, after), "it is there already");
    }
    let rows = new.rows(&ConnectionFilter::default(), after);
    let left: Vec<u64> = rows.iter().map(|row| row.timeout).collect();
    assert_eq!((left, new.count_of(BridgeId(1), 4)), (vec![86_398, 58], 2));
    // The stream has gone on meanwhile, much further than any window.
    let ask = Track { bridge: BridgeId(1), zone: 4, ..Track::default() };
    let later = look(&new, &ask, &segment(ack, true, 40_000_000, 10, 500), after);
    let established = ct_state::TRK | ct_state::EST | ct_state::RPL;
    assert_eq!((later.state, later.mark), (established, 7));
    let datagram = look(&new, &ask, &other(Kind::Datagram, (6, 6)).look(), after);
    assert_eq!((datagram.state, datagram.mark), (ct_state::TRK | ct_state::NEW, 7));
    let opening = look(&new, &ask, &other(Kind::SynAck, (5, 5)).look(), after);
    assert_eq!(opening.state, ct_state::TRK | ct_state::INV);
    // Whose time is over meanwhile is not taken up.
    new.flush(&ConnectionFilter::default());
    let resumed = kept.iter().filter(|it| new.resume(BridgeId(1), it, Nanos::from_secs(61), after)).count();
    assert_eq!((resumed, new.count()), (1, 1));
    new.expire(after + Nanos::from_secs(100_000));
    assert_eq!(new.count(), 0, "nothing is left behind");
}
