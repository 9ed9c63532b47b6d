//! The real `ovs-ofctl` against a small switch of our session and messages: what it sends is read, and what we answer
//! is printed back. Skips aloud where the program is missing.

#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use netloom_flow::{Nanos, OfPort, TableId};
use netloom_openflow::msg::group::GROUP_ALL;
use netloom_openflow::msg::{
    AggregateStats, BundleCommand, BundleControl, Capabilities, Config, Counts, Desc, Features, FlowCommand,
    FlowMod, FlowStats, GroupDesc, GroupMod, MeterMod, MultipartReply, MultipartRequest, PortConfig,
    PortDesc, PortFeatures, PortState, PortStats, TableMiss, TableStats,
};
use netloom_openflow::session::{Event, Session, Settings};
use netloom_openflow::{Message, OfError, Version, Versions};
use netloom_packet::Mac;

/// What the switch keeps.
#[derive(Default)]
struct Kept {
    flows: Vec<FlowMod>,
    groups: Vec<GroupMod>,
    meters: Vec<MeterMod>,
    /// Messages that cannot be read, with what was said of them.
    refused: Vec<OfError>,
    others: Vec<Message>,
}

/// A switch behind a socket, as long as the test runs.
struct Switch {
    path: PathBuf,
    kept: Arc<Mutex<Kept>>,
}

fn missing() -> bool {
    let missing = Command::new("ovs-ofctl").arg("--version").output().is_err();
    if missing {
        eprintln!("SKIPPED: ovs-ofctl is not installed");
    }
    missing
}

