use netloom_lab::expect::ProbeKind::{Broadcast, Icmp, Tcp, Udp};
use netloom_sys::netlink::{LinkChange, Request};

use super::*;
use crate::probe::testing::{
    as_guest, batch, forward, index, join, namespaces, routed, settle, station, wire,
};

const ALL: [ProbeKind; 4] = [Icmp, Tcp(80), Udp(53), Broadcast];

fn job(pairs: &[(usize, usize)]) -> SilenceJob {
    SilenceJob { pairs: pairs.to_vec(), kinds: ALL.to_vec(), over: None, grace: 100_000_000 }
}

fn told(stations: &[Station], job: &SilenceJob) -> Vec<Reached> {
    match silence(stations, job, &|| true).unwrap() {
        Silence::Told(told) => told,
        Silence::Impossible(why) => panic!("{why}"),
    }
}

#[test]
fn everything_that_arrives_is_noticed() {
    let Some(stations) = wire() else { return };
    let results = told(&stations, &job(&[(0, 1), (1, 0)]));
    assert_eq!(results.len(), 14, "three kinds in two families and a broadcast, both ways");
    for result in results {
        assert!(result.sent >= 1 && result.arrived == result.sent, "{result:?}");
    }
}

#[test]
fn a_firewall_is_silent_and_a_router_is_not() {
    let Some(stations) = routed() else { return };
    let results = told(&stations, &job(&[(0, 2)]));
    for result in &results {
        // Frames to the target's own MAC end at the router; what takes the sender's route comes through.
        let crosses = result.kind != Broadcast;
        assert_eq!(result.arrived > 0, crosses, "{result:?}");
    }
    forward(&stations[1].netns, false);
    for result in told(&stations, &job(&[(0, 2)])) {
        assert!(result.sent >= 1, "{result:?}");
        assert_eq!(result.arrived, 0, "{result:?}");
    }
}

#[test]
fn two_networks_that_do_not_meet_are_silent_even_with_equal_addresses() {
    let Some([a, b, c, d]) = namespaces() else { return };
    join(0, (&a, "eth0", 1), (&b, "eth0", 2));
    join(0, (&c, "eth0", 1), (&d, "eth0", 2));
    let stations =
        [("a", &a, 1), ("b", &b, 2), ("c", &c, 1), ("d", &d, 2)].map(|(n, ns, h)| station(n, ns, 0, h));
    settle(&stations, (0, 1));
    settle(&stations, (2, 3));
    let results = told(&stations, &job(&[(0, 2), (0, 3), (1, 2), (1, 3)]));
    assert_eq!(results.len(), 28);
    for result in results {
        assert!(result.sent >= 1 && result.arrived == 0, "{result:?}");
    }
}

#[test]
fn a_dead_target_is_told_from_a_firewall() {
    let Some(mut stations) = wire() else { return };
    let eth0 = index(&stations[1].netns, "eth0");
    let down = LinkChange { up: Some(false), ..LinkChange::default() };
    batch(&stations[1].netns, &[Request::SetLink { index: eth0, change: down }]);
    let result = silence(&stations, &job(&[(0, 1)]), &|| true).unwrap();
    let Silence::Impossible(why) = result else { panic!("{result:?}") };
    assert!(why.contains("no interface of it is up"), "{why}");
    stations[1].down = Some("it is stopped".to_owned());
    let result = silence(&stations, &job(&[(0, 1)]), &|| true).unwrap();
    let Silence::Impossible(why) = result else { panic!("{result:?}") };
    assert!(why.starts_with("b: it is stopped"), "{why}");
}

#[test]
fn of_many_nodes_only_neighbours_are_reached() {
    const SIDE: usize = 20;
    // 20 wires: senders at one end, targets at the other of the next wire, so that all but the neighbours are silent.
    let Some(netns) = namespaces::<{ 2 * SIDE }>() else { return };
    let mut stations = Vec::new();
    for (n, ends) in netns.chunks(2).enumerate() {
        let net = u8::try_from(n).unwrap();
        join(net, (&ends[0], "eth0", 1), (&ends[1], "eth0", 2));
        stations.push(station(&format!("a{n}"), &ends[0], net, 1));
        stations.push(station(&format!("b{n}"), &ends[1], net, 2));
    }
    for n in 0..SIDE {
        settle(&stations, (2 * n, 2 * n + 1));
    }
    let pairs: Vec<_> = (0..SIDE).flat_map(|a| (0..SIDE).map(move |b| (2 * a, 2 * b + 1))).collect();
    let results = told(&stations, &job(&pairs));
    assert_eq!(results.len(), 7 * SIDE * SIDE);
    for result in results {
        assert_eq!(result.arrived > 0, result.to == result.from + 1, "{result:?}");
    }
}

#[test]
fn what_is_sent_or_arrives_in_another_kernel_is_noticed_there() {
    let Some([a, b]) = wire() else { return };
    for stations in [[as_guest(&a), b.clone()], [a.clone(), as_guest(&b)], [as_guest(&a), as_guest(&b)]] {
        let results = told(&stations, &job(&[(0, 1), (1, 0)]));
        assert_eq!(results.len(), 14, "as between hosts");
        for result in results {
            assert!(result.sent >= 1 && result.arrived == result.sent, "{result:?}");
        }
    }
    let closed = Station { place: crate::probe::station::Place::Closed, ..b };
    let result = silence(&[a, closed], &job(&[(0, 1)]), &|| true).unwrap();
    let Silence::Impossible(why) = result else { panic!("{result:?}") };
    assert!(why.starts_with("b: it is a virtual machine without netloom's agent"), "{why}");
}

#[test]
fn a_guest_behind_a_firewall_is_silent() {
    let Some([a, r, b]) = routed() else { return };
    let stations = [as_guest(&a), r, as_guest(&b)];
    assert!(told(&stations, &job(&[(0, 2)])).iter().any(|result| result.arrived > 0));
    forward(&stations[1].netns, false);
    for result in told(&stations, &job(&[(0, 2)])) {
        assert!(result.sent >= 1 && result.arrived == 0, "{result:?}");
    }
}
