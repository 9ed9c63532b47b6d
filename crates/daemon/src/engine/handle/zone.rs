//! Zones of connection tracking: what they have, and what they may have.

use netloom_api::{ApiError, ZoneRow};
use netloom_datapath::{Phase, Timeouts, Tracker};
use netloom_flow::text::{ZoneText, ZoneTimeout, parse_zone};
use netloom_flow::{BridgeId, ConnectionFilter, Nanos};
use netloom_lab::Lab;
use netloom_switch::FlowError;

use super::flow::bad_text;
use crate::engine::Running;
use crate::slowpath;

impl Running {
    pub(super) fn zone_ls(&self, switch: &str) -> Result<Vec<ZoneRow>, ApiError> {
        let Some(core) = self.core() else { return Ok(Vec::new()) };
        let zones = core.tracker().zones(self.bridge_of(switch)?);
        let row = |zone: &netloom_datapath::ZoneState| ZoneRow {
            switch: switch.to_owned(),
            zone: zone.zone,
            connections: zone.connections,
            limit: zone.limit,
            timeouts: zone.timeouts.as_ref().map(named).unwrap_or_default(),
        };
        Ok(zones.iter().map(row).collect())
    }

    pub(super) fn zone_set(&self, switch: &str, zones: &[String]) -> Result<u64, ApiError> {
        let Some(core) = self.core() else { return Ok(0) };
        let bridge = self.bridge_of(switch)?;
        let read = |text: &String| parse_zone(text).map_err(|wrong| bad_text("Not a zone", text, &wrong));
        let zones = zones.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        zones.iter().for_each(|zone| set(core.tracker(), bridge, zone));
        Ok(zones.len() as u64)
    }

    pub(super) fn ct_flush(&self, switch: &str, zone: Option<u16>) -> Result<u64, ApiError> {
        let Some(core) = self.core() else { return Ok(0) };
        let bridge = Some(self.bridge_of(switch)?);
        let filter = ConnectionFilter { bridge, zone, ..ConnectionFilter::default() };
        Ok(core.tracker().flush(&filter) as u64)
    }

    fn bridge_of(&self, switch: &str) -> Result<BridgeId, ApiError> {
        let found = self.core().and_then(|core| slowpath::read(core.switch()).bridge_id(switch));
        found.ok_or_else(|| self.flow_error(&FlowError::NoBridge(switch.to_owned()), switch, ""))
    }
}

/// Has zones be as a lab file says, where it says something else than before.
pub(in crate::engine) fn apply(
    tracker: &Tracker,
    bridge_of: &dyn Fn(&str) -> Option<BridgeId>,
    old: &Lab,
    new: &Lab,
) {
    let read = |lab: &Lab, switch: &str| -> Vec<ZoneText> {
        let switch = lab.switches.iter().find(|it| it.name == switch);
        switch.iter().flat_map(|it| &it.zones).filter_map(|zone| parse_zone(&zone.text).ok()).collect()
    };
    for switch in &new.switches {
        let Some(bridge) = bridge_of(&switch.name) else { continue };
        let (before, after) = (read(old, &switch.name), read(new, &switch.name));
        let gone = before.iter().filter(|zone| !after.iter().any(|it| it.zone == zone.zone));
        gone.for_each(|zone| set(tracker, bridge, &ZoneText { zone: zone.zone, ..ZoneText::default() }));
        after.iter().filter(|zone| !before.contains(zone)).for_each(|zone| set(tracker, bridge, zone));
    }
}

fn set(tracker: &Tracker, bridge: BridgeId, zone: &ZoneText) {
    let timeouts = (!zone.timeouts.is_empty()).then(|| {
        zone.timeouts.iter().fold(Timeouts::default(), |mut all, (timeout, seconds)| {
            all.set(phase(*timeout), Nanos::from_secs(u64::from(*seconds)));
            all
        })
    });
    tracker.set_zone(bridge, zone.zone, zone.limit, timeouts);
}

/// Those that are not the usual ones.
fn named(timeouts: &Timeouts) -> std::collections::BTreeMap<String, u32> {
    let seconds = |timeouts: &Timeouts, phase| u32::try_from(timeouts.of(phase).0 / 1_000_000_000).ok();
    ZoneTimeout::ALL
        .into_iter()
        .filter(|timeout| timeouts.of(phase(*timeout)) != Timeouts::default().of(phase(*timeout)))
        .filter_map(|timeout| Some((timeout.name().to_owned(), seconds(timeouts, phase(timeout))?)))
        .collect()
}

/// Source: `tm_to_ct_dpif_tp` of OVS.
const fn phase(timeout: ZoneTimeout) -> Phase {
    match timeout {
        ZoneTimeout::TcpSynSent => Phase::TcpFirst,
        ZoneTimeout::TcpSynRecv => Phase::TcpOpening,
        ZoneTimeout::TcpEstablished => Phase::TcpEstablished,
        ZoneTimeout::TcpFinWait => Phase::TcpClosing,
        ZoneTimeout::TcpTimeWait => Phase::TcpFinWait,
        ZoneTimeout::TcpClose => Phase::TcpClosed,
        ZoneTimeout::UdpFirst => Phase::OtherFirst,
        ZoneTimeout::UdpSingle => Phase::OtherMultiple,
        ZoneTimeout::UdpMultiple => Phase::OtherBoth,
        ZoneTimeout::IcmpFirst => Phase::IcmpFirst,
        ZoneTimeout::IcmpReply => Phase::IcmpReply,
        ZoneTimeout::SctpEstablished => Phase::SctpEstablished,
    }
}

#[cfg(test)]
mod tests {
    use netloom_datapath::TrackerConfig;

    use super::*;

    #[test]
    fn what_is_set_is_shown_and_an_empty_line_takes_it_back() {
        let tracker = Tracker::new(TrackerConfig { seed: 1, limit: 10 });
        let line = |text: &str| set(&tracker, BridgeId(3), &parse_zone(text).expect("a zone"));
        line("zone=7,limit=2,tcp_established=60,udp_first=30");
        let zones = tracker.zones(BridgeId(3));
        assert_eq!((zones.len(), zones[0].zone, zones[0].limit), (1, 7, Some(2)));
        let shown = zones[0].timeouts.as_ref().map(named).expect("timeouts");
        assert_eq!(shown, [("tcp_established".to_owned(), 60)].into(), "30 s are the usual ones");
        assert_eq!(tracker.zones(BridgeId(4)), []);
        line("zone=7");
        assert_eq!(tracker.zones(BridgeId(3)), []);
    }

    #[test]
    fn every_timeout_is_one_of_its_own() {
        let phases: std::collections::BTreeSet<_> =
            ZoneTimeout::ALL.map(|timeout| phase(timeout) as usize).into_iter().collect();
        assert_eq!(phases.len(), ZoneTimeout::ALL.len());
    }
}
