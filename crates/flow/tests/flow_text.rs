//! The text of flows: real ones, wrong ones, random ones.

use std::fmt::Write as _;

use netloom_flow::action::PacketInReason;
use netloom_flow::text::no_names;
use netloom_flow::{
    Action, Controller, FieldId, FlowMatch, FlowText, FlowTextError, OfPort, Prerequisite, Spelling,
    Subfield, TableId, parse_filter, parse_flow, parse_flow_with,
};
use proptest::prelude::*;

/// Flows as people and programs write them: Mininet walk-throughs, OVS's manual, OVN's pipeline.
const FLOWS: &str = "
actions=drop
actions=normal
priority=0,actions=NORMAL
priority=200,tcp,tp_dst=23,actions=drop
in_port=1,actions=output:2
in_port=1 actions=2
in_port=LOCAL,actions=flood
in_port=65534,actions=all,in_port
table=3,cookie=0x1234,idle_timeout=60,hard_timeout=300,send_flow_rem,importance=7,ip,actions=local
dl_src=aa:bb:cc:dd:ee:ff,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00,actions=normal
dl_type=0x88cc,actions=controller
dl_type=0x800,nw_proto=6,nw_src=10.0.0.0/8,nw_dst=192.168.1.1,tp_src=1000,tp_dst=80,actions=output:1
ip,nw_src=10.0.0.0/255.0.255.0,nw_tos=32,nw_ecn=1,nw_ttl=64,actions=dec_ttl,output:3
ip,nw_frag=first,actions=drop
ip,ip_frag=not_later,actions=drop
udp,tp_src=0x10/0xfff0,actions=drop
tcp,tcp_flags=+syn-ack,actions=drop
tcp,tcp_flags=syn|ack,actions=drop
tcp,tcp_flags=0x2/0x12,actions=drop
sctp,sctp_dst=5060,actions=drop
icmp,icmp_type=8,icmp_code=0,actions=normal
ip,nw_proto=47,actions=drop
arp,arp_op=1,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=02:00:00:00:00:01,actions=normal
arp,nw_src=10.0.0.1,nw_proto=2,actions=normal
rarp,actions=drop
ipv6,ipv6_src=2001:db8::/32,ipv6_dst=fe80::1,ipv6_label=0x12345,actions=normal
tcp6,tp_dst=443,actions=output:9
icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::2,nd_sll=02:00:00:00:00:01,actions=normal
icmp6,icmpv6_type=136,nd_tll=02:00:00:00:00:01,actions=normal
ipv6,nw_proto=58,actions=drop
dl_vlan=100,actions=strip_vlan,output:2
dl_vlan=100,dl_vlan_pcp=3,actions=pop_vlan,output:2
dl_vlan_pcp=3,actions=output:2
dl_vlan=0xffff,actions=mod_vlan_vid:10,mod_vlan_pcp:5,output:2
vlan_tci=0x1000/0x1000,actions=drop
vlan_tci=0,actions=drop
vlan_vid=0x1005,actions=drop
vlan_vid=0x1000/0x1000,vlan_pcp=2,actions=drop
vlan_tci=0x1100/0x1f00,actions=drop
actions=push_vlan:0x8100,set_field:4196->vlan_vid,output:1
dl_vlan=7,actions=set_field:3->vlan_pcp,normal
mpls,mpls_label=100,mpls_tc=5,mpls_bos=1,mpls_ttl=64,actions=drop
mplsm,actions=drop
metadata=0x5,reg0=0x1,reg10=0x1/0x3,reg15=0,actions=resubmit(,9)
xreg0=0x100000002,actions=resubmit:3
xxreg1=0x1/0xff,actions=resubmit(3,4)
tun_id=0x64,tun_src=10.0.0.1,tun_dst=10.0.0.0/24,actions=output:1
tun_ipv6_src=2001:db8::1,tun_flags=+oam,tun_gbp_id=5,actions=output:1
ct_state=+trk+est-inv,ct_zone=5,ct_mark=0x1/0x1,ct_label=0x1,ip,actions=normal
pkt_mark=0x1/0xff,recirc_id=0,conj_id=77,actset_output=3,dp_hash=0x5/0xf,packet_type=(0,0),actions=normal
ip,actions=mod_dl_src:02:00:00:00:00:01,mod_dl_dst:02:00:00:00:00:02,mod_nw_src:10.0.0.1,mod_nw_dst:10.0.0.2,mod_nw_tos:16,mod_nw_ecn:2,mod_nw_ttl:9,output:1
tcp,actions=mod_tp_src:1000,mod_tp_dst:2000,output:1
actions=mod_nw_dst:10.0.0.2,output:2
ip,actions=set_field:10.0.0.9->ip_dst,set_field:02:00:00:00:00:09->eth_dst,output:1
ipv6,actions=set_field:2001:db8::1->ipv6_dst,set_field:2001:db8::/32->ipv6_src,output:1
actions=set_field:0x5/0xff->reg3,set_field:7->metadata,set_field:0x12->tun_id,goto_table:1
actions=load:0x1->NXM_NX_REG0[0],load:0x7->reg1[4..11],load:0->NXM_OF_IN_PORT[],resubmit(,5)
actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],move:NXM_NX_REG0[0..15]->NXM_OF_VLAN_TCI[],in_port
actions=move:xxreg0[0..31]->reg5[],output:NXM_NX_REG15[],output:reg1[0..15]
actions=controller:128
actions=controller(max_len=64,reason=no_match,id=3),exit
actions=output(port=2,max_len=100)
actions=write_metadata:0x1/0xf,goto_table:250
actions=set_tunnel:0x5,set_tunnel64:0x500000000,set_queue:1,output:1,pop_queue
actions=group:5
actions=note:01.02.ff,output:1
actions=resubmit(in_port,2)
cookie=0x0, duration=12.3s, table=1, n_packets=5, n_bytes=420, idle_age=3, priority=10,ip actions=output:1
  table = 2
