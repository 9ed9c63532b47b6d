//! The text of flows: real ones, wrong ones, random ones.

mod random;

use std::fmt::Write as _;

use netloom_flow::action::MAX_NESTING;
use netloom_flow::check::{Consistency, Scope, check_actions};
use netloom_flow::text::no_names;
use netloom_flow::{
    Action, FieldId, FlowMatch, FlowText, FlowTextError, OfPort, Prerequisite, TableId, parse_filter,
    parse_flow, parse_flow_mod, parse_flow_with,
};
use proptest::prelude::*;

/// Flows as people and programs write them: Mininet walk-throughs, OVS's manual, OVN's pipeline.
const FLOWS: &str = include_str!("samples/flows.txt");

/// Text that is refused, and why is told.
const WRONG: &str = "

ip
tp_dst=80,actions=drop
ip,tp_dst=80,actions=drop
nw_src=10.0.0.1,actions=drop
arp,tcp_dst=1,actions=drop
arp_spa=10.0.0.1,actions=drop
icmp_type=8,actions=drop
icmp6,nd_target=fe80::1,actions=drop
icmp6,icmp_type=135,nd_tll=02:00:00:00:00:01,actions=drop
mpls_label=3,actions=drop
priority=70000,actions=drop
priority=-1,actions=drop
priority=,actions=drop
priority,actions=drop
table=255,actions=drop
cookie=0x10000000000000000,actions=drop
cookie=0x1/0x1,actions=drop
dl_vlan=4096,actions=drop
vlan_vid=5,actions=drop
tcp,tp_dst=65536,actions=drop
tcp,tp_dst=80-90,actions=drop
tcp,tp_dst=010,actions=drop
tcp,tp_dst=http,actions=drop
ip,nw_tos=33,actions=drop
ip,nw_src=10.0.0.1/24,actions=drop
ip,nw_src=10.0.0.1/33,actions=drop
ip,nw_src=10.0.0,actions=drop
ip,nw_proto=6/7,actions=drop
ipv6,ipv6_src=fe80::1/64,actions=drop
dl_src=02:00:00:00:00,actions=drop
ip,nw_frag=frist,actions=drop
tcp,tcp_flags=+syn-akc,actions=drop
ct_state=+trk+trk,actions=drop
ip,arp,actions=drop
tcp,udp,actions=drop
tcp,tp_dst=1,tp_dst=2,actions=drop
nw_dts=10.0.0.1,ip,actions=drop
tpc,actions=drop
prioritty=5,actions=drop
banana=5,actions=drop
output:1,actions=drop
tun_metadata64=1,actions=drop
ct_tp_dst=1,actions=drop
tcp=1,actions=drop
in_port=eth9,actions=drop
in_port=LOCLA,actions=drop
in_port=70000,actions=drop
actions=
actions
actions=drop,output:1
actions=output:eth9
actions=output:none
actions=outptu:1
actions=output
actions=normall
actions=ct(commit)
actions=learn(table=1,nw_src=10.0.0.1)
actions=goto_table:0
actions=goto_table:1,output:1
actions=output:1,priority=5
actions=set_field:1->nw_src
actions=set_field:10.0.0.1->nw_src
actions=set_field:10.0.0.1
actions=set_field:6->ip_frag
actions=set_field:5->vlan_vid
dl_vlan=5,actions=set_field:6->vlan_vid
dl_vlan=5,actions=pop_vlan,set_field:3->vlan_pcp
ip,actions=set_field:10.0.0.1->nw_srcc
actions=mod_nw_src:1.2.3
actions=mod_vlan_vid:5000
actions=mod_nw_tos:3
actions=load:256->reg0[0..7]
actions=load:1->reg0[30..40]
actions=load:1->reg0[7..3]
actions=load:1->reg0[
actions=load:1->ct_state
actions=move:reg0[0..7]->reg1[]
actions=move:nw_src->reg1
actions=push_vlan:0x800
actions=resubmit
actions=resubmit(,)
actions=resubmit(1,2,ct)
actions=resubmit(1,2,cp)
actions=controller(userdata=0)
actions=controller(userdata=123)
actions=controller(reason=why)
actions=output(port=1)
actions=output(port=1,max_len=3)
actions=note:zz
actions=strip_vlan:3
actions=outputt:1
actions=cloen(output:1)
actions=clone(output:1,outpt:2)
actions=clone(drop,output:1)
actions=clone:output
actions=clone(goto_table:2)
actions=clone(meter:1)
actions=write_actions(learn(table=1))
actions=write_actions(output(port=1,max_len=64))
actions=write_actions(write_actions(output:1))
actions=output:1,meter:5
actions=meter:0
actions=write_metadata:1,output:1
actions=clear_actions,output:1
actions=write_actions(output:1),clear_actions
actions=write_metadata:1,write_metadata:2
actions=apply_actions(output:1)
actions=nat
actions=debug_recirc
actions=group:0xffffff01
actions=enqueue:1
actions=enqueue:FLOOD:1
actions=output(port=FLOOD,max_len=64)
actions=bundle(eth_src,0,hrw)
actions=bundle(eth_src,0,hwr,ofport,members:1)
actions=bundle(eth,0,hrw,ofport,members:1)
actions=bundle_load(eth_src,0,hrw,ofport,members:1)
actions=multipath(eth_src,50,modulo_n,300,0,reg0[0..7])
actions=multipath(eth_src,50,modulo_n,1)
actions=multipath(eth_src,50,modulo,1,0,reg0)
actions=encap(gre)
actions=encap(nsh(md_type=3))
actions=encap(nsh(tlv(1,2)))
actions=decap(packet_type(ns=1))
actions=push_mpls:0x800
actions=dec_ttl(one)
actions=check_pkt_larger(1500)->reg0
actions=check_pkt_larger:1500
actions=push:tp_src
actions=pop:ct_state
actions=delete_field:reg0
actions=conjunction(5,1/2),output:1
actions=conjunction(5,0/2)
actions=conjunction(5,3/2)
actions=conjunction(5,1/65)
actions=conjunction(5)
actions=fin_timeout(idle=5)
actions=sample(collector_set_id=1)
actions=sample(probability=1,obs=2)
actions=set_field:1->ct_mark
ip,actions=ct(force)
ip,actions=ct(exec(set_field:1->ct_mark))
ip,actions=ct(commit,exec(set_field:1->reg0))
ip,actions=ct(commit,exec(output:1))
ip,actions=ct(alg=sip)
ip,actions=ct(commit,alg=ftp)
ip,actions=ct(zone=70000)
ip,actions=ct(zone=reg0)
ip,actions=ct(komit)
ip,actions=ct(commit,nat(random))
ip,actions=ct(commit,nat(src=10.0.0.9-10.0.0.1))
ip,actions=ct(commit,nat(src=10.0.0.1:90-80))
ip,actions=ct(commit,nat(src=10.0.0.1,hash,random))
ip,actions=ct(commit,nat(src=10.0.0.1,dst=10.0.0.2))
ip,actions=ct(commit,nat(src=ten))
ip,actions=ct(commit,nat(src=fe80::1))
ip,actions=ct(commit,nat(sorce=10.0.0.1))
actions=resubmit(,2,ct)
actions=learn(table=1,eth_type=0x800,NXM_OF_IP_DST[]=NXM_OF_IP_SRC[])
actions=learn(table=255)
actions=learn(reg0[0..3]=99)
actions=learn(reg0=reg1[0..3])
actions=learn(result_dst=reg0)
actions=learn(load:5->ct_state)
actions=learn(output:5)
actions=learn(priorty=5)
actions=learn(eth_type=0x800/0xff)
dl_vlan=5,actions=push_vlan:0x8100,push_vlan:0x8100
actions=set_vlan_vid:4096
";

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1)
}

