//! The text of flows: real ones, wrong ones, random ones.

mod random;

use std::fmt::Write as _;

use netloom_flow::check::Scope;
use netloom_flow::text::no_names;
use netloom_flow::{
    Action, FieldId, FlowMatch, FlowText, FlowTextError, OfPort, Prerequisite, TableId, parse_filter,
    parse_flow, parse_flow_mod, parse_flow_with,
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
ip,ct_state=+trk+est,actions=resubmit(,2,ct),resubmit(LOCAL,255),resubmit(,254)
table=0,actions=learn(table=1,hard_timeout=60,NXM_OF_VLAN_TCI[0..11],NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[]),normal
actions=learn(table=2,idle_timeout=10,hard_timeout=20,fin_idle_timeout=5,fin_hard_timeout=10,priority=10,cookie=0xfedcba9876543210,eth_type=0x800,ip_proto=6,in_port=99,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[16..31],load:5->reg2[],send_flow_rem,delete_learned,limit=10,result_dst=reg0[3])
actions=learn(),learn
actions=learn(table=1,NXM_OF_VLAN_TCI[0..11]=5,reg0=1,eth_src,output:in_port,priority=100,eth_dst=eth_src,load:0x1->reg5[0])
actions=learn(dl_type=0x800,nw_src=10.0.0.1,reg0[0..7]=0x5,output:reg3)
actions=learn(load:eth_src[0..3]->reg0[4..7],reg1[0..3]=reg2[4..7],in_port=LOCAL,vlan_tci=5,tun_id=5)
ip,actions=ct,ct()
ip,actions=ct(commit,zone=5,table=1,force,nat(src=10.0.0.1-10.0.0.9:1024-2047,random,persistent),exec(set_field:1->ct_mark,load:5->NXM_NX_CT_LABEL[]))
tcp,actions=ct(commit,alg=ftp),ct(nat,alg=ftp)
udp6,actions=ct(commit,alg=tftp)
ip,actions=ct(nat,zone=NXM_NX_REG0[0..15],table=3),ct(commit,nat(src)),ct(commit,nat(dst=10.0.0.1:80))
ipv6,actions=ct(commit,nat(dst=[2001:db8::1]-[2001:db8::9]:80-90,hash)),ct(commit,nat(src=2001:db8::1)),ct(commit,nat(src=2001:db8::1-2001:db8::2,persistent))
ip,actions=ct(commit,exec(move:NXM_NX_REG0[]->NXM_NX_CT_MARK[])),ct_clear
actions=clone(push_vlan:0x8100,output:1),2
actions=clone(),clone(drop),clone(clone(output:1),output:2)
actions=conjunction(5,1/2),conjunction(6,3/3),note:11.00.00.00.00.00
ip,conj_id=5,actions=mod_nw_dst:10.0.0.1,output:1
actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),multipath(symmetric_l3l4+udp,1024,hrw,12,0,NXM_NX_REG3[0..15])
actions=multipath(eth_src,50,iter_hash,1,5,reg0),multipath(nw_src,1,hash_threshold,65536,0,reg0)
actions=bundle(eth_src,0,hrw,ofport,members:4,8),bundle(eth_src,0,active_backup,ofport,slaves:4,8),bundle(eth_src,0,hrw,ofport,members:LOCAL)
actions=bundle_load(eth_src,0,hrw,ofport,NXM_NX_REG0[],members:4,8),bundle(eth_src,0,hrw,ofport,members:)
actions=encap(nsh),encap(nsh()),encap(nsh(md_type=1)),set_field:0x1->nsh_spi,dec_nsh_ttl,encap(ethernet)
actions=encap(nsh(md_type=2,tlv(0x1000,10,0x12345678),tlv(0x2000,20,0xfedcba9876543210))),encap(mpls),encap(mpls_mc)
actions=decap,decap(),decap(packet_type(ns=1,type=0x894f))
ip,actions=write_actions(set_field:10.0.0.1->nw_src,output:2),goto_table:3
actions=clear_actions,write_actions(group:1),write_metadata:0x1/0x3,goto_table:1
actions=write_actions(resubmit(,1),controller,move:reg0->reg1,load:1->reg2,dec_ttl,pop_vlan,push_vlan:0x8100,set_queue:1,encap(ethernet),decap())
actions=meter:1,output:1
actions=enqueue(1,2),enqueue:1:2,enqueue:LOCAL:2,enqueue:1q2
actions=push_mpls:0x8847,set_mpls_label:10,set_mpls_tc(3),set_mpls_ttl:64,dec_mpls_ttl,pop_mpls:0x800
mpls,actions=set_mpls_label(10),set_field:3->mpls_tc,load:10->OXM_OF_MPLS_LABEL[],dec_mpls_ttl,pop_mpls:0x800,output:1
actions=check_pkt_larger(1500)->reg0[0]
actions=sample(probability=12345),sample(probability=1,ingress)
actions=sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678,sampling_port=56789,egress)
actions=sample(probability=5,obs_domain_id=NXM_NX_REG0[],obs_point_id=reg1[0..7])
actions=controller(max_len=64,reason=no_match,id=3,userdata=01.02.ff,pause,meter_id=9)
actions=controller(userdata=0102FF),controller(),controller(pause),controller(max_len=100),controller(reason=group),controller:0
ip,actions=dec_ttl,dec_ttl(1,2),dec_ttl(),dec_ttl(0)
dl_type=0x894f,actions=dec_nsh_ttl
actions=delete_field:tun_metadata0,set_field:0x1234->tun_metadata1
actions=push:NXM_NX_REG2[1..5],pop:reg1[0..3],push(reg2),pop:in_port
tcp,actions=fin_timeout(idle_timeout=5,hard_timeout=15),fin_timeout(idle_timeout=5),fin_timeout()
dl_vlan=1,actions=set_vlan_vid:5,set_vlan_pcp:2
actions=copy_ttl_in,copy_ttl_out,push_pbb:0x88e7,set_field:0x5->pbb_isid,pop_pbb
actions=output:reg0,push_mpls:0x8848
dl_type=0x894f,nsh_spi=0x123,nsh_si=5,nsh_c1=1/3,nsh_ttl=5,nsh_flags=1,nsh_mdtype=1,nsh_np=3,actions=output:1
dl_type=0x88e7,pbb_isid=0x1234/0xffff,pbb_uca=1,actions=output:1
ct_state=+trk+est,ct_nw_src=1.0.0.0/8,ct_nw_proto=6,ct_tp_src=5/7,ct_tp_dst=6,ip,actions=output:1
ipv6,ct_state=+trk+est,ct_ipv6_src=fe80::/16,ct_ipv6_dst=2001:db8::1,actions=output:1
tun_erspan_ver=1,tun_erspan_idx=0x5/0xf,actions=output:1
tun_erspan_ver=2,tun_erspan_dir=1,tun_erspan_hwid=0x7,tun_gtpu_flags=2,tun_gtpu_msgtype=255,actions=output:1
icmp6,icmp_type=135,icmp_code=0,nd_reserved=5,nd_options_type=1,actions=output:1
tun_metadata0=0x1234,tun_metadata7=0x1/0xf,actions=output:1
ipv6,ipv6_exthdr=0x8/0x18,actions=output:1
in_phy_port=3,in_port=3,actions=output:1
ip,nw_src=*,actions=output:1
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
actions=learn(table=1,nw_src=10.0.0.1)
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

fn random_flow() -> impl Strategy<Value = FlowText> {
    (
        (0..253_u8, any::<u16>(), any::<u64>(), any::<u16>(), any::<u16>(), any::<[bool; 5]>()),
        prop_oneof![random_match(), Just(ip(6)), Just(ip(17))],
        random::list(),
    )
        .prop_map(|((table, priority, cookie, idle_timeout, importance, flags), matches, actions)| {
            let mut flow =
                FlowText { table: TableId(table), priority, cookie, idle_timeout, ..FlowText::default() };
            (flow.importance, flow.matches) = (importance, matches);
            flow.actions = random::allowed(actions, &matches, TableId(table), Scope::Flow);
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
                let printed = flow.to_string();
                prop_assert_eq!(parse_flow(&printed), Ok(flow), "{}", printed);
            }
        }
    }
}
