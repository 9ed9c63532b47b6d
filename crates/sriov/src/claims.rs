//! Who has which VF, in files of a folder that all labs of a user share: so that labs do not take each other's, and so that
//! what a killed one had can be put back.
//!
//! | file | says |
//! |---|---|
//! | `0000:01:00.0.vf3` | a [`Claim`]: this VF is a lab's, and what it was before |
//! | `0000:01:00.0.made` | netloom made this PF's VFs, and how many |
//!
//! A file is written beside its place and then put there, so that it is whole or not there.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netloom_sys::netlink::{Vf, VfState};
use serde::{Deserialize, Serialize};

use crate::{Address, Seat};

/// The folder.
#[derive(Debug, Clone)]
pub struct Claims {
    folder: PathBuf,
}

/// A VF that a lab has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// The lab.
    pub lab: String,
    /// The node and its interface: `red/web:eth0`.
    pub holder: String,
    /// The boot of the machine: after the next one nothing is left of it.
    pub boot: String,
    /// The VF.
    pub seat: Seat,
    /// What it was before anything was set; `None`: nothing has been.
    pub former: Option<Former>,
}

/// A VF as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Former {
    /// Its address, as it was set.
    pub mac: [u8; 6],
    /// VLAN and priority.
    pub vlan: (u16, u8),
    /// Whether it was held to its address.
    pub spoof_check: bool,
    /// Whether it was trusted.
    pub trust: bool,
    /// Least and most, in Mbit/s.
    pub rate: (u32, u32),
    /// 0 as the PF, 1 always up, 2 always down.
    pub state: u8,
    /// Of its network device.
    pub device: Device,
    /// Its representor, if the switch inside its card shows one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub representor: Option<Representor>,
}

/// A VF's representor as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Representor {
    /// Its name.
    pub name: String,
    /// It was up.
    pub up: bool,
}

/// A VF's network device as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// The address it had itself, whatever was set for it.
    pub mac: Option<[u8; 6]>,
    /// Bytes of layer 3.
    pub mtu: u32,
    /// It was up.
    pub up: bool,
    /// Its driver; empty: it had none.
    pub driver: String,
}

impl Former {
    /// A VF as it is now.
    #[must_use]
    pub fn of(device: Device, vf: &Vf) -> Self {
        Self {
            device,
            representor: None,
            mac: vf.mac,
            vlan: (vf.vlan, vf.vlan_priority),
            spoof_check: vf.spoof_check,
            trust: vf.trust,
            rate: (vf.min_rate, vf.max_rate),
            state: match vf.state {
                VfState::Auto => 0,
                VfState::Enable => 1,
                VfState::Disable => 2,
            },
        }
    }

    /// In the words of netlink.
    #[must_use]
    pub fn vf(&self, index: u16) -> Vf {
        Vf {
            index: u32::from(index),
            mac: self.mac,
            vlan: self.vlan.0,
            vlan_priority: self.vlan.1,
            spoof_check: self.spoof_check,
            trust: self.trust,
            min_rate: self.rate.0,
            max_rate: self.rate.1,
            state: match self.state {
                1 => VfState::Enable,
                2 => VfState::Disable,
                _ => VfState::Auto,
            },
        }
    }
}

impl Claims {
    /// Those in `folder`, which need not be there.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file of a VF.
    #[must_use]
    pub fn path(&self, seat: Seat) -> PathBuf {
        self.folder.join(format!("{}.vf{}", seat.pf, seat.index))
    }

