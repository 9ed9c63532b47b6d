//! What Mininet's commands print, from rows.

use std::collections::BTreeSet;

use netloom_api::{Graph, LinkRow, MeasureRow, NodeRow, PingReport};

use super::natural;

/// `nodes`.
pub(super) fn nodes(graph: &Graph, controller: bool) -> String {
    let mut names: Vec<_> = graph.nodes.iter().map(|node| node.name.as_str()).collect();
    names.extend(graph.switches.iter().map(|switch| switch.name.as_str()));
    if controller {
        names.push("c0");
    }
    names.sort_by_key(|name| natural(name));
    format!("available nodes are: \n{}\n", names.join(" "))
}

/// `net`.
pub(super) fn net(graph: &Graph, controller: bool) -> String {
    let mut out = String::new();
    for node in &graph.nodes {
        out.push_str(&node.name);
        for interface in &node.interfaces {
            let peer = interface.peer.as_deref().map_or_else(String::new, whole);
            let own = whole(&format!("{}:{}", node.name, interface.name));
            out.push_str(&format!(" {own}:{peer}"));
        }
        out.push('\n');
    }
    for switch in &graph.switches {
        out.push_str(&format!("{} lo: ", switch.name));
        for port in &switch.ports {
            let peer = port.peer.as_deref().map_or_else(String::new, whole);
            out.push_str(&format!(" {}:{peer}", port.name));
        }
        out.push('\n');
    }
    if controller {
        out.push_str("c0\n");
    }
    out
}

/// `links`.
pub(super) fn links(graph: &Graph) -> String {
    let state = |link: &LinkRow| if link.up { "OK OK" } else { "MISSING MISSING" };
    graph
        .links
        .iter()
        .map(|link| {
            let blocked = if link.blocked { " (blocked by the spanning tree)" } else { "" };
            let (a, b) = (whole(&link.a.to_string()), whole(&link.b.to_string()));
            format!("{a}<->{b} ({}){blocked} \n", state(link))
        })
        .collect()
}

/// `ports`.
pub(super) fn ports(graph: &Graph) -> String {
    graph
        .switches
        .iter()
        .map(|switch| {
            let ports: String =
                switch.ports.iter().map(|port| format!("{}:{} ", port.name, port.number)).collect();
            format!("{} lo:0 {ports}\n", switch.name)
        })
        .collect()
}

/// `intfs`.
pub(super) fn intfs(graph: &Graph, controller: bool) -> String {
    let mut out = String::new();
    for node in &graph.nodes {
        let names: Vec<_> = node.interfaces.iter().map(|interface| interface.name.as_str()).collect();
        out.push_str(&format!("{}: {}\n", node.name, names.join(",")));
    }
    for switch in &graph.switches {
        let names: Vec<_> =
            std::iter::once("lo").chain(switch.ports.iter().map(|port| port.name.as_str())).collect();
        out.push_str(&format!("{}: {}\n", switch.name, names.join(",")));
    }
    if controller {
        out.push_str("c0: \n");
    }
    out
}

/// `dump`.
pub(super) fn dump(graph: &Graph, controller: bool) -> String {
    let mut out = String::new();
    let pid = |pid: Option<u32>| pid.map_or("None".to_owned(), |pid| pid.to_string());
    for node in &graph.nodes {
        let interfaces: Vec<_> = node
            .interfaces
            .iter()
            .map(|interface| {
                let address = interface.addresses.first().and_then(|address| address.split('/').next());
                format!("{}:{}", interface.name, address.unwrap_or("None"))
            })
            .collect();
        out.push_str(&format!("<Host {}: {} pid={}> \n", node.name, interfaces.join(","), pid(node.pid)));
    }
    for switch in &graph.switches {
        let ports: String = switch.ports.iter().map(|port| format!(",{}:None", port.name)).collect();
        out.push_str(&format!("<Switch {}: lo:127.0.0.1{ports} pid={}> \n", switch.name, pid(graph.lab.pid)));
    }
    if controller {
        out.push_str(&format!("<Controller c0: built in pid={}> \n", pid(graph.lab.pid)));
    }
    out
}

