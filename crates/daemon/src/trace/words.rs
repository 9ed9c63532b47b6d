//! Keys, masks and datapath actions in words.

use netloom_api::{TraceChange, TraceRule};
use netloom_flow::text::datapath::ct;
use netloom_flow::text::field_changes;
use netloom_flow::{
    CopyTtl, DpAction, FLOW_WORDS, FieldId, FlowKey, FlowMask, FlowMatch, NextHeader, PACKET_WORDS,
    PacketKey, PacketMask, PortId, word,
};
use netloom_packet::Mac;
use netloom_packet::nsh::{self, Nsh};
use netloom_switch::Rule;

/// A rule as a trace tells it.
pub(super) fn rule(rule: &Rule) -> TraceRule {
    let flow = &rule.flow;
    let text =
        netloom_flow::text::Rule { priority: flow.priority, matches: &flow.matches, actions: &flow.actions };
    let text = text.to_string();
    TraceRule {
        priority: flow.priority,
        matches: flow.matches.to_string(),
        cookie: flow.cookie,
        actions: text.split_once("actions=").map_or(String::new(), |(_, actions)| actions.to_owned()),
        origin: origin(&rule.origin),
    }
}

/// Of a file's path only the name, as everywhere.
fn origin(origin: &netloom_switch::config::Origin) -> String {
    match origin {
        netloom_switch::config::Origin::File { path, line } => {
            let name = std::path::Path::new(path).file_name();
            format!("{}:{line}", name.map(|name| name.to_string_lossy()).unwrap_or_default())
        }
        other => other.to_string(),
    }
}

/// What an action changed.
pub(super) fn changes(before: &FlowKey, after: &FlowKey) -> Vec<TraceChange> {
    let change = |it: netloom_flow::text::FieldChange| TraceChange {
        field: it.field.to_owned(),
        before: it.before,
        after: it.after,
    };
    let own = |it: &netloom_flow::text::FieldChange| !matches!(it.field, "actset_output");
    field_changes(before, after).into_iter().filter(own).map(change).collect()
}

/// A packet key in the pipeline's layout, and nothing about ports and tenants.
fn headers(key: &[u64; PACKET_WORDS]) -> [u64; FLOW_WORDS] {
    let mut out = [0; FLOW_WORDS];
    out[..PACKET_WORDS].copy_from_slice(key);
    out[word::IN_PORT] = 0;
    out[word::TENANT] = 0;
    out
}

/// The headers of a packet, every field of them, in the syntax of flows.
pub(crate) fn packet(key: &PacketKey) -> String {
    let key = FlowKey(headers(&key.0));
    let mut mask = FlowMask([0; FLOW_WORDS]);
    for (index, word) in mask.0.iter_mut().enumerate().take(PACKET_WORDS).skip(word::ETH_DST) {
        // What is not there is not worth a word.
        *word = if key.0[index] == 0 { 0 } else { u64::MAX };
    }
    // The tag's words say more than a tag: only if it is there.
    if key.0[word::ETH_SRC] & 0x1000 == 0 {
        mask.0[word::ETH_SRC] &= !0xffff;
    }
    mask.0[word::VLAN] = 0;
    // Type and code of ICMP may well be 0; only TCP has flags.
    match key.0[word::IP] >> 56 {
        1 | 58 if key.0[word::IP] != 0 => mask.0[word::L4] |= !0 << 32,
        6 => {}
        _ => mask.0[word::L4] &= !0 << 32,
    }
    // Of what is 0 nearly always only what is not: ToS, fragments, the flow label.
    let kept = [0x0000_ff00_0000_0000, 0xff00_0000_0000_0000];
    let usual = [0x00ff_0000_0000_0000, 0x0000_00ff_0000_0000, 0x0000_0000_ffff_ffff];
    let said = usual.into_iter().filter(|bits| key.0[word::IP] & bits != 0);
    mask.0[word::IP] &= kept.into_iter().chain(said).fold(0, |all, bits| all | bits);
    FlowMatch::new(key, mask).to_string()
}

/// Which packets share a translation.
pub(crate) fn megaflow(key: &PacketKey, mask: &PacketMask, port: &str) -> String {
    let (values, mut bits) = (headers(&key.0), headers(&mask.0));
    // That there is no tunnel and no mark goes without saying.
    for index in (word::CT_LABEL..word::ETH_DST).filter(|index| values[*index] == 0) {
        bits[index] = 0;
    }
    let rest = FlowMatch::new(FlowKey(values), FlowMask(bits)).to_string();
    let (again, seen) = (key.0[word::IN_PORT] & 0xffff_ffff, mask.0[word::TENANT] >> 48);
    let mut words = Vec::new();
    if again != 0 {
        words.push(format!("recirc_id={again:#x}"));
    }
    words.push(format!("in_port={port}"));
    let tenant = key.0[word::TENANT] >> 48;
    if seen != 0 && tenant != 0 {
        words.push(format!("tenant={tenant}"));
    }
    if !rest.is_empty() {
        words.push(rest);
    }
    words.join(",")
}

/// What the datapath does with a packet.
pub(crate) fn actions(port: &dyn Fn(PortId) -> String, key: &PacketKey, actions: &[DpAction]) -> String {
    if actions.is_empty() {
        return "drop".to_owned();
    }
    let mut key = FlowKey(headers(&key.0));
    actions.iter().map(|action| action_words(port, &mut key, action)).collect::<Vec<_>>().join(", ")
}

