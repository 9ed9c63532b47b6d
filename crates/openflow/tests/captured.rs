//! What `ovs-ofctl` 3.1 sent, byte by byte: it is read as what its command says, and we write the same bytes.

use netloom_flow::{FieldId, OfPort, TableId, parse_flow};
use netloom_openflow::msg::meter::{Band, BandKind};
use netloom_openflow::msg::{
    Bucket, FlowFlags, FlowFormat, FlowMod, GroupCommand, GroupMod, GroupType, MeterCommand, MeterConfig,
    MeterFlags, MeterMod, Selection, TlvCommand, TlvMap, TlvTableMod,
};
use netloom_openflow::wire::{Protocol, decode, encode};
use netloom_openflow::{Message, Version, Xid};

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |c: u8| u8::try_from(char::from(c).to_digit(16).expect("hexadecimal")).expect("one digit");
    let digits: Vec<u8> = hex.bytes().filter(|c| !c.is_ascii_whitespace()).map(digit).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn is(protocol: &Protocol, xid: u32, hex: &str, message: &Message) {
    let bytes = bytes(hex);
    assert_eq!(decode(protocol, &bytes).as_ref(), Ok(message));
    let mut out = Vec::new();
    encode(protocol, Xid(xid), message, &mut out).expect("it was said in this version");
    // Fields may come in another order, as long as what they need comes before.
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    assert_eq!(sorted(&out), sorted(&bytes), "{message:?}\n{out:02x?}\n{bytes:02x?}");
    for len in 0..bytes.len() {
        assert!(decode(protocol, &bytes[..len]).is_err(), "{len} bytes");
    }
}

