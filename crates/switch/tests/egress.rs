//! Egress tables: what a packet meets on its way out of a port.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use netloom_flow::{DropReason, PortId, TableId, word};
use netloom_openflow::msg::table::{EGRESS_TABLE, FIRST_EGRESS, INGRESS_TABLE};
use netloom_openflow::msg::{MultipartReply, MultipartRequest, TableFeatures};
use netloom_openflow::{Message, OfError, Version};
use netloom_switch::config::Origin;
use netloom_switch::{Answer, Connection, FlowError, Kind, PortTraffic};
use support::{Net, Packet, Plan, dp, mac};

/// Four hosts, and table 100 as the first for egress.
fn net(flows: &[&str]) -> Net {
    let mut net = plain(flows);
    assert!(matches!(set_first(&mut net, Some(100)), Ok(..)));
    net
}

fn plain(flows: &[&str]) -> Net {
    let plan = (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0));
    let plan = flows.iter().fold(plan, |plan, flow| plan.flow(0, flow));
    Net::new(&plan.config, true).with_cache()
}

fn features(net: &mut Net, changes: Vec<TableFeatures>) -> Result<Vec<TableFeatures>, OfError> {
    let mut connection = Connection::new(Version::V15, Kind::Primary, "tcp:127.0.0.1:6653");
    let (bridge, now) = (net.bridge(), net.now);
    let message = Message::MultipartRequest(MultipartRequest::TableFeatures(changes));
    let mut handled = net.switch.handle(bridge, &mut connection, message, &|_| PortTraffic::default(), now);
    match handled.answers.pop() {
        Some(Answer::Reply(Message::MultipartReply(MultipartReply::TableFeatures(all)))) => Ok(all),
        Some(Answer::Refuse(error)) => Err(error),
        other => panic!("{other:?}"),
    }
}

/// Makes a table the first for egress; `None`: table 100 no more.
fn set_first(net: &mut Net, table: Option<u8>) -> Result<Vec<TableFeatures>, OfError> {
    let mut change = features(net, Vec::new()).unwrap().swap_remove(table.unwrap_or(100).into());
    change.flags = change.flags & !FIRST_EGRESS | if table.is_some() { FIRST_EGRESS } else { 0 };
    features(net, vec![change])
}

fn add(net: &mut Net, flow: &str) -> Result<(), FlowError> {
    net.switch.add_flow("s1", flow, Origin::Command, net.now)
}

fn drops(net: &Net) -> Vec<(DropReason, u64)> {
    net.switch.drops().iter().map(|drop| (drop.reason, drop.packets)).collect()
}

fn ports(numbers: &[u16]) -> Vec<PortId> {
    numbers.iter().map(|port| dp(0, *port)).collect()
}

#[test]
fn each_copy_meets_the_tables_of_its_own_port() {
    let mut net = net(&[
        "actions=load:7->NXM_NX_REG0[],output:2,mod_dl_dst:02:00:00:00:00:09,output:3,output:4",
        "table=100,actset_output=2,reg0=7,actions=mod_dl_src:02:00:00:00:00:aa",
        "table=100,actset_output=3,actions=goto_table:101",
        "table=100,actset_output=4,actions=clear_actions",
        "table=101,in_port=1,actions=mod_dl_src:02:00:00:00:00:bb",
    ]);
    for _ in 0..2 {
        let sent = net.send(dp(0, 1), &Packet::tcp(1, 2, 80));
        let headers = |(port, packet): &(PortId, Packet)| {
            (*port, packet.word(word::ETH_DST) >> 16 & 0xff, packet.word(word::ETH_SRC) >> 16 & 0xff)
        };
        let sent: Vec<_> = sent.iter().map(headers).collect();
        assert_eq!(sent, [(dp(0, 2), 2, 0xaa), (dp(0, 3), 9, 0xbb)], "what egress changes is of one copy");
    }
    assert_eq!(drops(&net), [(DropReason::FlowAction, 2)], "the set of the third was cleared");
    assert_eq!(net.hits, 1, "and all of it is cached");
}

#[test]
fn what_no_egress_flow_lets_out_stays() {
    let mut net = net(&["actions=output:2", "table=100,tcp,tp_dst=80,actions=goto_table:101"]);
    assert!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)).is_empty(), "the second table knows nobody");
    assert!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 81)).is_empty());
    assert_eq!(drops(&net), [(DropReason::TableMiss, 2)]);
    add(&mut net, "table=101,actions=note:00").unwrap();
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), ports(&[2]));
    // Without egress tables it is a table as others.
    set_first(&mut net, None).unwrap();
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 81)), ports(&[2]), "what was cached is out of date");
}

