//! What the datapath does with a cached flow's packets.

use super::key::Shown;
use crate::action::CtAlg;
use crate::{
    CopyTtl, DpAction, FLOW_WORDS, FieldId, FlowKey, FlowMask, NextHeader, PacketKey, PacketMask, PortId,
    Punt, Track, word,
};

/// A list of actions for packets that look like this key and mask; `port` names ports. An empty list is `drop`.
#[must_use]
pub fn actions(
    list: &[DpAction],
    (key, mask): (&PacketKey, &PacketMask),
    port: &dyn Fn(PortId) -> String,
) -> String {
    let (mut now, mut known) = (FlowKey::default(), FlowMask::default());
    for (to, from) in now.0.iter_mut().zip(key.0) {
        *to = from;
    }
    for (to, from) in known.0.iter_mut().zip(mask.0) {
        *to = from;
    }
    Writer { port, now, known, sets: [0; FLOW_WORDS], words: Vec::new() }.all(list)
}

/// A list in the making.
struct Writer<'p> {
    port: &'p dyn Fn(PortId) -> String,
    /// The packet as it is then: its headers say what a word of it means.
    now: FlowKey,
    /// Which bits of it all packets have in common.
    known: FlowMask,
    /// Bits that have been set and not written down: sets in a row are one.
    sets: [u64; FLOW_WORDS],
    words: Vec<String>,
}

