//! The machine's own name server, which answers for the gateway's address, port 53.

use std::net::{IpAddr, SocketAddr};

/// The first name server of the machine. It is looked up for each flow: people change networks.
pub(super) fn machines() -> Option<SocketAddr> {
    first(&std::fs::read_to_string("/etc/resolv.conf").ok()?)
}

/// The first in a resolv.conf(5).
fn first(text: &str) -> Option<SocketAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then_some(())?;
        words.next()?.parse::<IpAddr>().ok()
    };
    text.lines().find_map(server).map(|ip| SocketAddr::new(ip, 53))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_server_that_is_one_counts() {
        let text = "# nameserver 192.0.2.1\nsearch x\nnameserver fe80::1%eth0\n nameserver 127.0.0.53 # stub\nnameserver 192.0.2.2\n";
        assert_eq!(first(text), Some("127.0.0.53:53".parse().unwrap()));
        assert_eq!(first("nameserver 2001:db8::1"), Some("[2001:db8::1]:53".parse().unwrap()));
        assert_eq!(first("nameserver\n"), None);
    }
}
