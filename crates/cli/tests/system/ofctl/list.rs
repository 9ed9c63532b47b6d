//! The list: what is typed, and what must be printed.

use std::collections::BTreeSet;

/// A version of OpenFlow that the list is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V10,
    V13,
    V15,
}

impl Version {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::V10 => "OpenFlow10",
            Self::V13 => "OpenFlow13",
            Self::V15 => "OpenFlow15",
        }
    }
}

/// What comes of a line in a version.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// It succeeds, and prints these texts; `!` before one that it must not print.
    Prints(&'static [&'static str]),
    /// It fails with a code other than 0, and prints these texts.
    Refused(&'static [&'static str]),
    /// The version has no such command: `ovs-ofctl` itself, or the switch, says so.
    Skipped,
}

use Outcome::{Prints, Refused, Skipped};

/// A line of the shell, with `$O` for `ovs-ofctl` in a version.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) script: &'static str,
    outcomes: [Outcome; 3],
}

impl Line {
    /// The texts, and whether it must fail; `None`: it is not looked at in this version.
    pub(super) const fn expected(&self, version: Version) -> Option<(&'static [&'static str], bool)> {
        let [v10, v13, v15] = self.outcomes;
        let outcome = match version {
            Version::V10 => v10,
            Version::V13 => v13,
            Version::V15 => v15,
        };
        match outcome {
            Prints(texts) => Some((texts, false)),
            Refused(texts) => Some((texts, true)),
            Skipped => None,
        }
    }
}

