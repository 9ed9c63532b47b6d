//! Commands of `exec` that say what a lab file says itself.

/// The interface and address of `ip addr add ADDRESS dev INTERFACE` (ip-address(8)), if that is all the command does.
pub(super) fn address(command: &str) -> Option<(String, String)> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let (family, rest) = match words[..] {
        ["ip" | "/sbin/ip", family @ ("-4" | "-6"), ref rest @ ..] => (Some(family), rest),
        ["ip" | "/sbin/ip", ref rest @ ..] => (None, rest),
        _ => return None,
    };
    let [object, "add", address, "dev", interface] = *rest else { return None };
    let known = ["address".starts_with(object) && object.starts_with('a'), interface.starts_with("eth")];
    let (ip, prefix) = address.split_once('/')?;
    let ip: std::net::IpAddr = ip.parse().ok()?;
    let most = if ip.is_ipv4() { 32 } else { 128 };
    let fits = prefix.parse::<u8>().is_ok_and(|len| len <= most)
        && family.is_none_or(|f| (f == "-6") == ip.is_ipv6());
    (known == [true; 2] && fits).then(|| (interface.to_owned(), address.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn commands_that_set_an_address_are_known() {
        for text in [
            "ip addr add 10.0.0.1/24 dev eth1",
            "ip a add 10.0.0.1/24 dev eth1",
            "/sbin/ip -4 address add 10.0.0.1/24 dev eth1",
        ] {
            assert_eq!(address(text), Some(("eth1".into(), "10.0.0.1/24".into())), "{text}");
        }
        assert_eq!(
            address("ip -6 addr add 2001:db8::1/64 dev eth2").map(|a| a.1).as_deref(),
            Some("2001:db8::1/64")
        );
        for text in [
            "ip addr add 10.0.0.1 dev eth1",
            "ip addr add 10.0.0.1/33 dev eth1",
            "ip addr add 10.0.0.1/24 dev lo",
            "ip addr del 10.0.0.1/24 dev eth1",
            "ip -6 addr add 10.0.0.1/24 dev eth1",
            "ip addr add 10.0.0.1/24 dev eth1 && x",
            "ip route add default via 10.0.0.2",
            "",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }
}
