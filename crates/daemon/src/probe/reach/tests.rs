use netloom_lab::expect::ProbeKind::{Icmp, Tcp, Udp};
use netloom_sys::netlink::{LinkChange, Request};

use super::*;
use crate::probe::envoy;
use crate::probe::testing::{
    as_guest, batch, forward, index, join, namespaces, routed, settle, station, wire,
};

fn job(pairs: &[(usize, usize)], kinds: &[ProbeKind]) -> ReachJob {
    ReachJob {
        pairs: pairs.to_vec(),
        kinds: kinds.to_vec(),
        over: None,
        packets: 1,
        gap: 20_000_000,
        wait: 500_000_000,
        forwarders: Vec::new(),
        clear: false,
    }
}

fn run(stations: &[Station], job: &ReachJob) -> Vec<Reached> {
    reach(stations, job, &|| true).unwrap()
}

#[test]
fn every_kind_arrives_both_ways_in_both_families() {
    let Some(stations) = wire() else { return };
    let results = run(&stations, &job(&[(0, 1), (1, 0)], &[Icmp, Tcp(5432), Udp(53)]));
    assert_eq!(results.len(), 12);
    for result in results {
        assert_eq!((result.sent, result.arrived), (1, 1), "{result:?}");
        assert_eq!(result.round_trips.len(), 1, "{result:?}");
        assert_eq!(result.error, None);
    }
}

#[test]
fn what_begins_or_ends_in_another_kernel_is_done_there() {
    let Some([a, b]) = wire() else { return };
    let (guest_a, guest_b) = (as_guest(&a), as_guest(&b));
    for stations in [[guest_a.clone(), b.clone()], [a, guest_b.clone()], [guest_a, guest_b]] {
        for packets in [1, 5] {
            let wanted = ReachJob { packets, ..job(&[(0, 1), (1, 0)], &[Icmp, Tcp(5432), Udp(5353)]) };
            let results = run(&stations, &wanted);
            assert_eq!(results.len(), 12);
            for result in results {
                // One alone is repeated until it is answered.
                assert!(result.sent >= packets && result.arrived >= packets, "{result:?}");
                assert!(!result.round_trips.is_empty(), "{result:?}");
                assert_eq!(result.error, None);
            }
        }
    }
}

#[test]
fn what_a_guest_does_not_get_is_lost_and_what_it_makes_up_is_not_believed() {
    let Some([a, r, b]) = routed() else { return };
    forward(&r.netns, false);
    let stations = [a, r, as_guest(&b)];
    for (from, to) in [(0, 2), (2, 0)] {
        for result in run(&stations, &job(&[(from, to)], &[Icmp, Udp(7000)])) {
            assert!(result.sent > 0 && result.arrived == 0, "{result:?}");
        }
    }
    let mut entries = vec![Entry::new(0, 1, Icmp, "10.0.0.2".parse().unwrap())];
    let lies = envoy::Report {
        tried: vec![(0, vec![(true, true, Some(1))], None), (9, Vec::new(), None)],
        seen: vec![(0, 0), (7, 7)],
    };
    away::tried(&mut entries, 1, &lies, 3);
    away::seen(&mut entries, 1, &lies);
    assert!(entries[0].attempts.is_empty(), "the entry begins elsewhere, and nothing was sent");
    let long = envoy::Report { tried: vec![(0, vec![(true, false, None); 9], None)], ..lies };
    away::tried(&mut entries, 0, &long, 3);
    away::seen(&mut entries, 0, &long);
    assert_eq!(entries[0].attempts.len(), 3);
    assert!(entries[0].attempts.iter().all(|attempt| !attempt.arrived), "it ends elsewhere");
}

#[test]
fn a_service_is_used_where_there_is_one() {
    let Some(stations) = wire() else { return };
    let open = || {
        let tcp = std::net::TcpListener::bind("10.0.0.2:5432").unwrap();
        let udp = std::net::UdpSocket::bind("0.0.0.0:53").unwrap();
        (tcp, udp)
    };
    let (service, _udp) = stations[1].netns.run(open).unwrap();
    let v4 = ReachJob { over: Some(Family::Ipv4), ..job(&[(0, 1)], &[Tcp(5432), Udp(53)]) };
    let results = run(&stations, &v4);
    assert_eq!(results.iter().map(|r| r.arrived).collect::<Vec<_>>(), [1, 1], "{results:?}");
    service.set_nonblocking(true).unwrap();
    assert!(service.accept().is_ok(), "the connection was the service's");
}

