//! The load, again and again.

use std::collections::BTreeMap;
use std::time::Duration;

use netloom_api::stream::Frame;
use netloom_api::{ApiError, TopRow};
use netloom_container::limits::stat::Usage;
use netloom_datapath::Direction;
use netloom_datapath::qos::SharedCounters;
use netloom_flow::{LinkSettings, PortId, TenantId};
use netloom_lab::lab::Tenant;
use netloom_sys::clock;

use super::rows::directions;
use crate::engine::Running;
use crate::engine::limits::Bound;
use crate::engine::running::State;
use crate::stream::Conn;

/// The shortest interval: more often would measure the measuring.
const SHORTEST: Duration = Duration::from_millis(50);

/// What was counted at one thing so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Count {
    packets: u64,
    bytes: u64,
    drops: u64,
    queued: u64,
    /// Bits a second at most.
    rate: Option<f64>,
    /// What its programs use of the machine, and may use.
    used: Usage,
    bound: Bound,
}

/// Everything at one moment.
struct Sample {
    at: u64,
    cpu: u64,
    counts: BTreeMap<(&'static str, String), Count>,
}

impl Running {
    /// Sends a frame of rows per interval until the client leaves.
    pub(super) fn top(&self, interval_ms: u32, conn: &mut Conn) -> Result<(), ApiError> {
        let interval = Duration::from_millis(interval_ms.into()).max(SHORTEST);
        let mut before = self.sample();
        while !super::left(conn, interval) {
            let now = self.sample();
            let rows = rows(&before, &now, self.home.lab());
            let text = serde_json::to_string(&rows).unwrap_or_default();
            if conn.send(&Frame::Event(text)).is_err() {
                break;
            }
            before = now;
        }
        Ok(())
    }

    fn sample(&self) -> Sample {
        let state = self.state();
        let mut counts = BTreeMap::new();
        let links = self.link_rows(&state);
        for row in &links {
            let link = state.lab.links.iter().find(|link| link.id == row.name);
            let ends = link.and_then(|link| Some((link, state.ports.link(&link.id)?)));
            let settings = |(port, way): (PortId, Direction)| -> Option<&LinkSettings> {
                let spec = state.specs.get(&port)?;
                Some(if way == Direction::ToSwitch { &spec.to_switch } else { &spec.from_switch })
            };
            let (forth, back) = ends.map_or((None, None), |(link, [a, b])| {
                let (forth, back) = directions(link, a, b);
                (settings(forth), settings(back))
            });
            for (from, to, way, settings) in
                [(&row.a, &row.b, &row.forth, forth), (&row.b, &row.a, &row.back, back)]
            {
                let count = Count {
                    packets: way.packets,
                    bytes: way.bytes,
                    drops: way.lost + way.overflowed,
                    queued: way.queued,
                    rate: settings.and_then(rate),
                    ..Count::default()
                };
                counts.insert(("link", format!("{from} -> {to}")), count);
            }
        }
        for row in self.switch_rows(&state) {
            let mut count = Count { drops: row.drops, ..Count::default() };
            for port in &row.ports {
                count.packets += port.rx_packets;
                count.bytes += port.rx_bytes;
            }
            counts.insert(("switch", row.name), count);
        }
        let (nodes, tenants) = self.programs.groups().usage();
        for row in self.node_rows(&state) {
            let mut count = self.of_node(&state, &row.name, nodes.get(&row.name));
            for interface in &row.interfaces {
                count.packets += interface.rx_packets + interface.tx_packets;
                count.bytes += interface.rx_bytes + interface.tx_bytes;
            }
            counts.insert(("node", row.name), count);
        }
        for tenant in &state.lab.tenants {
            let (used, sent) = (tenants.get(&tenant.name), self.sent(tenant));
            if used.is_some() || sent.is_some() {
                let (used, bound) = (used.copied().unwrap_or_default(), Bound::of(&tenant.quota.limits()));
                let count = Count { used, bound, ..sent.unwrap_or_default() };
                counts.insert(("tenant", tenant.name.clone()), count);
            }
        }
        Sample { at: clock::now(), cpu: clock::process_cpu(), counts }
    }

