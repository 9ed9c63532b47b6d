//! Traces of a lab that exists on paper only: the switch model is real, the hosts are not.

use std::path::Path;
use std::sync::{Arc, RwLock};

use netloom_api::{Trace, TraceWhat};
use netloom_datapath::{Tracker, TrackerConfig};
use netloom_flow::{Epoch, FieldId, FlowMatch, Nanos, PacketMeta, PortId, TenantId, Upcall, extract};
use netloom_switch::config::Origin;
use netloom_switch::{Settings, Switch};

use super::chart::Seat;
use super::node::{Fate, arrive, route};
use super::*;
use crate::wiring::{PortMap, port_specs};

const LAB: &str = "\
netloom: 1
name: paper
nodes:
  h1: { ip: 10.0.0.1/24, gateway: 10.0.0.254 }
  h2: { ip: 10.0.0.2/24, routes: [] }
  gw: { forward: true, ip: { eth0: 10.0.0.254/24, eth1: 10.0.9.254/24 } }
  far: { ip: 10.0.9.1/24, gateway: 10.0.9.254 }
switches:
  s1: {}
  s2:
    flows:
      - priority=9,tcp,tp_dst=23,actions=drop
      - priority=0,actions=normal
links: [h1 -- s1, s1 -- s2, h2 -- s2, gw:eth0 -- s2, gw:eth1 -- far]
";

struct Paper {
    chart: Arc<Chart>,
    model: RwLock<Switch>,
    epoch: Epoch,
}

fn paper() -> Paper {
    let file = netloom_lab::load(LAB, Path::new("/paper.loom.yml"), &[]).unwrap();
    let lab = Arc::new(netloom_lab::resolve(&file).unwrap());
    let mut map = PortMap::default();
    map.update(&lab);
    let specs = port_specs(&lab, &map).into_iter().map(|spec| (spec.id, spec)).collect();
    let id = |link: &str, left: bool| map.link(link).map(|[a, b]| if left { a } else { b });
    let epoch = Epoch::new();
    let mut model = Switch::new(Settings::default(), epoch.clone());
    model.reconfigure(&netloom_lab::config::config(&lab, &id), Nanos::ZERO).unwrap();
    model.set_owners(&netloom_lab::config::owners(&lab, &id));
    Paper { chart: Arc::new(Chart::new(&lab, &map, &specs)), model: RwLock::new(model), epoch }
}

fn seat(node: usize, interface: usize) -> Seat {
    Seat { node, interface }
}

fn follower(paper: &Paper, now: u64) -> Follower<'_> {
    let tracker = Arc::new(Tracker::new(TrackerConfig { seed: 1, limit: 100 }));
    Follower::new(&paper.model, &tracker, &paper.chart, Nanos(now))
}

fn way(paper: &Paper, from: usize, to: usize, protocol: Protocol) -> Trace {
    let leg = legs(&paper.chart, from, to, protocol, false).unwrap().swap_remove(0);
    follower(paper, 1).send(leg.from, leg.frame, leg.text)
}

#[test]
fn nodes_take_forward_or_refuse_as_the_file_says() {
    let paper = paper();
    let hop = route(&paper.chart, 0, [10, 0, 9, 1].into()).unwrap();
    assert_eq!(
        (hop.by, hop.via, hop.next),
        (seat(0, 0), Some([10, 0, 0, 254].into()), [10, 0, 0, 254].into())
    );
    assert_eq!(
        route(&paper.chart, 2, [10, 0, 9, 1].into()).map(|hop| (hop.by, hop.via)),
        Some((seat(2, 1), None))
    );
    assert_eq!(route(&paper.chart, 1, [10, 0, 9, 1].into()), None);

    let frame = legs(&paper.chart, 0, 3, Protocol::Udp(53), false).unwrap().swap_remove(0).frame;
    assert_eq!(arrive(&paper.chart, seat(1, 0), &frame), Fate::Ignored, "another's MAC address");
    let Fate::Forwarded { by, frame: sent, .. } = arrive(&paper.chart, seat(2, 0), &frame) else {
        panic!("it forwards")
    };
    assert_eq!(by, seat(2, 1));
    assert_eq!((frame[22], sent[22]), (64, 63), "its TTL is lower");
    assert_eq!(arrive(&paper.chart, seat(3, 0), &sent), Fate::Delivered);
    assert!(matches!(arrive(&paper.chart, seat(3, 0), &sent[..8]), Fate::Stopped(_)), "cut short");

    let through = way(&paper, 0, 3, Protocol::Tcp(80));
    assert_eq!(through.delivered, ["far:eth0"]);
    let lost = way(&paper, 0, 1, Protocol::Tcp(23));
    let rule = lost.drops[0].rule.as_ref().unwrap();
    assert_eq!((lost.drops.len(), rule.origin.as_str()), (1, "paper.loom.yml:12"));
    assert!(legs(&paper.chart, 1, 3, Protocol::Icmp, false).unwrap_err().contains("h2 has no route"));
}

#[test]
fn a_way_that_goes_round_ends() {
    let paper = paper();
    // Each sends what comes from the other back by the same link.
    let mut model = paper.model.write().unwrap();
    model
        .add_flow("s1", "priority=99,actions=output:1,output:2,in_port", Origin::Command, Nanos::ZERO)
        .unwrap();
    model.add_flow("s2", "priority=99,actions=in_port,in_port", Origin::Command, Nanos::ZERO).unwrap();
    drop(model);
    let told = way(&paper, 0, 1, Protocol::Icmp);
    assert!(told.drops.iter().any(|drop| drop.reason == "hop limit"), "{:?}", told.drops.len());
    assert!(told.steps.len() < 20_000, "{}", told.steps.len());
}