impl Switch {
    fn start() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("netloom-openflow-{}-{number}.sock", std::process::id());
        let path = std::env::temp_dir().join(name);
        let listener = UnixListener::bind(&path).expect("a socket in the folder for temporary files");
        let kept = Arc::<Mutex<Kept>>::default();
        let shared = Arc::clone(&kept);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { path, kept }
    }

    /// Runs a command; its output, or what it complained of.
    fn ofctl(&self, version: Version, args: &[&str]) -> Result<String, String> {
        let target = format!("unix:{}", self.path.display());
        let args = args.iter().map(|arg| if *arg == "BR" { &*target } else { arg });
        let output = Command::new("timeout")
            .args(["20", "ovs-ofctl", "--no-names", "-O", version.name()])
            .args(args)
            .output()
            .expect("it was there before");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(mut stream: UnixStream, kept: &Mutex<Kept>) {
    let now = Nanos::ZERO;
    let mut session = Session::new(Settings::switch(Versions::ALL), now);
    let mut buffer = [0; 4096];
    loop {
        if stream.write_all(&session.take_output()).is_err() || session.is_closed() {
            return;
        }
        let Ok(n @ 1..) = stream.read(&mut buffer) else { return };
        session.handle_bytes(now, &buffer[..n]);
        while let Some(event) = session.poll_event() {
            let mut kept = kept.lock().expect("no test panics with it");
            match event {
                Event::Message(request, message) => {
                    if let Some(reply) = kept.handle(message) {
                        session.reply(&request, &reply).expect("an answer to what was asked");
                    }
                }
                Event::Refused(_, error) => kept.refused.push(error),
                Event::Up(_) | Event::EchoReply(_) | Event::Closed(_) => {}
            }
        }
    }
}

fn port() -> PortDesc {
    PortDesc {
        port: OfPort(1),
        hw_addr: Mac([2, 0, 0, 0, 0, 1]),
        name: "s1-eth1".to_owned(),
        config: PortConfig::NO_FWD,
        state: PortState::LIVE,
        current: PortFeatures::FD_10GB | PortFeatures::COPPER,
        advertised: PortFeatures::default(),
        supported: PortFeatures::default(),
        peer: PortFeatures::default(),
        current_kbps: 10_000_000,
        max_kbps: 0,
    }
}

impl Kept {
    fn handle(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::FlowMod(flow) => self.change(*flow),
            Message::GroupMod(group) => self.groups.push(*group),
            Message::MeterMod(meter) => self.meters.push(meter),
            Message::BundleAdd(add) => {
                self.handle(*add.message);
            }
            Message::BarrierRequest => return Some(Message::BarrierReply),
            Message::FeaturesRequest => return Some(Message::FeaturesReply(Box::new(features()))),
            Message::GetConfigRequest => {
                return Some(Message::GetConfigReply(Config { miss_send_len: 128, ..Config::default() }));
            }
            Message::BundleControl(control) => {
                let command = match control.command {
                    BundleCommand::OpenRequest => BundleCommand::OpenReply,
                    BundleCommand::CloseRequest => BundleCommand::CloseReply,
                    BundleCommand::CommitRequest => BundleCommand::CommitReply,
                    _ => BundleCommand::DiscardReply,
                };
                return Some(Message::BundleControl(BundleControl { command, ..control }));
            }
            Message::MultipartRequest(request) => {
                return Some(Message::MultipartReply(self.answer(&request)));
            }
            other => self.others.push(other),
        }
        None
    }

    fn change(&mut self, flow: FlowMod) {
        match flow.command {
            FlowCommand::Delete | FlowCommand::DeleteStrict => self.flows.clear(),
            _ => self.flows.push(flow),
        }
    }

    fn answer(&self, request: &MultipartRequest) -> MultipartReply {
        match request {
            MultipartRequest::Flow(_) => MultipartReply::Flow(self.flows.iter().map(stats).collect()),
            MultipartRequest::Aggregate(_) => {
                MultipartReply::Aggregate(AggregateStats { packets: 3, bytes: 180, flows: 2 })
            }
            MultipartRequest::Table => MultipartReply::Table(vec![TableStats {
                table: TableId(0),
                name: "classifier".to_owned(),
                max_entries: 1_000_000,
                miss: TableMiss::Default,
                active: 7,
                lookups: 9,
                matched: 8,
            }]),
            MultipartRequest::PortStats(_) => MultipartReply::PortStats(vec![port_stats()]),
            MultipartRequest::PortDesc(_) => MultipartReply::PortDesc(vec![port()]),
            MultipartRequest::GroupDesc(GROUP_ALL) => {
                MultipartReply::GroupDesc(self.groups.iter().map(group_desc).collect())
            }
            MultipartRequest::MeterConfig(_) => {
                MultipartReply::MeterConfig(self.meters.iter().map(|meter| meter.config.clone()).collect())
            }
            _ => MultipartReply::Desc(Box::new(Desc {
                manufacturer: "Nicira, Inc.".to_owned(),
                ..Desc::default()
            })),
        }
    }
}

fn features() -> Features {
    Features {
        datapath_id: 0x00aa_0000_0000_0001,
        buffers: 0,
        tables: 254,
        auxiliary: 0,
        capabilities: Capabilities::FLOW_STATS | Capabilities::PORT_STATS,
        actions: 0xfff,
        ports: vec![port()],
    }
}

fn port_stats() -> PortStats {
    PortStats {
        port: OfPort(1),
        rx_packets: 1,
        tx_packets: 2,
        rx_bytes: 3,
        tx_bytes: 4,
        rx_dropped: 5,
        tx_dropped: 6,
        rx_errors: 7,
        tx_errors: 8,
        rx_frame_errors: 9,
        rx_over_errors: 10,
        rx_crc_errors: 11,
        collisions: 12,
        duration: Some(Nanos::from_secs(90)),
    }
}

fn stats(flow: &FlowMod) -> FlowStats {
    FlowStats {
        table: flow.table.unwrap_or(TableId(0)),
        priority: flow.priority,
        matches: flow.matches.clone(),
        cookie: flow.new_cookie.unwrap_or(0),
        idle_timeout: flow.idle_timeout,
        hard_timeout: flow.hard_timeout,
        importance: flow.importance,
        flags: flow.flags,
        counts: Counts { packets: 5, bytes: 300, duration: Nanos::from_millis(1500) },
        idle_age: None,
        hard_age: None,
        actions: flow.actions.clone(),
        is_triggered: false,
    }
}

