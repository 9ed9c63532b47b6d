//! `encap` and `decap`: what OVS 3.1 answers in `ofproto/trace` is what is expected here, in our primitives.

mod support;

use netloom_flow::{DpAction, DropReason, FieldId, FlowMatch, RecircId, TenantId, WordSet, word};
use netloom_openflow::msg::PacketOut;
use netloom_openflow::{Message, Version};
use netloom_switch::config::Origin;
use netloom_switch::{Connection, Kind, PortTraffic};
use support::{Net, Packet, Plan, dp};

fn net(flows: &[&str]) -> Net {
    let plan = (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    let net = Net::new(&plan.config, true);
    flows.iter().fold(net, |mut net, flow| {
        net.switch.add_flow("s1", flow, Origin::Command, net.now).expect("a good flow");
        net
    })
}

fn actions(net: &Net, packet: &Packet) -> Vec<DpAction> {
    net.translate(&packet.key(dp(0, 1), TenantId(0))).actions.to_vec()
}

fn reasons(net: &mut Net, packet: &Packet) -> Vec<DropReason> {
    assert_eq!(net.send(dp(0, 1), packet), []);
    net.switch.drops().iter().map(|drop| drop.reason).collect()
}

fn set(at: usize, value: u64, mask: u64) -> DpAction {
    DpAction::Set(WordSet { word: u8::try_from(at).expect("a word"), value, mask })
}

fn push_nsh(first: [u8; 8]) -> DpAction {
    let mut header = first.to_vec();
    if first[2] == 1 {
        header.resize(24, 0);
    }
    DpAction::PushNsh(header.into())
}

const AROUND: DpAction = DpAction::PushEth { ethertype: 0x6558 };

#[test]
fn a_service_header_goes_around_a_frame_and_ethernet_around_that() {
    let net = net(&["actions=encap(nsh(md_type=1)),set_field:0x5->nsh_spi,encap(ethernet),output:2"]);
    let pushed = push_nsh([0x0f, 0xc6, 1, 3, 0, 0, 0, 255]);
    let path = set(word::NSH, 5 << 8, 5 << 8);
    assert_eq!(actions(&net, &Packet::tcp(1, 2, 80)), [AROUND, pushed, path, DpAction::Output(dp(0, 2))]);
}

#[test]
fn metadata_of_variable_length_and_addresses() {
    let net = net(&["actions=encap(nsh(md_type=2,tlv(0x1000,10,0x123456))),encap(ethernet),\
         set_field:11:22:33:44:55:66->eth_dst,output:2"]);
    let header = [0x0f, 0xc4, 2, 3, 0, 0, 0, 255, 0x10, 0, 10, 3, 0x12, 0x34, 0x56, 0];
    let address = set(word::ETH_DST, 0x1122_3344_5566_0000, 0x1122_3344_5566_0000);
    let expected = [AROUND, DpAction::PushNsh(header.into()), address, DpAction::Output(dp(0, 2))];
    assert_eq!(actions(&net, &Packet::tcp(1, 2, 80)), expected);
}

#[test]
fn a_label_goes_around_a_frame_or_around_ip() {
    let label = |lse| DpAction::PushMpls { ethertype: 0x8847, lse };
    let sent = DpAction::Output(dp(0, 2));
    let around = net(&["actions=encap(mpls),set_mpls_label(5),encap(ethernet),output:2"]);
    let five = set(word::MPLS, 5 << 44, 5 << 44);
    assert_eq!(actions(&around, &Packet::tcp(1, 2, 80)), [AROUND, label(0x140), five, sent.clone()]);
    let twice = net(&["actions=encap(mpls),encap(mpls_mc),encap(ethernet),output:2"]);
    let outer = DpAction::PushMpls { ethertype: 0x8848, lse: 0x40 };
    assert_eq!(actions(&twice, &Packet::tcp(1, 2, 80)), [AROUND, label(0x140), outer, sent.clone()]);
    // The addresses of the frame are gone with its header.
    let behind = net(&["ip,actions=decap,encap(mpls),encap(ethernet),output:2"]);
    let cleared = [
        label(0x140),
        set(word::ETH_DST, 0, 0x0200_0000_0002_0000),
        set(word::ETH_SRC, 0, 0x0200_0000_0001_0000),
        sent,
    ];
    assert_eq!(actions(&behind, &Packet::tcp(1, 2, 80)), cleared);
}

#[test]
fn only_frames_leave_by_ports() {
    let bare = [DropReason::PacketType];
    let tcp = Packet::tcp(1, 2, 80);
    for flow in ["decap,output:2", "decap,normal", "encap(nsh),in_port", "encap(mpls),output:2"] {
        assert_eq!(reasons(&mut net(&[&format!("actions={flow}")]), &tcp), bare, "{flow}");
    }
    // What these are not defined for.
    let tagged = Packet::tcp(1, 2, 80).tagged(5);
    assert_eq!(reasons(&mut net(&["actions=decap,encap(ethernet),output:2"]), &tagged), bare);
    for flow in ["encap(ethernet),output:2", "decap,decap,output:2", "decap,encap(nsh),encap(ethernet),2"] {
        let arp = Packet::arp(1, 2);
        assert_eq!(reasons(&mut net(&[&format!("actions={flow}")]), &arp), bare, "{flow}");
    }
    let mut label = net(&["actions=encap(mpls),decap,encap(ethernet),output:2"]);
    assert_eq!(reasons(&mut label, &tcp), bare, "nobody says what is behind the label");
}

#[test]
fn a_flow_for_ip_is_not_for_bare_ip() {
    let mut net = net(&[
        "table=0,actions=decap(),resubmit(,1)",
        "table=1,priority=6,ip,actions=output:1",
        "table=1,priority=5,dl_type=0x0800,actions=output:1",
        "table=1,priority=4,eth,actions=output:1",
        "table=1,priority=3,packet_type=(1,0x800),tcp,actions=output:1",
        "table=1,priority=2,packet_type=(1,0x800),actions=dec_ttl,encap(ethernet),output:2",
    ]);
    let sent = net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].0, sent[0].1.word(word::IP) >> 40 & 0xff), (dp(0, 2), 63));
    assert_eq!((sent[0].1.word(word::ETH_DST), sent[0].1.word(word::ETH_SRC)), (0x800, 0));
}

