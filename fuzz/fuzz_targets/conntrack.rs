//! Anything at all as frames of connections that are tracked and translated, with helpers: nothing panics, memory stays
//! bounded, and a packet that is accepted leaves with right checksums.
//!
//! Layout of an input: for each frame 1 byte (bit 0 which side it comes from, bits 1 to 7 seconds that pass before),
//! 2 bytes length, big-endian, and the frame.

#![no_main]

use std::net::IpAddr;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use netloom_datapath::{
    Attach, Budget, Change, Frame, OffloadCaps, PoolLimit, Port, PortSpec, Received, Refused, Slowpath,
    Tracker, TrackerConfig, Worker, WorkerConfig,
};
use netloom_flow::action::{CtAlg, Nat, NatRange};
use netloom_flow::{
    ConnectionFilter, DpAction, DropReason, Epoch, Hits, Nanos, PacketKey, PacketMask, PortId, RecircId,
    TenantId, Track, Translation, Upcall, ct_state, word,
};
use netloom_packet::{checksum, parse};

/// Connections there may be.
const LIMIT: usize = 32;

/// Looks at what leaves.
struct Judge;

impl Port for Judge {
    fn receive(&mut self, _: Budget, _: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        Received::default()
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let headers = parse(frame.data()).expect("what leaves is a frame");
        assert_ne!(checksum::verify_ipv4(frame.data(), &headers), Some(false), "IPv4 checksum");
        assert_ne!(checksum::verify_l4(frame.data(), &headers), Some(false), "L4 checksum");
        Ok(())
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}

/// From side 1 connections are committed and translated, from side 2 they are found.
struct Rules;

impl Slowpath for Rules {
    fn translate(&mut self, upcall: &Upcall<'_>) -> Arc<Translation> {
        let place = upcall.key.0[word::IN_PORT];
        let state = upcall.key.0[word::CT] >> 32;
        Arc::new(translation(match (place >> 32, place & 0xff) {
            (1, 0) => tracked(source(), 0),
            (_, 0) => tracked(Some(Nat::Existing), 0),
            _ if state & u64::from(ct_state::INV) != 0 => vec![DpAction::Drop(DropReason::FlowAction)],
            // Another zone, and what was translated again.
            (1, 1) => tracked(Some(Nat::Existing), 1),
            _ => vec![DpAction::Output(PortId(3))],
        }))
    }

    fn still_valid(&mut self, _: &PacketKey, _: &Translation) -> bool {
        false
    }
}

fn source() -> Option<Nat> {
    let address: IpAddr = [192, 0, 2, 1].into();
    let addresses = Some((address, address));
    Some(Nat::Source(NatRange { addresses, ports: Some((1_000, 1_003)), ..NatRange::default() }))
}

fn tracked(nat: Option<Nat>, zone: u16) -> Vec<DpAction> {
    let commit = nat != Some(Nat::Existing);
    let alg = Some(if zone == 0 { CtAlg::Ftp } else { CtAlg::Tftp });
    let track = Track { zone, commit, alg, nat, ..Track::default() };
    vec![DpAction::Ct(Box::new(track)), DpAction::Recirculate(RecircId(1 + u32::from(zone)))]
}

fn translation(actions: Vec<DpAction>) -> Translation {
    Translation {
        mask: PacketMask([u64::MAX; netloom_flow::PACKET_WORDS]),
        actions: actions.into(),
        dependencies: Box::default(),
        effects: Box::default(),
        cacheable: true,
        stamp: 0.into(),
        hits: Hits::default(),
    }
}

fuzz_target!(|input: &[u8]| {
    let tracker = Arc::new(Tracker::new(TrackerConfig { seed: 1, limit: LIMIT }));
    let pool = PoolLimit::new(1 << 20);
    let mut worker = Worker::new(WorkerConfig {
        seed: 1,
        pool: pool.clone(),
        cache_limit: 1 << 16,
        epoch: Epoch::new(),
        worker: 0,
        workers: 1,
        tracker: Arc::clone(&tracker),
    });
    let mut now = Nanos::from_secs(1);
    for port in 1..=3 {
        let spec = PortSpec::new(PortId(port), TenantId(0), Attach::Switch);
        worker.apply(Change::AddPort(spec, Some(Box::new(Judge))), now);
    }
    let mut rest = input;
    while let Some(([how, high, low], left)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((frame, left)) = left.split_at_checked(length) else { break };
        rest = left;
        now += Nanos::from_secs(u64::from(how >> 1));
        let port = 1 + u32::from(how & 1);
        let again = Arc::new(translation(if port == 1 {
            tracked(source(), 0)
        } else {
            tracked(Some(Nat::Existing), 0)
        }));
        worker.inject(PortId(port), frame, &again, now, &mut Rules);
        assert!(tracker.count() <= LIMIT && pool.used() <= 1 << 20);
        worker.judge(now);
    }
    let known = tracker.rows(&ConnectionFilter::default(), Nanos::ZERO).len();
    assert_eq!(tracker.count(), known);
    assert_eq!(tracker.flush(&ConnectionFilter::default()), known);
    assert_eq!(tracker.count(), 0);
});