fn group_desc(group: &GroupMod) -> GroupDesc {
    GroupDesc {
        group: group.group,
        kind: group.kind,
        buckets: group.buckets.clone(),
        selection: group.selection.clone(),
    }
}

/// The flows of a dump as text, without what is counted.
fn flows_of(dump: &str) -> Vec<String> {
    let lines = dump.lines().filter(|line| line.contains("actions="));
    lines
        .map(|line| {
            let line = line.trim();
            let (front, rest) = line.split_once("n_bytes=300, ").unwrap_or(("", line));
            let table = front.split(", ").find(|part| part.starts_with("table="));
            format!("{},{rest}", table.unwrap_or("table=0"))
        })
        .collect()
}

/// Adds a flow and reads it back.
fn there_and_back(switch: &Switch, version: Version, flow: &str) -> String {
    switch.ofctl(version, &["del-flows", "BR"]).expect("flows are deleted");
    if let Err(complaint) = switch.ofctl(version, &["add-flow", "BR", flow]) {
        let refused = std::mem::take(&mut switch.kept.lock().expect("unharmed").refused);
        panic!("{version}, {flow}: {complaint} {refused:?}");
    }
    let dump = switch.ofctl(version, &["dump-flows", "BR"]).expect("flows are dumped");
    let flows = flows_of(&dump);
    assert_eq!(flows.len(), 1, "{version}, {flow}: {dump}");
    flows[0].clone()
}

