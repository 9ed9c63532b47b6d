//! The VLAN rules of a port.
//!
//! Source: ovs-vswitchd.conf.db(5), Port table; `input_vid_is_valid`, `input_vid_to_vlan` and
//! `output_vlan_to_vid` of OVS's ofproto-dpif-xlate.c. QinQ ports are not supported yet.

use crate::config::{self, VlanMode};

/// VLAN id of a TCI.
pub(crate) const VID: u16 = 0x0fff;

/// What a port does with VLANs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vlans {
    mode: VlanMode,
    tag: u16,
    /// A bit for each VLAN; `None`: all.
    trunks: Option<Box<[u64; 64]>>,
}

impl Vlans {
    pub(crate) fn new(port: &config::Port) -> Self {
        let mode = port.vlan_mode.unwrap_or(match port.tag {
            Some(_) => VlanMode::Access,
            None => VlanMode::Trunk,
        });
        let trunks = (!port.trunks.is_empty()).then(|| {
            let mut bits = Box::new([0_u64; 64]);
            for vlan in &port.trunks {
                if let Some(word) = bits.get_mut(usize::from(vlan >> 6)) {
                    *word |= 1 << (vlan & 63);
                }
            }
            bits
        });
        Self { mode, tag: port.tag.unwrap_or(0), trunks }
    }

    /// The VLAN of a frame that came in with VLAN id `vid` (0: untagged, or a priority tag only); `None`: refused.
    pub(crate) fn admit(&self, vid: u16) -> Option<u16> {
        match self.mode {
            VlanMode::Access => (vid == 0).then_some(self.tag),
            VlanMode::NativeTagged | VlanMode::NativeUntagged if vid == 0 => Some(self.tag),
            _ => self.trunks(vid).then_some(vid),
        }
    }

    /// Whether the port is in a VLAN.
    pub(crate) fn includes(&self, vlan: u16) -> bool {
        match self.mode {
            VlanMode::Access => vlan == self.tag,
            VlanMode::Trunk => self.trunks(vlan),
            VlanMode::NativeTagged | VlanMode::NativeUntagged => vlan == self.tag || self.trunks(vlan),
        }
    }

    /// The VLAN id a frame of `vlan` leaves with; 0: untagged.
    pub(crate) const fn vid_out(&self, vlan: u16) -> u16 {
        match self.mode {
            VlanMode::Access => 0,
            VlanMode::NativeUntagged if vlan == self.tag => 0,
            _ => vlan,
        }
    }

    fn trunks(&self, vlan: u16) -> bool {
        self.trunks.as_ref().is_none_or(|bits| {
            bits.get(usize::from(vlan >> 6)).is_some_and(|word| word >> (vlan & 63) & 1 == 1)
        })
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
}
