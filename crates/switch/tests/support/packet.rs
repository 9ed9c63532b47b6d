//! Packets as keys: headers as words, VLAN headers as a list.

use std::sync::Arc;

use netloom_flow::{
    Branch, DpAction, FlowKey, MeterVerdict, Nanos, PacketKey, PortId, Punt, RecircId, TenantId, WordSet,
    word,
};
use netloom_packet::nsh::Nsh;

/// A packet: what of it a key can say, whatever the number of its VLAN headers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Packet {
    /// The words of the headers; those of VLANs are 0.
    words: [u64; word::PACKET_WORDS],
    /// TPID and TCI, outermost first.
    pub(crate) tags: Vec<(u16, u16)>,
    /// MPLS entries, outermost first.
    pub(crate) labels: Vec<u32>,
    /// The words behind the labels.
    inner: [u64; word::PACKET_WORDS],
    /// The words behind each Network Service Header, the innermost first, and how long that header is.
    services: Vec<([u64; word::PACKET_WORDS], u64)>,
    /// The frame behind this Ethernet header.
    frame: Option<Box<Self>>,
    /// L2 bytes without VLAN and MPLS headers.
    len: u64,
}

impl std::fmt::Debug for Packet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {:?}", self.tags, PacketKey(self.words))
    }
}

/// The address of a host.
pub(crate) const fn mac(host: u8) -> [u8; 6] {
    [2, 0, 0, 0, 0, host]
}

fn word_of(mac: [u8; 6]) -> u64 {
    let [a, b, c, d, e, f] = mac;
    u64::from_be_bytes([a, b, c, d, e, f, 0, 0])
}

impl Packet {
    /// A frame of an unknown protocol.
    pub(crate) fn eth(src: [u8; 6], dst: [u8; 6]) -> Self {
        let mut words = [0; word::PACKET_WORDS];
        words[word::ETH_DST] = word_of(dst) | 0x88b5;
        words[word::ETH_SRC] = word_of(src);
        Self {
            words,
            tags: Vec::new(),
            labels: Vec::new(),
            inner: [0; word::PACKET_WORDS],
            services: Vec::new(),
            frame: None,
            len: 60,
        }
    }

    /// TCP over IPv4 between hosts 10.0.0.`src` and 10.0.0.`dst`.
    pub(crate) fn tcp(src: u8, dst: u8, port: u16) -> Self {
        let mut packet = Self::eth(mac(src), mac(dst));
        packet.set_type(0x0800);
        packet.words[word::IPV4] =
            u64::from(0x0a00_0000 | u32::from(src)) << 32 | 0x0a00_0000 | u64::from(dst);
        packet.words[word::IP] = 6 << 56 | 64 << 40;
        packet.words[word::L4] = 40_000 << 48 | u64::from(port) << 32 | 0x10 << 16;
        packet.len = 90;
        packet
    }

    /// UDP over IPv4 to a host, or as a broadcast to all if that is the fifth.
    pub(crate) fn udp(src: u8, dst: u8, port: u16) -> Self {
        let mut packet = Self::tcp(src, dst, port);
        packet.words[word::IP] = 17 << 56 | 64 << 40;
        packet.words[word::L4] = 68 << 48 | u64::from(port) << 32;
        if dst == 5 {
            packet.words[word::ETH_DST] |= 0xffff_ffff_ffff << 16;
        }
        packet
    }

    /// An ARP request for 10.0.0.`target`, or an announcement if that is `src` itself.
    pub(crate) fn arp(src: u8, target: u8) -> Self {
        let mut packet = Self::eth(mac(src), [0xff; 6]);
        packet.set_type(0x0806);
        packet.words[word::IPV4] =
            u64::from(0x0a00_0000 | u32::from(src)) << 32 | 0x0a00_0000 | u64::from(target);
        packet.words[word::IP] = 1 << 56;
        packet.words[word::ARP_SHA] = word_of(mac(src));
        packet
    }

    /// A neighbour solicitation for fd00::`target`.
    pub(crate) fn solicitation(src: u8, target: u8) -> Self {
        let mut packet = Self::eth(mac(src), [0x33, 0x33, 0xff, 0, 0, target]);
        packet.set_type(0x86dd);
        packet.words[word::IP] = 58 << 56 | 255 << 40;
        packet.words[word::IPV6_SRC] = 0xfd00 << 48;
        packet.words[word::IPV6_SRC + 1] = src.into();
        packet.words[word::IPV6_DST] = 0xff02 << 48;
        packet.words[word::IPV6_DST + 1] = 0x1_ff00_0000 | u64::from(target);
        packet.words[word::L4] = 135 << 48;
        packet.words[word::ND_TARGET] = 0xfd00 << 48;
        packet.words[word::ND_TARGET + 1] = target.into();
        packet
    }

