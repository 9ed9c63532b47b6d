//! A packet on its way through the pipeline: what it says now, and which of it is still the packet's own.

use netloom_flow::{
    FieldId, FlowKey, FlowMask, OfPort, PACKET_WORDS, PacketKey, PacketMask, TenantId, TunnelKey, word,
};

/// The bits of `vlan_tci` in [`word::ETH_SRC`].
pub(super) const TCI: u64 = 0xffff;
/// The bit of a TCI that says the header is there.
pub(super) const PRESENT: u16 = 0x1000;

/// One VLAN header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) tpid: u16,
    /// With [`PRESENT`].
    pub(super) tci: u16,
}

/// What a packet begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PacketType {
    /// An Ethernet header.
    Ethernet,
    /// What this Ethernet type says.
    Bare(u16),
    /// Something that no action knows.
    Other,
}

impl From<u32> for PacketType {
    fn from(number: u32) -> Self {
        let [a, b, c, d] = number.to_be_bytes();
        match u16::from_be_bytes([a, b]) {
            0 if number == 0 => Self::Ethernet,
            1 => Self::Bare(u16::from_be_bytes([c, d])),
            _ => Self::Other,
        }
    }
}

/// The state of a packet in the pipeline.
///
/// Each bit of the key is either the packet's own, or *written*: a constant, the same for all packets that share
/// the translation, because whatever it was computed from has been un-wildcarded.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub(super) key: FlowKey,
    written: FlowMask,
    /// The words with written bits.
    rewritten: u64,
    /// Bytes of MPLS and PBB headers pushed, less those popped, since ingress.
    pushed: i32,
    /// An MPLS or PBB header came or went.
    is_reshaped: bool,
    /// Connection tracking may have changed addresses and ports in the packet, which the key does not show.
    is_translated: bool,
    /// It has come over a link: what a tunnel said of it when it was received is over.
    has_crossed: bool,
}

impl Flow {
    /// A packet as it comes in by a port.
    pub(super) fn new(key: &PacketKey, in_port: OfPort) -> Self {
        let mut flow = Self {
            key: FlowKey::default(),
            written: FlowMask::default(),
            rewritten: 0,
            pushed: 0,
            is_reshaped: false,
            is_translated: false,
            has_crossed: false,
        };
        flow.key.0[..PACKET_WORDS].copy_from_slice(&key.0);
        flow.set_in_port(in_port);
        flow
    }

    /// The same packet as the switch at the other end of a link sees it: its headers and tenant, nothing else.
    pub(super) fn crossed(&self, in_port: OfPort) -> Box<Self> {
        let mut flow = Box::new(self.clone());
        let metadata = !0 >> 16; // beside the tenant
        for (index, bits) in
            (word::TENANT + 1..word::ETH_DST).map(|index| (index, !0)).chain([(word::TENANT, metadata)])
        {
            if flow.key.0[index] & bits != 0 || flow.written.0[index] != 0 {
                flow.write(index, 0, bits);
            }
        }
        // The pipeline's own words begin at 0 in every switch; an overlap check knows that.
        for index in PACKET_WORDS..flow.key.0.len() {
            flow.key.0[index] = 0;
        }
        flow.rewritten &= (1 << PACKET_WORDS) - 1;
        flow.has_crossed = true;
        flow.set_in_port(in_port);
        flow
    }

    /// Whether it has come over a link: then nothing of what it says of a tunnel is the packet's own.
    pub(super) const fn has_crossed(&self) -> bool {
        self.has_crossed
    }

    /// Whether what it says of a tunnel may be something else than what the packet was received with.
    pub(super) fn is_told_anew(&self) -> bool {
        self.has_crossed || (word::TUN_ID..word::PKT_MARK).any(|index| self.own(index) != !0)
    }

    pub(super) const fn in_port(&self) -> OfPort {
        OfPort((self.key.0[word::IN_PORT] >> 32) as u32)
    }

    fn set_in_port(&mut self, port: OfPort) {
        self.key.0[word::IN_PORT] = u64::from(port.0) << 32;
        FieldId::InPhyPort.field().write(&mut self.key, u128::from(port.0), u128::MAX);
    }