/// The actions of a frame with a service header, up to where it is looked up again.
fn revealed(net: &Net, next: u64, expected: &[DpAction]) -> RecircId {
    let mut key = Packet::eth([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    key.set_word(word::ETH_DST, 0x894f, 0xffff);
    key.set_word(word::NSH, 1 << 48 | 1 << 40 | next << 32, u64::MAX);
    let mut actions = actions(net, &key);
    let Some(DpAction::Recirculate(id)) = actions.pop() else { panic!("{actions:?}") };
    assert_eq!(actions, expected);
    id
}

fn again(net: &Net, packet: &Packet, id: RecircId) -> Vec<DpAction> {
    let mut key = packet.key(dp(0, 1), TenantId(0));
    key.0[word::IN_PORT] |= u64::from(id.0);
    net.translate(&key).actions.to_vec()
}

#[test]
fn what_a_service_header_carries_is_known_once_the_packet_is_parsed_again() {
    let net = net(&[
        "dl_type=0x894f,actions=decap,decap,goto_table:1",
        "table=1,priority=3,packet_type=(0,0),tcp,actions=output:3",
        "table=1,priority=2,packet_type=(1,0x800),actions=encap(ethernet),output:2",
    ]);
    let id = revealed(&net, 3, &[DpAction::PopNsh { ethertype: 0x6558 }, DpAction::PopEth]);
    assert_eq!(again(&net, &Packet::tcp(1, 2, 80), id), [DpAction::Output(dp(0, 3))]);
    let id = revealed(&net, 1, &[DpAction::PopNsh { ethertype: 0x0800 }]);
    let bare = again(&net, &Packet::tcp(1, 2, 80), id);
    assert_eq!(bare.last(), Some(&DpAction::Output(dp(0, 2))));
    assert_eq!(bare.len(), 3, "both addresses are cleared: {bare:?}");
}

#[test]
fn a_time_to_live_runs_out() {
    let flows = ["dl_type=0x894f,actions=dec_nsh_ttl,output:2"];
    let packet = |ttl: u64| {
        let mut packet = Packet::eth([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        packet.set_word(word::ETH_DST, 0x894f, 0xffff);
        packet.set_word(word::NSH, ttl << 48 | 1 << 40 | 3 << 32, u64::MAX);
        packet
    };
    assert_eq!(reasons(&mut net(&flows), &packet(1)), [DropReason::TtlExpired]);
    let sent = net(&flows).send(dp(0, 1), &packet(2));
    assert_eq!(sent[0].1.word(word::NSH) >> 48, 1);
}

#[test]
fn a_controller_gets_bare_packets_without_the_header_nobody_sees() {
    let mut net = net(&["actions=decap,controller"]);
    assert_eq!(net.send(dp(0, 1), &Packet::tcp(1, 2, 80)), []);
    let [(punt, _)] = &net.punts[..] else { panic!("{:?}", net.punts) };
    let connection = Connection::new(Version::V15, Kind::Primary, "test");
    let frame: Vec<u8> = (0..60).collect();
    let Some(Message::PacketIn(told)) = connection.packet_in(punt, &frame, 60) else { panic!() };
    assert_eq!((told.packet.as_slice(), told.total_len), (&frame[14..], 46));
    assert_eq!(told.metadata.exact(FieldId::PacketType), Some(0x1_0800));
}

#[test]
fn a_controller_sends_bare_packets() {
    let mut net = net(&[]);
    let mut connection = Connection::new(Version::V15, Kind::Primary, "test");
    let mut metadata = FlowMatch::any();
    metadata.set(FieldId::InPortOxm, 1);
    let mut out = |kind: u128| {
        metadata.set(FieldId::PacketType, kind);
        let actions = netloom_flow::parse_flow("actions=encap(ethernet),output:2").unwrap().actions.to_vec();
        let packet = vec![0x45; 20];
        let request = PacketOut { buffer: None, metadata: metadata.clone(), actions, packet };
        let bridge = net.bridge();
        let message = Message::PacketOut(Box::new(request));
        net.switch.handle(bridge, &mut connection, message, &|_| PortTraffic::default(), net.now)
    };
    let bare = out(0x1_0800);
    assert_eq!(bare.injections.len(), 1);
    let injection = &bare.injections[0];
    assert_eq!(injection.frame, [&[0; 12][..], &[8, 0], &[0x45; 20]].concat());
    assert_eq!(*injection.translation.actions, [DpAction::Output(dp(0, 2))]);
    assert_eq!(out(2 << 16).injections.len(), 0, "nobody knows this namespace");
}