fn action_words(name: &dyn Fn(PortId) -> String, key: &mut FlowKey, action: &DpAction) -> String {
    let port = |port: &PortId| name(*port);
    let inner = |list: &[DpAction], key: &FlowKey| {
        let mut key = *key;
        match list {
            [] => "drop".to_owned(),
            list => {
                let words = list.iter().map(|action| action_words(name, &mut key, action));
                words.collect::<Vec<_>>().join(", ")
            }
        }
    };
    match action {
        DpAction::Output(to) => format!("output:{}", port(to)),
        DpAction::Tunnel { port: to, key, .. } => match key.dst() {
            Some(peer) => format!("tunnel:{} key {} to {peer}", port(to), key.id()),
            None => format!("tunnel:{} key {}", port(to), key.id()),
        },
        DpAction::Enqueue { port: to, queue } => format!("output:{} queue {queue}", port(to)),
        DpAction::OutputTrunc { port: to, queue: 0, max_len } => {
            format!("output:{} first {max_len} bytes", port(to))
        }
        DpAction::OutputTrunc { port: to, queue, max_len } => {
            format!("output:{} queue {queue} first {max_len} bytes", port(to))
        }
        DpAction::Set(set) => {
            let before = *key;
            if let Some(word) = key.0.get_mut(usize::from(set.word)) {
                *word = *word & !set.mask | set.value;
            }
            let changes = field_changes(&before, key);
            let words = changes.iter().map(|it| format!("{}={}", it.field, it.after)).collect::<Vec<_>>();
            format!("set({})", words.join(","))
        }
        DpAction::PushVlan { tpid, tci } if *tpid == 0x8100 => format!("push_vlan({})", tci & 0xfff),
        DpAction::PushVlan { tpid, tci } => format!("push_vlan({},{tpid:#06x})", tci & 0xfff),
        DpAction::PopVlan => "pop_vlan".to_owned(),
        DpAction::PushMpls { ethertype, lse } => {
            set_type(key, *ethertype);
            key.0[word::MPLS] = key.0[word::MPLS] >> 32 | u64::from(*lse) << 32;
            format!("push_mpls({},{ethertype:#06x})", lse >> 12)
        }
        DpAction::PopMpls { ethertype } => {
            set_type(key, *ethertype);
            format!("pop_mpls({ethertype:#06x})")
        }
        DpAction::PushPbb { itag } => {
            set_type(key, 0x88e7);
            format!("push_pbb({:#x})", itag & 0x00ff_ffff)
        }
        DpAction::PopPbb => "pop_pbb".to_owned(),
        DpAction::PushEth { ethertype } => {
            (key.0[word::ETH_DST], key.0[word::ETH_SRC]) = (0, 0);
            set_type(key, *ethertype);
            format!("push_eth({ethertype:#06x})")
        }
        DpAction::PopEth => "pop_eth".to_owned(),
        DpAction::PushNsh(header) => {
            set_type(key, nsh::TYPE);
            push_nsh_words(key, header)
        }
        DpAction::PopNsh { ethertype } => {
            set_type(key, *ethertype);
            "pop_nsh".to_owned()
        }
        DpAction::SetNext(NextHeader::EthType(ethertype)) => {
            set_type(key, *ethertype);
            format!("set(eth_type={ethertype:#06x})")
        }
        DpAction::SetNext(NextHeader::IpProto(proto)) => {
            key.0[word::IP] = key.0[word::IP] << 8 >> 8 | u64::from(*proto) << 56;
            format!("set(ip_proto={proto})")
        }
        DpAction::SetNext(NextHeader::BottomOfStack(bottom)) => {
            format!("set(mpls_bos={})", u8::from(*bottom))
        }
        DpAction::CopyTtl(CopyTtl::Out) => "copy_ttl_out".to_owned(),
        DpAction::CopyTtl(CopyTtl::In) => "copy_ttl_in".to_owned(),
        DpAction::Clone(list) => format!("clone({})", inner(list, key)),
        DpAction::Userspace(_) => "controller".to_owned(),
        DpAction::Meter { passed, .. } => format!("meter({})", inner(&passed.actions, key)),
        DpAction::CheckLength { len, longer, other } => {
            let (longer, other) = (inner(&longer.actions, key), inner(&other.actions, key));
            format!("longer than {len}({longer}) else({other})")
        }
        DpAction::Ct(track) => ct(track),
        DpAction::CtClear => "ct_clear".to_owned(),
        DpAction::Recirculate(id) => format!("recirc({:#x})", id.0),
        DpAction::Drop(reason) => format!("drop ({reason})"),
    }
}

/// `push_nsh(mdtype=1,next=3)`
fn push_nsh_words(key: &mut FlowKey, header: &[u8]) -> String {
    let Ok(nsh) = Nsh::parse(header) else { return "push_nsh".to_owned() };
    for (field, value) in [
        (FieldId::NshTtl, u32::from(nsh.ttl)),
        (FieldId::NshSpi, nsh.path),
        (FieldId::NshSi, u32::from(nsh.index)),
    ] {
        field.field().write(key, u128::from(value), u128::MAX);
    }
    format!("push_nsh(mdtype={},next={})", nsh.md_type, nsh.next)
}

fn set_type(key: &mut FlowKey, ethertype: u16) {
    key.0[word::ETH_DST] = key.0[word::ETH_DST] & !0xffff | u64::from(ethertype);
}

/// `02:00:00:00:00:01`
pub(crate) fn mac(mac: [u8; 6]) -> String {
    Mac(mac).to_string()
}
