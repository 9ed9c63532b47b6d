//! Replies as tables.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use netloom_api::{
    CardRow, ConnectionRow, ControllerRow, DirectionRow, DropRow, FlowRow, FunctionRow, Graph, GroupRow,
    ImageRow, InterfaceRow, LabRow, LeaseRow, LinkRow, MeasureRow, MeterRow, NodeRow, PingReport, PlanReply,
    PublishedRow, QueueRow, Reply, ServiceRow, Shown, SwitchRow, TenantRow, ZoneRow,
};

use super::words::{age, count, many, rate, time};
use super::{Format, Style, Tint, compare, function, image, migration, screen, snapshot, trace};

/// The reply as text for people.
pub(crate) fn render(reply: &Reply, format: Format, style: Style) -> String {
    let paint = Painter { format, style };
    match reply {
        Reply::Done {} => String::new(),
        Reply::Labs(rows) => paint.labs(rows),
        Reply::Applied(applied) => format!("{}\n", screen::up(applied)),
        Reply::Plan(plan) => paint.plan(plan),
        Reply::Down(report) => format!("{}\n", screen::down(report)),
        Reply::Nodes(rows) => paint.nodes(rows),
        Reply::Switches(rows) => paint.switches(rows),
        Reply::Links(rows) => paint.links(rows),
        Reply::Tenants(rows) => paint.tenants(rows),
        Reply::Drops(rows) => paint.drops(rows),
        Reply::Queues(rows) => paint.queues(rows),
        Reply::Conntrack(rows) => paint.connections(rows),
        Reply::Flows(rows) => paint.flows(rows),
        Reply::FlowsChanged(n) => format!("{}\n", many(*n, "flow")),
        Reply::Groups(rows) => paint.groups(rows),
        Reply::GroupsChanged(n) => format!("{}\n", many(*n, "group")),
        Reply::Meters(rows) => paint.meters(rows),
        Reply::MetersChanged(n) => format!("{}\n", many(*n, "meter")),
        Reply::Zones(rows) => paint.zones(rows),
        Reply::ZonesChanged(n) => format!("{}\n", many(*n, "zone")),
        Reply::ConnectionsForgotten(n) => format!("{}\n", many(*n, "connection")),
        Reply::Images(rows) => paint.images(rows),
        Reply::Image(info) => image::inspect(info),
        Reply::ImagesFreed(row) => image::freed(row),
        Reply::Snapshots(rows) => paint.table(&snapshot::HEADERS, rows.iter().map(snapshot::row)),
        Reply::Migrated(row) => format!("{}\n", migration::words(row)),
        Reply::Compared(rows) => paint.table(&compare::HEADERS, rows.iter().map(compare::row)),
        Reply::Functions(rows) => paint.functions(rows),
        Reply::Function(info) => function::sides(info),
        Reply::Shown(shown) => paint.shown(shown),
        Reply::Pings(report) => paint.pings(report),
        Reply::Measured(row) => measured(row),
        Reply::Tested(report) => {
            let mut out: String =
                report.items.iter().map(|row| format!("{}\n", screen::test(row, style))).collect();
            out.push_str(&format!("{}\n", screen::sum(report, report.ms, style)));
            out
        }
        Reply::Graph(graph) => paint.graph(graph),
        Reply::Trace(way) if format.quiet => way.delivered.iter().map(|to| format!("{to}\n")).collect(),
        Reply::Trace(way) => trace::whole(way, style),
    }
}

struct Painter {
    format: Format,
    style: Style,
}

