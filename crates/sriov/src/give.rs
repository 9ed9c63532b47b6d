//! Making a VF be what is wanted, and what it was before: attributes set one by one and read back, its network device
//! moved to a namespace and home again.
//!
//! Everything here runs in the namespace of the PF. What a VF was is written into its [`Claim`] before anything is set.

use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request, Vf, VfSetting};
use netloom_sys::netns::NetNs;
use netloom_sys::{Errno, HostError};

use crate::claims::{Device, Former, Representor};
use crate::settings::back;
use crate::sysfs::pause;
use crate::{Attributes, Claim, Claims, PhysicalFunction, Seat, Sysfs};

/// A VF could not be made what it was to be.
#[derive(Debug, thiserror::Error)]
pub enum GiveError {
    /// The machine refused.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The PF is gone, or has no network device here.
    #[error("{0} has no network device in this namespace")]
    NoDevice(String),
    /// The driver of the PF refused an attribute.
    #[error("The driver {driver} of {pf} refuses `{attribute}` for VF {vf}")]
    Refused {
        /// Which: as the lab file has it.
        attribute: &'static str,
        /// The PF.
        pf: String,
        /// Its driver.
        driver: String,
        /// The VF.
        vf: u16,
        /// What it answered.
        source: HostError,
    },
    /// The driver took an attribute, and does not have it.
    #[error("The driver {driver} of {pf} took `{attribute}` for VF {vf}, but does not keep it")]
    NotKept {
        /// Which.
        attribute: &'static str,
        /// The PF.
        pf: String,
        /// Its driver.
        driver: String,
        /// The VF.
        vf: u16,
    },
    /// What it was could not be written down: then nothing was set.
    #[error("Cannot write down what VF {0} was")]
    Note(u16, #[source] std::io::Error),
}

impl GiveError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let Self::Refused { attribute, pf, driver, source, .. } = self else { return None };
        Some(match (*attribute, source.errno) {
            ("rate", Errno::INVAL) => format!(
                "`rate` and `min-rate` must fit the speed of the cable, which {driver} knows only while {pf} has one \
                 plugged in; few drivers have a `min-rate`"
            ),
            (_, Errno::OPNOTSUPP) => {
                format!("{driver} has no such setting: take `{attribute}` out of the lab file")
            }
            _ => format!("`dmesg` may say more; take `{attribute}` out of the lab file to go on"),
        })
    }
}

/// A PF with a socket to ask its driver by.
struct Desk<'a> {
    sysfs: &'a Sysfs,
    seat: Seat,
    pf: PhysicalFunction,
    index: u32,
    netlink: NetlinkSocket,
}

impl<'a> Desk<'a> {
    fn open(sysfs: &'a Sysfs, seat: Seat) -> Result<Self, GiveError> {
        let gone = || GiveError::NoDevice(seat.pf.to_string());
        let pf = sysfs.physical_function(seat.pf).ok_or_else(gone)?;
        let netlink = NetlinkSocket::open()?;
        let index = netlink.index_of(pf.netdevs.first().ok_or_else(gone)?)?;
        Ok(Self { sysfs, seat, pf, index, netlink })
    }

    /// The VF as the driver has it.
    fn vf(&mut self) -> Result<Vf, GiveError> {
        let all = self.netlink.virtual_functions(self.index)?;
        let wanted = u32::from(self.seat.index);
        let found = all.into_iter().find(|vf| vf.index == wanted);
        found.ok_or_else(|| {
            let object = format!("VF {wanted} of {}", self.pf.name());
            HostError::new("read the attributes of", object, Errno::OPNOTSUPP).into()
        })
    }

    /// The VF's network device: its name and index. A name can be another one a moment later, an index not.
    fn device(&self) -> Result<(String, u32), GiveError> {
        for _ in 0..5 {
            let name = self.sysfs.await_netdev(self.seat.pf, self.seat.index)?;
            if let Ok(index) = self.netlink.index_of(&name) {
                return Ok((name, index));
            }
            pause();
        }
        Err(GiveError::NoDevice(format!("VF {} of {}", self.seat.index, self.pf.name())))
    }

