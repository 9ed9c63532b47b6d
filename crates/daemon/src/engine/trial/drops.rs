//! What was dropped and received between two moments, where and why.

use std::collections::BTreeMap;

use netloom_sys::epoll::Epoll;

use crate::engine::Running;

/// Packets dropped so far, by place and reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Drops(BTreeMap<(String, String), u64>);

impl Drops {
    /// What was dropped after `before`.
    fn since(&self, before: &Self) -> BTreeMap<&(String, String), u64> {
        let more = |(key, now): (_, &u64)| (key, now.saturating_sub(before.0.get(key).copied().unwrap_or(0)));
        self.0.iter().map(more).filter(|(_, count)| *count > 0).collect()
    }

    /// By reason, what was dropped after `before`.
    pub(in crate::engine) fn by_reason(&self, before: &Self) -> Vec<(String, u64)> {
        let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
        for ((_, reason), count) in self.since(before) {
            *reasons.entry(reason).or_default() += count;
        }
        reasons.into_iter().map(|(reason, count)| (reason.to_owned(), count)).collect()
    }

    /// Where and why most was dropped after `before`: `link down at s1:s1-eth2`.
    pub(in crate::engine) fn main_reason(&self, before: &Self) -> Option<String> {
        let since = self.since(before);
        let ((place, reason), _) = since.into_iter().max_by_key(|(_, count)| *count)?;
        Some(format!("{reason} at {place}"))
    }
}

/// Packets that the lab received from each node so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::engine) struct Received(BTreeMap<String, u64>);

impl Received {
    /// Whether anything came in from a node after `before`.
    pub(in crate::engine) fn any(&self, before: &Self, node: &str) -> bool {
        self.0.get(node).copied().unwrap_or(0) > before.0.get(node).copied().unwrap_or(0)
    }
}

/// How long it must be calm, and how many packets are still calm.
const CALM_NS: u64 = 30_000_000;
const CALM_PACKETS: u64 = 20;
/// How often it is looked: a lab with traffic of its own is never calm.
const LOOKS: usize = 20;

impl Running {
    /// Waits until hardly a packet moves, but not for long.
    pub(in crate::engine) fn wait_for_calm(&self, goes_on: &dyn Fn() -> bool) {
        let (Some(core), Ok(mut pause)) = (self.core(), Epoll::new(1)) else { return };
        let mut seen = core.received();
        for _ in 0..LOOKS {
            if pause.wait(Some(CALM_NS), |_| ()).is_err() || !goes_on() {
                return;
            }
            let now = core.received();
            if now.saturating_sub(seen) <= CALM_PACKETS {
                return;
            }
            seen = now;
        }
    }

    /// What the lab received from these nodes so far, and where their first interfaces lead.
    pub(in crate::engine) fn received(&self, nodes: &[String]) -> Received {
        let state = self.state();
        let of = |name: &String| {
            let node = state.lab.node(name)?;
            let ports = node.interfaces.iter().filter_map(|i| state.ports.interface(name, &i.name));
            Some((name.clone(), ports.map(|port| self.traffic(port).0.packets).sum()))
        };
        Received(nodes.iter().filter_map(of).collect())
    }

    /// What was dropped so far.
    pub(in crate::engine) fn drops(&self) -> Drops {
        let rows = self.drop_rows(&self.state());
        let mut drops = Drops::default();
        for row in rows {
            *drops.0.entry((row.place, row.reason)).or_default() += row.packets;
        }
        drops
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drops(rows: &[(&str, &str, u64)]) -> Drops {
        Drops(rows.iter().map(|(place, reason, n)| ((place.to_string(), reason.to_string()), *n)).collect())
    }

    #[test]
    fn only_what_came_after_counts() {
        let before = drops(&[("s1:s1-eth1", "tenant", 5), ("s2:s2-eth1", "link down", 100)]);
        let after = drops(&[
            ("s1:s1-eth1", "tenant", 12),
            ("s1:s1-eth2", "tenant", 1),
            ("s2:s2-eth1", "link down", 100),
        ]);
        assert_eq!(after.by_reason(&before), [("tenant".to_owned(), 8)]);
        assert_eq!(after.main_reason(&before).as_deref(), Some("tenant at s1:s1-eth1"));
        assert_eq!(after.main_reason(&after), None);
    }
}