    /// The same with one more VLAN header outside.
    pub(crate) fn tagged(mut self, tci: u16) -> Self {
        self.tags.insert(0, (0x8100, tci));
        self
    }

    fn set_type(&mut self, eth_type: u64) {
        self.words[word::ETH_DST] = self.words[word::ETH_DST] & !0xffff | eth_type;
    }

    /// Writes some bits of a word.
    pub(crate) fn set_word(&mut self, index: usize, value: u64, mask: u64) {
        for at in 0..self.labels.len().min(3) {
            if index == word::MPLS + at / 2 {
                let shift = 32 * (1 - at % 2);
                let (value, mask) = ((value >> shift) as u32, (mask >> shift) as u32);
                self.labels[at] = self.labels[at] & !mask | value & mask;
            }
        }
        if (word::MPLS..word::IPV4).contains(&index) {
            return;
        }
        self.words[index] = self.words[index] & !mask | value & mask;
    }

    pub(crate) fn word(&self, index: usize) -> u64 {
        self.words[index]
    }

    /// L2 bytes without FCS.
    pub(crate) fn bytes(&self) -> u64 {
        self.len + 4 * (self.tags.len() + self.labels.len()) as u64
    }

    /// The key with which it comes in by a port.
    pub(crate) fn key(&self, port: PortId, tenant: TenantId) -> PacketKey {
        let mut key = PacketKey(self.words);
        for (at, lse) in self.labels.iter().take(3).enumerate() {
            key.0[word::MPLS + at / 2] |= u64::from(*lse) << (32 * (1 - at % 2));
        }
        key.0[word::IN_PORT] = u64::from(port.0) << 32;
        key.0[word::TENANT] = u64::from(tenant.0) << 48;
        let present = |tci: u16| u64::from(tci | 0x1000);
        if let Some((tpid, tci)) = self.tags.first() {
            key.0[word::ETH_SRC] |= present(*tci);
            key.0[word::VLAN] |= u64::from(*tpid) << 48;
        }
        if let Some((tpid, tci)) = self.tags.get(1) {
            key.0[word::VLAN] |= u64::from(*tpid) << 32 | present(*tci) << 16;
        }
        if let Some((tpid, _)) = self.tags.get(2) {
            key.0[word::ETH_DST] = key.0[word::ETH_DST] & !0xffff | u64::from(*tpid);
        }
        key
    }

    /// Takes over what was written to a key of this packet; its first two VLAN headers included.
    pub(crate) fn absorb(&mut self, key: &FlowKey) {
        let vlan = key.0[word::VLAN];
        let header = |tpid: u64, tci: u64| {
            let tpid = if tpid & 0xffff == 0 { 0x8100 } else { tpid as u16 };
            (tci & 0x1000 != 0).then_some((tpid, tci as u16 & !0x1000))
        };
        let outer = header(vlan >> 48, key.0[word::ETH_SRC]);
        let inner = header(vlan >> 32, vlan >> 16);
        let known = self.tags.len().min(2);
        self.tags.splice(..known, outer.into_iter().chain(inner));
        self.words.copy_from_slice(&key.0[..word::PACKET_WORDS]);
        self.words[..word::ETH_DST].fill(0);
        self.words[word::MPLS..word::IPV4].fill(0);
        for (at, lse) in self.labels.iter_mut().take(3).enumerate() {
            *lse = (key.0[word::MPLS + at / 2] >> (32 * (1 - at % 2))) as u32;
        }
        self.words[word::ETH_SRC] &= !0xffff;
        self.words[word::VLAN] = 0;
    }

