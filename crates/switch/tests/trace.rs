//! A translation with someone taking notes: the same answer, and nothing changed.

mod support;

use netloom_flow::{DropReason, TenantId, Upcall};
use netloom_switch::config::Origin;
use netloom_switch::{Event, Recorder};
use proptest::prelude::*;
use support::random::{packet, plan};
use support::{Net, Packet, Plan, dp};

/// What happened, a word for each event.
#[derive(Default)]
struct Words(Vec<String>);

impl Recorder for Words {
    fn record(&mut self, event: Event<'_>) {
        self.0.push(match event {
            Event::Enter { bridge, port, .. } => format!("enter {bridge} {port}"),
            Event::Table { table, rule, depth } => {
                let rule = rule.map_or("miss".to_owned(), |it| format!("{} {}", it.flow.priority, it.origin));
                format!("table {table} depth {depth} {rule}")
            }
            Event::Action { action, depth } => format!("action {action} depth {depth}"),
            Event::Changed { before, after } => {
                let changes = netloom_flow::text::field_changes(before, after);
                changes.iter().map(|it| format!("{} {} -> {}", it.field, it.before, it.after)).collect()
            }
            Event::Group { group, chosen } => format!("group {} chooses {chosen:?}", group.id),
            Event::Bucket { group, bucket, .. } => format!("bucket {bucket} of {group}"),
            Event::Output { port, .. } => format!("output {port}"),
            Event::Cross { port } => format!("cross {port}"),
            Event::LearnFlow(flow) => format!("learn {flow}"),
            Event::Drop { reason, port } => format!("drop {reason} at {port}"),
            Event::Side { len, longer } => format!("longer than {len}: {longer}"),
            other => format!("{other:?}").split([' ', '(']).next().unwrap_or_default().to_owned(),
        });
    }
}

fn words(net: &Net, port: netloom_flow::PortId, packet: &Packet) -> Vec<String> {
    let mut words = Words::default();
    let key = packet.key(port, TenantId(0));
    let _ = net.switch.trace(&Upcall { key: &key, packet: &[], now: net.now }, &mut words);
    words.0
}

#[test]
fn each_step_is_told_with_its_rule_and_where_that_comes_from() {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0);
    let plan = plan
        .flow(0, "priority=9,tcp,actions=resubmit(,5)")
        .flow(0, "table=5,priority=3,tcp,actions=mod_tp_dst:8080,output:2");
    let net = Net::new(&plan.config, true);
    let told = words(&net, dp(0, 1), &Packet::tcp(1, 2, 80));
    let rest: Vec<&str> = told.iter().map(String::as_str).skip(1).collect();
    assert_eq!(told[0].split(' ').next(), Some("enter"));
    assert_eq!(rest[1], "action resubmit(,5) depth 0");
    assert!(rest[0].starts_with("table 0 depth 0 9 "), "{told:?}");
    assert!(rest[2].starts_with("table 5 depth 1 3 "), "{told:?}");
    assert_eq!(rest[3], "action mod_tp_dst:8080 depth 1");
    assert_eq!(rest[4], "tp_dst 80 -> 8080");
    assert_eq!(rest[5], "action output:2 depth 1");
    assert!(rest[6].starts_with("output "), "{told:?}");
}

#[test]
fn groups_tell_their_choice_and_learn_tells_its_flow() {
    let plan = Plan::new(1).host(0, 1, 0).host(0, 2, 0);
    let mut net = Net::new(&plan.config, true);
    let change = |net: &mut Net, line: &str| {
        let lines = [line.to_owned()];
        let bridge = net.switch.bridges().map(|(_, name)| name.to_owned()).next().unwrap();
        net.switch.change_groups(&bridge, netloom_switch::GroupCommand::Add, &lines, net.now).unwrap();
        bridge
    };
    let bridge = change(&mut net, "group_id=4,type=all,bucket=output:2,bucket=drop");
    let learn = "priority=8,tcp,actions=learn(table=7,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),group:4";
    net.switch.add_flow(&bridge, learn, Origin::Command, net.now).unwrap();
    let before = net.ledger();
    let told = words(&net, dp(0, 1), &Packet::tcp(1, 2, 80));
    assert!(told.iter().any(|it| it.starts_with("learn ") && it.contains("table=7")), "{told:?}");
    assert!(told.contains(&"group 4 chooses [0, 1]".to_owned()), "{told:?}");
    assert!(told.contains(&"bucket 1 of 4".to_owned()), "{told:?}");
    let last = told.last().map(String::as_str);
    assert_eq!(last, Some(format!("drop {} at 1", DropReason::FlowAction).as_str()), "{told:?}");
    assert_eq!(net.ledger(), before, "tracing changes nothing");
    assert!(net.switch.flows(&bridge, "table=7").unwrap().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// With a recorder the answer is what it is without, and nothing is changed by asking.
    #[test]
    fn a_trace_is_the_translation(plan in plan(), packets in prop::collection::vec(packet(), 1..6)) {
        let net = Net::new(&plan.config, true);
        let before = net.ledger();
        for packet in &packets {
            let key = packet.key(dp(0, 1), TenantId(0));
            let upcall = Upcall { key: &key, packet: &[], now: net.now };
            let plain = net.switch.translate(&upcall);
            let traced = net.switch.trace(&upcall, &mut Words::default());
            prop_assert_eq!(&plain.actions, &traced.actions);
            prop_assert_eq!(&plain.mask, &traced.mask);
            prop_assert_eq!(&plain.effects, &traced.effects);
        }
        prop_assert_eq!(net.ledger(), before);
    }
}
