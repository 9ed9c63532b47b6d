//! Set: bits of a key's word become bits of a header, checksums kept right.
//!
//! The word as it is now is read from the frame; the fields that differ from the word as it is to be are written.
//! Fields that no packet carries (ports, tunnel, marks) and those that describe its structure (types, protocol,
//! fragment bits) cannot be set.

use netloom_flow::{PacketKey, PacketMeta, WordSet, extract, word};
use netloom_packet::Mac;
use netloom_packet::edit::Edit;
use netloom_packet::nsh::{self, Nsh};

use crate::execute::Carried;
use crate::pass;

/// The bit of a TCI in a key that says that the tag is there; on the wire it is the drop-eligible bit.
const PRESENT: u16 = 0x1000;
/// The EtherType of a backbone header: its word is that of IP.
const PBB: u16 = 0x88e7;
/// Its bit beside the I-SID in a key.
const USE_CUSTOMER_ADDRESSES: u32 = 1 << 24;

pub(crate) fn apply(carried: &mut Carried<'_, '_>, set: &WordSet) {
    let old = extract(carried.frame.front(), &carried.headers, &PacketMeta::default());
    let mut new = old;
    let Some(word) = new.0.get_mut(usize::from(set.word)) else { return };
    *word = *word & !set.mask | set.value & set.mask;
    if new == old {
        return;
    }
    let (frame, headers) = (&mut *carried.frame, &carried.headers);
    let tci = |at: usize| frame.front().get(at).map_or(0, |byte| u16::from(byte & 0x10) << 8);
    let tags = [tci(14), tci(18)];
    let csum = frame.offload.csum;
    let mut edit = Edit::new(frame.front_mut(), headers, csum);
    match usize::from(set.word) {
        word::ETH_DST => _ = edit.eth_dst(mac(new.0[word::ETH_DST])),
        word::ETH_SRC => eth_src(&mut edit, &old, &new, tags),
        word::VLAN => vlan(&mut edit, &old, &new, tags),
        word::MPLS => {
            let [outer, inner] = halves(new.0[word::MPLS]);
            _ = edit.mpls(0, outer) | edit.mpls(1, inner);
        }
        at if at == word::MPLS + 1 => _ = edit.mpls(2, halves(new.0[at])[0]),
        word::IPV4 => ipv4(&mut edit, headers.is_arp(), &old, &new),
        word::NSH_CONTEXT..word::IP if headers.eth_type == nsh::TYPE => _ = edit.nsh(&service_header(&new)),
        word::IPV6_SRC..word::IPV6_DST => _ = edit.ipv6_src(wide(&new, word::IPV6_SRC)),
        word::IPV6_DST..word::IP => _ = edit.ipv6_dst(wide(&new, word::IPV6_DST)),
        word::PBB if headers.eth_type == PBB => {
            let [_, tag] = halves(new.0[word::PBB]);
            _ = edit.pbb(tag, tag & USE_CUSTOMER_ADDRESSES != 0);
        }
        word::IP => ip(&mut edit, headers.is_arp(), &old, &new),
        word::ND_TARGET..word::ARP_SHA => _ = edit.nd_target(wide(&new, word::ND_TARGET)),
        word::ARP_SHA => {
            let mac = mac(new.0[word::ARP_SHA]);
            _ = if headers.is_arp() { edit.arp_sha(mac) } else { edit.nd_sll(mac) };
        }
        word::ARP_THA => {
            let mac = mac(new.0[word::ARP_THA]);
            _ = if headers.is_arp() { edit.arp_tha(mac) } else { edit.nd_tll(mac) };
        }
        word::L4 => l4(&mut edit, &old, &new),
        _ => {}
    }
    if usize::from(set.word) == word::VLAN {
        // Another TPID may make a tag into payload, or the reverse.
        carried.headers = pass::headers(carried.frame).unwrap_or(carried.headers);
    }
}