    fn change(&mut self, index: u32, change: LinkChange) -> Result<(), GiveError> {
        Ok(self.netlink.batch(&[Request::SetLink { index, change }]).map_err(HostError::from)?)
    }

    /// Sets one thing and looks whether it is so.
    fn set(&mut self, setting: VfSetting) -> Result<(), GiveError> {
        let (pf, driver) = (self.pf.name(), self.pf.driver.clone().unwrap_or_default());
        let (vf, attribute) = (self.seat.index, setting.name());
        let request = Request::SetVf { index: self.index, vf: u32::from(vf), setting };
        if let Err(error) = self.netlink.batch(&[request]) {
            return Err(GiveError::Refused { attribute, pf, driver, vf, source: error.into() });
        }
        if setting.holds(&self.vf()?) {
            return Ok(());
        }
        Err(GiveError::NotKept { attribute, pf, driver, vf })
    }

    /// What a device is before it is changed.
    fn former(&mut self, name: String, index: u32) -> Result<Device, GiveError> {
        let links = self.netlink.links()?;
        let link = links.into_iter().find(|link| link.index == index);
        let link = link.ok_or_else(|| GiveError::NoDevice(name.clone()))?;
        let vf = self.sysfs.virtual_function(self.seat.pf, self.seat.index);
        let driver = vf.and_then(|vf| vf.driver).unwrap_or_default();
        Ok(Device { name, mac: link.mac, mtu: link.mtu, up: link.up, driver })
    }

    /// Makes a device be what it was.
    fn put_back(&mut self, mut index: u32, former: &Device) -> Result<(), GiveError> {
        if let Some(mac) = former.mac {
            index = self.take_mac(mac, index)?;
        }
        // A driver that took the function anew may have brought it up again.
        self.change(index, LinkChange { up: Some(false), ..LinkChange::default() })?;
        let name = Some(former.name.clone());
        self.change(index, LinkChange { name, mtu: Some(former.mtu), ..LinkChange::default() })?;
        match former.up {
            true => self.change(index, LinkChange::up()),
            false => Ok(()),
        }
    }

    fn own_mac(&mut self, device: u32) -> Result<Option<[u8; 6]>, GiveError> {
        let links = self.netlink.links()?;
        Ok(links.into_iter().find(|link| link.index == device).and_then(|link| link.mac))
    }

    /// Has the VF's driver take it anew; the index of its device then.
    fn rebind(&mut self, device: u32) -> Result<u32, GiveError> {
        let vf = self.sysfs.virtual_function(self.seat.pf, self.seat.index);
        let Some((vf, driver)) = vf.and_then(|vf| Some((vf.address, vf.driver?))) else { return Ok(device) };
        self.sysfs.rebind(vf, &driver)?;
        Ok(self.device()?.1)
    }

    /// The device takes the address that was set for it: by itself, by being told, or by its driver taking it anew.
    fn take_mac(&mut self, mac: [u8; 6], mut device: u32) -> Result<u32, GiveError> {
        if self.own_mac(device)? == Some(mac) {
            return Ok(device);
        }
        let told = self.change(device, LinkChange { mac: Some(mac), ..LinkChange::default() });
        if told.is_err() || self.own_mac(device)? != Some(mac) {
            device = self.rebind(device)?;
        }
        if self.own_mac(device)? == Some(mac) {
            return Ok(device);
        }
        let (pf, driver) = (self.pf.name(), self.pf.driver.clone().unwrap_or_default());
        Err(GiveError::NotKept { attribute: "mac", pf, driver, vf: self.seat.index })
    }
}

/// Makes a VF be as wanted, after writing down in its claim what it was; what is left open is as it was. Returns the index
/// of its network device, which is down.
///
/// # Errors
/// [`GiveError`]; the caller puts it back by [`restore`].
pub fn ready(
    sysfs: &Sysfs,
    claims: &Claims,
    claim: &mut Claim,
    wanted: &Attributes,
) -> Result<u32, GiveError> {
    let mut desk = Desk::open(sysfs, claim.seat)?;
    let (name, mut device) = desk.device()?;
    let present = desk.vf()?;
    let (former, first) = match &claim.former {
        Some(former) => (former.clone(), false),
        None => (Former::of(desk.former(name, device)?, &present), true),
    };
    claim.former = Some(former.clone());
    claims.write(claim).map_err(|error| GiveError::Note(claim.seat.index, error))?;
    desk.change(device, LinkChange { up: Some(false), ..LinkChange::default() })?;
    let all = wanted.over(&former.vf(claim.seat.index));
    all.settings(&present).into_iter().try_for_each(|setting| desk.set(setting))?;
    if first {
        // Its driver took it while its card started anew, and before anything was set: it asks again then.
        device = desk.rebind(device)?;
        desk.change(device, LinkChange { up: Some(false), ..LinkChange::default() })?;
    }
    if let Some(mac) = wanted.mac {
        device = desk.take_mac(mac, device)?;
    }
    Ok(device)
}