/// The same in every version.
const fn all(script: &'static str, texts: &'static [&'static str]) -> Line {
    Line { script, outcomes: [Prints(texts); 3] }
}

/// Refused in every version.
const fn refused(script: &'static str, texts: &'static [&'static str]) -> Line {
    Line { script, outcomes: [Refused(texts); 3] }
}

/// In each version something else.
const fn each(script: &'static str, outcomes: [Outcome; 3]) -> Line {
    Line { script, outcomes }
}

/// From 1.3 on.
const fn late(script: &'static str, texts: &'static [&'static str]) -> Line {
    Line { script, outcomes: [Skipped, Prints(texts), Prints(texts)] }
}

/// Words behind `$O` that are options, or names of files and switches.
pub(super) fn commands() -> BTreeSet<&'static str> {
    let calls = SCRIPT.iter().flat_map(|line| line.script.split("$O ").skip(1));
    calls.filter_map(|call| call.split_whitespace().find(|word| !word.starts_with('-'))).collect()
}

/// A frame from nobody to everybody, of an EtherType for experiments.
macro_rules! frame {
    () => {
        "ffffffffffff02000000000188b50000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    };
}

/// `ovs-ofctl` itself, before it asks the switch, has no tables in a file to replace the flows of OpenFlow 1.0.
const NO_TABLES: Outcome = Refused(&["switch does not support any of the usable flow formats"]);

const DUMP: &str = "$O dump-flows --no-stats s1";

/// In this order, from an empty switch to an empty switch.
pub(super) const SCRIPT: &[Line] = &[
    // The switch.
    all(
        "$O show s1",
        &[
            "n_tables:254, n_buffers:0",
            "capabilities: FLOW_STATS TABLE_STATS PORT_STATS",
            "frags=normal miss_send_len=0",
        ],
    ),
    all("$O dump-desc s1", &["Manufacturer: Nicira, Inc.", "Hardware: Open vSwitch", "Serial Num: None"]),
    all("$O dump-tables s1", &["table 0:", "253"]),
    late("$O dump-table-features s1", &["max_entries=1000000", "metadata: match=0xffffffffffffffff"]),
    each(
        "$O dump-table-desc s1",
        [Skipped, Skipped, Prints(&["table 0:", "eviction=off eviction_flags=OTHER|IMPORTANCE|LIFETIME"])],
    ),
    each(
        "$O mod-table s1 0 evict && $O dump-table-desc s1 | head -3",
        [Skipped, Skipped, Prints(&["eviction=on"])],
    ),
    each(
        "$O mod-table s1 0 noevict && $O dump-table-desc s1 | head -3",
        [Skipped, Skipped, Prints(&["eviction=off"])],
    ),
    each(
        "$O mod-table s1 0 vacancy:20,80 && $O dump-table-desc s1 | head -5",
        [Skipped, Skipped, Prints(&["vacancy=on", "20%", "80%"])],
    ),
    each(
        "$O mod-table s1 0 novacancy && $O dump-table-desc s1 | head -5",
        [Skipped, Skipped, Prints(&["vacancy=off"])],
    ),
    each("$O mod-table s1 254 evict", [Skipped, Skipped, Refused(&["OFPTMFC_EPERM"])]),
    all(
        "ovs-ofctl -O OpenFlow12 mod-table s1 0 controller && ovs-ofctl -O OpenFlow12 dump-tables s1 | head -5",
        &["controller"],
    ),
    all(
        "ovs-ofctl -O OpenFlow12 mod-table s1 0 drop && ovs-ofctl -O OpenFlow12 dump-tables s1 | head -5",
        &["drop"],
    ),
    all("$O get-frags s1", &["normal"]),
    all("$O set-frags s1 drop && $O get-frags s1", &["drop"]),
    all("$O set-frags s1 nx-match && $O get-frags s1", &["nx-match"]),
    refused("$O set-frags s1 reassemble", &["setting fragment handling mode failed"]),
    all("$O set-frags s1 normal && $O get-frags s1", &["normal"]),
    all("$O probe s1", &[]),
    all("timeout -s INT 0.3 $O ping s1 64 || true", &["bytes from s1: xid="]),
    all("$O benchmark s1 100 10", &["Finished in"]),
    // Ports.
    each(
        "$O dump-ports s1",
        [
            Prints(&["3 ports", "!duration"]),
            Prints(&["3 ports", "duration="]),
            Prints(&["3 ports", "duration="]),
        ],
    ),
    all("$O dump-ports s1 s1-eth2", &["1 ports", "port  2: rx pkts=", "tx pkts="]),
    all("$O dump-ports s1 99", &["0 ports", "!ERROR"]),
    all("$O dump-ports-desc s1", &["1(s1-eth1)", "2(s1-eth2)"]),
    each(
        "$O dump-ports-desc s1 s1-eth2",
        [Prints(&["2(s1-eth2)"]), Prints(&["2(s1-eth2)"]), Prints(&["2(s1-eth2)", "!1(s1-eth1)"])],
    ),
    all(
        "$O mod-port s1 s1-eth1 down && $O dump-ports-desc s1 1",
        &["config:     PORT_DOWN", "state:      LINK_DOWN"],
    ),
    all("$O mod-port s1 1 up && $O dump-ports-desc s1 1", &["!PORT_DOWN", "!LINK_DOWN"]),
    each(
        "$O mod-port s1 1 no-flood && $O dump-ports-desc s1 1",
        [Prints(&["NO_FLOOD"]), Prints(&[]), Prints(&[])],
    ),
    all("$O mod-port s1 1 flood && $O dump-ports-desc s1 1", &["!NO_FLOOD"]),
    all("$O mod-port s1 1 no-forward && $O dump-ports-desc s1 1", &["NO_FWD"]),
    all("$O mod-port s1 1 forward && $O dump-ports-desc s1 1", &["!NO_FWD"]),
    all("$O mod-port s1 1 no-receive && $O dump-ports-desc s1 1", &["NO_RECV"]),
    all("$O mod-port s1 1 receive && $O dump-ports-desc s1 1", &["!NO_RECV"]),
    all("$O mod-port s1 1 no-packet-in && $O dump-ports-desc s1 1", &["NO_PACKET_IN"]),
    all("$O mod-port s1 1 packet-in && $O dump-ports-desc s1 1", &["!NO_PACKET_IN"]),
    each(
        "$O mod-port s1 1 no-stp && $O dump-ports-desc s1 1 && $O mod-port s1 1 stp",
        [Prints(&["NO_STP"]), Skipped, Skipped],
    ),
    refused("$O mod-port s1 77 up", &["couldn't find port"]),
    // Flows, one by one.
    all(
        "$O add-flow s1 priority=5,in_port=1,actions=output:2 && $O dump-flows --no-stats s1",
        &[" priority=5,in_port=1 actions=output:2"],
    ),
    all(
        "$O add-flow s1 in_port=s1-eth2,priority=3,actions=output:s1-eth1,in_port,flood,all,normal,controller && $O dump-flows --no-stats s1 in_port=2",
        &[" priority=3,in_port=2 actions=output:1,IN_PORT,FLOOD,ALL,NORMAL,CONTROLLER:65535"],
    ),
    each(
        "$O add-flow s1 'cookie=0x1234,table=2,idle_timeout=60,hard_timeout=600,priority=100,send_flow_rem,check_overlap,ip,nw_src=10.0.0.0/8,actions=resubmit(,3)' && $O dump-flows s1 table=2",
        [
            Prints(&[
                "cookie=0x1234",
                "n_packets=0, n_bytes=0, idle_timeout=60, hard_timeout=600, idle_age=0, priority=100,ip,nw_src=10.0.0.0/8 actions=resubmit(,3)",
            ]),
            Prints(&[
                "hard_timeout=600, send_flow_rem check_overlap priority=100,ip,nw_src=10.0.0.0/8 actions=resubmit(,3)",
            ]),
            Prints(&[
                "hard_timeout=600, send_flow_rem check_overlap idle_age=0, priority=100,ip,nw_src=10.0.0.0/8",
            ]),
        ],
    ),
    refused(
        "$O add-flow s1 'check_overlap,table=2,priority=100,tcp,nw_src=10.1.0.0/16,actions=drop'",
        &["OFPFMFC_OVERLAP"],
    ),
    all(
        "$O add-flow s1 'cookie=0x1235,table=2,priority=101,ip,nw_src=10.0.0.0/8,actions=dec_ttl,set_queue:3,pop_queue,note:01.02' && $O dump-flows --no-stats s1 cookie=0x1235/-1",
        &["priority=101,ip,nw_src=10.0.0.0/8 actions=dec_ttl,set_queue:3,pop_queue,note:01.02.00.00.00.00"],
    ),
    all(
        "$O add-flow s1 'table=3,ct_state=+trk+est,ip,actions=ct(commit,zone=5,nat(src=1.1.1.1)),learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])' && $O dump-flows --no-stats s1 table=3",
        &[
            "ct_state=+est+trk,ip actions=ct(commit,zone=5,nat(src=1.1.1.1)),learn(table=9,NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],output:NXM_OF_IN_PORT[])",
        ],
    ),
    each(
        "$O add-flow s1 'table=6,udp,actions=clear_actions,write_actions(output:1),write_metadata:0x5/0xff,goto_table:7' && $O dump-flows --no-stats s1 table=6",
        [
            Skipped,
            Prints(&[
                "udp actions=clear_actions,write_actions(output:1),write_metadata:0x5/0xff,goto_table:7",
            ]),
            Prints(&[
                "udp actions=clear_actions,write_actions(output:1),write_metadata:0x5/0xff,goto_table:7",
            ]),
        ],
    ),
    each(
        "$O add-flow s1 'table=6,udp,actions=write_metadata:0x5/0xff,goto_table:7'",
        [Refused(&["NXBRC_UNENCODABLE_ERROR", "OFPBAC_UNSUPPORTED_ORDER"]), Skipped, Skipped],
    ),
    refused("$O add-flow s1 table=254,actions=drop", &["OFPBRC_EPERM"]),
    refused(
        "$O add-flow s1 'table=4,icmp,actions=group:77'",
        &["OFPBAC_BAD_OUT_GROUP", "ADD table:4 icmp actions=group:77"],
    ),
    refused("$O add-flow s1 bogus=1,actions=drop", &["unknown keyword bogus"]),
    all(
        "$O dump-flows --names --no-stats s1 in_port=s1-eth1",
        &[" priority=5,in_port=\"s1-eth1\" actions=output:\"s1-eth2\""],
    ),
    all(
        "$O dump-flows --no-names --no-stats s1 out_port=2",
        &[" priority=5,in_port=1 actions=output:2", "!priority=3"],
    ),
    all("$O dump-flows --no-stats --rsort=priority s1 table=2 | head -1", &["priority=101"]),
    all("$O dump-flows --no-stats --sort=priority s1 table=2 | head -1", &["priority=100"]),
    all("$O dump-flows s1 cookie=0x1234/-1", &["cookie=0x1234", "!cookie=0x1235"]),
    all("$O dump-aggregate s1 table=2", &["packet_count=0 byte_count=0 flow_count=2"]),
    all(
        "$O mod-flows s1 table=2,ip,actions=output:1 && $O dump-flows --no-stats s1 table=2",
        &[
            "priority=100,ip,nw_src=10.0.0.0/8 actions=output:1",
            "priority=101,ip,nw_src=10.0.0.0/8 actions=output:1",
        ],
    ),
    all(
        "$O --strict mod-flows s1 table=2,priority=100,ip,nw_src=10.0.0.0/8,actions=output:2 && $O dump-flows --no-stats s1 table=2",
        &[
            "priority=100,ip,nw_src=10.0.0.0/8 actions=output:2",
            "priority=101,ip,nw_src=10.0.0.0/8 actions=output:1",
        ],
    ),
    all(
        "$O --strict del-flows s1 table=2,priority=101,ip,nw_src=10.0.0.0/8 && $O dump-flows --no-stats s1 table=2",
        &["priority=100", "!priority=101"],
    ),
    all("$O del-flows s1 table=2 && $O dump-flows --no-stats s1 table=2", &["!priority"]),
    all(
        "echo priority=44,actions=drop | $O add-flow s1 - && $O dump-flows --no-stats s1 | grep -c priority=44",
        &["1"],
    ),
    all("$O del-flows s1 && $O dump-flows --no-stats s1", &["!actions"]),
    // Flows from files.
    all(
        "$O add-flows s1 flows && $O dump-flows --no-stats s1",
        &["priority=10,ip,nw_dst=10.0.0.1 actions=output:1", "table=1, priority=5,arp actions=FLOOD"],
    ),
    all("$O diff-flows s1 flows", &["!actions"]),
    all(
        "$O diff-flows s1 other; test $? = 2",
        &[
            "-priority=10,ip,nw_dst=10.0.0.1 actions=output:1",
            "+priority=10,ip,nw_dst=10.0.0.1 actions=output:2",
            "-table=1 priority=5,arp",
            "+table=1 priority=7,tcp",
        ],
    ),
    each(
        "$O replace-flows s1 other && $O dump-flows --no-stats s1",
        [
            NO_TABLES,
            Prints(&["nw_dst=10.0.0.1 actions=output:2", "priority=7,tcp", "!arp"]),
            Prints(&["nw_dst=10.0.0.1 actions=output:2", "priority=7,tcp", "!arp"]),
        ],
    ),
    each(
        "$O --readd replace-flows s1 flows && $O diff-flows s1 flows",
        [NO_TABLES, Prints(&["!actions"]), Prints(&["!actions"])],
    ),
    all("$O --bundle replace-flows s1 other && $O dump-flows --no-stats s1", &["priority=7,tcp", "!arp"]),
    all(
        "$O --bundle add-flows s1 changes && $O dump-flows --no-stats s1",
        &["priority=11,udp actions=output:1", "!table=1"],
    ),
    all(
        "$O --bundle add-flow s1 priority=4,actions=drop && $O --bundle mod-flows s1 udp,actions=output:2 && $O dump-flows --no-stats s1",
        &["priority=4 actions=drop", "priority=11,udp actions=output:2"],
    ),
    all("$O --bundle del-flows s1 udp && $O dump-flows --no-stats s1", &["!udp"]),
    all("$O bundle s1 bundle && $O dump-flows --no-stats s1", &["priority=77,udp actions=group:21"]),
    refused("$O bundle s1 broken", &["OFPBAC_BAD_OUT_GROUP", "OFPBFC_MSG_FAILED"]),
    all(DUMP, &["!priority=78", "!priority=79"]),
    all("$O del-groups s1 && $O del-flows s1", &[]),
    // Groups.
    all(
        "$O add-group s1 group_id=1,type=all,bucket=output:1,bucket=output:2 && $O dump-groups s1",
        &["group_id=1,type=all,bucket="],
    ),
    refused("$O add-group s1 group_id=1,type=all,bucket=output:1", &["OFPGMFC_GROUP_EXISTS"]),
    each(
        "$O add-group s1 'group_id=2,type=select,selection_method=hash,fields(ip_src,ip_dst),bucket=weight:3,output:1,bucket=weight:4,actions=output:2' && $O dump-groups s1",
        [
            Prints(&[
                "group_id=2,type=select,selection_method=hash,fields(ip_src,ip_dst)",
                "weight:4,actions=output:2",
            ]),
            Skipped,
            Prints(&[
                "group_id=2,type=select,selection_method=hash,fields(ip_src,ip_dst)",
                "weight:4,actions=output:2",
            ]),
        ],
    ),
    all(
        "$O add-group s1 group_id=5,type=indirect,bucket=group:55 && $O dump-groups s1",
        &["group_id=5,type=indirect,bucket=", "actions=group:55"],
    ),
    all(
        "$O add-group s1 group_id=6,type=ff,bucket=watch_port:1,output:1,bucket=watch_port:2,output:2 && $O dump-groups s1",
        &["group_id=6,type=ff,bucket=", "watch_port:1"],
    ),
    refused("$O add-group s1 group_id=7,type=all,bucket=group:7", &["OFPGMFC_LOOP"]),
    all(
        "$O add-groups s1 groups && $O dump-groups s1",
        &["group_id=11,type=indirect", "group_id=12,type=all"],
    ),
    all(
        "$O --may-create mod-group s1 group_id=20,type=all,bucket=output:2 && $O dump-groups s1",
        &["group_id=20,type=all"],
    ),
    refused("$O mod-group s1 group_id=30,type=all,bucket=output:2", &["OFPGMFC_UNKNOWN_GROUP"]),
    each(
        "$O insert-buckets s1 group_id=1,command_bucket_id=last,bucket=bucket_id:77,output:1 && $O dump-groups s1",
        [Prints(&["bucket_id:77"]), Skipped, Prints(&["bucket_id:77"])],
    ),
    each(
        "$O remove-buckets s1 group_id=1,command_bucket_id=77 && $O dump-groups s1",
        [Prints(&["!bucket_id:77"]), Skipped, Prints(&["!bucket_id:77"])],
    ),
    each(
        "$O remove-buckets s1 group_id=1,command_bucket_id=500",
        [Refused(&["OFPGMFC_UNKNOWN_BUCKET"]), Skipped, Refused(&["OFPGMFC_UNKNOWN_BUCKET"])],
    ),
    all(
        "$O dump-group-stats s1 group_id=1",
        &["group_id=1,", "ref_count=0,packet_count=0,byte_count=0,bucket0:packet_count=0"],
    ),
    all("$O dump-group-features s1", &["Types:  0xf", "max_groups=0xffffff00", "actions: output"]),
    all(
        "$O add-flow s1 priority=9,udp,actions=group:1 && $O dump-group-stats s1 group_id=1",
        &["ref_count=1"],
    ),
    all("$O del-groups s1 group_id=1 && $O dump-flows --no-stats s1", &["!group:1"]),
    all("$O del-groups s1 && $O dump-groups s1", &["!group_id"]),
    // Meters.
    late(
        "$O add-meter s1 meter=1,kbps,band=type=drop,rate=1000 && $O dump-meters s1",
        &["meter=1 kbps bands=", "type=drop rate=1000"],
    ),
    each(
        "$O add-meter s1 meter=1,kbps,band=type=drop,rate=1000",
        [Skipped, Refused(&["OFPMMFC_METER_EXISTS"]), Refused(&["OFPMMFC_METER_EXISTS"])],
    ),
    late(
        "$O add-meter s1 meter=2,pktps,burst,stats,band=type=drop,rate=100,burst_size=10 && $O mod-meter s1 meter=2,pktps,stats,band=type=drop,rate=50 && $O dump-meter s1 meter=2",
        &["meter=2 pktps stats bands=", "rate=50"],
    ),
    late(
        "$O add-meter s1 meter=3,kbps,band=type=dscp_remark,rate=1000,prec_level=1 && $O dump-meters s1 meter=3",
        &["type=dscp_remark rate=1000 prec_level=1"],
    ),
    each(
        "$O mod-meter s1 meter=99,kbps,band=type=drop,rate=1",
        [Skipped, Refused(&["OFPMMFC_UNKNOWN_METER"]), Refused(&["OFPMMFC_UNKNOWN_METER"])],
    ),
    late("$O meter-stats s1 meter=1", &["meter:1 flow_count:0 packet_in_count:0 byte_in_count:0"]),
    late("$O meter-features s1", &["max_meter:262144 max_bands:8 max_color:0", "band_types: drop"]),
    late(
        "$O add-flow s1 ip,actions=meter:1,output:2 && $O dump-flows --no-stats s1",
        &["ip actions=meter:1,output:2"],
    ),
    late("$O del-meter s1 meter=1 && $O dump-flows --no-stats s1", &["!meter:1"]),
    late("$O del-meters s1 && $O dump-meters s1", &["!meter="]),
    // Packets, connections.
    all(
        concat!(
            "$O packet-out s1 'in_port=controller packet=",
            frame!(),
            " actions=output:2' && $O dump-ports s1 2"
        ),
        &["tx pkts="],
    ),
    all(concat!("$O packet-out s1 controller output:2 ", frame!()), &[]),
    all(
        concat!("$O --bundle packet-out s1 'in_port=controller packet=", frame!(), " actions=output:2'"),
        &[],
    ),
    refused(
        concat!("$O packet-out s1 'in_port=1 packet=", frame!(), " actions=group:55'"),
        &["OFPBAC_BAD_OUT_GROUP", "actions=group:55"],
    ),
    all(
        concat!(
            "$O add-flow s1 dl_type=0x88b5,actions='controller(max_len=60,userdata=01.02)'\n",
            "(timeout -s INT 2 $O monitor s1 65534 > seen 2>&1 || true) & sleep 1\n",
            "$O packet-out s1 'in_port=1 packet=",
            frame!(),
            " actions=table'\n$O del-flows s1; wait; cat seen"
        ),
        &[
            "NXT_PACKET_IN2",
            "total_len=58 in_port=1 (via action) data_len=58 (unbuffered)",
            "userdata=01.02",
            "dl_type=0x88b5",
        ],
    ),
    all(
        concat!(
            "$O del-flows s1\n(timeout -s INT 2 $O snoop s1 > seen 2>&1 || true) & sleep 1\n",
            "$O packet-out s1 'in_port=1 packet=",
            frame!(),
            " actions=controller'\nwait; cat seen"
        ),
        &["OFPT_PACKET_IN (OF1.5)", "total_len=58 in_port=1", "OFPT_PACKET_OUT (OF1.5)", "actions=FLOOD"],
    ),
    all("$O ct-flush-zone s1 5", &[]),
    all("$O ct-flush s1 && $O ct-flush s1 zone=5 ct_nw_src=10.1.1.1,ct_nw_dst=10.1.1.2,ct_nw_proto=6", &[]),
    refused("$O ct-flush s1 bogus=1", &["bogus"]),
    all("$O dump-ipfix-bridge s1; $O dump-ipfix-flow s1", &["NXST_NOT_CONFIGURED"]),
    // Queues: the lab file has none (cli/tests/system/qos.rs has some).
    all("$O queue-stats s1 1", &["OFPST_QUEUE reply"]),
    each(
        "$O queue-get-config s1 1",
        [
            Prints(&["QUEUE_GET_CONFIG_REPLY"]),
            Prints(&["QUEUE_GET_CONFIG_REPLY"]),
            Prints(&["OFPST_QUEUE_DESC reply"]),
        ],
    ),
    // TLV maps.
    all("$O dump-tlv-map s1", &["max option space=136 max fields=64", "allocated option space=0"]),
    all(
        "$O add-tlv-map s1 '{class=0xffff,type=0,len=4}->tun_metadata0' && $O dump-tlv-map s1",
        &["allocated option space=4", "0xffff     0       4  tun_metadata0"],
    ),
    refused("$O add-tlv-map s1 '{class=0xffff,type=0,len=4}->tun_metadata0'", &["NXTTMFC_ALREADY_MAPPED"]),
    all(
        "$O add-flow s1 tun_metadata0=5,actions=drop && $O dump-flows --no-stats s1 && $O del-flows s1",
        &["tun_metadata0=0x5 actions=drop"],
    ),
    all("$O del-tlv-map s1 && $O dump-tlv-map s1", &["!tun_metadata0"]),
    // Without a switch.
    all(
        "printf '\\006\\003\\000\\010\\000\\000\\000\\001' > bytes; $O ofp-parse bytes",
        &["OFPT_ECHO_REPLY (OF1.5)"],
    ),
    all("$O parse-flow priority=5,actions=drop", &["priority=5"]),
    all("$O del-flows s1 && $O dump-flows --no-stats s1", &["!actions"]),
];
