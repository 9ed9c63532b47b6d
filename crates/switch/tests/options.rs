//! Tunnel options: fields of packets that came with some, and what goes along with those that leave by a tunnel.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::sync::Arc;

use netloom_flow::{DpAction, DropReason, Effect, OptionSet, PacketKey, TenantId, Translation, word};
use netloom_openflow::msg::{TlvCommand, TlvMap, TlvTableMod};
use netloom_openflow::{Message, Version};
use netloom_switch::config::{InterfaceType, Origin};
use netloom_switch::{Connection, Kind, PortTraffic};
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
    let mut net = net(&["tun_metadata0=5,actions=output:1", "priority=1,actions=drop"]);
    let (key, _held) = with(&net, 3, &option(0, &[0, 0, 0, 5]));
    let translation = net.translate(&key);
    assert!(net.switch.tunnel_options().knows(0xffff, 0));
    change(&mut net, TlvCommand::Delete, &[map(0, 0, 4)]);
    assert!(!net.switch.still_valid(&key, &translation));
    assert!(!net.switch.tunnel_options().knows(0xffff, 0) && net.switch.tunnel_options().knows(0xffff, 0x81));
    assert_eq!(sent(&net.translate(&key)), [0_u32; 0]);
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