/// Flows that every version can say, with Nicira's extensions, as they are dumped.
const EVERYWHERE: &[&str] = &[
    "table=0,actions=drop",
    "table=3,priority=7,in_port=4 actions=output:2",
    "table=0,in_port=LOCAL actions=LOCAL,IN_PORT,NORMAL,FLOOD,ALL,CONTROLLER:128",
    "table=0,tcp,nw_src=10.0.0.0/8,nw_dst=10.1.2.3,tp_src=80,tp_dst=0x1000/0xf000 actions=output:1",
    "table=0,icmp,icmp_type=8,icmp_code=0 actions=output:1",
    "table=0,arp,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_op=1 actions=output:1",
    "table=0,udp6,ipv6_src=fe80::1,ipv6_dst=2001:db8::/32,ipv6_label=0x12345,tp_dst=53 actions=output:1",
    "table=0,icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::2,nd_sll=02:00:00:00:00:01 actions=drop",
    "table=0,dl_src=02:00:00:00:00:01,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=output:1",
    "table=0,vlan_tci=0x0000 actions=output:1",
    "table=0,ip,nw_tos=16,nw_ecn=1,nw_ttl=64 actions=output:1",
    "table=0,ip,nw_frag=later actions=output:1",
    "table=0,tcp,tcp_flags=+syn-ack actions=output:1",
    "table=0,ct_state=+est+trk,ct_zone=5,ct_mark=0x1/0xf,ct_label=0x1,ip actions=output:1",
    "table=0,pkt_mark=0x9,reg0=0x1,reg15=0x10/0xf0,metadata=0x5 actions=output:1",
    "table=0,tun_id=0x7,tun_src=1.2.3.4,tun_dst=5.6.7.8 actions=output:1",
    "table=0,actions=resubmit:4,resubmit(,7),resubmit(3,9)",
    "table=0,ct_state=+est+trk,ip actions=resubmit(,8,ct)",
    "table=0,actions=move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31],output:1",
    "table=0,actions=push:NXM_NX_REG0[],pop:NXM_NX_REG1[0..7],output:NXM_NX_REG2[0..15]",
    "table=0,actions=multipath(symmetric_l4,50,modulo_n,4,0,NXM_NX_REG0[0..3])",
    "table=0,actions=bundle(eth_src,0,hrw,ofport,members:1,2,3)",
    "table=0,actions=learn(table=1,idle_timeout=60,priority=9,NXM_OF_VLAN_TCI[0..11],\
     NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],load:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15],output:NXM_OF_IN_PORT[])",
    "table=0,actions=learn(table=1,limit=4,result_dst=NXM_NX_REG0[0],eth_type=0x800,\
     load:0x5->NXM_NX_REG1[])",
    "table=0,tcp actions=fin_timeout(idle_timeout=5,hard_timeout=9),output:1",
    "table=0,actions=controller(reason=no_match,max_len=100,id=7)",
    "table=0,actions=controller(userdata=01.02.03,pause)",
    "table=0,ip actions=dec_ttl(1,2,3),output:1",
    "table=0,ip actions=ct(commit,zone=5,nat(src=10.0.0.1-10.0.0.9:100-200,random),exec(set_field:0x1->ct_mark))",
    "table=0,ip actions=ct(table=2,zone=NXM_NX_REG0[0..15],nat)",
    "table=0,tcp actions=ct(commit,nat(dst=1.2.3.4),alg=ftp),ct_clear",
    "table=0,actions=clone(output:1,output:2),output:3",
    "table=0,actions=sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3)",
    "table=0,actions=sample(probability=100,collector_set_id=1,obs_domain_id=2,obs_point_id=3,\
     sampling_port=4,egress)",
    "table=0,actions=note:01.02.03.04.05.06,exit",
    "table=0,actions=output(port=2,max_len=100)",
    "table=0,actions=check_pkt_larger(1500)->NXM_NX_REG0[3],output:1",
    "table=0,priority=5,ip actions=conjunction(9,1/3),conjunction(8,2/2)",
    "table=0,conj_id=9,ip actions=pop_queue,output:1",
    "table=0,mpls,mpls_ttl=9 actions=dec_mpls_ttl,output:1",
    "table=0,actions=delete_field:tun_metadata0",
    "table=0,ip actions=mod_nw_src:1.2.3.4,mod_dl_dst:02:00:00:00:00:09,output:1",
    "table=0,actions=group:5",
    "table=0,actions=set_queue:3,output:1",
    "table=0,mpls actions=pop_mpls:0x0800,output:1",
    "table=0,actions=push_mpls:0x8847,output:1",
    "table=0,actions=write_metadata:0x5/0xff",
    "table=0,actions=goto_table:5",
    "table=0,tcp actions=mod_tp_dst:99,mod_vlan_vid:5,mod_vlan_pcp:3,output:1",
    "table=0,dl_vlan=9,dl_vlan_pcp=2 actions=strip_vlan,output:1",
];

/// What 1.2 and later add.
const FROM_12: &[&str] = &[
    "table=0,actions=clear_actions,write_actions(output:1),goto_table:2",
    "table=0,actions=push_vlan:0x88a8,set_field:4105->vlan_vid,output:1",
    "table=0,actions=set_field:0x1/0xf->reg0,output:1",
    "table=0,mpls,mpls_label=100,mpls_tc=2,mpls_bos=1 actions=set_field:7->mpls_label,output:1",
    "table=0,sctp,tp_src=5 actions=set_field:9->sctp_dst,output:1",
    "table=0,actset_output=4 actions=output:1",
    "table=0,xxreg0=0x1000000020000000300000004 actions=output:1",
    "table=0,ip actions=set_field:9->nw_ttl,set_field:2->nw_ecn,output:1",
];

/// What 1.3 and later add.
const FROM_13: &[&str] = &[
    "table=0,actions=meter:5,output:1",
    "table=0,actions=encap(nsh(md_type=1)),encap(ethernet),output:1",
    "table=0,actions=encap(nsh(md_type=2,tlv(0x1000,10,0x12345678))),output:1",
    "table=0,actions=decap(packet_type(ns=0,type=0)),output:1",
];

/// What `ovs-ofctl` cannot say in 1.1, whose match is a structure.
const NOT_IN_11: &[&str] = &[
    "0x1000/0xf000",
    "ipv6_src",
    "nd_target",
    "nw_ecn=",
    "nw_frag",
    "tcp_flags",
    "ct_state",
    "reg0=",
    "tun_id",
    "conj_id",
    "mpls_ttl",
    "ct_mark",
];

