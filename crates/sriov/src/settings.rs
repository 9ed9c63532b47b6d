//! What is wanted of a VF, as the settings that make it so, one by one.

use netloom_sys::netlink::{Vf, VfSetting, VfState};

/// What is wanted of a VF; `None`: as the driver has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// The VLAN its frames are in, which it does not see; 0: none.
    pub vlan: Option<u16>,
    /// Whether frames with another source address are dropped.
    pub spoof_check: Option<bool>,
    /// Whether it may hear everything and take other addresses.
    pub trust: Option<bool>,
    /// Guaranteed, in Mbit/s.
    pub min_rate: Option<u32>,
    /// The most, in Mbit/s.
    pub max_rate: Option<u32>,
    /// What it sees of the cable.
    pub state: Option<VfState>,
}

impl Attributes {
    /// The same, with what is left open as `former` had it.
    #[must_use]
    pub fn over(&self, former: &Vf) -> Self {
        Self {
            mac: self.mac.or(Some(former.mac)),
            vlan: self.vlan.or(Some(former.vlan)),
            spoof_check: self.spoof_check.or(Some(former.spoof_check)),
            trust: self.trust.or(Some(former.trust)),
            min_rate: self.min_rate.or(Some(former.min_rate)),
            max_rate: self.max_rate.or(Some(former.max_rate)),
            state: self.state.or(Some(former.state)),
        }
    }

    /// The settings that turn `present` into what is wanted, in the order in which they are made.
    #[must_use]
    pub fn settings(&self, present: &Vf) -> Vec<VfSetting> {
        let rate = (self.min_rate.is_some() || self.max_rate.is_some()).then(|| {
            let min = self.min_rate.unwrap_or(present.min_rate);
            VfSetting::Rate(min, self.max_rate.unwrap_or(present.max_rate))
        });
        let all = [
            self.mac.map(VfSetting::Mac),
            self.vlan.map(|vlan| VfSetting::Vlan(vlan, 0)),
            self.trust.map(VfSetting::Trust),
            self.spoof_check.map(VfSetting::SpoofCheck),
            rate,
            self.state.map(VfSetting::State),
        ];
        all.into_iter().flatten().filter(|setting| !setting.holds(present)).collect()
    }
}

/// The settings that turn `present` back into `former`, the other way round.
#[must_use]
pub fn back(former: &Vf, present: &Vf) -> Vec<VfSetting> {
    let all = [
        VfSetting::State(former.state),
        VfSetting::Rate(former.min_rate, former.max_rate),
        VfSetting::SpoofCheck(former.spoof_check),
        VfSetting::Trust(former.trust),
        VfSetting::Vlan(former.vlan, former.vlan_priority),
        VfSetting::Mac(former.mac),
    ];
    all.into_iter().filter(|setting| !setting.holds(present)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present() -> Vf {
        Vf { index: 2, mac: [2, 0, 0, 0, 0, 1], spoof_check: true, max_rate: 100, ..Vf::default() }
    }

    #[test]
    fn only_what_differs_is_set_and_all_of_it_is_taken_back() {
        let wanted = Attributes {
            mac: Some([2, 0, 0, 0, 0, 1]),
            vlan: Some(7),
            spoof_check: Some(true),
            min_rate: Some(10),
            state: Some(VfState::Enable),
            ..Attributes::default()
        };
        let settings = wanted.settings(&present());
        assert_eq!(
            settings,
            [VfSetting::Vlan(7, 0), VfSetting::Rate(10, 100), VfSetting::State(VfState::Enable)]
        );
        let now = Vf { vlan: 7, min_rate: 10, state: VfState::Enable, ..present() };
        assert!(wanted.settings(&now).is_empty());
        assert_eq!(
            back(&present(), &now),
            [VfSetting::State(VfState::Auto), VfSetting::Rate(0, 100), VfSetting::Vlan(0, 0)]
        );
        assert!(Attributes::default().settings(&present()).is_empty());
    }
}
