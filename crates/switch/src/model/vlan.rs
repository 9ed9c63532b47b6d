//! The VLAN rules of a port.
//!
//! Source: ovs-vswitchd.conf.db(5), Port table; `input_vid_is_valid`, `xvlan_input_translate` and
//! `xvlan_output_translate` of OVS's ofproto-dpif-xlate.c.

use crate::config::{self, PriorityTags, QinqType, VlanMode};

/// VLAN id of a TCI.
pub(crate) const VID: u16 = 0x0fff;

/// A set of VLANs, a bit for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VlanSet(Box<[u64; 64]>);

impl VlanSet {
    /// `None`: none named, which stands for all.
    pub(crate) fn new(vlans: &[u16]) -> Option<Self> {
        (!vlans.is_empty()).then(|| {
            let mut bits = Box::new([0_u64; 64]);
            for vlan in vlans {
                if let Some(word) = bits.get_mut(usize::from(vlan >> 6)) {
                    *word |= 1 << (vlan & 63);
                }
            }
            Self(bits)
        })
    }

    pub(crate) fn contains(&self, vlan: u16) -> bool {
        self.0.get(usize::from(vlan >> 6)).is_some_and(|word| word >> (vlan & 63) & 1 == 1)
    }
}

/// What a port does with VLANs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vlans {
    mode: VlanMode,
    tag: u16,
    /// `None`: all.
    trunks: Option<VlanSet>,
    /// `None`: all.
    cvlans: Option<VlanSet>,
    service: QinqType,
    pub(crate) priority_tags: PriorityTags,
    pub(crate) protected: bool,
}

impl Vlans {
    pub(crate) fn new(port: &config::Port) -> Self {
        let mode = port.vlan_mode.unwrap_or(match port.tag {
            Some(_) => VlanMode::Access,
            None => VlanMode::Trunk,
        });
        Self {
            mode,
            tag: port.tag.unwrap_or(0),
            trunks: VlanSet::new(&port.trunks),
            cvlans: VlanSet::new(&port.cvlans),
            service: port.qinq_ethtype,
            priority_tags: port.priority_tags,
            protected: port.protected,
        }
    }

    /// The VLAN of a frame that came in with VLAN id `vid` (0: untagged, or a priority tag only); `None`: refused.
    pub(crate) fn admit(&self, vid: u16) -> Option<u16> {
        match self.mode {
            VlanMode::Access => (vid == 0).then_some(self.tag),
            VlanMode::Dot1qTunnel => self.takes_inner(vid).then_some(self.tag),
            VlanMode::NativeTagged | VlanMode::NativeUntagged if vid == 0 => Some(self.tag),
            _ => self.trunks(vid).then_some(vid),
        }
    }

    /// Whether the port is in a VLAN.
    pub(crate) fn includes(&self, vlan: u16) -> bool {
        match self.mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => vlan == self.tag,
            VlanMode::Trunk => self.trunks(vlan),
            VlanMode::NativeTagged | VlanMode::NativeUntagged => vlan == self.tag || self.trunks(vlan),
        }
    }

    /// The Ethernet type of the header that a QinQ port puts in front; `None`: it is another port.
    pub(crate) const fn service(&self) -> Option<u16> {
        match (self.mode, self.service) {
            (VlanMode::Dot1qTunnel, QinqType::Ad) => Some(0x88a8),
            (VlanMode::Dot1qTunnel, QinqType::Q) => Some(0x8100),
            _ => None,
        }
    }

    /// Whether a QinQ port asks which VLAN a customer's frame is in.
    pub(crate) const fn asks_inner(&self) -> bool {
        matches!(self.mode, VlanMode::Dot1qTunnel) && self.cvlans.is_some()
    }

    /// Whether it takes frames of a customer's VLAN.
    pub(crate) fn takes_inner(&self, vid: u16) -> bool {
        self.cvlans.as_ref().is_none_or(|cvlans| cvlans.contains(vid))
    }

    /// The VLAN id a frame of `vlan` leaves with; 0: untagged.
    pub(crate) const fn vid_out(&self, vlan: u16) -> u16 {
        match self.mode {
            VlanMode::Access | VlanMode::Dot1qTunnel => 0,
            VlanMode::NativeUntagged if vlan == self.tag => 0,
            _ => vlan,
        }
    }

    fn trunks(&self, vlan: u16) -> bool {
        self.trunks.as_ref().is_none_or(|trunks| trunks.contains(vlan))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(vlan_mode: Option<VlanMode>, tag: Option<u16>, trunks: &[u16]) -> Vlans {
        Vlans::new(&config::Port { vlan_mode, tag, trunks: trunks.to_vec(), ..Default::default() })
    }

    #[test]
    fn without_settings_a_port_is_a_trunk_of_everything() {
        let vlans = port(None, None, &[]);
        for vlan in [0, 1, 100, 4095] {
            assert_eq!(vlans.admit(vlan), Some(vlan));
            assert!(vlans.includes(vlan));
            assert_eq!(vlans.vid_out(vlan), vlan);
        }
    }

    #[test]
    fn an_access_port_is_untagged_outside() {
        let vlans = port(None, Some(10), &[]);
        assert_eq!(vlans.admit(0), Some(10));
        assert_eq!(vlans.admit(10), None, "tagged, even with its own VLAN");
        assert!(vlans.includes(10) && !vlans.includes(0) && !vlans.includes(11));
        assert_eq!(vlans.vid_out(10), 0);
    }

    #[test]
    fn a_trunk_carries_its_list() {
        let vlans = port(None, None, &[10, 4095]);
        assert_eq!(vlans.admit(10), Some(10));
        assert_eq!(vlans.admit(11), None);
        assert_eq!(vlans.admit(0), None, "untagged only if the list has 0");
        assert!(vlans.includes(4095) && !vlans.includes(4094));
    }

    #[test]
    fn native_ports_differ_in_how_they_send_the_native_vlan() {
        for (mode, out) in [(VlanMode::NativeTagged, 10), (VlanMode::NativeUntagged, 0)] {
            let vlans = port(Some(mode), Some(10), &[20]);
            assert_eq!(vlans.admit(0), Some(10));
            assert_eq!(vlans.admit(20), Some(20));
            assert_eq!(vlans.admit(30), None);
            assert!(vlans.includes(10) && vlans.includes(20) && !vlans.includes(0));
            assert_eq!((vlans.vid_out(10), vlans.vid_out(20)), (out, 20));
        }
    }

    #[test]
    fn a_tunnel_of_vlans_takes_its_customers_frames_into_its_own() {
        let cvlans = vec![0, 7];
        let mode = Some(VlanMode::Dot1qTunnel);
        let port = config::Port { vlan_mode: mode, tag: Some(100), cvlans, ..Default::default() };
        let vlans = Vlans::new(&port);
        assert_eq!([0, 7, 8].map(|vid| vlans.admit(vid)), [Some(100), Some(100), None]);
        assert!(vlans.includes(100) && !vlans.includes(7));
        assert_eq!((vlans.service(), vlans.vid_out(100)), (Some(0x88a8), 0));
        assert!(vlans.asks_inner() && vlans.takes_inner(7) && !vlans.takes_inner(8));
    }
}
