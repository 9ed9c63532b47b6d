use super::*;
use crate::probe::testing::{as_guest, routed, wire};

const SHORT: u64 = 300_000_000;

#[test]
fn a_connection_carries_bytes() {
    let Some([a, b]) = wire() else { return };
    let bulk = bulk(&a, &b, Flow::Tcp, SHORT, &|| true).unwrap();
    assert!(bulk.received_bps > 100_000_000, "{bulk:?}");
    assert_eq!(bulk.nanos, SHORT);
}

#[test]
fn datagrams_arrive_at_the_rate_they_are_offered() {
    let Some([a, b]) = wire() else { return };
    let flow = Flow::Udp { offer: Some(20_000_000), bytes: 1_400 };
    let bulk = bulk(&a, &b, flow, SHORT, &|| true).unwrap();
    // A machine that does other things, too, may be late, but not by much of this time.
    assert!(bulk.sent_bps.abs_diff(20_000_000) < 6_000_000, "{bulk:?}");
    assert!(bulk.received_bps.abs_diff(20_000_000) < 8_000_000, "{bulk:?}");
    assert!(bulk.lost_ppb() < 100_000_000, "{bulk:?}");
    assert!(bulk.jitter < 100_000_000 && bulk.mean_jitter < 100_000_000, "{bulk:?}");
}

#[test]
fn what_does_not_arrive_is_lost() {
    let Some([a, r, b]) = routed() else { return };
    crate::probe::testing::forward(&r.netns, false);
    let flow = Flow::Udp { offer: Some(1_000_000), bytes: 200 };
    let lost = bulk(&a, &b, flow, SHORT, &|| true).unwrap();
    assert_eq!((lost.received, lost.lost_ppb()), (0, 1_000_000_000), "{lost:?}");
    assert!(lost.sent.abs_diff(187) < 60, "{lost:?}");
}

#[test]
fn who_is_not_reached_is_named() {
    let Some([a, mut b]) = wire() else { return };
    (b.v4, b.v6) = (None, None);
    let error = bulk(&a, &b, Flow::Tcp, SHORT, &|| true).unwrap_err();
    assert_eq!(error.to_string(), "a and b have no addresses of the same family");
}

#[test]
fn giving_up_ends_it_soon() {
    let Some([a, b]) = wire() else { return };
    let begin = netloom_sys::clock::now();
    for flow in [Flow::Tcp, Flow::Udp { offer: Some(1_000_000), bytes: 200 }] {
        bulk(&a, &b, flow, 60_000_000_000, &|| false).unwrap();
    }
    assert!(netloom_sys::clock::now() - begin < 4_000_000_000);
}

#[test]
fn an_end_in_another_kernel_is_measured_there() {
    let Some([a, b]) = wire() else { return };
    let (guest_a, guest_b) = (as_guest(&a), as_guest(&b));
    for (from, to) in [(&guest_a, &b), (&a, &guest_b), (&guest_a, &guest_b)] {
        let tcp = bulk(from, to, Flow::Tcp, SHORT, &|| true).unwrap();
        assert!(tcp.received_bps > 100_000_000 && tcp.nanos == SHORT, "{tcp:?}");
        let flow = Flow::Udp { offer: Some(2_000_000), bytes: 200 };
        let udp = bulk(from, to, flow, SHORT, &|| true).unwrap();
        assert!(udp.sent.abs_diff(375) < 120, "{udp:?}");
        assert!(udp.received <= udp.sent && udp.lost_ppb() < 100_000_000, "{udp:?}");
        assert!(udp.received_bps.abs_diff(2_000_000) < 1_000_000, "{udp:?}");
        assert!(udp.mean_jitter < 100_000_000, "{udp:?}");
    }
    let closed = Station { place: Place::Closed, ..a };
    let error = bulk(&closed, &b, Flow::Tcp, SHORT, &|| true).unwrap_err();
    assert!(error.to_string().starts_with("a: netloom's agent is not in this guest"), "{error}");
}