#[test]
fn real_flows() {
    let mut table = String::new();
    for line in FLOWS.lines() {
        match parse_flow(line) {
            Ok(flow) => {
                let printed = flow.to_string();
                assert_eq!(parse_flow(&printed).as_ref(), Ok(&flow), "{line}\n{printed}");
                writeln!(table, "{line}\n    {printed}").unwrap();
            }
            Err(error) => panic!("{line}: {error:?}"),
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn wrong_flows() {
    let mut table = String::new();
    for line in lines(WRONG) {
        let FlowTextError { span, message, hint } = parse_flow(line).expect_err(line);
        assert!(line.get(span.clone()).is_some(), "{line}: {span:?}");
        let mark = format!("{}{}", " ".repeat(span.start), "^".repeat(span.len().max(1)));
        writeln!(table, "{line}\n{mark} {message}").unwrap();
        if let Some(hint) = hint {
            writeln!(table, "    hint: {hint}").unwrap();
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn names_of_ports_are_resolved() {
    let names = |name: &str| (name == "h1-eth0").then_some(OfPort(7));
    let flow = parse_flow_with("in_port=h1-eth0,actions=\"h1-eth0\",output:h1-eth0,h1-eth0", &names).unwrap();
    assert_eq!(*flow.actions, vec![Action::Output(OfPort(7)); 3]);
    assert_eq!(flow.matches.exact(FieldId::InPortOxm), Some(7));
    let error = parse_flow_with("in_port=h2,actions=drop", &names).unwrap_err();
    assert_eq!((error.message.as_str(), error.span), ("Unknown port 'h2'", 8..10));
}

#[test]
fn filters_have_no_defaults() {
    let none = parse_filter("", &no_names).unwrap();
    assert_eq!((none.table, none.priority, none.cookie, none.matches.is_any()), (None, None, None, true));
    let text = "table=1,priority=5,cookie=0x10/0xf0,out_port=3,out_group=9,tcp,tp_dst=80";
    let filter = parse_filter(text, &no_names).unwrap();
    assert_eq!(filter.out_group, Some(9));
    assert_eq!((filter.table, filter.priority), (Some(TableId(1)), Some(5)));
    assert_eq!((filter.cookie, filter.out_port), (Some((0x10, 0xf0)), Some(OfPort(3))));
    assert_eq!(filter.matches.exact(FieldId::TcpDst), Some(80));
    assert_eq!(parse_filter("cookie=5/-1", &no_names).unwrap().cookie, Some((5, u64::MAX)));
    for text in ["actions=drop", "idle_timeout=5", "send_flow_rem", "tp_dst=80"] {
        assert!(parse_filter(text, &no_names).is_err(), "{text}");
    }
}

#[test]
fn a_cookie_with_a_mask_says_which_flows_get_new_actions() {
    let read = |text: &str| parse_flow_mod(text, &no_names).unwrap();
    let masked = read("cookie=0x10/0xf0,tcp,actions=output:2");
    assert_eq!((masked.cookie, masked.flow.cookie), (Some((0x10, 0xf0)), 0));
    let plain = read("cookie=0x10,tcp,actions=output:2");
    assert_eq!((plain.cookie, plain.flow.cookie), (None, 0x10));
    assert!(parse_flow_mod("cookie=1/,actions=drop", &no_names).is_err());
}

#[test]
fn lists_in_each_other_end_somewhere() {
    let nested = |depth: usize| format!("actions={}output:1{}", "clone(".repeat(depth), ")".repeat(depth));
    assert!(parse_flow(&nested(MAX_NESTING)).is_ok());
    let error = parse_flow(&nested(50_000)).unwrap_err();
    assert_eq!(error.message, "More than 32 lists in each other");
    assert!(parse_flow(&format!("actions={}", "clone(".repeat(50_000))).is_err());
}

#[test]
fn legacy_names_and_new_ones_mean_the_same() {
    for (a, b) in [
        ("tcp,tp_dst=80", "eth_type=0x800,ip_proto=6,tcp_dst=80"),
        ("udp,nw_src=1.2.3.4,tp_src=5", "udp,ip_src=1.2.3.4,udp_src=5"),
        ("dl_src=02:00:00:00:00:01", "eth_src=2:0:0:0:0:1"),
        ("icmp6,icmp_type=128", "icmpv6,icmpv6_type=128"),
        ("arp,nw_dst=1.2.3.4", "arp,arp_tpa=1.2.3.4"),
        ("dl_vlan=5", "vlan_vid=0x1005"),
        ("tp_dst=80 , tcp", "tcp,tp_dst=80"),
        ("reg0=1,reg1=2", "xreg0=0x100000002"),
    ] {
        let read = |text: &str| parse_flow(&format!("{text},actions=drop")).unwrap().matches;
        assert_eq!(read(a), read(b), "{a} and {b}");
    }
}

/// Demands what a field needs, so that it may be matched.
fn fulfil(matches: &mut FlowMatch, needs: Prerequisite) {
    if needs == Prerequisite::Ct {
        matches.set_masked(FieldId::CtState, 0x22, 0x22);
    }
    if let Some(eth_type) = needs.eth_types().first() {
        matches.set(FieldId::EthType, u128::from(*eth_type));
    }
    if let Some(proto) = needs.ip_protos().first() {
        matches.set(FieldId::NwProto, u128::from(*proto));
    }
    if let Some(kind) = needs.icmp_types().first() {
        matches.set(FieldId::IcmpType, u128::from(*kind));
        matches.set(FieldId::IcmpCode, 0);
    }
}

fn is_exotic(id: FieldId) -> bool {
    // Read from words or by number of 16 bits: other tests have them.
    matches!(
        id,
        FieldId::NwFrag
            | FieldId::InPort
            | FieldId::InPortOxm
            | FieldId::InPhyPort
            | FieldId::ActsetOutput
            | FieldId::VlanVid
    )
}

fn random_match() -> impl Strategy<Value = FlowMatch> {
    // Half of them fields of headers, which registers would crowd out.
    let headers: Vec<FieldId> = FieldId::ALL.iter().copied().filter(|id| *id >= FieldId::EthSrc).collect();
    let id = prop_oneof![prop::sample::select(FieldId::ALL), prop::sample::select(headers)];
    let pick = (id, any::<u128>(), prop_oneof![Just(u128::MAX), any::<u128>()]);
    prop::collection::vec(pick, 0..6).prop_map(|picks| {
        let mut matches = FlowMatch::any();
        for (id, value, mask) in picks {
            let field = id.field();
            let mut with = matches.clone();
            if is_exotic(id) || (id == FieldId::DlVlan && value & 0xfff == 0xfff) {
                continue;
            }
            fulfil(&mut with, field.prerequisite);
            let mask = if field.maskable { mask } else { u128::MAX };
            with.set_masked(id, value, mask);
            // Later fields may have changed what earlier ones needed.
            let holds = |id: &FieldId| {
                with.field(*id).1 == 0
                    || with.field(*id).1 == matches.field(*id).1
                    || id.field().prerequisite.met_by(&with)
            };
            if matches.overlaps(&with) && FieldId::ALL.iter().all(holds) && field.prerequisite.met_by(&with) {
                matches = with;
            }
        }
        matches
    })
}

fn random_flow() -> impl Strategy<Value = FlowText> {
    (
        (0..253_u8, any::<u16>(), any::<u64>(), any::<u16>(), any::<u16>(), any::<[bool; 5]>()),
        prop_oneof![random_match(), Just(ip(6)), Just(ip(17))],
        random::list(),
    )
        .prop_map(|((table, priority, cookie, idle_timeout, importance, flags), matches, actions)| {
            let mut flow =
                FlowText { table: TableId(table), priority, cookie, idle_timeout, ..FlowText::default() };
            flow.actions = random::allowed(actions, &matches, TableId(table), Scope::Flow).into();
            (flow.importance, flow.matches) = (importance, matches);
            let [a, b, c, d, e] = flags;
            (flow.flags.send_flow_rem, flow.flags.check_overlap, flow.flags.reset_counts) = (a, b, c);
            (flow.flags.no_packet_counts, flow.flags.no_byte_counts) = (d, e);
            flow
        })
}

fn ip(proto: u128) -> FlowMatch {
    let mut matches = FlowMatch::any();
    matches.set(FieldId::EthType, 0x800);
    matches.set(FieldId::NwProto, proto);
    matches.set_masked(FieldId::CtState, 0x22, 0x22);
    matches
}

/// Words that flows are made of, in any order: closer to flows than random characters are.
fn soup() -> impl Strategy<Value = String> {
    let words = FLOWS
        .split([',', '\n', ' '])
        .chain([
            "=", ",", "(", ")", "->", "[", "..", "]", "/", ":", "|", "+", "\u{e4}", "actions=", "0x", "\"",
            "-1",
        ])
        .map(str::to_owned)
        .collect::<Vec<_>>();
    prop::collection::vec(prop_oneof![4 => prop::sample::select(words), 1 => ".{0,3}"], 0..12)
        .prop_map(|words| words.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_read_back(flow in random_flow()) {
        let text = flow.to_string();
        match parse_flow(&text) {
            Ok(read) => prop_assert_eq!(read, flow, "{}", text),
            Err(error) => prop_assert!(false, "{}: {:?}", text, error),
        }
    }

    #[test]
    fn no_text_panics_and_errors_point_into_it(text in prop_oneof![soup(), ".{0,60}"], cut in any::<prop::sample::Index>()) {
        let at = (0..=text.len()).rev().find(|at| *at <= cut.index(text.len() + 1) && text.is_char_boundary(*at));
        for text in [&text[..], &text[at.unwrap_or(0)..]] {
            for result in [parse_flow(text).map(|_| ()), parse_filter(text, &no_names).map(|_| ())] {
                if let Err(error) = result {
                    prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {:?}", error, text);
                }
            }
            if let Ok(flow) = parse_flow(text) {
                let table = Some(flow.table);
                let allowed = check_actions(&flow.actions, &flow.matches, table, Scope::Flow, Consistency::Loose);
                prop_assert_eq!(allowed, Ok(()), "{}", text);
                let printed = flow.to_string();
                prop_assert_eq!(parse_flow(&printed), Ok(flow), "{}", printed);
            }
        }
    }
}