/// `pingall` and `pingpair`: a row per host, `X` for a pair that lost something.
///
/// `pair`: the nodes were named, so they are shown even if they are of different tenants.
pub(super) fn pingall(report: &PingReport, graph: &Graph, pair: bool) -> String {
    let mut out = String::from("*** Ping: testing ping reachability\n");
    let lost: BTreeSet<_> = report
        .rows
        .iter()
        .filter(|row| row.received < row.sent)
        .map(|row| (row.from.as_str(), row.to.as_str()))
        .collect();
    let tenant = |name: &str| graph.nodes.iter().find(|node| node.name == name).map(|node| &node.tenant);
    for from in &report.nodes {
        out.push_str(&format!("{from} -> "));
        for to in report.nodes.iter().filter(|to| *to != from && (pair || tenant(to) == tenant(from))) {
            let failed = lost.contains(&(from.as_str(), to.as_str()));
            out.push_str(if failed { "X" } else { to });
            out.push(' ');
        }
        out.push('\n');
    }
    let dropped = report.sent.saturating_sub(report.received);
    let percent = (dropped.saturating_mul(100)).checked_div(report.sent).unwrap_or(0);
    let note = if report.sent == 0 {
        "*** Warning: No packets sent\n".to_owned()
    } else {
        format!("*** Results: {percent}% dropped ({}/{} received)\n", report.received, report.sent)
    };
    out + &note
}

/// `pingallfull` and `pingpairfull`.
pub(super) fn pingfull(report: &PingReport) -> String {
    let mut out = String::from("*** Ping: testing ping reachability\n*** Results: \n");
    let ms = |value: Option<f64>| value.unwrap_or(0.0);
    for row in &report.rows {
        out.push_str(&format!(
            " {}->{}: {}/{}, rtt min/avg/max/mdev {:.3}/{:.3}/{:.3}/{:.3} ms\n",
            row.from,
            row.to,
            row.sent,
            row.received,
            ms(row.min_ms),
            ms(row.avg_ms),
            ms(row.max_ms),
            ms(row.mdev_ms)
        ));
    }
    out
}

/// `iperf` and `iperfudp`.
pub(super) fn iperf(row: &MeasureRow, offered: Option<&str>) -> String {
    let offered = offered.map(|offered| format!("'{offered}', ")).unwrap_or_default();
    format!("*** Results: [{offered}'{}', '{}']\n", iperf_rate(row.received_bps), iperf_rate(row.sent_bps))
}

/// As iperf writes a rate: three digits.
fn iperf_rate(bps: f64) -> String {
    let (value, unit) = match bps {
        bps if bps >= 1e9 => (bps / 1e9, "Gbits/sec"),
        bps if bps >= 1e6 => (bps / 1e6, "Mbits/sec"),
        bps if bps >= 1e3 => (bps / 1e3, "Kbits/sec"),
        bps => (bps, "bits/sec"),
    };
    match value {
        v if v < 9.995 => format!("{v:.2} {unit}"),
        v if v < 99.95 => format!("{v:.1} {unit}"),
        v => format!("{v:.0} {unit}"),
    }
}

/// Hosts in file order: what `pingpair` and `iperf` take their ends from.
pub(super) fn hosts(graph: &Graph) -> std::vec::IntoIter<&NodeRow> {
    graph.nodes.iter().filter(|node| node.kind != "controller").collect::<Vec<_>>().into_iter()
}