    pub(super) const fn tenant(&self) -> TenantId {
        TenantId((self.key.0[word::TENANT] >> 48) as u16)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits are the type")]
    pub(super) const fn eth_type(&self) -> u16 {
        self.key.0[word::ETH_DST] as u16
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits are the packet type")]
    pub(super) fn packet_type(&self) -> PacketType {
        (self.key.0[word::TENANT] as u32).into()
    }

    /// Whether it has no Ethernet header, as far as flows can tell.
    pub(super) fn is_bare(&self) -> bool {
        self.packet_type() != PacketType::Ethernet
    }

    pub(super) fn set_packet_type(&mut self, kind: PacketType) {
        let number = match kind {
            PacketType::Ethernet => 0,
            PacketType::Bare(kind) => 1 << 16 | u64::from(kind),
            PacketType::Other => return,
        };
        self.write(word::TENANT, number, 0xffff_ffff);
    }

    pub(super) const fn eth_dst(&self) -> [u8; 6] {
        mac(self.key.0[word::ETH_DST])
    }

    pub(super) const fn eth_src(&self) -> [u8; 6] {
        mac(self.key.0[word::ETH_SRC])
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low bits are the TCI")]
    pub(super) const fn tci(&self) -> u16 {
        self.key.0[word::ETH_SRC] as u16
    }

    /// The words an overlap check cannot know. The ingress port is known otherwise.
    pub(super) const fn rewritten(&self) -> u64 {
        self.rewritten & !(1 << word::IN_PORT)
    }

    /// The bits of a word that are still the packet's own.
    pub(super) fn own(&self, index: usize) -> u64 {
        self.written.0.get(index).map_or(0, |written| !written)
    }

    /// Says that `bits` are constants from now on. The caller has un-wildcarded what they depend on.
    pub(super) fn mark_written(&mut self, bits: &FlowMask) {
        for (index, (written, bits)) in self.written.0.iter_mut().zip(&bits.0).enumerate() {
            *written |= bits;
            self.rewritten |= u64::from(*bits != 0) << index;
        }
    }

    /// Writes a constant to some bits of a word.
    pub(super) fn write(&mut self, index: usize, value: u64, bits: u64) {
        if let (Some(word), Some(written)) = (self.key.0.get_mut(index), self.written.0.get_mut(index)) {
            *word = (*word & !bits) | (value & bits);
            *written |= bits;
            self.rewritten |= 1 << index;
        }
    }

    /// What the tunnel that it came by says of it.
    pub(super) fn set_tunnel(&mut self, tunnel: &TunnelKey) {
        tunnel.words().for_each(|(index, value)| self.write(index, value, u64::MAX));
    }

    /// A tunnel option that came with the packet, by the number of its field and the words it lies in.
    pub(super) fn set_option(&mut self, number: usize, words: impl Iterator<Item = (usize, u64)>) {
        for (index, value) in words {
            if let Some(word) = self.key.0.get_mut(index) {
                *word = value;
            }
        }
        self.key.0[word::TUN_PRESENT] |= 1 << (number % word::OPTION_FIELDS);
    }

    /// Whether the packet is to have a tunnel option.
    pub(super) fn mark_option(&mut self, number: usize, is_present: bool) {
        let bit = 1 << (number % word::OPTION_FIELDS);
        self.write(word::TUN_PRESENT, if is_present { bit } else { 0 }, bit);
    }

    /// Notes that MPLS headers were pushed (or popped, below 0).
    pub(super) const fn reshaped(&mut self, pushed: i32) {
        self.pushed += pushed;
        self.is_reshaped = true;
    }

    /// Whether an MPLS header came or went.
    pub(super) const fn is_reshaped(&self) -> bool {
        self.is_reshaped
    }

    /// Notes that connection tracking may have changed addresses and ports.
    pub(super) const fn translated(&mut self) {
        self.is_translated = true;
    }

    /// Whether addresses and ports in the packet may be others than those of the key.
    pub(super) const fn is_translated(&self) -> bool {
        self.is_translated
    }

    /// Whatever tracking has said of the packet is forgotten.
    pub(super) fn untrack(&mut self) {
        let zone = 0xffff << 32;
        for (index, bits) in (word::CT..=word::CT_L4).map(|index| (index, !0)).chain([(word::TENANT, zone)]) {
            // A word of zeros that nobody wrote to says so for all packets that share the translation.
            if self.key.0[index] & bits != 0 || self.written.0[index] & bits != 0 {
                self.write(index, 0, bits);
            }
        }
    }

    /// Bytes of VLAN headers, and of MPLS headers beside those at ingress.
    pub(super) fn shim_bytes(&self) -> i32 {
        tag_bytes(&self.key.0) + self.pushed
    }

    /// The VLAN headers, outermost first. A key knows two at most.
    pub(super) fn tags(&self) -> [Option<Tag>; 2] {
        tags(&self.key.0)
    }

    /// Replaces the VLAN headers. The caller has un-wildcarded the present ones.
    pub(super) fn set_tags(&mut self, tags: [Option<Tag>; 2]) {
        let [outer, inner] = tags.map(|tag| tag.map_or((0, 0), |tag| (tag.tpid, tag.tci)));
        self.write(word::ETH_SRC, u64::from(outer.1), TCI);
        let vlan = (u64::from(outer.0) << 48) | (u64::from(inner.0) << 32) | (u64::from(inner.1) << 16);
        self.write(word::VLAN, vlan, u64::MAX);
    }
}

/// The VLAN headers in the words of a key, outermost first.
#[expect(clippy::cast_possible_truncation, reason = "fields are cut out of words")]
pub(super) fn tags(key: &[u64]) -> [Option<Tag>; 2] {
    let at = |index: usize| key.get(index).copied().unwrap_or(0);
    let vlan = at(word::VLAN);
    let tag = |tpid: u64, tci: u16| {
        let tpid = if tpid as u16 == 0 { 0x8100 } else { tpid as u16 };
        (tci & PRESENT != 0).then_some(Tag { tpid, tci })
    };
    let outer = tag(vlan >> 48, at(word::ETH_SRC) as u16);
    let inner = outer.and_then(|_| tag(vlan >> 32, (vlan >> 16) as u16));
    [outer, inner]
}

/// How many bytes the VLAN headers of a key take.
pub(super) fn tag_bytes(key: &[u64]) -> i32 {
    tags(key).iter().flatten().map(|_| 4).sum()
}

/// The address in the high 48 bits of a word.
const fn mac(word: u64) -> [u8; 6] {
    let [a, b, c, d, e, f, ..] = word.to_be_bytes();
    [a, b, c, d, e, f]
}

/// Un-wildcards the bits `seen` of a flow as far as they are still the packet's own.
pub(super) fn unwildcard(mask: &mut PacketMask, flow: &Flow, seen: &FlowMask) {
    for ((mask, seen), written) in mask.0.iter_mut().zip(&seen.0).zip(&flow.written.0) {
        *mask |= seen & !written;
    }
    // Options come with packets as one number.
    let options = word::TUN_METADATA..=word::TUN_PRESENT;
    if options.into_iter().any(|index| seen.0[index] & !flow.written.0[index] != 0) {
        mask.0[word::TUN_OPTIONS] |= !flow.written.0[word::TUN_OPTIONS];
    }
}