/// The representor of a VF that is [`ready`], which is up from now on; `None`: the switch inside the card shows none.
///
/// # Errors
/// The host's, and when what it was cannot be written down.
pub fn represent(sysfs: &Sysfs, claims: &Claims, claim: &mut Claim) -> Result<Option<String>, GiveError> {
    let Some(name) = sysfs.representor(claim.seat.pf, claim.seat.index) else { return Ok(None) };
    let mut netlink = NetlinkSocket::open()?;
    let link = netlink.links()?.into_iter().find(|link| link.name == name);
    let link = link.ok_or_else(|| GiveError::NoDevice(name.clone()))?;
    if let Some(former) = claim.former.as_mut().filter(|former| former.representor.is_none()) {
        former.representor = Some(Representor { name: name.clone(), up: link.up });
        claims.write(claim).map_err(|error| GiveError::Note(claim.seat.index, error))?;
    }
    let up = [Request::SetLink { index: link.index, change: LinkChange::up() }];
    netlink.batch(&up).map_err(HostError::from)?;
    Ok(Some(name))
}

/// A representor that was down is down again. One that is gone is no failure: it goes with its VF.
fn put_representor_back(was: &Representor) -> Result<(), GiveError> {
    let mut netlink = NetlinkSocket::open()?;
    let (false, Ok(index)) = (was.up, netlink.index_of(&was.name)) else { return Ok(()) };
    let change = LinkChange { up: Some(false), ..LinkChange::default() };
    Ok(netlink.batch(&[Request::SetLink { index, change }]).map_err(HostError::from)?)
}

/// Sets a VF that somebody has otherwise, while it is in use. Its address stays, unless a program has the whole function:
/// its own driver asks for it when it starts.
///
/// # Errors
/// What the driver refuses; what was set before it is so then.
pub fn change(sysfs: &Sysfs, claim: &Claim, wanted: &Attributes) -> Result<(), GiveError> {
    let Some(former) = &claim.former else { return Ok(()) };
    let mut desk = Desk::open(sysfs, claim.seat)?;
    let present = desk.vf()?;
    let all = wanted.over(&former.vf(claim.seat.index)).settings(&present);
    let handed = is_handed_over(sysfs, claim.seat);
    let mut live = all.into_iter().filter(|setting| handed || !matches!(setting, VfSetting::Mac(_)));
    live.try_for_each(|setting| desk.set(setting))
}

/// Whether a program can have, or has, the whole function.
#[must_use]
pub fn is_handed_over(sysfs: &Sysfs, seat: Seat) -> bool {
    sysfs.virtual_function(seat.pf, seat.index).is_some_and(|vf| vf.driver.as_deref() == Some(VFIO))
}

/// Hands a VF that is [`ready`] to the driver by which programs have whole functions; returns where it is.
///
/// # Errors
/// There is no such driver, or it does not take it.
pub fn hand_over(sysfs: &Sysfs, seat: Seat) -> Result<crate::Address, GiveError> {
    let gone = || GiveError::NoDevice(format!("VF {} of {}", seat.index, seat.pf));
    let vf = sysfs.virtual_function(seat.pf, seat.index).ok_or_else(gone)?;
    sysfs.give_to_driver(vf.address, VFIO)?;
    let now = sysfs.virtual_function(seat.pf, seat.index).ok_or_else(gone)?;
    if now.driver.as_deref() == Some(VFIO) {
        return Ok(vf.address);
    }
    Err(HostError::new("bind to vfio-pci the function", vf.address.to_string(), Errno::NODEV).into())
}