    /// Carries out actions as a datapath does; returns what leaves by which port. Branches taken, and packets handed up
    /// or to be looked up again, are noted.
    pub(crate) fn execute(mut self, actions: &[DpAction], notes: &mut Notes) -> Vec<(PortId, Self)> {
        let mut sent = Vec::new();
        for action in actions {
            match action {
                DpAction::Output(port) => sent.push((*port, self.clone())),
                DpAction::Tunnel { port, .. } => sent.push((*port, self.clone())),
                DpAction::Set(WordSet { word, value, mask }) => {
                    self.set_word(usize::from(*word), *value, *mask)
                }
                DpAction::PushVlan { tpid, tci } => self.tags.insert(0, (*tpid, *tci)),
                DpAction::PopVlan => _ = self.tags.remove(0),
                DpAction::Enqueue { port, .. } => sent.push((*port, self.clone())),
                DpAction::OutputTrunc { port, max_len, .. } => {
                    let mut first = self.clone();
                    first.len = first.len.min(u64::from(*max_len));
                    sent.push((*port, first));
                }
                DpAction::PushMpls { ethertype, lse } => self.push_mpls(*ethertype, *lse),
                DpAction::PopMpls { ethertype } => self.pop_mpls(*ethertype),
                DpAction::PushPbb { .. } | DpAction::PopPbb | DpAction::CopyTtl(_) | DpAction::SetNext(_) => {
                    notes.unknown.push(action.clone());
                }
                DpAction::PushEth { ethertype } => self.push_eth(*ethertype),
                DpAction::PopEth if self.pop_eth() => {}
                DpAction::PushNsh(header) => self.push_nsh(header),
                DpAction::PopNsh { ethertype } if self.pop_nsh(*ethertype) => {}
                DpAction::PopEth | DpAction::PopNsh { .. } => break,
                DpAction::Clone(inner) => sent.extend(self.clone().execute(inner, notes)),
                DpAction::Userspace(punt) => notes.punts.push((Arc::clone(punt), self.clone())),
                DpAction::Meter { meter, passed } => {
                    if meter.0.admit(self.bytes(), notes.now) == MeterVerdict::Pass {
                        sent.extend(self.clone().branch(passed, notes));
                    }
                }
                DpAction::CheckLength { len, longer, other } => {
                    let branch = if self.len > u64::from(*len) { longer } else { other };
                    sent.extend(self.clone().branch(branch, notes));
                }
                DpAction::Recirculate(id) => notes.again.push((*id, self.clone())),
                // No connection is tracked here.
                DpAction::Ct(_) | DpAction::CtClear => {}
                DpAction::Drop(_) => break,
            }
        }
        sent
    }

    fn branch(self, branch: &Arc<Branch>, notes: &mut Notes) -> Vec<(PortId, Self)> {
        notes.branches.push((Arc::clone(branch), self.bytes()));
        self.execute(&branch.actions, notes)
    }

    /// An Ethernet header without addresses around the whole frame.
    pub(crate) fn push_eth(&mut self, ethertype: u16) {
        let mut outer = Self::eth([0; 6], [0; 6]);
        outer.set_type(ethertype.into());
        outer.len = self.bytes() + 14;
        outer.frame = Some(Box::new(self.clone()));
        *self = outer;
    }

    /// Whether there was a frame inside.
    pub(crate) fn pop_eth(&mut self) -> bool {
        self.frame.take().map(|inner| *self = *inner).is_some()
    }

    pub(crate) fn push_nsh(&mut self, header: &[u8]) {
        let nsh = Nsh::parse(header).expect("a good header");
        self.services.push((self.words, header.len() as u64));
        self.words[word::IPV4..].fill(0);
        self.set_type(0x894f);
        let [_, a, b, c] = nsh.path.to_be_bytes();
        let bytes = [nsh.flags, nsh.ttl, nsh.md_type, nsh.next, a, b, c, nsh.index];
        self.words[word::NSH] = u64::from_be_bytes(bytes);
        self.len += header.len() as u64;
    }

    /// Whether there was a header.
    pub(crate) fn pop_nsh(&mut self, ethertype: u16) -> bool {
        let Some((words, len)) = self.services.pop() else { return false };
        self.words[word::IPV4..].copy_from_slice(&words[word::IPV4..]);
        self.len -= len;
        self.set_type(ethertype.into());
        true
    }

    pub(crate) fn push_mpls(&mut self, ethertype: u16, lse: u32) {
        if self.labels.is_empty() {
            self.inner = self.words;
            self.words[word::IPV4..].fill(0);
        }
        self.labels.insert(0, lse);
        self.set_type(ethertype.into());
    }

    pub(crate) fn pop_mpls(&mut self, ethertype: u16) {
        if self.labels.is_empty() {
            return;
        }
        self.labels.remove(0);
        if self.labels.is_empty() {
            self.words[word::IPV4..].copy_from_slice(&self.inner[word::IPV4..]);
            self.inner = [0; word::PACKET_WORDS];
        }
        self.set_type(ethertype.into());
    }
}

/// What a packet left behind on its way through a datapath.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) now: Nanos,
    /// Branches taken, and the packet's bytes there.
    pub(crate) branches: Vec<(Arc<Branch>, u64)>,
    pub(crate) punts: Vec<(Arc<Punt>, Packet)>,
    pub(crate) again: Vec<(RecircId, Packet)>,
    /// Actions on headers that this packet cannot have.
    pub(crate) unknown: Vec<DpAction>,
}