/// The flow mod that a text of `add-flow` stands for.
fn flow(text: &str, table: Option<TableId>, flags: FlowFlags) -> Message {
    let flow = parse_flow(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    Message::FlowMod(Box::new(FlowMod {
        table,
        priority: flow.priority,
        matches: flow.matches,
        new_cookie: Some(flow.cookie),
        idle_timeout: flow.idle_timeout,
        importance: flow.importance,
        flags,
        actions: flow.actions.to_vec(),
        ..FlowMod::default()
    }))
}

const FLOW_MOD_10: &str = "010e0060000000020038184f0000000000000000000000000000000000000800000600000a00000000000000000000500000\
    0000000000120000003c00000064ffffffffffff0000000500100200000000010000000000000000000800020000";
const NXT_FLOW_MOD: &str = "0104007000000006000023200000000d00000000000000000300000000008000ffffffffffff00000012\
    0000000000000000060208000001d3080000002100000021000000000000ffff00180000232000230001000000000007ff0000000000ffff\
    001000002320000efff804000000";
const FLOW_MOD_11: &str = "020e00a800000002000000000000000000000000000000000100000000008000ffffffffffffffffffff\
    ffff000000000000005800000000000003f7000000000000ffffffffffff000000000000ffffffffffff000000000800000000000000ffff\
    ffff0a000001000000000000000000000000000000000000000000000000ffffffffffffffff000400200000000000180008000000000000\
    0010000000020000000000000000";
const FLOW_MOD_12: &str = "030e007000000002000000000000000000000000000000000000000000008000ffffffffffffffffffff\
    ffff0000000000010012800000040000000180000c0210050000000000000004002800000000001200080000000000150008000000030000\
    0010000000020000000000000000";
const FLOW_MOD_13: &str = "040e00a800000002000000000000000000000000000000000100000000008000ffffffffffffffffffff\
    ffff000000000001003980000a0286dd8000372020010db8000000000000000000000000ffffffff00000000000000000000000080001401\
    0680001c0201bb00000000000000000600080000000300040018000000000019001080000606020000000001000000030010000000000016\
    0008000000040001000802000000";
const FLOW_MOD_14: &str = "050e005800000002000000000000000000000000000000000000000000008000ffffffffffffffffffff\
    ffff000100050001000c800000040000000100000000000400180000000000000010000000020000000000000000";
const FLOW_MOD_15: &str = "060e007000000002000000000000000000000000000000000000000000008000ffffffffffffffffffff\
    ffff000000000001000c8000000400000001000000000004003000000000001d000800000003001900100001010800000005000000ff0000\
    0010000000020000000000000000";

#[test]
fn flow_mods() {
    let of = Protocol::new;
    let resets = FlowFlags::RESET_COUNTS;
    let none = FlowFlags::default();
    let tcp = "cookie=0x12,idle_timeout=60,priority=100,tcp,nw_src=10.0.0.0/8,tp_dst=80,\
               actions=mod_dl_dst:02:00:00:00:00:01,output:2";
    is(&of(Version::V10), 2, FLOW_MOD_10, &flow(tcp, None, resets));
    let nxm = Protocol { flow_format: FlowFormat::Nxm, flow_mod_table_id: true, ..of(Version::V10) };
    let ct = "table=3,ct_state=+trk+new,ip,actions=ct(commit,zone=7),resubmit(,4)";
    is(&nxm, 6, NXT_FLOW_MOD, &flow(ct, Some(TableId(3)), resets));
    let ip = "table=1,ip,nw_dst=10.0.0.1,actions=dec_ttl,output:2";
    is(&of(Version::V11), 2, FLOW_MOD_11, &flow(ip, Some(TableId(1)), resets));
    let vlan = "in_port=1,dl_vlan=5,actions=pop_vlan,set_queue:3,output:2";
    is(&of(Version::V12), 2, FLOW_MOD_12, &flow(vlan, Some(TableId(0)), none));
    let tcp6 = "table=1,tcp6,ipv6_dst=2001:db8::/32,tp_dst=443,actions=meter:3,\
                set_field:02:00:00:00:00:01->eth_dst,write_actions(group:4),goto_table:2";
    is(&of(Version::V13), 2, FLOW_MOD_13, &flow(tcp6, Some(TableId(1)), none));
    let important = "importance=5,in_port=1,actions=output:2";
    is(&of(Version::V14), 2, FLOW_MOD_14, &flow(important, Some(TableId(0)), FlowFlags::SEND_FLOW_REM));
    let masked = "in_port=1,actions=meter:3,set_field:0x5/0xff->reg0,output:2";
    is(&of(Version::V15), 2, FLOW_MOD_15, &flow(masked, Some(TableId(0)), none));
}

const PACKET_OUT_15: &str = "060d005a00000002ffffffff002800000001000c800000040000000100000000001c00180020000000\
    000000000100040001020400000000000000100000000200000000000000000200000000020200000000018100006488b5";

#[test]
fn packet_outs() {
    let Ok(Message::PacketOut(read)) = decode(&Protocol::new(Version::V15), &bytes(PACKET_OUT_15)) else {
        panic!("a packet-out")
    };
    let actions =
        parse_flow("actions=move:NXM_NX_REG0[]->NXM_NX_REG1[],output:2").expect("right").actions.to_vec();
    assert_eq!(read.actions, actions);
    assert_eq!(read.metadata.exact(FieldId::InPortOxm), Some(1));
    assert_eq!((read.packet.len(), read.buffer), (18, None));
    let mut out = Vec::new();
    encode(&Protocol::new(Version::V15), Xid(2), &Message::PacketOut(read), &mut out).expect("it was read");
    assert_eq!(out, bytes(PACKET_OUT_15));
}

const GROUP_MOD_13: &str = "040f00300000000200000300000000050020000000000001ffffffff0000000000000010000000010000\
    000000000000";
const GROUP_MOD_15: &str = "060f006800000002000001000000000500200000ffffffff002000100000000100000010000000010000\
    0000000000000000000800020000ffff00300000154d00000001000000006861736800000000000000000000000000000000000000008000\
    1604ffffffff";
const METER_MOD: &str = "041d002000000002000000050000000300010010000003e80000000a00000000";
const TLV_TABLE_MOD: &str = "0404002000000002000023200000001800000000000000000102800400000000";

#[test]
fn groups_meters_and_options() {
    let bucket = |id, weight, port| Bucket {
        id,
        weight,
        watch_port: OfPort(port),
        watch_group: u32::MAX,
        actions: vec![netloom_flow::Action::Output(OfPort(1))],
    };
    let group = |kind, bucket, selection| {
        Message::GroupMod(Box::new(GroupMod {
            command: GroupCommand::Add,
            kind,
            group: 5,
            command_bucket: u32::MAX,
            buckets: vec![bucket],
            selection,
        }))
    };
    let failover = group(GroupType::FastFailover, bucket(0, 0, 1), Selection::default());
    is_but_for_pieces(Version::V13, GROUP_MOD_13, &failover);
    let hash =
        Selection { method: "hash".to_owned(), param: 0, fields: vec![(FieldId::Ipv4Src, 0xffff_ffff)] };
    let select = group(GroupType::Select, bucket(1, 2, u32::MAX), hash);
    is_but_for_pieces(Version::V15, GROUP_MOD_15, &select);
    let meter = MeterMod {
        command: MeterCommand::Add,
        config: MeterConfig {
            meter: 3,
            flags: MeterFlags::KBPS | MeterFlags::BURST,
            bands: vec![Band { kind: BandKind::Drop, rate: 1000, burst: 10 }],
        },
    };
    is_but_for_pieces(Version::V13, METER_MOD, &Message::MeterMod(meter));
    let maps = vec![TlvMap { class: 0x0102, kind: 0x80, len: 4, index: 0 }];
    let options = TlvTableMod { command: TlvCommand::Add, maps };
    is_but_for_pieces(Version::V13, TLV_TABLE_MOD, &Message::TlvTableMod(options));
}

/// Of these, a piece may be a message with fewer elements.
fn is_but_for_pieces(version: Version, hex: &str, message: &Message) {
    let (protocol, bytes) = (Protocol::new(version), bytes(hex));
    assert_eq!(decode(&protocol, &bytes).as_ref(), Ok(message));
    let mut out = Vec::new();
    encode(&protocol, Xid(2), message, &mut out).expect("it was said in this version");
    // The text has no weight for groups other than select; ovs-ofctl numbers buckets of 1.3 from 0, as we do.
    assert_eq!(out, bytes, "{message:?}");
}
