//! A frame from the description of one: hexadecimal bytes, a flow of `ovs-ofctl`, or one of `ovs-dpctl`.

use netloom_flow::parse_filter;
use netloom_flow::text::no_names;

use crate::trace::frame_of;

/// The shortest frame, in bytes: an Ethernet header.
const SHORTEST: usize = 14;

/// The bytes of a frame.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn frame(text: &str) -> Result<Vec<u8>, String> {
    if let Some(bytes) = hexadecimal(text) {
        return if bytes.len() < SHORTEST {
            Err("too short for an Ethernet frame".to_owned())
        } else {
            Ok(bytes)
        };
    }
    if !text.contains(['=', '(']) {
        return Err(format!("syntax error at {text}"));
    }
    let flow = if text.contains('(') { pipeline(text)? } else { text.to_owned() };
    let filter = parse_filter(&flow, &no_names)
        .map_err(|wrong| format!("bad packet or flow syntax: {}", wrong.message))?;
    Ok(frame_of(&filter.matches))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let byte = |pair: &[char]| u8::try_from(pair[0].to_digit(16)? << 4 | pair[1].to_digit(16)?).ok();
    digits.chunks_exact(2).map(byte).collect()
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
    fn all_three_ways_say_the_same() {
        let flow = frame("dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,ip,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_proto=1,nw_ttl=64,icmp_type=8,icmp_code=0").unwrap();
        let keys = frame("in_port(1),eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x0800),ipv4(src=10.0.0.1,dst=10.0.0.2,proto=1,tos=0,ttl=64,frag=no),icmp(type=8,code=0)").unwrap();
        assert_eq!(flow, keys);
        let hex: String = flow.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(frame(&hex).unwrap(), flow);
        assert_eq!(&flow[12..14], [8, 0]);
    }

    #[test]
    fn a_tag_holds_what_follows() {
        let text = "eth(src=02:00:00:00:00:01,dst=02:00:00:00:00:02),eth_type(0x8100),vlan(vid=5,pcp=1),\
                    encap(eth_type(0x0800),ipv4(src=10.0.0.1,proto=17),udp(src=1,dst=2))";
        let frame = frame(text).unwrap();
        assert_eq!(&frame[12..18], [0x81, 0, 0x20, 5, 8, 0]);
    }

    #[test]
    fn whatever_is_cut_off_it_is_a_frame_or_an_error() {
        let text = "in_port(1),eth(src=02:00:00:00:00:01),eth_type(0x8100),vlan(vid=5,pcp=1),encap(eth_type(0x86dd),\
                    ipv6(src=fd00::1,proto=58,frag=later),icmpv6(type=135),nd(target=fd00::2,sll=02:00:00:00:00:01))";
        for end in 0..text.len() {
            for start in [0, end / 2] {
                if let Ok(frame) = frame(&text[start..end]) {
                    assert!(frame.len() >= SHORTEST);
                }
            }
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["abcd", "eth(src", "eth(colour=red)", "nonsense", "eth_type", ""] {
            let told = frame(text);
            assert!(told.is_err() || text.is_empty(), "{text}: {told:?}");
        }
    }
}