/// The driver that hands functions to programs.
pub const VFIO: &str = "vfio-pci";

/// Moves a network device from the calling thread's namespace to another, where it is called `name`.
///
/// # Errors
/// The host's; `EEXIST`: there is one of that name.
pub fn send(device: u32, netns: &NetNs, name: &str) -> Result<(), HostError> {
    let mut netlink = NetlinkSocket::open()?;
    let request = Request::MoveLink { index: device, netns: netns.raw(), name: name.to_owned() };
    Ok(netlink.batch(&[request])?)
}

/// Moves the network device called `name` from the calling thread's namespace home to `netns`, under its former name.
///
/// # Errors
/// As [`send`].
pub fn send_home(name: &str, netns: &NetNs, former: &str) -> Result<(), HostError> {
    let index = NetlinkSocket::open()?.index_of(name)?;
    send(index, netns, former)
}

/// Makes a VF be what it was before, and takes its claim away. Its network device must be home, or on its way: the kernel
/// brings it there when its namespace ends. A function that was handed to a program must be free.
///
/// # Errors
/// What could not be put back first; the rest was. Then the claim stays.
pub fn restore(sysfs: &Sysfs, claims: &Claims, claim: &Claim) -> Result<(), GiveError> {
    let found = sysfs.virtual_function(claim.seat.pf, claim.seat.index);
    if let (Some(vf), Some(former)) = (found, &claim.former) {
        if vf.driver.as_deref() == Some(VFIO) {
            sysfs.give_to_driver(vf.address, "")?;
        }
        let mut desk = Desk::open(sysfs, claim.seat)?;
        let (_, device) = desk.device()?;
        desk.change(device, LinkChange { up: Some(false), ..LinkChange::default() })?;
        let mut failed = None;
        let present = desk.vf()?;
        for setting in back(&former.vf(claim.seat.index), &present) {
            failed = failed.or(desk.set(setting).err());
        }
        failed = failed.or(desk.put_back(device, &former.device).err());
        failed = failed.or(former.representor.as_ref().and_then(|was| put_representor_back(was).err()));
        if let Some(error) = failed {
            return Err(error);
        }
    }
    claims.remove(claim.seat).map_err(|error| GiveError::Note(claim.seat.index, error))
}

/// Takes the VFs of a PF away again if netloom made them and nobody has one any more. Whether it did; the caller holds the
/// PF's lock.
///
/// # Errors
/// The driver's.
pub fn finish(sysfs: &Sysfs, claims: &Claims, pf: crate::Address) -> Result<bool, GiveError> {
    let Some(made) = claims.made(pf) else { return Ok(false) };
    if claims.list().iter().any(|claim| claim.seat.pf == pf) {
        return Ok(false);
    }
    if let Some(found) = sysfs.physical_function(pf)
        && found.enabled() == made
    {
        // Bound to a driver and without a device here: it is with somebody who did not ask us.
        if found.vfs.iter().any(|vf| vf.driver.is_some() && vf.netdevs.is_empty()) {
            return Ok(false);
        }
        sysfs.set_number(pf, 0)?;
    }
    claims.remove_made(pf).map_err(|error| GiveError::Note(0, error))?;
    claims.tidy();
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(attribute: &'static str, errno: Errno) -> GiveError {
        let source = HostError::new("set", attribute, errno);
        GiveError::Refused { attribute, pf: "eth0".into(), driver: "igb".into(), vf: 3, source }
    }

    #[test]
    fn what_a_driver_refuses_is_named_and_what_to_do_about_it() {
        let rate = refused("rate", Errno::INVAL);
        assert_eq!(rate.to_string(), "The driver igb of eth0 refuses `rate` for VF 3");
        assert!(rate.hint().is_some_and(|hint| hint.contains("must fit the speed of the cable")));
        let state = refused("state", Errno::OPNOTSUPP).hint();
        assert_eq!(state.as_deref(), Some("igb has no such setting: take `state` out of the lab file"));
        assert!(refused("vlan", Errno::IO).hint().is_some_and(|hint| hint.contains("dmesg")));
        assert_eq!(GiveError::NoDevice("x".into()).hint(), None);
    }
}