/// What is printed otherwise than it was written, in some versions: the standard has another word for it, or
/// `ovs-ofctl` sends it as something else.
const RESPELLED: &[(Version, Version, &str, &str)] = {
    use Version::{V10, V11, V12, V14, V15};
    &[
        (V10, V10, "set_field:0x1->ct_mark", "load:0x1->NXM_NX_CT_MARK[]"),
        (V10, V10, "goto_table:5", "resubmit(,5)"),
        (V11, V15, "strip_vlan", "pop_vlan"),
        (V11, V11, "mod_vlan_vid:5,mod_vlan_pcp:3", "push_vlan:0x8100,set_vlan_vid:5,set_vlan_pcp:3"),
        (
            V12,
            V15,
            "mod_tp_dst:99,mod_vlan_vid:5,mod_vlan_pcp:3",
            "set_field:99->tcp_dst,push_vlan:0x8100,set_field:4101->vlan_vid,set_field:3->vlan_pcp",
        ),
        (V12, V15, "mod_nw_src:1.2.3.4", "set_field:1.2.3.4->ip_src"),
        (V12, V15, "mod_dl_dst:02:00:00:00:00:09", "set_field:02:00:00:00:00:09->eth_dst"),
        (V12, V15, "vlan_tci=0x0000", "vlan_tci=0x0000/0x1fff"),
        (V12, V14, "set_field:0x1/0xf->reg0", "load:0x1->NXM_NX_REG0[0..3]"),
        (V12, V15, "xxreg0=0x1000000020000000300000004", "reg0=0x1,reg1=0x2,reg2=0x3,reg3=0x4"),
    ]
};

fn printed(version: Version, flow: &str) -> String {
    let here = RESPELLED.iter().filter(|(first, last, ..)| (*first..=*last).contains(&version));
    here.fold(flow.to_owned(), |flow, (_, _, from, to)| flow.replace(from, to))
}

fn flows_for(version: Version) -> Vec<&'static str> {
    let mut flows = EVERYWHERE.to_vec();
    if version == Version::V11 {
        flows.retain(|flow| NOT_IN_11.iter().all(|part| !flow.contains(part)));
    }
    if version >= Version::V12 {
        flows.extend(FROM_12);
    }
    if version >= Version::V13 {
        flows.extend(FROM_13);
    }
    flows
}

#[test]
fn flows_go_there_and_back_in_every_version() {
    if missing() {
        return;
    }
    let switch = Switch::start();
    for version in Version::ALL {
        for flow in flows_for(version) {
            assert_eq!(there_and_back(&switch, version, flow), printed(version, flow), "{version}");
        }
    }
}

/// Runs a command that must succeed, and looks for each text in what it prints.
fn prints(switch: &Switch, version: Version, args: &[&str], texts: &[&str]) {
    let output = switch.ofctl(version, args).unwrap_or_else(|e| panic!("{version} {args:?}: {e}"));
    for text in texts {
        assert!(output.contains(text), "{version} {args:?}: no '{text}' in:\n{output}");
    }
}

#[test]
fn what_a_switch_is_and_counts_is_printed_in_every_version() {
    if missing() {
        return;
    }
    let switch = Switch::start();
    for version in Version::ALL {
        let prints = |args: &[&str], texts: &[&str]| prints(&switch, version, args, texts);
        prints(&["show", "BR"], &["dpid:00aa000000000001", "1(s1-eth1): addr:02:00:00:00:00:01", "NO_FWD"]);
        prints(&["show", "BR"], &["current:    10GB-FD COPPER", "miss_send_len=128"]);
        prints(&["dump-desc", "BR"], &["Manufacturer: Nicira, Inc."]);
        prints(&["dump-aggregate", "BR"], &["packet_count=3 byte_count=180 flow_count=2"]);
        prints(&["dump-tables", "BR"], &["active=7, lookup=9, matched=8"]);
        prints(&["dump-ports", "BR"], &["rx pkts=1, bytes=3, drop=5, errs=7, frame=9, over=10, crc=11"]);
        prints(&["dump-ports", "BR"], &["tx pkts=2, bytes=4, drop=6, errs=8, coll=12"]);
        prints(&["dump-ports-desc", "BR"], &["1(s1-eth1): addr:02:00:00:00:00:01"]);
        prints(&["ping", "BR"], &["from"]);
    }
}