impl Painter {
    /// A table: columns whose header ends in `>` are numbers. The first column is the name.
    fn table(&self, headers: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
        if self.format.quiet {
            return rows
                .into_iter()
                .filter_map(|row| row.into_iter().next())
                .map(|name| name + "\n")
                .collect();
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
        if !self.format.no_headers {
            table.set_header(headers.iter().map(|header| header.trim_end_matches('>')));
        }
        table.add_rows(rows);
        for (index, header) in headers.iter().enumerate() {
            if let Some(column) = table.column_mut(index) {
                column.set_padding((0, 2));
                if header.ends_with('>') {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        self.dress(&table.trim_fmt())
    }

    /// Colour is put on when the widths are counted.
    fn dress(&self, table: &str) -> String {
        let mut lines = table.lines().map(str::trim_end);
        let mut out = String::new();
        if !self.format.no_headers
            && let Some(header) = lines.next()
        {
            out = self.style.paint(Tint::Faint, header) + "\n";
        }
        for line in lines {
            out.push_str(line);
            out.push('\n');
        }
        out
    }

    fn labs(&self, rows: &[LabRow]) -> String {
        if rows.is_empty() && !self.format.is_bare() {
            return "No lab is up. `netloom up [FILE]` starts one.\n".into();
        }
        let row = |row: &LabRow| {
            let known = !matches!(row.state.as_str(), "private" | "dead");
            let number = |n: u64| if known { n.to_string() } else { String::new() };
            vec![
                row.name.clone(),
                row.state.clone(),
                row.owner.clone(),
                number(row.nodes),
                number(row.switches),
                number(row.links),
                if known { age(row.age_s) } else { String::new() },
                row.file.clone(),
            ]
        };
        self.table(
            &["LAB", "STATE", "OWNER", "NODES>", "SWITCHES>", "LINKS>", "AGE>", "FILE"],
            rows.iter().map(row),
        )
    }

    fn nodes(&self, rows: &[NodeRow]) -> String {
        let mut lines = Vec::new();
        for node in rows {
            let state = match &node.health {
                Some(health) => format!("{}, {health}", node.state),
                None => node.state.clone(),
            };
            let first = vec![node.name.clone(), node.kind.clone(), state];
            if node.interfaces.is_empty() {
                lines.push([first.clone(), vec![String::new(); 3]].concat());
            }
            for (index, interface) in node.interfaces.iter().enumerate() {
                if self.format.quiet && index > 0 {
                    break;
                }
                let left = if index == 0 { first.clone() } else { vec![String::new(); 3] };
                let peer = interface.peer.as_deref().map(end).unwrap_or_default();
                let right = vec![interface.name.clone(), interface.addresses.join("  "), peer];
                lines.push([left, right].concat());
            }
        }
        self.table(&["NODE", "KIND", "STATE", "INTERFACE", "ADDRESSES", "PEER"], lines)
    }

    fn switches(&self, rows: &[SwitchRow]) -> String {
        self.table(
            &["SWITCH", "STATE", "PORTS>", "FLOWS>", "MACS>", "DROPS>", "CONTROLLER"],
            rows.iter().map(|row| {
                vec![
                    row.name.clone(),
                    row.state.clone(),
                    row.ports.len().to_string(),
                    row.flows.to_string(),
                    row.macs.to_string(),
                    count(row.drops),
                    controllers(row).unwrap_or_else(|| "learns by itself".into()),
                ]
            }),
        )
    }

    fn links(&self, rows: &[LinkRow]) -> String {
        self.table(
            &["LINK", "ENDS", "STATE", "PACKETS>", "LOST>", "SETTINGS"],
            rows.iter().map(|row| {
                vec![
                    row.name.clone(),
                    format!("{} -- {}", end(&row.a.to_string()), end(&row.b.to_string())),
                    state(row),
                    count(row.forth.packets.saturating_add(row.back.packets)),
                    count(gone(&row.forth).saturating_add(gone(&row.back))),
                    settings(row),
                ]
            }),
        )
    }

    fn tenants(&self, rows: &[TenantRow]) -> String {
        self.table(
            &["TENANT", "NODES>", "ISOLATED>", "QUOTA", "NETWORKS"],
            rows.iter().map(|row| {
                vec![
                    row.name.clone(),
                    row.nodes.to_string(),
                    count(row.isolated),
                    row.quota.clone().unwrap_or_default(),
                    row.networks.join("  "),
                ]
            }),
        )
    }

    fn drops(&self, rows: &[DropRow]) -> String {
        if rows.is_empty() && !self.format.is_bare() {
            return "Nothing was dropped.\n".into();
        }
        self.table(
            &["PLACE", "REASON", "PACKETS>", ""],
            rows.iter().map(|row| {
                let why = if row.intended { "as the file says" } else { "" };
                vec![row.place.clone(), row.reason.clone(), count(row.packets), why.into()]
            }),
        )
    }

    fn queues(&self, rows: &[QueueRow]) -> String {
        if rows.is_empty() && !self.format.is_bare() {
            return "No port has queues: `qos:` in the lab file gives them.\n".into();
        }
        #[expect(clippy::cast_precision_loss, reason = "for people")]
        let bits = |bits: u64| rate(bits as f64);
        let row = |row: &QueueRow| {
            vec![
                row.port.clone(),
                row.peer.as_deref().map(end).unwrap_or_default(),
                row.queue.to_string(),
                if row.min_rate == 0 { String::new() } else { bits(row.min_rate) },
                row.max_rate.map(bits).unwrap_or_default(),
                row.priority.to_string(),
                row.dscp.map(|dscp| dscp.to_string()).unwrap_or_default(),
                count(row.packets),
                count(row.bytes),
                count(row.dropped),
                count(row.queued),
            ]
        };
        let headers = ["PORT", "PEER", "QUEUE>", "MIN>", "MAX>", "PRIORITY>", "DSCP>", "PACKETS>", "BYTES>"];
        self.table(&[&headers[..], &["DROPPED>", "WAIT>"]].concat(), rows.iter().map(row))
    }

    fn connections(&self, rows: &[ConnectionRow]) -> String {
        if rows.is_empty() && !self.format.is_bare() {
            return "No connection is tracked: no flow has committed one with `ct(commit)`.\n".into();
        }
        let state = |row: &ConnectionRow| match (row.state.as_str(), row.answered) {
            ("", true) => "answered".to_owned(),
            ("", false) => "unanswered".to_owned(),
            (state, _) => state.to_lowercase(),
        };
        self.table(
            &["SWITCH", "ZONE>", "PROTOCOL", "ORIGINAL", "REPLY", "STATE", "MARK", "LEFT>", "PACKETS>"],
            rows.iter().map(|row| {
                vec![
                    row.switch.clone(),
                    row.zone.to_string(),
                    row.protocol.clone(),
                    row.original.clone(),
                    row.reply.clone(),
                    state(row),
                    if row.mark == 0 { String::new() } else { format!("{:#x}", row.mark) },
                    format!("{} s", row.timeout),
                    count(row.packets + row.reply_packets),
                ]
            }),
        )
    }

    fn groups(&self, rows: &[GroupRow]) -> String {
        let row = |row: &GroupRow| {
            let buckets = row.buckets.iter().map(|packets| count(*packets)).collect::<Vec<_>>().join(" ");
            vec![row.group.to_string(), count(row.packets), buckets, row.flows.to_string(), row.text.clone()]
        };
        self.table(&["GROUP", "PACKETS>", "BUCKETS", "FLOWS>", "TEXT"], rows.iter().map(row))
    }

    fn meters(&self, rows: &[MeterRow]) -> String {
        let row = |row: &MeterRow| {
            let bands = row.bands.iter().map(|packets| count(*packets)).collect::<Vec<_>>().join(" ");
            vec![row.meter.to_string(), count(row.packets), bands, row.flows.to_string(), row.text.clone()]
        };
        self.table(&["METER", "PACKETS>", "ABOVE", "FLOWS>", "TEXT"], rows.iter().map(row))
    }

    fn zones(&self, rows: &[ZoneRow]) -> String {
        if rows.is_empty() && !self.format.is_bare() {
            return "No zone has connections, or settings of its own.\n".into();
        }
        let row = |row: &ZoneRow| {
            let limit = row.limit.map_or_else(|| "-".to_owned(), |limit| count(limit.into()));
            let timeouts = row.timeouts.iter().map(|(name, seconds)| format!("{name}={seconds}"));
            let timeouts = timeouts.collect::<Vec<_>>().join(",");
            vec![row.zone.to_string(), count(row.connections.into()), limit, timeouts]
        };
        self.table(&["ZONE", "CONNECTIONS>", "LIMIT>", "TIMEOUTS"], rows.iter().map(row))
    }

    fn images(&self, rows: &[ImageRow]) -> String {
        if rows.is_empty() && !self.format.is_bare() {
            return "No images. `netloom image pull nginx:alpine` brings one.\n".into();
        }
        self.table(&image::HEADERS, rows.iter().map(image::row))
    }

    fn functions(&self, rows: &[FunctionRow]) -> String {
        if rows.is_empty() && !self.format.is_bare() {
            return format!("No physical function here: {}.\n", crate::cmd::vf::NONE);
        }
        self.table(&function::HEADERS, rows.iter().map(function::row))
    }

    fn flows(&self, rows: &[FlowRow]) -> String {
        if self.format.quiet {
            return rows.iter().map(|row| row.text.clone() + "\n").collect();
        }
        if rows.is_empty() && !self.format.no_headers {
            return "No flows but netloom's own, which `-a` shows.\n".into();
        }
        self.table(
            &["SWITCH", "FROM", "FLOW"],
            rows.iter().map(|row| vec![row.switch.clone(), row.origin.clone(), row.text.clone()]),
        )
    }

    fn plan(&self, plan: &PlanReply) -> String {
        let mut out = String::new();
        if self.format.quiet {
            return plan.steps.iter().map(|step| step.name.clone() + "\n").collect();
        }
        for step in &plan.steps {
            let tint = match step.sign {
                '+' => Tint::Good,
                '-' => Tint::Bad,
                _ => Tint::Odd,
            };
            let line = format!("{} {:<8} {:<20} {}", step.sign, step.kind, step.name, step.detail);
            out.push_str(&format!("{}\n", self.style.paint(tint, line.trim_end())));
        }
        if !plan.drift.is_empty() {
            out.push_str("changed by hand, kept by `up`, undone by `up --reset`:\n");
            for step in &plan.drift {
                let line = format!("  {} {:<8} {:<20} {}", step.sign, step.kind, step.name, step.detail);
                out.push_str(&format!("{}\n", line.trim_end()));
            }
        }
        for note in &plan.notes {
            out.push_str(&format!("note: {note}\n"));
        }
        let count = |sign| plan.steps.iter().filter(|step| step.sign == sign).count();
        out.push_str(&match plan.steps.len() {
            0 => "Nothing to do.\n".to_owned(),
            _ => format!("{} to make, {} to change, {} to remove.\n", count('+'), count('~'), count('-')),
        });
        out
    }

    fn shown(&self, shown: &Shown) -> String {
        let inner = Self { format: Format { quiet: false, ..self.format }, style: self.style };
        match shown {
            Shown::Lab(graph) => self.graph(graph),
            Shown::Node { node, links } => format!("{}\n{}", node_text(node), inner.links(links)),
            Shown::Switch { switch, links } => {
                let queues = match &switch.queues[..] {
                    [] => String::new(),
                    queues => format!("{}\n", inner.queues(queues)),
                };
                let leases = match switch.service.as_ref().map(|service| &service.leases[..]) {
                    None | Some([]) => String::new(),
                    Some(leases) => format!("{}\n", inner.leases(leases)),
                };
                let (head, ports) = (switch_text(switch), inner.ports(switch));
                format!("{head}\n{ports}\n{queues}{leases}{}", inner.links(links))
            }
            Shown::Link(link) => link_text(link),
            Shown::Tenant { tenant, nodes } => {
                let lacking = pairs(&[("not kept", tenant.lacking.join("; "))]);
                format!("{}{lacking}\n{}", inner.tenants(std::slice::from_ref(tenant)), inner.nodes(nodes))
            }
        }
    }

    fn leases(&self, rows: &[LeaseRow]) -> String {
        self.table(
            &["LEASE", "ADDRESS", "MAC", "STATE", "LEFT>", "GRANTS>"],
            rows.iter().map(|row| {
                let left = if row.left_s > 0 { format!("{} s", row.left_s) } else { String::new() };
                vec![
                    row.node.clone(),
                    row.address.clone(),
                    row.mac.clone(),
                    row.state.clone(),
                    left,
                    count(row.grants),
                ]
            }),
        )
    }

    fn ports(&self, switch: &SwitchRow) -> String {
        self.table(
            &["PORT>", "NAME", "PEER", "STATE", "VLAN", "TENANT", "RX>", "TX>", "DROPS>"],
            switch.ports.iter().map(|port| {
                vec![
                    port.number.to_string(),
                    port.name.clone(),
                    port.peer.as_deref().map(end).unwrap_or_default(),
                    port.state.clone(),
                    port.vlan.clone(),
                    port.tenant.clone(),
                    count(port.rx_packets),
                    count(port.tx_packets),
                    count(port.drops),
                ]
            }),
        )
    }

    fn graph(&self, graph: &Graph) -> String {
        let mut out = format!("{}\n\n{}", screen::lab(&graph.lab), self.nodes(&graph.nodes));
        if !graph.switches.is_empty() {
            out.push_str(&format!("\n{}", self.switches(&graph.switches)));
        }
        if !graph.links.is_empty() {
            out.push_str(&format!("\n{}", self.links(&graph.links)));
        }
        out
    }

    fn pings(&self, report: &PingReport) -> String {
        let ms = |value: Option<f64>| value.map(time).unwrap_or_default();
        let mut out = String::new();
        if !report.rows.is_empty() {
            out = self.table(
                &["FROM", "TO", "ADDRESS", "RECEIVED>", "MIN>", "AVG>", "MAX>", "WHY NOT"],
                report.rows.iter().map(|row| {
                    vec![
                        row.from.clone(),
                        row.to.clone(),
                        row.address.clone(),
                        format!("{}/{}", row.received, row.sent),
                        ms(row.min_ms),
                        ms(row.avg_ms),
                        ms(row.max_ms),
                        row.reason.clone().unwrap_or_default(),
                    ]
                }),
            );
        }
        if !self.format.quiet {
            let verdict = format!("{} of {} pairs answered", report.answered, report.pairs);
            let tint = if report.answered == report.pairs { Tint::Good } else { Tint::Bad };
            out.push_str(&format!(
                "{}, {} of {} replies, {}\n",
                self.style.paint(tint, &verdict),
                report.received,
                report.sent,
                time(report.ms)
            ));
        }
        out
    }
}

/// `s1:s1-eth2` is `s1-eth2`: the name of the port says already whose it is.
fn end(end: &str) -> String {
    let (thing, interface) = end.split_once(':').unwrap_or(("", end));
    let own = interface.strip_prefix(thing).is_some_and(|rest| rest.starts_with('-'));
    if own { interface.to_owned() } else { end.to_owned() }
}

/// What both directions have, then what the one to the second end has, then what the one back has.
pub(crate) fn settings(link: &LinkRow) -> String {
    let [both, forth, back] = link.forth.words_with(&link.back);
    let side = |arrow: &str, words: String| match words.as_str() {
        "" => String::new(),
        words => format!("{arrow} {words}"),
    };
    let all = [both, side("->", forth), side("<-", back)];
    all.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join("  ")
}

fn state(link: &LinkRow) -> String {
    let word = match (link.up, link.blocked) {
        (false, _) => "down",
        (true, true) => "blocked",
        (true, false) => "up",
    };
    format!("{word}{}", if link.drift { " *" } else { "" })
}

const fn gone(direction: &DirectionRow) -> u64 {
    direction.lost.saturating_add(direction.overflowed)
}

/// `key  value` lines.
fn pairs(pairs: &[(&str, String)]) -> String {
    pairs
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| format!("{key:<12} {value}\n"))
        .collect()
}

fn node_text(node: &NodeRow) -> String {
    let mut out = pairs(&[
        (node.kind.as_str(), node.name.clone()),
        ("state", node.state.clone()),
        ("exit code", node.exit_code.map(|code| code.to_string()).unwrap_or_default()),
        ("reason", node.reason.clone().unwrap_or_default()),
        ("health", node.health.clone().unwrap_or_default()),
        ("image", node.image.clone().unwrap_or_default()),
        ("machine", node.machine.clone().unwrap_or_default()),
        ("limits", node.limits.clone().unwrap_or_default()),
        ("drift", in_file(node)),
        ("not kept", node.lacking.join("; ")),
        ("tenant", node.tenant.clone()),
        ("forwards", if node.forward { "yes".into() } else { String::new() }),
        ("run", node.run.clone().unwrap_or_default()),
        ("process", node.pid.map(|pid| pid.to_string()).unwrap_or_default()),
        ("restarts", if node.restarts > 0 { node.restarts.to_string() } else { String::new() }),
    ]);
    for interface in &node.interfaces {
        out.push_str(&interface_text(interface));
    }
    for route in &node.routes {
        out.push_str(&pairs(&[("route", route.clone())]));
    }
    for port in &node.ports {
        out.push_str(&pairs(&[("port", published(port))]));
    }
    out.push_str(&pairs(&[("so far", gateway(&node.gateway))]));
    out
}

/// What the file says of limits that were changed by hand.
fn in_file(node: &NodeRow) -> String {
    let said = |file: &String| format!("changed by hand; the file has {file}, `up --reset` restores it");
    node.limits_in_file.as_ref().map(said).unwrap_or_default()
}

/// `127.0.0.1:8080 -> 80/tcp  3 taken, 1 open, 2 KiB in, 14 KiB out`
fn published(port: &PublishedRow) -> String {
    let mut words = vec![format!("{} taken", count(port.taken)), format!("{} open", count(port.open))];
    for (number, what) in [(port.refused, "refused"), (port.failed, "failed"), (port.dropped, "dropped")] {
        if number > 0 {
            words.push(format!("{} {what}", count(number)));
        }
    }
    words.push(format!("{} bytes in", count(port.bytes_in)));
    words.push(format!("{} bytes out", count(port.bytes_out)));
    let closed = if port.listening { "" } else { "  closed" };
    format!("{} -> {}/{}{closed}  {}", port.listen, port.target, port.protocol, words.join(", "))
}

fn interface_text(interface: &InterfaceRow) -> String {
    let InterfaceRow { name, mac, addresses, mtu, .. } = interface;
    let down = if interface.up { "" } else { "  down" };
    let peer = interface.peer.as_ref().map(|peer| format!("  -- {peer}")).unwrap_or_default();
    let counts = format!(
        "rx {} packets {} bytes, tx {} packets {} bytes",
        count(interface.rx_packets),
        count(interface.rx_bytes),
        count(interface.tx_packets),
        count(interface.tx_bytes)
    );
    let card = interface.card.as_ref().map(card_text).unwrap_or_default();
    pairs(&[
        (name, format!("{}  {mac}  mtu {mtu}{down}{peer}", addresses.join("  "))),
        ("", counts),
        ("", card),
    ])
}

/// `vhost-user, 1 pair of queues, csum tso4 mergeable, super-packets: 12 out, 3 in`
fn card_text(card: &CardRow) -> String {
    if !card.ready {
        return "vhost-user, its driver does not run".to_owned();
    }
    let plural = if card.pairs == 1 { "" } else { "s" };
    format!(
        "vhost-user, {} pair{plural} of queues, {}, super-packets: {} out, {} in",
        card.pairs,
        card.features.join(" "),
        count(card.super_packets_out),
        count(card.super_packets_in)
    )
}

/// `c0 connected OpenFlow13 master; c1 waiting: Connection refused`; nothing if it has none.
fn controllers(switch: &SwitchRow) -> Option<String> {
    if switch.controllers.is_empty() {
        return switch
            .controller
            .clone()
            .or_else(|| (switch.fail_mode == "secure").then(|| "none".to_owned()));
    }
    let mut words: Vec<String> = switch.controllers.iter().map(controller).collect();
    if switch.on_its_own {
        words.push("on its own: it learns by itself".to_owned());
    }
    Some(words.join("; "))
}

/// `c0 connected OpenFlow13 master for 12 s`
fn controller(row: &ControllerRow) -> String {
    let mut words = format!("{} {}", row.name, row.state);
    for more in row.version.iter().chain(&row.role) {
        words += &format!(" {more}");
    }
    words += &format!(" for {:.0} s", row.since_s);
    if row.state == "listening" {
        words += &format!(" at {}", row.target);
    }
    if row.peers > 1 {
        words += &format!(", {} connections", row.peers);
    }
    if let Some(error) = &row.error {
        words += &format!(": {error}");
    }
    if row.dropped > 0 {
        words += &format!(", {} messages dropped", row.dropped);
    }
    words
}

/// What differs from the file.
const BY_HAND: &str = "changed by hand; `up --reset` restores the file";

fn switch_text(switch: &SwitchRow) -> String {
    let policed =
        switch.ports.iter().filter_map(|port| Some(format!("{} {}", port.name, port.police.as_ref()?)));
    let policed: Vec<String> = policed.collect();
    pairs(&[
        ("switch", switch.name.clone()),
        ("state", switch.state.clone()),
        ("controller", controllers(switch).unwrap_or_else(|| "none: it learns by itself".into())),
        ("fail mode", switch.fail_mode.clone()),
        ("drift", if switch.drift { BY_HAND.into() } else { String::new() }),
        ("openflow", switch.openflow.join(" ")),
        ("flows", switch.flows.to_string()),
        ("macs", switch.macs.to_string()),
        ("drops", count(switch.drops)),
        ("police", policed.join("; ")),
        ("service", switch.service.as_ref().map(service).unwrap_or_default()),
        ("answered", switch.service.as_ref().map(|it| counts(&it.answered)).unwrap_or_default()),
        ("refused", switch.service.as_ref().map(|it| counts(&it.refused)).unwrap_or_default()),
        ("gateway", gateway(&switch.gateway)),
    ])
}

/// `10.0.0.253 fd00::fd at 02:00:00:00:00:01: dhcp, names of the lab`
fn service(row: &ServiceRow) -> String {
    let names = if row.forwards { "names of the lab and the world" } else { "names of the lab" };
    let dhcp = if row.dhcp { "dhcp, " } else { "" };
    match &row.addresses[..] {
        [] => "none: the subnet has no address left for it".to_owned(),
        addresses => format!("{} at {}: {dhcp}{names}", addresses.join(" "), row.mac),
    }
}

/// `dhcp ack 2, name 5`
fn counts(all: &std::collections::BTreeMap<String, u64>) -> String {
    all.iter().map(|(what, n)| format!("{what} {}", count(*n))).collect::<Vec<_>>().join(", ")
}

/// `bytes_in 1200, tcp_connected 4`: what is not 0.
fn gateway(counters: &BTreeMap<String, u64>) -> String {
    let counted = counters.iter().filter(|(_, n)| **n > 0).map(|(name, n)| format!("{name} {n}"));
    counted.collect::<Vec<_>>().join(", ")
}

fn link_text(link: &LinkRow) -> String {
    let settings = |direction: &DirectionRow| match direction.words() {
        words if words.is_empty() => "ideal".to_owned(),
        words => words,
    };
    let passed = |direction: &DirectionRow| {
        let late = direction.late_p99_ms.map(|ms| format!(", late p99 {}", time(ms))).unwrap_or_default();
        format!("{} packets, {} bytes{late}", count(direction.packets), count(direction.bytes))
    };
    let lost = |direction: &DirectionRow| {
        format!(
            "{} lost, {} found the queue full, {} wait",
            count(direction.lost),
            count(direction.overflowed),
            count(direction.queued)
        )
    };
    pairs(&[
        ("link", link.name.clone()),
        ("ends", format!("{} -- {}", link.a, link.b)),
        ("state", state(link)),
        ("drift", if link.drift { BY_HAND.into() } else { String::new() }),
        ("forth", settings(&link.forth)),
        ("", passed(&link.forth)),
        ("", lost(&link.forth)),
        ("back", settings(&link.back)),
        ("", passed(&link.back)),
        ("", lost(&link.back)),
    ])
}

fn measured(row: &MeasureRow) -> String {
    let mut out = format!(
        "{} -> {}  {}  {} sent, {} received, {:.0} s",
        row.from,
        row.to,
        row.protocol,
        rate(row.sent_bps),
        rate(row.received_bps),
        row.seconds
    );
    if row.protocol == "udp" {
        out.push_str(&format!(", {:.2} % lost, jitter {}", row.loss * 100.0, time(row.jitter_ms)));
    }
    out + "\n"
}
