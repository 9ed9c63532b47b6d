//! Quality of service: a hierarchical scheduler for what leaves, and policers for what enters: by one port, and by all of a tenant.
//!
//! ```text
//! enqueue(class) -> [ queue ] class 1: min, max, priority --+
//!                   [ queue ] class 2 ----------------------+-- root: max --> dequeue(now)
//!                   [ queue ] class 3: parent 4 -- class 4 -+
//! ```
//!
//! The model is that of OVS's `linux-htb` (and Linux's `sch_htb` behind it), which a QoS record and its Queue records
//! describe: every class gets its `min-rate` first; what the root has left goes by priority, and among equals by
//! quantum; no class gets more than its `max-rate`. Differences, both where HTB is loose: the maximum of *every* class
//! above holds, also where guarantees add up to more, and a class without a `min-rate` has no guarantee at all rather
//! than a small one. Who comes first by priority does not wait for the debt of what was left over to those behind.
//!
//! All of it is integer arithmetic on tokens of a bit and a nanosecond ([`Bucket`]), so rates are met to the last bit;
//! a super-packet counts as what it is on the wire. It has no clock and no timer: [`Scheduler::next`] says when to
//! come again. A dequeue costs a look at each class; there are as many as a port has queues.
//!
//! Source: ovs-vswitchd.conf.db(5), tables QoS and Queue; `tc-htb(8)`; Shreedhar and Varghese, "Efficient fair queuing
//! using deficit round robin" (1996).

mod bucket;
mod class;
mod policer;
mod scheduler;
mod shared;

pub use bucket::Bucket;
pub use class::{ClassCounters, ClassSettings};
pub use policer::{Policer, PolicerSettings};
pub use scheduler::{ClassId, Scheduler};
pub use shared::{SharedCounters, SharedPolicer};