fn eth_src(edit: &mut Edit<'_>, old: &PacketKey, new: &PacketKey, [outer, _]: [u16; 2]) {
    let (old, new) = (old.0[word::ETH_SRC], new.0[word::ETH_SRC]);
    if old >> 16 != new >> 16 {
        edit.eth_src(mac(new));
    }
    if short(old, 0) != short(new, 0) {
        edit.vlan_tci(0, short(new, 0) & !PRESENT | outer);
    }
}

fn vlan(edit: &mut Edit<'_>, old: &PacketKey, new: &PacketKey, [_, inner]: [u16; 2]) {
    let (old, new) = (old.0[word::VLAN], new.0[word::VLAN]);
    for (n, shift) in [(0, 48), (1, 32)] {
        if short(old, shift) != short(new, shift) {
            edit.vlan_tpid(n, short(new, shift));
        }
    }
    if short(old, 16) != short(new, 16) {
        edit.vlan_tci(1, short(new, 16) & !PRESENT | inner);
    }
}

fn ipv4(edit: &mut Edit<'_>, arp: bool, old: &PacketKey, new: &PacketKey) {
    let [old_src, old_dst] = halves(old.0[word::IPV4]);
    let [src, dst] = halves(new.0[word::IPV4]);
    if src != old_src {
        let src = src.to_be_bytes();
        _ = if arp { edit.arp_spa(src) } else { edit.ipv4_src(src) };
    }
    if dst != old_dst {
        let dst = dst.to_be_bytes();
        _ = if arp { edit.arp_tpa(dst) } else { edit.ipv4_dst(dst) };
    }
}

fn ip(edit: &mut Edit<'_>, arp: bool, old: &PacketKey, new: &PacketKey) {
    let [old_proto, old_tos, old_ttl, _, ..] = old.0[word::IP].to_be_bytes();
    let [proto, tos, ttl, _, ..] = new.0[word::IP].to_be_bytes();
    if arp && proto != old_proto {
        edit.arp_op(proto.into());
    }
    if tos != old_tos {
        edit.tos(tos);
    }
    if ttl != old_ttl {
        edit.ttl(ttl);
    }
    let ([_, old_label], [_, label]) = (halves(old.0[word::IP]), halves(new.0[word::IP]));
    if label != old_label {
        edit.ipv6_label(label);
    }
}

/// What may be written of a Network Service Header.
fn service_header(new: &PacketKey) -> Nsh {
    let [flags, ttl, md_type, next, s0, s1, s2, index] = new.0[word::NSH].to_be_bytes();
    let path = u32::from_be_bytes([0, s0, s1, s2]);
    let ([a, b], [c, d]) = (halves(new.0[word::NSH_CONTEXT]), halves(new.0[word::NSH_CONTEXT + 1]));
    Nsh { flags, ttl, len: 0, md_type, next, path, index, contexts: [a, b, c, d] }
}

fn l4(edit: &mut Edit<'_>, old: &PacketKey, new: &PacketKey) {
    let (old, new) = (old.0[word::L4], new.0[word::L4]);
    let (src, dst) = (short(new, 48), short(new, 32));
    // A port if the frame has ports; else the low byte of type or code.
    if short(old, 48) != src && !edit.l4_src(src) {
        edit.icmp_type(src.to_be_bytes()[1]);
    }
    if short(old, 32) != dst && !edit.l4_dst(dst) {
        edit.icmp_code(dst.to_be_bytes()[1]);
    }
}

fn mac(word: u64) -> Mac {
    let [a, b, c, d, e, f, ..] = word.to_be_bytes();
    Mac([a, b, c, d, e, f])
}

fn halves(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

#[expect(clippy::cast_possible_truncation, reason = "16 of 64 bits")]
const fn short(word: u64, shift: u32) -> u16 {
    (word >> shift) as u16
}

fn wide(key: &PacketKey, at: usize) -> [u8; 16] {
    let bits = u128::from(key.0[at]) << 64 | u128::from(key.0[at + 1]);
    bits.to_be_bytes()
}