impl Writer<'_> {
    fn all(mut self, list: &[DpAction]) -> String {
        for action in list {
            if let DpAction::Set(set) = action {
                let at = usize::from(set.word);
                if let (Some(now), Some(bits)) = (self.now.0.get_mut(at), self.sets.get_mut(at)) {
                    *now = *now & !set.mask | set.value;
                    *bits |= set.mask;
                    if let Some(known) = self.known.0.get_mut(at) {
                        *known |= set.mask;
                    }
                }
            } else {
                self.write_sets();
                self.one(action);
            }
        }
        self.write_sets();
        if self.words.is_empty() { "drop".to_owned() } else { self.words.join(",") }
    }

    /// A list within this one, for a packet as it is now.
    fn inner(&self, list: &[DpAction]) -> String {
        let (now, known) = (self.now, self.known);
        Writer { port: self.port, now, known, sets: [0; FLOW_WORDS], words: Vec::new() }.all(list)
    }

    fn write_sets(&mut self) {
        let sets = std::mem::replace(&mut self.sets, [0; FLOW_WORDS]);
        let shown = Shown::new(&self.now.0, &sets, false).knowing(self.known);
        let eth_type = FieldId::EthType.field().read(&self.now);
        let attributes = shown.metadata().into_iter().chain(shown.ethernet()).chain(shown.layer3(eth_type));
        self.words.extend(attributes.map(|attribute| format!("set({attribute})")));
    }

    fn port(&self, port: PortId) -> String {
        (self.port)(port)
    }

    fn say(&mut self, word: impl Into<String>) {
        self.words.push(word.into());
    }

    fn one(&mut self, action: &DpAction) {
        match action {
            DpAction::Output(port) => self.output(*port, 0, None),
            DpAction::Enqueue { port, queue } => self.output(*port, *queue, None),
            DpAction::OutputTrunc { port, queue, max_len } => self.output(*port, *queue, Some(*max_len)),
            DpAction::Tunnel { port, queue, key, max_len, .. } => {
                let mut words = [0; FLOW_WORDS];
                for (at, value) in key.words() {
                    if let Some(word) = words.get_mut(at) {
                        *word = value;
                    }
                }
                let bits = words.map(|word| if word == 0 { 0 } else { u64::MAX });
                let tunnel = Shown::new(&words, &bits, false).metadata();
                self.words.extend(tunnel.into_iter().map(|tunnel| format!("set({tunnel})")));
                self.output(*port, *queue, *max_len);
            }
            DpAction::Set(_) => {}
            DpAction::PushVlan { tpid, tci } => self.push_vlan(*tpid, *tci),
            DpAction::PopVlan => self.say("pop_vlan"),
            DpAction::PushMpls { ethertype, lse } => {
                let [label, tc, bos, ttl] = [lse >> 12, lse >> 9 & 7, lse >> 8 & 1, lse & 0xff];
                self.now.0[word::MPLS] = self.now.0[word::MPLS] >> 32 | u64::from(*lse) << 32;
                self.set_type(*ethertype);
                self.say(format!(
                    "push_mpls(label={label},tc={tc},ttl={ttl},bos={bos},eth_type={ethertype:#x})"
                ));
            }
            DpAction::PopMpls { ethertype } => {
                self.set_type(*ethertype);
                self.say(format!("pop_mpls(eth_type={ethertype:#x})"));
            }
            DpAction::PushPbb { itag } => {
                self.set_type(0x88e7);
                self.say(format!("push_pbb(isid={:#x})", itag & 0x00ff_ffff));
            }
            DpAction::PopPbb => self.say("pop_pbb"),
            DpAction::PushEth { ethertype } => {
                self.set_type(*ethertype);
                self.say("push_eth(src=00:00:00:00:00:00,dst=00:00:00:00:00:00)");
            }
            DpAction::PopEth => self.say("pop_eth"),
            DpAction::PushNsh(header) => {
                self.set_type(0x894f);
                let bytes: String = header.iter().map(|byte| format!("{byte:02x}")).collect();
                self.say(format!("push_nsh(0x{bytes})"));
            }
            DpAction::PopNsh { ethertype } => {
                self.set_type(*ethertype);
                self.say("pop_nsh()");
            }
            DpAction::SetNext(next) => self.set_next(*next),
            DpAction::CopyTtl(way) => self.say(match way {
                CopyTtl::Out => "copy_ttl_out",
                CopyTtl::In => "copy_ttl_in",
            }),
            DpAction::Clone(list) => self.say(format!("clone({})", self.inner(list))),
            DpAction::Userspace(punt) => self.say(userspace(punt)),
            DpAction::Meter { passed, .. } => {
                // Its number is the bridge's business: the datapath has the meter itself.
                self.say(format!("clone(meter({}))", self.inner(&passed.actions)));
            }
            DpAction::CheckLength { len, longer, other } => {
                let (longer, other) = (self.inner(&longer.actions), self.inner(&other.actions));
                self.say(format!("check_pkt_len(size={len},gt({longer}),le({other}))"));
            }
            DpAction::Ct(track) => self.say(ct(track)),
            DpAction::CtClear => self.say("ct_clear"),
            DpAction::Recirculate(id) => self.say(format!("recirc({:#x})", id.0)),
            DpAction::Drop(_) => self.say("drop"),
        }
    }

    fn output(&mut self, port: PortId, queue: u32, max_len: Option<u32>) {
        if queue != 0 {
            // As the kernel's handle of a class of HTB: the root is 1, and classes count from 1.
            self.say(format!("set(skb_priority({:#x}))", 0x1_0000 | (u64::from(queue) + 1)));
        }
        if let Some(max_len) = max_len {
            self.say(format!("trunc({max_len})"));
        }
        self.say(self.port(port));
    }

    fn push_vlan(&mut self, tpid: u16, tci: u16) {
        let tpid = if tpid == 0x8100 { String::new() } else { format!("tpid={tpid:#06x},") };
        self.say(format!("push_vlan({tpid}vid={},pcp={})", tci & 0xfff, tci >> 13));
    }

    fn set_type(&mut self, ethertype: u16) {
        FieldId::EthType.field().write(&mut self.now, ethertype.into(), u128::MAX);
    }

    fn set_next(&mut self, next: NextHeader) {
        match next {
            NextHeader::EthType(ethertype) => {
                self.set_type(ethertype);
                self.say(format!("set(eth_type({ethertype:#06x}))"));
            }
            NextHeader::IpProto(proto) => {
                FieldId::NwProto.field().write(&mut self.now, proto.into(), u128::MAX);
                self.say(format!("set(ip(proto={proto}))"));
            }
            NextHeader::BottomOfStack(bottom) => self.say(format!("set(mpls(bos={}))", u8::from(bottom))),
        }
    }
}

/// `userspace(pid=0,controller(reason=1,dont_send=0,..))`
fn userspace(punt: &Punt) -> String {
    format!(
        "userspace(pid=0,controller(reason={},dont_send=0,continuation={},recirc_id=0,rule_cookie={:#x},\
         controller_id={},max_len={}))",
        punt.reason as u8,
        u8::from(punt.paused.is_some()),
        punt.cookie.unwrap_or(u64::MAX),
        punt.controller,
        punt.max_len,
    )
}