";

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
tun_metadata9=1,actions=drop
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
actions=learn(table=1)
actions=goto_table:0
actions=goto_table:1,output:1
actions=output:1,priority=5
actions=set_field:1->nw_src
actions=set_field:10.0.0.1->nw_src
actions=set_field:10.0.0.1
actions=set_field:6->nw_proto
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
actions=controller(userdata=00)
actions=controller(reason=why)
actions=output(port=1)
actions=output(port=1,max_len=3)
actions=note:zz
actions=strip_vlan:3
";

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().skip(1)
}

#[test]
fn real_flows() {
    let mut table = String::new();
    for line in lines(FLOWS) {
        let line = if line.ends_with("table = 2") { "table=2 actions=normal" } else { line };
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
    assert_eq!(flow.actions, vec![Action::Output(OfPort(7)); 3]);
    assert_eq!(flow.matches.exact(FieldId::InPortOxm), Some(7));
    let error = parse_flow_with("in_port=h2,actions=drop", &names).unwrap_err();
    assert_eq!((error.message.as_str(), error.span), ("Unknown port 'h2'", 8..10));
}

#[test]
fn filters_have_no_defaults() {
    let none = parse_filter("", &no_names).unwrap();
    assert_eq!((none.table, none.priority, none.cookie, none.matches.is_any()), (None, None, None, true));
    let filter =
        parse_filter("table=1,priority=5,cookie=0x10/0xf0,out_port=3,tcp,tp_dst=80", &no_names).unwrap();
    assert_eq!((filter.table, filter.priority), (Some(TableId(1)), Some(5)));
    assert_eq!((filter.cookie, filter.out_port), (Some((0x10, 0xf0)), Some(OfPort(3))));
    assert_eq!(filter.matches.exact(FieldId::TcpDst), Some(80));
    assert_eq!(parse_filter("cookie=5/-1", &no_names).unwrap().cookie, Some((5, u64::MAX)));
    for text in ["actions=drop", "idle_timeout=5", "send_flow_rem", "tp_dst=80"] {
        assert!(parse_filter(text, &no_names).is_err(), "{text}");
    }
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
            let mut with = matches;
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

fn random_action() -> impl Strategy<Value = Action> {
    let writable: Vec<FieldId> = FieldId::ALL
        .iter()
        .copied()
        .filter(|id| id.field().writable && id.field().prerequisite == Prerequisite::None && !is_exotic(*id))
        .collect();
    let subfield = || {
        (prop::sample::select(writable.clone()), any::<u8>(), any::<u8>()).prop_map(|(field, a, b)| {
            let all = field.field().bits;
            let offset = a % all;
            Subfield { field, offset, bits: b % (all - offset) + 1 }
        })
    };
    let port = || prop_oneof![(1..0xfeff_u32).prop_map(OfPort), Just(OfPort::LOCAL), Just(OfPort::IN_PORT)];
    prop_oneof![
        port().prop_map(Action::Output),
        Just(Action::Output(OfPort::NORMAL)),
        Just(Action::PopVlan),
        Just(Action::dec_ttl()),
        Just(Action::PushVlan { tpid: 0x88a8 }),
        any::<u16>().prop_map(|v| Action::SetVlanVid(v & 0xfff)),
        any::<u8>().prop_map(|v| Action::SetVlanPcp(v & 7)),
        any::<u32>().prop_map(Action::SetQueue),
        any::<u32>().prop_map(Action::Group),
        (any::<u16>(), any::<u16>(), prop::sample::select(PacketInReason::ALL.to_vec())).prop_map(
            |(max_len, id, reason)| Action::Controller(Controller {
                max_len,
                id,
                reason,
                ..Controller::default()
            })
        ),
        (port(), 14..u32::MAX).prop_map(|(port, max_len)| Action::OutputTrunc { port, max_len }),
        (prop::option::of((1..0xfeff_u32).prop_map(OfPort)), 0..254_u8)
            .prop_map(|(port, table)| Action::Resubmit { port, table: Some(TableId(table)), ct: false }),
        (any::<u64>(), 1..u64::MAX)
            .prop_map(|(value, mask)| Action::WriteMetadata { value: value & mask, mask }),
        prop::collection::vec(any::<u8>(), 1..9).prop_map(|bytes| Action::Note(bytes.into())),
        subfield().prop_map(|source| Action::OutputReg { source, max_len: u16::MAX }),
        (subfield(), any::<u128>()).prop_map(|(target, value)| {
            Action::Load { value: value & (target.mask() >> target.offset), target }
        }),
        (subfield(), subfield()).prop_map(|(a, b)| {
            let bits = a.bits.min(b.bits);
            Action::Move { source: Subfield { bits, ..a }, target: Subfield { bits, ..b } }
        }),
        (prop::sample::select(writable.clone()), any::<u128>(), prop_oneof![Just(u128::MAX), any::<u128>()])
            .prop_map(|(field, value, mask)| {
                let mask =
                    if field.field().maskable { mask & field.field().max() } else { field.field().max() };
                let mask = if mask == 0 { field.field().max() } else { mask };
                Action::SetField { field, value: value & mask, mask, spelling: Spelling::SetField }
            }),
        (
            prop::sample::select(vec![FieldId::EthSrc, FieldId::Ipv4Dst, FieldId::NwTos, FieldId::TpDst]),
            any::<u128>()
        )
            .prop_map(|(field, value)| {
                let mask = field.field().max();
                Action::SetField { field, value: value & mask, mask, spelling: Spelling::Mod }
            }),
    ]
}

fn random_flow() -> impl Strategy<Value = FlowText> {
    (
        (0..254_u8, any::<u16>(), any::<u64>(), any::<u16>(), any::<u16>(), any::<[bool; 5]>()),
        random_match(),
        prop::collection::vec(random_action(), 0..6),
    )
        .prop_map(|((table, priority, cookie, idle_timeout, importance, flags), matches, actions)| {
            let mut flow =
                FlowText { table: TableId(table), priority, cookie, idle_timeout, ..FlowText::default() };
            (flow.importance, flow.matches, flow.actions) = (importance, matches, actions);
            let [a, b, c, d, e] = flags;
            (flow.flags.send_flow_rem, flow.flags.check_overlap, flow.flags.reset_counts) = (a, b, c);
            (flow.flags.no_packet_counts, flow.flags.no_byte_counts) = (d, e);
            flow
        })
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
                let printed = flow.to_string();
                prop_assert_eq!(parse_flow(&printed), Ok(flow), "{}", printed);
            }
        }
    }
}