    /// All claims, by VF. A file that cannot be read is no claim of anybody's.
    #[must_use]
    pub fn list(&self) -> Vec<Claim> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut found: Vec<Claim> = entries.filter_map(|entry| self.at_path(&entry.path())).collect();
        found.sort_by_key(|claim| claim.seat);
        found
    }

    /// The claim in the file at `path`, if it is one of this folder's.
    #[must_use]
    pub fn at_path(&self, path: &Path) -> Option<Claim> {
        let claim = read(path)?;
        (self.path(claim.seat) == path).then_some(claim)
    }

    /// The VF whose file is at `path`, if that is one of this folder's.
    #[must_use]
    pub fn seat_of(&self, path: &Path) -> Option<Seat> {
        let (pf, index) = path.file_name()?.to_str()?.rsplit_once(".vf")?;
        let seat = Seat { pf: pf.parse().ok()?, index: index.parse().ok()? };
        (self.path(seat) == path).then_some(seat)
    }

    /// Writes a claim.
    ///
    /// # Errors
    /// The host's.
    pub fn write(&self, claim: &Claim) -> io::Result<()> {
        put(&self.folder, &self.path(claim.seat), &serde_json::to_string(claim)?)
    }

    /// Takes a claim away.
    ///
    /// # Errors
    /// The host's.
    pub fn remove(&self, seat: Seat) -> io::Result<()> {
        take(&self.path(seat))
    }

    /// How many VFs netloom made of a PF, if it did.
    #[must_use]
    pub fn made(&self, pf: Address) -> Option<u16> {
        fs::read_to_string(self.made_path(pf)).ok()?.trim().parse().ok()
    }

    /// The PFs that netloom made VFs of, and how many.
    #[must_use]
    pub fn all_made(&self) -> BTreeMap<Address, u16> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let pfs = names.filter_map(|name| name.strip_suffix(".made")?.parse().ok());
        pfs.filter_map(|pf| Some((pf, self.made(pf)?))).collect()
    }

    /// Notes how many it makes.
    ///
    /// # Errors
    /// The host's.
    pub fn set_made(&self, pf: Address, number: u16) -> io::Result<()> {
        put(&self.folder, &self.made_path(pf), &number.to_string())
    }

    /// Notes that it has made none.
    ///
    /// # Errors
    /// The host's.
    pub fn remove_made(&self, pf: Address) -> io::Result<()> {
        take(&self.made_path(pf))
    }

    /// Removes the folder if nothing is in it.
    pub fn tidy(&self) {
        let _ = fs::remove_dir(&self.folder);
    }

    fn made_path(&self, pf: Address) -> PathBuf {
        self.folder.join(format!("{pf}.made"))
    }
}

fn read(path: &Path) -> Option<Claim> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

fn put(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(&beside, path)
}

fn take(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_read_as_they_were_written_and_others_files_are_none() {
        let place = tempfile::tempdir().unwrap();
        let claims = Claims::at(place.path().join("functions"));
        assert!(claims.list().is_empty());
        let pf: Address = "0000:01:00.0".parse().unwrap();
        let vf = Vf {
            mac: [2; 6],
            vlan: 7,
            spoof_check: true,
            max_rate: 9,
            state: VfState::Disable,
            ..Vf::default()
        };
        let claim = |index| Claim {
            lab: "shop".into(),
            holder: format!("h{index}:eth0"),
            boot: "b".into(),
            seat: Seat { pf, index },
            former: Some(Former::of(
                Device { name: "eth1".into(), ..Device::default() },
                &Vf { index: u32::from(index), ..vf },
            )),
        };
        claims.write(&claim(10)).unwrap();
        claims.write(&claim(2)).unwrap();
        claims.set_made(pf, 11).unwrap();
        fs::write(place.path().join("functions/0000:01:00.0.vf3"), "{\"lab\":").unwrap();
        fs::write(place.path().join("functions/copy"), serde_json::to_string(&claim(2)).unwrap()).unwrap();
        assert_eq!(claims.at_path(&place.path().join("functions/copy")), None);
        assert_eq!(claims.list(), [claim(2), claim(10)]);
        assert_eq!(claims.at_path(&claims.path(claim(2).seat)), Some(claim(2)));
        assert_eq!(claim(2).former.unwrap().vf(2), Vf { index: 2, ..vf });
        assert_eq!(claims.all_made(), [(pf, 11)].into());
        claims.remove(claim(2).seat).unwrap();
        claims.remove(claim(2).seat).unwrap();
        claims.remove_made(pf).unwrap();
        assert_eq!((claims.at_path(&claims.path(claim(2).seat)), claims.made(pf)), (None, None));
    }
}
