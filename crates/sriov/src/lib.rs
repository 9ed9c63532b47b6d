//! SR-IOV: one physical function (PF) of a network card shows virtual functions (VFs), each a PCI device of its own.
//!
//! ```text
//! bytes of a configuration space --config--> what a function is          pure
//! PFs, claims, wishes            --assign--> who gets which VF, or why not pure
//! wished attributes              --settings--> netlink settings in order   pure
//! /sys                           --sysfs--> PFs and VFs; number of VFs; drivers
//! rtnetlink                      --give-->  attributes set and read back, a device moved to a namespace and home
//! vfio                          --attempt--> whether a guest could be given one
//! files                          --claims--> who has which VF, and what it was before
//! ```
//!
//! Two rules hold everywhere: the number of a PF's VFs is never changed while one is in use, and VFs that somebody else
//! made are never touched.

pub mod address;
pub mod assign;
pub mod attempt;
pub mod claims;
pub mod config;
pub mod give;
pub mod settings;
pub mod sysfs;

pub use address::Address;
pub use assign::{Assignment, Refusal, Seat, Want, assign};
pub use claims::{Claim, Claims};
pub use config::ConfigSpace;
pub use settings::Attributes;
pub use sysfs::{PhysicalFunction, Sysfs, VirtualFunction};
