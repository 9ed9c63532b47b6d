//! The description of a frame, as `ovs-appctl netdev-dummy/receive` takes it: hexadecimal bytes, a flow of `ovs-ofctl`, or one
//! of `ovs-dpctl`.

use super::flow::parse_filter;
use super::port::no_names;
use crate::FlowMatch;

/// The shortest frame, in bytes: an Ethernet header.
const SHORTEST: usize = 14;

/// A frame as it is described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameText {
    /// These bytes, an Ethernet header at least.
    Bytes(Vec<u8>),
    /// A frame that matches this.
    Flow(FlowMatch),
}

/// Reads the description of a frame.
///
/// # Errors
/// What is wrong, in the words of Open vSwitch where it has some.
pub fn parse_frame(text: &str) -> Result<FrameText, String> {
    if let Some(bytes) = hexadecimal(text) {
        return if bytes.len() < SHORTEST {
            Err("too short for an Ethernet frame".to_owned())
        } else {
            Ok(FrameText::Bytes(bytes))
        };
    }
    if !text.contains(['=', '(']) {
        return Err(format!("syntax error at {text}"));
    }
    let flow = if text.contains('(') { pipeline(text)? } else { text.to_owned() };
    let filter = parse_filter(&flow, &no_names)
        .map_err(|wrong| format!("bad packet or flow syntax: {}", wrong.message))?;
    Ok(FrameText::Flow(filter.matches))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |[high, low]: &[char; 2]| u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok();
    digits.as_chunks().0.iter().map(byte).collect()
}

/// `eth(src=..,dst=..),eth_type(0x0800),ipv4(src=..)` as `dl_src=..,dl_dst=..,dl_type=0x0800,nw_src=..`.
fn pipeline(text: &str) -> Result<String, String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        rest = rest.trim_start_matches([',', ' ', ')']);
        if rest.is_empty() {
            break;
        }
        let (name, behind) =
            rest.split_once('(').ok_or_else(|| format!("{rest}: an attribute has parentheses"))?;
        // What it holds are attributes themselves.
        if name == "encap" {
            rest = behind;
            continue;
        }
        let (fields, behind) =
            behind.split_once(')').ok_or_else(|| format!("{name}: a parenthesis is missing"))?;
        rest = behind;
        if name == "eth_type" {
            // Behind a tag stands another one, and that is the packet's.
            words.retain(|word: &String| !word.starts_with("dl_type="));
            words.push(format!("dl_type={fields}"));
            continue;
        }
        for field in fields.split(',').filter(|field| !field.is_empty()) {
            let (field, value) = field.split_once('=').unwrap_or((field, ""));
            match word_for(name, field) {
                Some("") => {}
                Some(word) => words.push(format!("{word}={value}")),
                None => return Err(format!("{name}({field}): not known")),
            }
        }
    }
    Ok(words.join(","))
}

/// What `ovs-ofctl` calls a field; empty: it says nothing of the packet's bytes.
fn word_for(attribute: &str, field: &str) -> Option<&'static str> {
    Some(match (attribute, field) {
        ("in_port" | "recirc_id" | "dp_hash" | "skb_priority" | "skb_mark" | "packet_type", _)
        | ("ct_state" | "ct_zone" | "ct_mark" | "ct_label", _) => "",
        ("eth", "src") => "dl_src",
        ("eth", "dst") => "dl_dst",
        ("vlan", "vid") => "dl_vlan",
        ("vlan", "pcp") => "dl_vlan_pcp",
        ("vlan", "cfi") => "",
        ("ipv4", "src") => "nw_src",
        ("ipv4", "dst") => "nw_dst",
        ("ipv6", "src") => "ipv6_src",
        ("ipv6", "dst") => "ipv6_dst",
        ("ipv6", "label") => "ipv6_label",
        ("ipv4" | "ipv6", "proto") => "nw_proto",
        ("ipv4", "tos") | ("ipv6", "tclass") => "nw_tos",
        ("ipv4", "ttl") | ("ipv6", "hlimit") => "nw_ttl",
        ("ipv4" | "ipv6", "frag") => "nw_frag",
        ("tcp" | "udp" | "sctp", "src") => "tp_src",
        ("tcp" | "udp" | "sctp", "dst") => "tp_dst",
        ("tcp_flags", _) => "",
        ("icmp" | "icmpv6", "type") => "icmp_type",
        ("icmp" | "icmpv6", "code") => "icmp_code",
        ("arp", "sip") => "arp_spa",
        ("arp", "tip") => "arp_tpa",
        ("arp", "op") => "arp_op",
        ("arp", "sha") => "arp_sha",
        ("arp", "tha") => "arp_tha",
        ("nd", "target") => "nd_target",
        ("nd", "sll") => "nd_sll",
        ("nd", "tll") => "nd_tll",
        ("mpls", "label") => "mpls_label",
        ("mpls", "tc") => "mpls_tc",
        ("mpls", "ttl") => "mpls_ttl",
        ("mpls", "bos") => "mpls_bos",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_bytes_and_flows_are_flows() {
        let bytes = parse_frame("0200 00000001 020000000002 0800").unwrap();
        assert_eq!(bytes, FrameText::Bytes(vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0]));
        let plain = parse_frame("dl_src=02:00:00:00:00:01,ip,nw_src=10.0.0.1,nw_proto=17,tp_dst=53").unwrap();
        let keys =
            "in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x0800),ipv4(src=10.0.0.1,proto=17),udp(dst=53)";
        assert_eq!(parse_frame(keys).unwrap(), plain);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["abcd", "eth(src", "eth(colour=red)", "nonsense", "eth_type"] {
            assert!(parse_frame(text).is_err(), "{text}");
        }
    }
}