/// `h1:h1-eth0` is `h1-eth0` here, and so is `h1:eth0`: without the host, every interface would be called alike.
fn whole(end: &str) -> String {
    let (node, interface) = end.split_once(':').unwrap_or(("", end));
    match interface.strip_prefix(node) {
        Some(rest) if rest.starts_with('-') => interface.to_owned(),
        _ => format!("{node}-{interface}"),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use netloom_api::{EndRow, InterfaceRow, LabRow, PingRow, SwitchPortRow, SwitchRow};

    use super::*;

    /// Three hosts on a switch; the third has IPv6 only, and its link is down.
    pub(in crate::prompt) fn lab() -> Graph {
        let node = |n: u32, address: &str| NodeRow {
            name: format!("h{n}"),
            tenant: "default".into(),
            kind: "host".into(),
            interfaces: vec![InterfaceRow {
                name: format!("h{n}-eth0"),
                addresses: vec![address.into()],
                peer: Some(format!("s1:s1-eth{n}")),
                ..Default::default()
            }],
            ..Default::default()
        };
        let link = |n: u32| LinkRow {
            name: format!("h{n}--s1"),
            a: EndRow { node: format!("h{n}"), interface: format!("h{n}-eth0"), switch: false },
            b: EndRow { node: "s1".into(), interface: format!("s1-eth{n}"), switch: true },
            up: n != 3,
            ..Default::default()
        };
        let port = |n: u32| SwitchPortRow {
            number: n,
            name: format!("s1-eth{n}"),
            peer: Some(format!("h{n}:h{n}-eth0")),
            ..Default::default()
        };
        Graph {
            lab: LabRow { name: "mn".into(), pid: Some(4242), ..Default::default() },
            nodes: vec![node(1, "10.0.0.1/8"), node(2, "10.0.0.2/8"), node(3, "fd00::3/64")],
            switches: vec![SwitchRow {
                name: "s1".into(),
                ports: (1..=3).map(port).collect(),
                ..Default::default()
            }],
            links: (1..=3).map(link).collect(),
        }
    }

    fn row(from: &str, to: &str, received: u32) -> PingRow {
        PingRow {
            from: from.into(),
            to: to.into(),
            sent: 1,
            received,
            min_ms: Some(0.031),
            avg_ms: Some(0.0315),
            max_ms: Some(0.032),
            mdev_ms: Some(0.0),
            ..Default::default()
        }
    }

    #[test]
    fn lists_look_as_users_know_them() {
        let lab = lab();
        let all = [
            nodes(&lab, true),
            net(&lab, true),
            links(&lab),
            ports(&lab),
            intfs(&lab, false),
            dump(&lab, true),
        ];
        insta::assert_snapshot!(all.join("----\n"));
    }

    #[test]
    fn pings_look_as_users_know_them() {
        let report = PingReport {
            nodes: vec!["h1".into(), "h2".into(), "h3".into()],
            pairs: 6,
            answered: 2,
            sent: 6,
            received: 2,
            ms: 4.0,
            rows: vec![row("h1", "h3", 0), row("h2", "h3", 0), row("h3", "h1", 0), row("h3", "h2", 0)],
        };
        let full = PingReport { rows: vec![row("h1", "h2", 1)], ..report.clone() };
        let none = PingReport::default();
        let all = [pingall(&report, &lab(), false), pingfull(&full), pingall(&none, &lab(), true)];
        insta::assert_snapshot!(all.join("----\n"));
    }

    #[test]
    fn rates_have_three_digits_as_in_iperf() {
        let all = [950.0, 9_560.0, 95_600_000.0, 9_999_999.0, 943e6, 38.2e9].map(iperf_rate);
        assert_eq!(
            all,
            [
                "950 bits/sec",
                "9.56 Kbits/sec",
                "95.6 Mbits/sec",
                "10.0 Mbits/sec",
                "943 Mbits/sec",
                "38.2 Gbits/sec"
            ]
        );
        let measured = MeasureRow { received_bps: 9.5e6, sent_bps: 10e6, ..Default::default() };
        assert_eq!(
            iperf(&measured, Some("10M")),
            "*** Results: ['10M', '9.50 Mbits/sec', '10.0 Mbits/sec']\n"
        );
    }
}
