//! A frame from the description of one.

use netloom_flow::text::{FrameText, parse_frame};

use crate::trace::frame_of;

/// The bytes of a frame.
///
/// # Errors
/// What is wrong with the text.
pub(super) fn frame(text: &str) -> Result<Vec<u8>, String> {
    Ok(match parse_frame(text)? {
        FrameText::Bytes(bytes) => bytes,
        FrameText::Flow(matches) => frame_of(&matches),
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
                    assert!(frame.len() >= 14, "an Ethernet header");
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