#[test]
fn floods_normal_groups_and_the_way_back_pass_egress_tables_too() {
    let mut net = net(&[
        "priority=9,tcp,tp_dst=1,actions=flood",
        "priority=9,tcp,tp_dst=2,actions=normal",
        "priority=9,tcp,tp_dst=3,actions=in_port",
        "priority=9,tcp,tp_dst=4,actions=write_actions(output:3)",
        "table=100,priority=2,actset_output=4,actions=clear_actions",
        "table=100,priority=1,actions=note:00",
    ]);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 9, 1)), ports(&[2, 3]));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 9, 2)), ports(&[2, 3]));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 9, 3)), ports(&[1]));
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 9, 4)), ports(&[3]));
}

#[test]
fn what_egress_flows_send_themselves_leaves_at_once() {
    let mut net = net(&["actions=output:2", "table=100,actions=output:3,mod_dl_dst:02:00:00:00:00:07"]);
    let sent = net.send(dp(0, 1), &Packet::eth(mac(1), mac(2)));
    let to = |at: usize| (sent[at].0, sent[at].1.word(word::ETH_DST) >> 16 & 0xff);
    assert_eq!((sent.len(), to(0), to(1)), (2, (dp(0, 3), 2), (dp(0, 2), 7)));
}

#[test]
fn ingress_and_egress_are_apart() {
    let mut net = net(&["actions=output:2"]);
    assert_eq!(add(&mut net, "actions=goto_table:100"), Err(FlowError::GotoEgress(100)));
    let elsewhere = add(&mut net, "table=101,actions=write_actions(output:3)");
    assert_eq!(elsewhere, Err(FlowError::EgressOutput(101)));
    assert!(add(&mut net, "actions=goto_table:99").is_ok());
    assert!(add(&mut net, "table=101,actions=write_actions(set_field:02:00:00:00:00:02->eth_dst)").is_ok());
    // Not while a flow leads there.
    assert_eq!(set_first(&mut net, Some(99)), Err(OfError::TffcEperm));
    let all = features(&mut net, Vec::new()).unwrap();
    assert_eq!(
        [0, 99, 100, 101].map(|table: usize| all[table].flags),
        [
            INGRESS_TABLE,
            INGRESS_TABLE | EGRESS_TABLE,
            INGRESS_TABLE | EGRESS_TABLE | FIRST_EGRESS,
            INGRESS_TABLE | EGRESS_TABLE
        ]
    );
    assert_eq!(all[0].flows.next_tables.last(), Some(&TableId(99)));
    assert_eq!(all[100].flows.next_tables.last(), Some(&TableId(253)));
    assert_eq!((all[100].flows.write.actions & 1, all[100].flows.apply.actions & 1), (0, 1));
    // The first of all is for what comes in.
    assert_eq!(set_first(&mut net, Some(0)), Err(OfError::TffcBadFeatures));
}

#[test]
fn a_packet_that_is_looked_up_again_knows_its_port_still() {
    let mut net = net(&[
        "actions=output:2",
        "table=100,tcp,ct_state=-trk,actions=ct(table=101)",
        "table=101,ct_state=+trk,actset_output=2,actions=note:00",
    ]);
    let translation = net.translate(&Packet::tcp(1, 2, 80).key(dp(0, 1), netloom_flow::TenantId(0)));
    let recirc = translation.actions.iter().find_map(|action| match action {
        netloom_flow::DpAction::Recirculate(id) => Some(*id),
        _ => None,
    });
    let mut key = Packet::tcp(1, 2, 80).key(dp(0, 1), netloom_flow::TenantId(0));
    key.0[word::IN_PORT] |= u64::from(recirc.expect("it is looked up again").0);
    key.0[word::CT] = u64::from(netloom_flow::ct_state::TRK) << 32;
    assert_eq!(net.translate(&key).actions[..], [netloom_flow::DpAction::Output(dp(0, 2))]);
    assert_eq!(net.ports(dp(0, 1), &Packet::arp(1, 2)), Vec::<PortId>::new(), "no flow for ARP");
}

#[test]
fn a_bridge_that_is_on_its_own_has_no_egress_tables() {
    let mut net = net(&["actions=drop"]);
    let (bridge, now) = (net.bridge(), net.now);
    net.switch.set_fail_open(bridge, true, now);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 9, 80)), ports(&[2, 3, 4]));
    net.switch.set_fail_open(bridge, false, now);
    let all = features(&mut net, Vec::new()).unwrap();
    assert!(all.iter().all(|table| table.flags & FIRST_EGRESS == 0));
}

#[test]
fn egress_tables_go_with_the_last_controller() {
    let mut config =
        (1..=2).fold(Plan::new(1), |plan, port| plan.host(0, port, 0)).flow(0, "actions=output:2").config;
    config.bridges[0].controller = vec!["tcp:127.0.0.1:6653".to_owned()];
    let mut net = Net::new(&config, true).with_cache();
    set_first(&mut net, Some(100)).unwrap();
    assert!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)).is_empty());
    config.bridges[0].controller.clear();
    net.reconfigure(&config);
    assert_eq!(net.ports(dp(0, 1), &Packet::tcp(1, 2, 80)), ports(&[2]));
}
