//! Whether a virtual machine could be given a VF of a card: one is made, handed to vfio-pci, opened as QEMU opens it, and
//! everything is put back. What was done stands in a claim; one that was interrupted is put back by the next.

use netloom_sys::vfio::Function;
use netloom_sys::{Errno, HostError};

use crate::assign::Taken;
use crate::give::{self, GiveError};
use crate::{Address, Assignment, Attributes, Claim, Claims, Refusal, Seat, Sysfs, Want, assign};

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The VF.
    pub address: Address,
    /// Its IOMMU group.
    pub group: u32,
    /// Its configuration space.
    pub config: Vec<u8>,
    /// Bytes of the first base address register.
    pub bar: u64,
    /// The first 32 bits there.
    pub word: u32,
}

/// It cannot be.
#[derive(Debug, thiserror::Error)]
pub enum AttemptError {
    /// There is no VF to be had.
    #[error("{0}")]
    Refused(Refusal),
    /// The IOMMU is off, or does not take the VF.
    #[error("The IOMMU is off: nothing holds a guest's card to the guest's memory")]
    NoIommu,
    /// Others are in its group.
    #[error("{vf} shares its IOMMU group with {}", others.join(", "))]
    Shared {
        /// The VF.
        vf: Address,
        /// Who.
        others: Vec<String>,
    },
    /// A step failed.
    #[error(transparent)]
    Give(#[from] GiveError),
    /// It could not be noted.
    #[error("Cannot note whose the virtual function is")]
    Note(#[source] std::io::Error),
}

impl From<HostError> for AttemptError {
    fn from(error: HostError) -> Self {
        Self::Give(error.into())
    }
}

/// Whose claims of attempts are: no lab can be called so.
const NOBODY: &str = ".try";

/// Tries it with a card, by network device or address.
///
/// # Errors
/// What is missing; everything is as it was, but for what an error of putting back names.
pub fn attempt(sysfs: &Sysfs, claims: &Claims, pf: &str, boot: &str) -> Result<Seen, AttemptError> {
    if !sysfs.has_iommu() {
        return Err(AttemptError::NoIommu);
    }
    if !sysfs.has_driver(give::VFIO) {
        return Err(HostError::new("find the driver", give::VFIO, Errno::NOENT).into());
    }
    let found = sysfs.find(pf)?;
    let lock = found.as_ref().map(|pf| sysfs.lock(pf.address)).transpose()?;
    for stale in claims.list().into_iter().filter(|claim| claim.lab == NOBODY) {
        give::restore(sysfs, claims, &stale)?;
        give::finish(sysfs, claims, stale.seat.pf)?;
    }
    let seat = seat(sysfs, claims, pf, boot)?;
    let mut claim = Claim {
        lab: NOBODY.to_owned(),
        holder: "vf try".to_owned(),
        boot: boot.to_owned(),
        seat,
        former: None,
    };
    let seen = begin(sysfs, claims, &claim).and_then(|()| look(sysfs, claims, &mut claim));
    let back = give::restore(sysfs, claims, &claim).and_then(|()| give::finish(sysfs, claims, seat.pf));
    drop(lock);
    let seen = seen?;
    back?;
    Ok(seen)
}

fn seat(sysfs: &Sysfs, claims: &Claims, pf: &str, boot: &str) -> Result<Seat, AttemptError> {
    let want = Want { holder: NOBODY.to_owned(), pf: pf.to_owned(), has: None };
    let held = claims.list().into_iter().filter(|claim| claim.boot == boot);
    let seats = held.map(|claim| (claim.seat, format!("{} of lab {}", claim.holder, claim.lab))).collect();
    let taken = Taken { seats, made: claims.all_made() };
    let plain = |name: &str| sysfs.driver_of_netdev(name);
    let assigned = assign(&sysfs.physical_functions()?, &taken, &[want], &plain);
    let Assignment { seats, numbers } = assigned.map_err(|(_, why)| AttemptError::Refused(why))?;
    if let Some((pf, number)) = numbers.into_iter().next() {
        claims.set_made(pf, number).map_err(AttemptError::Note)?;
    }
    let seat = seats.into_values().next();
    seat.ok_or_else(|| HostError::new("find a virtual function of", pf, Errno::NODEV).into())
}

fn begin(sysfs: &Sysfs, claims: &Claims, claim: &Claim) -> Result<(), AttemptError> {
    claims.write(claim).map_err(AttemptError::Note)?;
    match claims.made(claim.seat.pf) {
        Some(number) => Ok(sysfs.set_number(claim.seat.pf, number)?),
        None => Ok(()),
    }
}

fn look(sysfs: &Sysfs, claims: &Claims, claim: &mut Claim) -> Result<Seen, AttemptError> {
    give::ready(sysfs, claims, claim, &Attributes::default())?;
    let vf = sysfs.virtual_function(claim.seat.pf, claim.seat.index);
    let gone =
        || HostError::new("find", format!("VF {} of {}", claim.seat.index, claim.seat.pf), Errno::NODEV);
    let vf = vf.ok_or_else(gone)?;
    let others = sysfs.companions(vf.address);
    if !others.is_empty() {
        let others = others.iter().map(Address::to_string).collect();
        return Err(AttemptError::Shared { vf: vf.address, others });
    }
    let group = vf.iommu_group.ok_or(AttemptError::NoIommu)?;
    let address = give::hand_over(sysfs, claim.seat)?;
    let function = Function::open(&address.to_string(), group)?;
    let config = function.config()?;
    let bar = function.region(0)?;
    Ok(Seen { address, group, config, bar: bar.size, word: function.first_word(&bar)? })
}