    /// What the nodes of a tenant have sent together, if that is bounded.
    #[expect(clippy::cast_precision_loss, reason = "a rate to be looked at")]
    fn sent(&self, tenant: &Tenant) -> Option<Count> {
        let rate = tenant.quota.bandwidth?;
        let sent = self.core()?.shared(TenantId(tenant.id)).unwrap_or_default();
        let SharedCounters { bytes, packets, dropped: drops } = sent;
        Some(Count { bytes, packets, drops, rate: Some(rate as f64), ..Count::default() })
    }

    /// A node without packets yet.
    fn of_node(&self, state: &State, name: &str, used: Option<&Usage>) -> Count {
        let now = self.programs.groups().now(name);
        let limits = now.or_else(|| Some(state.lab.node(name)?.limits.clone())).unwrap_or_default();
        let used = used.copied().unwrap_or_default();
        Count { used, bound: Bound::of(&limits), ..Count::default() }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate to be looked at")]
fn rate(settings: &LinkSettings) -> Option<f64> {
    settings.rate.map(|rate| rate as f64)
}

/// What happened between two samples.
#[expect(clippy::cast_precision_loss, reason = "rates to be looked at")]
fn rows(before: &Sample, now: &Sample, lab: &str) -> Vec<TopRow> {
    let seconds = (now.at.saturating_sub(before.at).max(1)) as f64 / 1e9;
    let per_second = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
    let row = |((kind, name), count): (&(&'static str, String), &Count)| {
        let old = before.counts.get(&(*kind, name.clone())).copied().unwrap_or(*count);
        let bps = per_second(count.bytes, old.bytes) * 8.0;
        let cpu = count.used.cpu_nanos.zip(old.used.cpu_nanos);
        TopRow {
            kind: (*kind).to_owned(),
            name: name.clone(),
            pps: per_second(count.packets, old.packets),
            bps,
            drops: per_second(count.drops, old.drops),
            queued: count.queued,
            load: count.rate.filter(|rate| *rate > 0.0).map(|rate| bps / rate),
            bps_limit: count.rate,
            cpu: cpu.map(|(now, before)| per_second(now, before) / 1e9),
            cpu_limit: count.bound.cpu.map(|thousandths| thousandths as f64 / 1e3),
            memory: count.used.memory,
            memory_limit: count.bound.memory,
            pids: count.used.pids,
            pids_limit: count.bound.pids,
            oom_kills: Some(count.used.oom_kills).filter(|kills| *kills > 0),
        }
    };
    let mut rows: Vec<TopRow> = now.counts.iter().map(row).collect();
    let load = per_second(now.cpu, before.cpu) / 1e9;
    rows.push(TopRow {
        kind: "daemon".to_owned(),
        name: lab.to_owned(),
        load: Some(load),
        ..TopRow::default()
    });
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: u64, count: Count) -> Sample {
        Sample { at, cpu: at / 4, counts: BTreeMap::from([(("link", "a -> b".to_owned()), count)]) }
    }

    #[test]
    fn rates_are_of_the_time_between_two_samples() {
        let old =
            Count { packets: 10, bytes: 1_000, drops: 1, queued: 3, rate: Some(10e6), ..Count::default() };
        let new = Count { packets: 110, bytes: 251_000, drops: 3, queued: 5, ..old };
        let rows = rows(&sample(1_000_000_000, old), &sample(3_000_000_000, new), "shop");
        let link = TopRow {
            kind: "link".into(),
            name: "a -> b".into(),
            pps: 50.0,
            bps: 1e6,
            drops: 1.0,
            queued: 5,
            load: Some(0.1),
            bps_limit: Some(10e6),
            ..TopRow::default()
        };
        assert_eq!(rows[0], link);
        assert_eq!((rows[1].kind.as_str(), rows[1].load), ("daemon", Some(0.25)));
    }

    #[test]
    fn what_is_new_has_no_past() {
        let count = Count { packets: 1_000, bytes: 9, drops: 4, ..Count::default() };
        let before = Sample { at: 0, cpu: 0, counts: BTreeMap::new() };
        let rows = rows(&before, &sample(1_000_000_000, count), "shop");
        assert_eq!((rows[0].pps, rows[0].load), (0.0, None));
    }
}
