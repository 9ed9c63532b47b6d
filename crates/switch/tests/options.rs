//! Tunnel options: fields of packets that came with some, and what goes along with those that leave by a tunnel.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::sync::Arc;

use netloom_flow::{DpAction, DropReason, Effect, OptionSet, PacketKey, TenantId, Translation, word};
use netloom_openflow::msg::{TlvCommand, TlvMap, TlvTableMod};
use netloom_openflow::{Message, OfError, Version};
use netloom_switch::config::{Inner, InterfaceType, Origin};
use netloom_switch::{Answer, Connection, Kind, PortTraffic};
use support::{Net, Packet, Plan, dp};

/// Hosts at ports 1 and 2, a tunnel at port 3; `tun_metadata0` has 4 bytes, `tun_metadata1` has 8.
fn net(flows: &[&str]) -> Net {
    let mut config = (1..=3).fold(Plan::new(1), |plan, port| plan.host(0, port, 0)).config;
    config.bridges[0].ports[2].interfaces[0].kind = InterfaceType::Tunnel;
    let mut net = Net::new(&config, true);
    change(&mut net, TlvCommand::Add, &[map(0, 0, 4), map(1, 0x81, 8)]);
    for flow in flows {
        net.switch.add_flow("s1", flow, Origin::Command, net.now).unwrap();
    }
    net
}

fn map(index: u16, kind: u8, len: u8) -> TlvMap {
    TlvMap { class: 0xffff, kind, len, index }
}

fn change(net: &mut Net, command: TlvCommand, maps: &[TlvMap]) {
    let message = Message::TlvTableMod(TlvTableMod { command, maps: maps.to_vec() });
    let mut connection = Connection::new(Version::V13, Kind::Primary, "tcp:127.0.0.1:6653");
    let bridge = net.bridge();
    let handled = net.switch.handle(bridge, &mut connection, message, &|_| PortTraffic::default(), net.now);
    assert_eq!(handled.answers, []);
}

/// An option of class 0xffff.
fn option(kind: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, 0xff, kind, u8::try_from(data.len() / 4).unwrap()], data].concat()
}

/// A packet that comes in by a port with these options, as one that came by a tunnel.
fn with(net: &Net, port: u16, options: &[u8]) -> (PacketKey, Option<Arc<OptionSet>>) {
    let mut key = Packet::tcp(1, 2, 80).key(dp(0, port), TenantId(0));
    let set = (!options.is_empty()).then(|| net.switch.tunnel_options().of(options).unwrap());
    key.0[word::TUN_OPTIONS] = set.as_ref().map_or(0, |set| set.number());
    (key, set)
}

/// The ports a packet is sent to.
fn sent(translation: &Translation) -> Vec<u32> {
    let port = |action: &DpAction| match action {
        DpAction::Output(port) | DpAction::Tunnel { port, .. } => Some(port.0),
        _ => None,
    };
    translation.actions.iter().filter_map(port).collect()
}

/// The options a packet leaves with.
fn options(translation: &Translation) -> Vec<u8> {
    let found = translation.actions.iter().find_map(|action| match action {
        DpAction::Tunnel { key, options, .. } => Some((key, options)),
        _ => None,
    });
    let (key, options) = found.expect("a tunnel");
    assert_eq!(key.options(), options.as_ref().map_or(0, |set| set.number()));
    options.as_ref().map_or(Vec::new(), |set| set.bytes().to_vec())
}

#[test]
fn options_of_packets_are_matched_and_moved() {
    let net = net(&[
        "priority=3,tun_metadata0=5,actions=output:1",
        "priority=2,tun_metadata1=0x700/0xff00,actions=move:NXM_NX_TUN_METADATA1[0..7]->NXM_NX_REG0[0..7],output:NXM_NX_REG0[0..7]",
        "priority=1,actions=drop",
    ]);
    let five = [option(0, &[0, 0, 0, 5]), option(0x81, &[0; 8])].concat();
    let (key, _held) = with(&net, 3, &five);
    let translation = net.translate(&key);
    assert_eq!(sent(&translation), [dp(0, 1).0]);
    assert_eq!(translation.mask.0[word::TUN_OPTIONS], u64::MAX, "another set is another question");
    assert!(net.switch.still_valid(&key, &translation));
    // By a part of the other field.
    let (key, _held) = with(&net, 3, &option(0x81, &[0, 0, 0, 0, 0, 0, 7, 2]));
    assert_eq!(sent(&net.translate(&key)), [dp(0, 2).0]);
    // None, one of another length, one that no field stands for: zeros.
    for options in [vec![], option(0, &[0, 0, 0, 5, 0, 0, 0, 0]), option(9, &[0, 0, 0, 5])] {
        let (key, _held) = with(&net, 3, &options);
        assert_eq!(sent(&net.translate(&key)), [0_u32; 0], "{options:?}");
    }
}

