//! One direction of a connection, as `ovs-appctl dpctl/flush-conntrack` takes it.

use std::net::IpAddr;

use crate::TuplePattern;

/// Reads which packets are meant, and of which protocol, from words such as
/// `ct_nw_src=10.0.0.1,ct_nw_dst=10.0.0.2,ct_nw_proto=17,ct_tp_src=1,ct_tp_dst=2`; for ICMP there are `icmp_id`, `icmp_type` and
/// `icmp_code`. What is not named may be anything.
///
/// # Errors
/// What is wrong, in the words of Open vSwitch.
pub fn parse_tuple(text: &str) -> Result<(TuplePattern, Option<u8>), String> {
    let (mut tuple, mut protocol) = (TuplePattern::default(), None);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').ok_or_else(|| format!("field {part} missing value"))?;
        let wrong = || format!("failed to parse field {name}");
        let address = || {
            value.parse::<IpAddr>().map_err(|_| wrong()).map(|ip| match ip {
                IpAddr::V4(ip) => ip.to_ipv6_mapped(),
                IpAddr::V6(ip) => ip,
            })
        };
        let wide = || value.parse::<u16>().map_err(|_| wrong());
        let byte = || value.parse::<u8>().map_err(|_| wrong());
        match name {
            "ct_nw_src" | "ct_ipv6_src" => tuple.src = Some(address()?),
            "ct_nw_dst" | "ct_ipv6_dst" => tuple.dst = Some(address()?),
            "ct_nw_proto" => protocol = Some(byte()?),
            "ct_tp_src" | "icmp_id" => tuple.src_port = Some(wide()?),
            "ct_tp_dst" => tuple.dst_port = Some(wide()?),
            "icmp_type" => tuple.icmp_type = Some(byte()?),
            "icmp_code" => tuple.icmp_code = Some(byte()?),
            other => return Err(format!("invalid conntrack tuple field: {other}")),
        }
    }
    Ok((tuple, protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_described_by_its_tuple() {
        let (tuple, protocol) = parse_tuple("ct_nw_src=10.0.0.1,ct_nw_proto=17,ct_tp_dst=53").unwrap();
        assert_eq!((tuple.src, protocol), (Some("::ffff:10.0.0.1".parse().unwrap()), Some(17)));
        assert_eq!((tuple.dst, tuple.dst_port), (None, Some(53)));
        assert_eq!(parse_tuple("ct_zone=1").unwrap_err(), "invalid conntrack tuple field: ct_zone");
        assert_eq!(parse_tuple("ct_tp_src=70000").unwrap_err(), "failed to parse field ct_tp_src");
    }
}