#[test]
fn a_described_packet_is_completed_from_the_lab() {
    let paper = paper();
    let s2 = paper.chart.lab.switch("s2").unwrap().clone();
    let described = |text: &str| {
        let matches = parse_at(&s2, text).map_err(|error| error.message)?;
        let arrival = Arrival::new(&paper.chart, "s2", &matches)?;
        let headers = netloom_packet::parse(&arrival.frame).unwrap();
        Ok::<_, String>(words::packet(&extract(&arrival.frame, &headers, &PacketMeta::default())))
    };
    let told = described("in_port=h2,tcp,nw_dst=10.0.0.1,tp_dst=80").unwrap();
    assert!(told.contains("nw_src=10.0.0.2,nw_dst=10.0.0.1") && told.contains("tp_dst=80"), "{told}");
    let mac = |node: usize| netloom_packet::Mac(paper.chart.interface(seat(node, 0)).unwrap().mac.0);
    assert!(told.contains(&format!("dl_src={},dl_dst={}", mac(1), mac(0))), "{told}");
    for text in [
        "in_port=2,arp,arp_tpa=10.0.0.1",
        "in_port=s1,udp,nw_src=10.0.0.1,nw_dst=10.0.0.2",
        "in_port=s2-eth2,icmp,icmp_type=3,icmp_code=1",
        "in_port=2,dl_vlan=5,dl_vlan_pcp=3,ip,nw_tos=32,nw_ttl=9",
        "in_port=2,icmp6,icmp_type=135,nd_target=fd00::9",
        "in_port=2,sctp,tp_dst=9",
        "in_port=2,dl_type=0x88b5",
        "in_port=2,tcp,tcp_flags=+fin-syn,nw_src=10.0.0.0/8",
    ] {
        assert!(described(text).is_ok(), "{text}: {:?}", described(text));
    }
    for text in [
        "tcp",
        "in_port=77,tcp",
        "in_port=2,reg0=5",
        "in_port=2,mpls,mpls_label=7",
        "in_port=2,nonsense",
        "metadata=1",
    ] {
        assert!(described(text).is_err(), "{text}");
    }
}

#[test]
fn a_cached_flow_hides_no_packet_that_is_waited_for() {
    let paper = paper();
    let watch = Watch::default();
    let h1 = paper.chart.port_of(seat(0, 0)).unwrap();
    let leg = |protocol| legs(&paper.chart, 0, 1, protocol, false).unwrap().swap_remove(0).frame;
    let key = |frame: &[u8], port: PortId| {
        let meta = PacketMeta { in_port: port, tenant: TenantId(0), ..PacketMeta::default() };
        extract(frame, &netloom_packet::parse(frame).unwrap(), &meta)
    };
    let (icmp, udp, wanted) = (leg(Protocol::Icmp), leg(Protocol::Udp(7)), leg(Protocol::Udp(53)));
    let cached = |frame: &[u8]| {
        paper.model.read().unwrap().translate(&Upcall { key: &key(frame, h1), packet: frame, now: Nanos(1) })
    };
    let before = [cached(&icmp), cached(&udp)];

    // At the second switch: both are one lookup.
    let mut matches = FlowMatch::any();
    for (field, value) in [(FieldId::EthType, 0x0800), (FieldId::NwProto, 17), (FieldId::TpDst, 53)] {
        matches.set(field, value);
    }
    let wish = Wish { chart: Arc::clone(&paper.chart), switch: "s2".to_owned(), matches };
    let epoch = paper.epoch.now();
    let (number, caught) = watch.begin(&paper.model, wish);
    assert!(watch.is_armed() && paper.epoch.now() > epoch, "caches ask about every flow");
    let model = paper.model.read().unwrap();
    for (frame, translation) in [(&icmp, &before[0]), (&udp, &before[1])] {
        let key = key(frame, h1);
        assert!(watch.hides(&model, &key, translation), "made before, and too wide");
        let narrow = watch.translate(&model, &Upcall { key: &key, packet: frame, now: Nanos(2) });
        assert_eq!(narrow.actions, translation.actions, "it goes where it went");
        assert!(!watch.hides(&model, &key, &narrow), "from now on it tells them apart");
    }
    assert!(caught.try_recv().is_err());
    // A flow that does not pass the switch is no concern.
    let only_s1 =
        before[0].dependencies.iter().filter(|it| !format!("{it:?}").contains("bridge: BridgeId(1)"));
    let elsewhere = netloom_flow::Translation { dependencies: only_s1.copied().collect(), ..cached(&icmp) };
    assert!(!watch.hides(&model, &key(&icmp, h1), &elsewhere));

    let made = watch.translate(&model, &Upcall { key: &key(&wanted, h1), packet: &wanted, now: Nanos(3) });
    assert_eq!(made.actions, cached(&wanted).actions);
    assert!(!watch.is_armed(), "one is enough");
    drop(model);
    let caught = caught.try_recv().unwrap();
    let told = follower(&paper, 4).resume(caught);
    assert_eq!(told.delivered, ["h2:eth0"]);
    let at = |wanted: &str| {
        told.steps
            .iter()
            .position(|it| matches!(&it.what, TraceWhat::Switch { switch, .. } if switch == wanted))
    };
    assert!(at("s1") < at("s2") && at("s1").is_some(), "the whole way is told");
    watch.end(number);
}

#[test]
fn every_reason_to_drop_a_packet_is_explained() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/trace.md")).unwrap();
    for reason in netloom_flow::DropReason::ALL {
        assert!(text.contains(&format!("| {reason} |")), "docs/trace.md does not know `{reason}`");
    }
}
