//! The lab as rows of an OVSDB database, for who looks: `ovs-vsctl show` and whatever else reads such a database.
//!
//! ```text
//! db.sock ── door.rs: a thread that sleeps until somebody calls ──► ovsdb_server::View, in memory
//!                                                                        ▲
//! lab, switch model, counters ── shown.rs: rows ── written.rs: what differs, once a second while somebody is there
//! ```
//!
//! A lab that nobody looks at so has a socket and a sleeping thread more, and no database. What the rows say is what the lab
//! file and its commands have made. What clients write is first made so in the lab (`asked.rs`), and refused where that is
//! nothing that a lab can be told so.

mod asked;
mod door;
mod shown;
mod vlan;
mod written;

pub(super) use door::Rows;
