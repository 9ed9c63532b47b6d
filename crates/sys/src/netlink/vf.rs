//! Virtual functions of a network device, as the driver of its physical function has them: `IFLA_VFINFO_LIST`.
//!
//! One attribute a message: a driver refuses them one by one, and the answer then says which.
//!
//! Source: rtnetlink(7), `struct ifla_vf_*` of linux/if_link.h.

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{
    LinkAttribute, LinkExtentMask, LinkMessage, LinkVfInfo, VfInfo, VfInfoLinkState, VfInfoMac, VfInfoRate,
    VfInfoSpoofCheck, VfInfoTrust, VfInfoVlan, VfLinkState,
};
use rustix::io::Errno;

use super::socket::NetlinkSocket;
use crate::error::{Because, HostError};

/// What the driver does with one virtual function.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Vf {
    /// Its number at the physical function.
    pub index: u32,
    /// The address that was set for it; zero: none was.
    pub mac: [u8; 6],
    /// The VLAN that its frames are in outside, which it does not see itself; 0: none.
    pub vlan: u16,
    /// Priority of that VLAN, 0 to 7.
    pub vlan_priority: u8,
    /// Frames with another source address than its own are dropped.
    pub spoof_check: bool,
    /// It may have itself be given addresses and hear everything.
    pub trust: bool,
    /// Guaranteed, in Mbit/s; 0: nothing is.
    pub min_rate: u32,
    /// The most it may send, in Mbit/s; 0: no bound.
    pub max_rate: u32,
    /// What it sees of the cable.
    pub state: VfState,
}

/// What a virtual function sees of the cable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VfState {
    /// What the physical function sees.
    #[default]
    Auto,
    /// Plugged in, always.
    Enable,
    /// Unplugged.
    Disable,
}

/// One thing to be set of a virtual function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VfSetting {
    /// [`Vf::mac`]
    Mac([u8; 6]),
    /// [`Vf::vlan`] and its priority.
    Vlan(u16, u8),
    /// [`Vf::spoof_check`]
    SpoofCheck(bool),
    /// [`Vf::trust`]
    Trust(bool),
    /// [`Vf::min_rate`] and [`Vf::max_rate`], in Mbit/s: the kernel takes both at once.
    Rate(u32, u32),
    /// [`Vf::state`]
    State(VfState),
}

impl VfSetting {
    /// What `ip link set DEV vf N ..` calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Mac(_) => "mac",
            Self::Vlan(..) => "vlan",
            Self::SpoofCheck(_) => "spoofchk",
            Self::Trust(_) => "trust",
            Self::Rate(..) => "rate",
            Self::State(_) => "state",
        }
    }

    /// Whether `vf` has it.
    #[must_use]
    pub fn holds(&self, vf: &Vf) -> bool {
        match *self {
            Self::Mac(mac) => vf.mac == mac,
            Self::Vlan(vlan, priority) => (vf.vlan, vf.vlan_priority) == (vlan, priority),
            Self::SpoofCheck(on) => vf.spoof_check == on,
            Self::Trust(on) => vf.trust == on,
            Self::Rate(min, max) => (vf.min_rate, vf.max_rate) == (min, max),
            Self::State(state) => vf.state == state,
        }
    }

    fn message(&self, index: u32) -> VfInfo {
        match *self {
            Self::Mac(mac) => VfInfo::Mac(VfInfoMac::new(index, &mac)),
            Self::Vlan(vlan, priority) => {
                VfInfo::Vlan(VfInfoVlan::new(index, u32::from(vlan), u32::from(priority)))
            }
            Self::SpoofCheck(on) => VfInfo::SpoofCheck(VfInfoSpoofCheck::new(index, on)),
            Self::Trust(on) => VfInfo::Trust(VfInfoTrust::new(index, on)),
            Self::Rate(min, max) => VfInfo::Rate(VfInfoRate::new(index, min, max)),
            Self::State(state) => VfInfo::LinkState(VfInfoLinkState::new(
                index,
                match state {
                    VfState::Auto => VfLinkState::Auto,
                    VfState::Enable => VfLinkState::Enable,
                    VfState::Disable => VfLinkState::Disable,
                },
            )),
        }
    }
}