#[test]
fn a_set_that_nobody_knows_any_more_is_a_drop() {
    let net = net(&["actions=output:1"]);
    let (mut key, _) = with(&net, 3, &[]);
    key.0[word::TUN_OPTIONS] = 1_000;
    let translation = net.translate(&key);
    let is_drop = |effect: &Effect| matches!(effect, Effect::Drop { reason: DropReason::TunnelOptions, .. });
    assert!(translation.effects.iter().any(is_drop), "{translation:?}");
    assert_eq!(translation.mask.0[word::TUN_OPTIONS], u64::MAX, "packets with others are not meant");
}

#[test]
fn what_flows_write_goes_along_and_what_came_does_too() {
    let net = net(&[
        "in_port=1,actions=set_field:0->tun_metadata0,set_field:0x1122334455667788->tun_metadata1,output:3",
        "in_port=2,actions=set_field:0x9->tun_metadata0,delete_field:tun_metadata0,output:3",
        "in_port=3,actions=load:0xee->NXM_NX_TUN_METADATA1[0..7],in_port",
    ]);
    let (one, _) = with(&net, 1, &[]);
    let long = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    assert_eq!(
        options(&net.translate(&one)),
        [option(0, &[0; 4]), option(0x81, &long)].concat(),
        "a field that was written is there, even as 0"
    );
    let (two, _) = with(&net, 2, &[]);
    assert_eq!(options(&net.translate(&two)), [0_u8; 0]);
    let (three, _held) = with(&net, 3, &option(0, &[1, 2, 3, 4]));
    let both = [option(0, &[1, 2, 3, 4]), option(0x81, &[0, 0, 0, 0, 0, 0, 0, 0xee])].concat();
    assert_eq!(options(&net.translate(&three)), both);
}

#[test]
fn another_map_makes_cached_answers_old() {
    let mut net = net(&["actions=in_port"]);
    let (key, _held) = with(&net, 3, &option(0, &[0, 0, 0, 5]));
    let translation = net.translate(&key);
    assert_eq!(options(&translation), option(0, &[0, 0, 0, 5]));
    assert!(net.switch.tunnel_options().knows(0xffff, 0));
    change(&mut net, TlvCommand::Delete, &[map(0, 0, 4)]);
    assert!(!net.switch.still_valid(&key, &translation));
    assert!(!net.switch.tunnel_options().knows(0xffff, 0) && net.switch.tunnel_options().knows(0xffff, 0x81));
    assert_eq!(options(&net.translate(&key)), [0_u8; 0]);
}

/// The answer to a change of the map.
fn refused(net: &mut Net, command: TlvCommand, maps: &[TlvMap]) -> Option<OfError> {
    let message = Message::TlvTableMod(TlvTableMod { command, maps: maps.to_vec() });
    let mut connection = Connection::new(Version::V13, Kind::Primary, "tcp:127.0.0.1:6653");
    let bridge = net.bridge();
    let handled = net.switch.handle(bridge, &mut connection, message, &|_| PortTraffic::default(), net.now);
    handled.answers.into_iter().find_map(|answer| match answer {
        Answer::Refuse(error) => Some(error),
        _ => None,
    })
}

#[test]
fn any_number_has_room_until_all_is_taken() {
    let mut net = net(&[]);
    // 2 of 17 words are taken already; these take two each.
    let long: Vec<_> = (57..64).map(|index| map(index, u8::try_from(index).unwrap(), 16)).collect();
    change(&mut net, TlvCommand::Add, &long);
    assert_eq!(refused(&mut net, TlvCommand::Add, &[map(9, 9, 12)]), Some(OfError::NxttmfcTableFull));
    change(&mut net, TlvCommand::Add, &[map(9, 9, 4)]);
    assert_eq!(refused(&mut net, TlvCommand::Add, &[map(10, 10, 4)]), Some(OfError::NxttmfcTableFull));
    change(&mut net, TlvCommand::Clear, &[]);
    assert_eq!(refused(&mut net, TlvCommand::Add, &[map(10, 10, 20)]), Some(OfError::NxttmfcTableFull));
    change(&mut net, TlvCommand::Add, &[map(10, 10, 16)]);
}