/// `ct(commit,zone=1,mark=0x7/0xff,nat(src=192.0.2.1))`
#[must_use]
pub fn ct(track: &Track) -> String {
    let mut words = Vec::new();
    match (track.commit, track.force) {
        (true, true) => words.push("force_commit".to_owned()),
        (true, false) => words.push("commit".to_owned()),
        _ => {}
    }
    if track.zone != 0 {
        words.push(format!("zone={}", track.zone));
    }
    let ((mark, mark_bits), (label, label_bits)) = (track.mark, track.label);
    if mark_bits != 0 {
        words.push(format!("mark={mark:#x}/{mark_bits:#x}"));
    }
    if label_bits != 0 {
        words.push(format!("label={label:#x}/{label_bits:#x}"));
    }
    words.extend(track.alg.map(|alg| format!("helper={}", if alg == CtAlg::Ftp { "ftp" } else { "tftp" })));
    words.extend(track.nat.map(|nat| nat.to_string()));
    if words.is_empty() { "ct".to_owned() } else { format!("ct({})", words.join(",")) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{Branch, RecircId, TunnelKey, WordSet};

    fn text(list: &[DpAction]) -> String {
        let mut key = PacketKey::default();
        key.0[word::ETH_DST] = 0x0800;
        key.0[word::IP] = 17 << 56 | 64 << 40;
        let mut mask = PacketMask::default();
        mask.0[word::IP] = 0x0000_ff00_0000_0000;
        actions(list, (&key, &mask), &|port| port.0.to_string())
    }

    fn set(id: FieldId, value: u64) -> DpAction {
        let field = id.field();
        let bits = (u64::MAX >> (64 - u32::from(field.width))) << field.shift;
        DpAction::Set(WordSet { word: field.word, value: value << field.shift, mask: bits })
    }

    #[test]
    fn actions_are_those_of_dpctl() {
        let output = DpAction::Output(PortId(3));
        assert_eq!(text(&[]), "drop");
        assert_eq!(text(&[output.clone(), DpAction::Output(PortId(1))]), "3,1");
        assert_eq!(
            text(&[DpAction::PushVlan { tpid: 0x8100, tci: 0x2005 }, output.clone()]),
            "push_vlan(vid=5,pcp=1),3"
        );
        assert_eq!(text(&[DpAction::Enqueue { port: PortId(3), queue: 1 }]), "set(skb_priority(0x10002)),3");
        let trunc = DpAction::OutputTrunc { port: PortId(3), queue: 0, max_len: 100 };
        assert_eq!(text(&[trunc]), "trunc(100),3");
        let track = Track { commit: true, zone: 3, mark: (1, 0xff), ..Track::default() };
        let tracked = [DpAction::Ct(Box::new(track)), DpAction::Recirculate(RecircId(1))];
        assert_eq!(text(&tracked), "ct(commit,zone=3,mark=0x1/0xff),recirc(0x1)");
        let key = TunnelKey::new(5, [10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        let tunnel =
            DpAction::Tunnel { port: PortId(3), queue: 0, key: Box::new(key), max_len: None, options: None };
        assert_eq!(text(&[tunnel]), "set(tunnel(tun_id=0x5,src=10.0.0.1,dst=10.0.0.2)),3");
        let branch = |list: Vec<DpAction>| Arc::new(Branch { actions: list.into(), ..Branch::default() });
        let check = DpAction::CheckLength { len: 200, longer: branch(vec![]), other: branch(vec![output]) };
        assert_eq!(text(&[check]), "check_pkt_len(size=200,gt(drop),le(3))");
    }

    #[test]
    fn sets_in_a_row_are_one_and_mean_what_the_packet_is_then() {
        let list = [
            set(FieldId::EthSrc, 0x0200_0000_0001),
            set(FieldId::EthDst, 0x0200_0000_0002),
            set(FieldId::NwTtl, 63),
            set(FieldId::UdpDst, 53),
            DpAction::Output(PortId(3)),
        ];
        assert_eq!(
            text(&list),
            "set(eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02)),set(ipv4(ttl=63)),set(udp(dst=53)),3"
        );
    }

    #[test]
    fn a_field_of_which_a_part_is_set_is_whole_if_the_rest_is_known() {
        let field = FieldId::NwTtl.field();
        let part = |bits: u64| {
            DpAction::Set(WordSet { word: field.word, value: 9 << field.shift, mask: bits << field.shift })
        };
        // 64 becomes 9: only bits that differ are written.
        assert_eq!(text(&[part(0x49)]), "set(ipv4(ttl=9))");
        let field = FieldId::NwTos.field();
        let unknown = DpAction::Set(WordSet { word: field.word, value: 0, mask: 3 << field.shift });
        assert_eq!(text(&[unknown]), "set(ipv4(tos=0/0x3))");
    }
}