/// The message that sets one thing of one virtual function.
pub(super) fn set(device: u32, vf: u32, setting: &VfSetting) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = device;
    message.attributes.push(LinkAttribute::VfInfoList(vec![LinkVfInfo(vec![setting.message(vf)])]));
    RouteNetlinkMessage::SetLink(message)
}

impl NetlinkSocket {
    /// The virtual functions of the device with that index, in their order; none if it has none, or its driver says nothing
    /// of them.
    ///
    /// # Errors
    /// There is no such device; `EBADMSG` for an answer that is none.
    pub fn virtual_functions(&mut self, device: u32) -> Result<Vec<Vf>, HostError> {
        let mut request = LinkMessage::default();
        request.header.index = device;
        request.attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::Vf]));
        let what = || format!("the virtual functions of the device with index {device}");
        match self.ask(RouteNetlinkMessage::GetLink(request)).because("list", what)? {
            RouteNetlinkMessage::NewLink(message) => Ok(read(&message)),
            _ => Err(HostError::new("list", what(), Errno::BADMSG)),
        }
    }
}

fn read(message: &LinkMessage) -> Vec<Vf> {
    let lists = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::VfInfoList(list) => Some(list),
        _ => None,
    });
    lists.flatten().filter_map(one).collect()
}

/// One virtual function; `None` if its number is missing.
fn one(info: &LinkVfInfo) -> Option<Vf> {
    let (mut vf, mut index) = (Vf::default(), None);
    for part in &info.0 {
        match part {
            VfInfo::Mac(it) => {
                index = Some(it.vf_id);
                vf.mac = *it.mac.first_chunk().unwrap_or(&[0; 6]);
            }
            VfInfo::Vlan(it) => {
                vf.vlan = u16::try_from(it.vlan_id).unwrap_or(0);
                vf.vlan_priority = u8::try_from(it.qos).unwrap_or(0);
            }
            VfInfo::Rate(it) => (vf.min_rate, vf.max_rate) = (it.min_tx_rate, it.max_tx_rate),
            VfInfo::SpoofCheck(it) => vf.spoof_check = it.enabled,
            VfInfo::Trust(it) => vf.trust = it.enabled,
            VfInfo::LinkState(it) => {
                vf.state = match it.state {
                    VfLinkState::Enable => VfState::Enable,
                    VfLinkState::Disable => VfState::Disable,
                    _ => VfState::Auto,
                }
            }
            _ => {}
        }
    }
    index.map(|index| Vf { index, ..vf })
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NetlinkDeserializable;

    use super::super::socket::{append, split};
    use super::*;

    #[test]
    fn what_is_set_is_what_is_read() {
        let settings = [
            VfSetting::Mac([2, 0, 0, 0, 0, 7]),
            VfSetting::Vlan(100, 3),
            VfSetting::SpoofCheck(true),
            VfSetting::Trust(true),
            VfSetting::Rate(10, 500),
            VfSetting::State(VfState::Disable),
        ];
        let info = |index| LinkVfInfo(settings.iter().map(|setting| setting.message(index)).collect());
        let mut message = LinkMessage::default();
        message.header.index = 9;
        message.attributes.push(LinkAttribute::VfInfoList(vec![info(0), info(4)]));
        let mut bytes = Vec::new();
        append(&mut bytes, RouteNetlinkMessage::NewLink(message), 0, 1);
        let (header, body, _) = split(&bytes).unwrap();
        let RouteNetlinkMessage::NewLink(message) = RouteNetlinkMessage::deserialize(&header, body).unwrap()
        else {
            panic!("a link")
        };
        let all = read(&message);
        assert_eq!(all.iter().map(|vf| vf.index).collect::<Vec<_>>(), [0, 4]);
        for setting in &settings {
            assert!(all.iter().all(|vf| setting.holds(vf)), "{setting:?}: {all:?}");
            assert!(!setting.holds(&Vf::default()), "{setting:?}");
        }
    }

    #[test]
    fn one_without_a_number_is_none() {
        assert_eq!(one(&LinkVfInfo(vec![VfSetting::Trust(true).message(3)])), None);
    }
}
