//! Control groups: what a node may use of the machine, and who all belongs to it.
//!
//! ```text
//! version 2   one tree, all controllers             /sys/fs/cgroup/<path>
//! version 1   a tree per controller                 /sys/fs/cgroup/<controller>/<path>
//! hybrid      version 1, and an (almost) empty 2    /sys/fs/cgroup/unified/<path> beside them
//! ```
//! Which of them a machine has is read from its mounts, never guessed ([`Hierarchies`]). Groups are made below the group that
//! the calling process is in, so that what holds for it holds for them too; version 2 lets no group with processes have
//! groups below that are limited, and so there it is the nearest one above without any ([`Ground`]). A [`Cgroup`] hides the
//! difference: made, joined and removed in every tree it needs.
//!
//! A process enters a group by itself ([`join`]), or, one of ours that runs already, is taken in; none of others is moved, and
//! no group is touched that was not made here. One exception: version 2 hands controllers down level by level, so the group
//! above ours is asked to hand down those it has.
//!
//! Entering is not free: the kernel stops all forks of the machine for it, and waits for its other processors to notice. It
//! took 6 to 18 ms on an idle machine (Linux 6.18, two processors), much less in a row.
//!
//! Source: cgroups(7); Linux `Documentation/admin-guide/cgroup-v1`, `cgroup-v2.rst`.

mod ground;
mod group;
mod hierarchy;

pub use ground::{Ground, Grounds};
pub use group::{Cgroup, join, remove_tree};
pub use hierarchy::{Controller, Hierarchies, Tree, Version};