#[test]
fn an_option_of_16_bytes_is_matched_written_and_moved_whole() {
    let mut net = net(&[]);
    change(&mut net, TlvCommand::Add, &[map(40, 7, 16), map(63, 8, 12)]);
    for flow in [
        "priority=2,tun_metadata40=0x0102030405060708090a0b0c0d0e0f10,actions=output:1",
        "priority=1,tun_metadata40=0x77000000000000000000000000000000/0xff000000000000000000000000000000,\
         actions=move:NXM_NX_TUN_METADATA40[32..127]->NXM_NX_TUN_METADATA63[0..95],in_port",
        "in_port=1,actions=set_field:0xa1a2a3a4a5a6a7a8a9aaabac->tun_metadata63,output:3",
    ] {
        net.switch.add_flow("s1", flow, Origin::Command, net.now).unwrap();
    }
    let counting: Vec<u8> = (1..=16).collect();
    let (key, _held) = with(&net, 3, &option(7, &counting));
    assert_eq!(sent(&net.translate(&key)), [dp(0, 1).0]);
    let mut other = counting.clone();
    other[0] = 0x77;
    let (key, _held) = with(&net, 3, &option(7, &other));
    assert_eq!(options(&net.translate(&key)), [option(7, &other), option(8, &other[..12])].concat());
    let (key, _) = with(&net, 1, &[]);
    let twelve: Vec<u8> = (0xa1..=0xac).collect();
    assert_eq!(options(&net.translate(&key)), option(8, &twelve));
}

#[test]
fn a_field_that_a_flow_matches_keeps_its_meaning() {
    let mut net = net(&["tun_metadata0=5,actions=output:1"]);
    let refusal = refused(&mut net, TlvCommand::Delete, &[map(0, 0, 4)]);
    assert_eq!(refusal, Some(OfError::NxttmfcInvalidTlvDel));
    let (key, _held) = with(&net, 3, &option(0, &[0, 0, 0, 5]));
    assert_eq!(sent(&net.translate(&key)), [dp(0, 1).0]);
}

#[test]
fn a_flow_is_about_an_option_that_is_mapped_after_it() {
    let mut net = net(&["tun_metadata50=6,actions=output:1", "priority=1,actions=drop"]);
    let (key, _held) = with(&net, 3, &option(0x33, &[0, 0, 0, 6]));
    assert_eq!(sent(&net.translate(&key)), [0_u32; 0]);
    change(&mut net, TlvCommand::Add, &[map(50, 0x33, 4)]);
    assert_eq!(sent(&net.translate(&key)), [dp(0, 1).0]);
}

#[test]
fn options_go_through_a_tunnel_between_two_switches() {
    let end = Inner {
        key: Some(7),
        keys: Vec::new(),
        src: [127, 0, 0, 1].into(),
        dst: [127, 9, 0, 1].into(),
        tos: 0,
        ttl: 64,
        gbp: false,
        options: true,
        mtu: None,
        clamp: false,
    };
    for (options, way) in [(true, vec![dp(1, 1).0]), (false, vec![])] {
        let end = Inner { options, ..end.clone() };
        let plan = Plan::new(2).host(0, 1, 0).host(1, 1, 0).link((0, 2), (1, 2));
        let plan = plan.inner(0, 2, end.clone()).inner(1, 2, end);
        let mut net = Net::new(&plan.config, true);
        for bridge in ["s1", "s2"] {
            let id = net.switch.bridge_id(bridge).unwrap();
            let maps = vec![map(20, 0x80, 4)];
            let message = Message::TlvTableMod(TlvTableMod { command: TlvCommand::Add, maps });
            let mut connection = Connection::new(Version::V13, Kind::Primary, "tcp:127.0.0.1:6653");
            net.switch.handle(id, &mut connection, message, &|_| PortTraffic::default(), net.now);
        }
        for (bridge, flow) in [
            ("s1", "actions=set_field:0xabcd->tun_metadata20,output:2"),
            ("s2", "tun_metadata20=0xabcd,actions=output:1"),
            ("s2", "priority=1,actions=drop"),
        ] {
            net.switch.add_flow(bridge, flow, Origin::Command, net.now).unwrap();
        }
        let key = Packet::tcp(1, 2, 80).key(dp(0, 1), TenantId(0));
        assert_eq!(sent(&net.translate(&key)), way, "only Geneve has options");
    }
}

#[test]
fn a_flow_for_an_option_that_comes_later_concerns_what_is_cached() {
    let mut net = net(&["priority=1,actions=output:2"]);
    let (key, _held) = with(&net, 3, &option(0, &[0, 0, 0, 5]));
    let translation = net.translate(&key);
    assert_eq!(sent(&translation), [dp(0, 2).0]);
    net.switch
        .add_flow("s1", "priority=2,tun_metadata0=5,actions=output:1", Origin::Command, net.now)
        .unwrap();
    assert!(!net.switch.still_valid(&key, &translation));
    assert_eq!(sent(&net.translate(&key)), [dp(0, 1).0]);
}