#[test]
fn an_answer_of_another_node_with_the_address_is_none() {
    let Some([a, b, c, d]) = namespaces() else { return };
    join(0, (&a, "eth0", 1), (&b, "eth0", 2));
    join(0, (&c, "eth0", 1), (&d, "eth0", 2));
    let stations =
        [("a", &a, 1), ("b", &b, 2), ("c", &c, 1), ("d", &d, 2)].map(|(n, ns, h)| station(n, ns, 0, h));
    settle(&stations, (0, 1));
    settle(&stations, (2, 3));
    // `a` asks 10.0.0.2, and `b` answers for `d`; `a` has the address of `c` itself.
    for result in
        run(&stations, &ReachJob { wait: 200_000_000, ..job(&[(0, 3), (0, 2)], &[Icmp, Tcp(80), Udp(53)]) })
    {
        assert_eq!(result.arrived, 0, "{result:?}");
        assert_eq!(result.median(), None, "{result:?}");
        if result.kind == Icmp {
            assert_eq!(result.error.as_deref(), Some("another node that has the address answered"));
        }
    }
    let service = b.run(|| std::net::TcpListener::bind("10.0.0.2:80").unwrap()).unwrap();
    for kinds in [&[Icmp, Tcp(80), Udp(53)][..], &[Tcp(80)]] {
        let v4 = ReachJob { over: Some(Family::Ipv4), ..job(&[(0, 1)], kinds) };
        for result in run(&stations, &v4) {
            assert!(result.arrived >= 1 && result.median().is_some(), "{result:?}");
        }
    }
    drop(service);
}

#[test]
fn a_closed_port_is_told_from_one_that_is_listened_at() {
    let Some(mut stations) = wire() else { return };
    stations[1].may_listen = false;
    let results =
        run(&stations, &ReachJob { over: Some(Family::Ipv4), ..job(&[(0, 1)], &[Tcp(80), Udp(80)]) });
    assert_eq!((results[0].sent, results[0].arrived), (1, 0));
    assert!(results[0].error.as_ref().unwrap().starts_with("refused"), "{results:?}");
    assert_eq!((results[1].sent, results[1].arrived), (1, 1), "a datagram arrives without a listener");
}

#[test]
fn several_packets_have_a_round_trip_each_and_the_first_is_not_counted() {
    let Some(stations) = wire() else { return };
    let begin = netloom_sys::clock::now();
    for result in run(
        &stations,
        &ReachJob { packets: 5, wait: 5_000_000_000, ..job(&[(0, 1)], &[Icmp, Tcp(80), Udp(80)]) },
    ) {
        assert_eq!((result.sent, result.arrived, result.round_trips.len()), (5, 5, 5), "{result:?}");
        assert!(result.median().unwrap() < 100_000_000, "{result:?}");
    }
    assert!(netloom_sys::clock::now() - begin < 2_500_000_000, "nobody waited in vain");
}

#[test]
fn what_a_router_drops_was_last_seen_there() {
    let Some(stations) = routed() else { return };
    let job = ReachJob { forwarders: vec![1], wait: 200_000_000, ..job(&[(0, 2)], &[Icmp, Udp(7)]) };
    let results = run(&stations, &job);
    assert!(results.iter().all(|r| r.arrived == 1 && r.seen_at.is_none()), "{results:?}");
    forward(&stations[1].netns, false);
    for result in run(&stations, &job) {
        assert!(result.sent > 1 && result.arrived == 0, "sent again and again: {result:?}");
        assert_eq!(result.seen_at.as_deref(), Some("r"), "{result:?}");
    }
}

#[test]
fn without_a_route_nothing_is_sent_and_it_says_so() {
    let Some(mut stations) = wire() else { return };
    stations[1].v4 = "192.0.2.1".parse().ok();
    stations[1].addresses = vec!["192.0.2.1".parse().unwrap()];
    let v4 = ReachJob { over: Some(Family::Ipv4), ..job(&[(0, 1)], &[Icmp, Tcp(80), Udp(80)]) };
    for result in run(&stations, &v4) {
        assert_eq!((result.sent, result.arrived), (0, 0));
        assert_eq!(result.error.as_deref(), Some("the sender has no route to it"));
    }
}

#[test]
fn a_request_that_is_not_answered_has_arrived_all_the_same() {
    let Some(stations) = wire() else { return };
    let eth0 = index(&stations[1].netns, "eth0");
    // The neighbour must be known before.
    run(&stations, &job(&[(0, 1)], &[Icmp]));
    batch(&stations[1].netns, &[Request::DropIngress { index: eth0 }]);
    let v4 = ReachJob { over: Some(Family::Ipv4), wait: 100_000_000, ..job(&[(0, 1)], &[Icmp]) };
    let results = run(&stations, &v4);
    assert!(results[0].sent >= 1 && results[0].arrived == results[0].sent, "{results:?}");
    assert_eq!(results[0].median(), None);
}

#[test]
fn an_interface_that_is_down_is_named() {
    let Some(stations) = wire() else { return };
    let eth0 = index(&stations[0].netns, "eth0");
    batch(
        &stations[0].netns,
        &[Request::SetLink { index: eth0, change: LinkChange { up: Some(false), ..LinkChange::default() } }],
    );
    let results = run(&stations, &job(&[(0, 1)], &[Icmp]));
    assert!(results.iter().all(|r| r.sent == 0 && r.error.is_some()), "{results:?}");
}

#[test]
fn neighbours_of_many_pairs_are_cleared() {
    let Some(stations) = wire() else { return };
    run(&stations, &ReachJob { clear: true, ..job(&[(0, 1)], &[Icmp]) });
    let known = stations[0].netns.run(|| {
        use netloom_sys::netlink::Netlink as _;
        netloom_sys::netlink::NetlinkSocket::open().unwrap().neighbours().unwrap()
    });
    let left: Vec<_> =
        known.unwrap().into_iter().filter(|n| Some(n.address) == stations[1].address(false)).collect();
    assert!(left.iter().all(|n| n.mac.is_none()), "{left:?}");
}