#[test]
fn groups_and_meters_go_there_and_back() {
    if missing() {
        return;
    }
    let groups = [
        "group_id=1,type=all,bucket=bucket_id:0,actions=output:1,bucket=bucket_id:1,actions=output:2",
        "group_id=2,type=ff,bucket=bucket_id:0,watch_port:1,actions=output:1",
        "group_id=3,type=select,bucket=bucket_id:0,weight:5,actions=output:1",
        "group_id=4,type=indirect,bucket=bucket_id:0,actions=output:1",
    ];
    for version in Version::ALL {
        let switch = Switch::start();
        for group in groups {
            switch.ofctl(version, &["add-group", "BR", group]).expect("a group is added");
        }
        let dump = switch.ofctl(version, &["dump-groups", "BR"]).expect("groups are dumped");
        for group in groups {
            // The numbers of buckets are told in 1.5 and Nicira's form of 1.0 only.
            let told = matches!(version, Version::V10 | Version::V15);
            let group = if told {
                group.to_owned()
            } else {
                group.replace("bucket_id:0,", "").replace("bucket_id:1,", "")
            };
            assert!(dump.contains(&group), "{version}: no '{group}' in:\n{dump}");
        }
    }
    let select = "group_id=9,type=select,selection_method=hash,fields(ip_src,tcp_dst),bucket=bucket_id:1,weight:1,\
                  actions=output:1";
    let switch = Switch::start();
    switch.ofctl(Version::V15, &["add-group", "BR", select]).expect("a group is added");
    prints(&switch, Version::V15, &["dump-groups", "BR"], &["selection_method=hash,fields(ip_src,tcp_dst)"]);
    for version in [Version::V13, Version::V14, Version::V15] {
        let switch = Switch::start();
        let meter = "meter=3,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=100";
        switch.ofctl(version, &["add-meter", "BR", meter]).expect("a meter is added");
        prints(
            &switch,
            version,
            &["dump-meters", "BR"],
            &["meter=3 kbps burst stats bands=", "rate=1000 burst_size=100"],
        );
    }
}

#[test]
fn bundles_and_deletions_are_understood() {
    if missing() {
        return;
    }
    for version in [Version::V13, Version::V14, Version::V15] {
        let switch = Switch::start();
        switch
            .ofctl(version, &["--bundle", "add-flow", "BR", "in_port=1,actions=output:2"])
            .expect("a bundle");
        prints(&switch, version, &["dump-flows", "BR"], &["in_port=1 actions=output:2"]);
        switch.ofctl(version, &["--strict", "del-flows", "BR", "in_port=1"]).expect("flows are deleted");
        assert!(switch.kept.lock().expect("unharmed").flows.is_empty());
    }
}

#[test]
fn versions_without_anything_in_common_are_refused() {
    if missing() {
        return;
    }
    let mut session = Session::new(Settings::switch(Versions::of(&[Version::V13])), Nanos::ZERO);
    let mut client = Session::new(Settings::controller(Versions::of(&[Version::V10])), Nanos::ZERO);
    session.handle_bytes(Nanos::ZERO, &client.take_output());
    let answer = session.take_output();
    let hex: String = answer.iter().skip(16).map(|byte| format!("{byte:02x}")).collect();
    let output = Command::new("ovs-ofctl").args(["ofp-print", &hex]).output().expect("it was there before");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("OFPHFC_INCOMPATIBLE") && text.contains("We speak OpenFlow13"), "{text}");
}
