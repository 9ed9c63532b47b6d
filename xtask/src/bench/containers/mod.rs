//! Containers beside Debian's `runc`, and `crun` where it runs: from the request to the entrypoint running; many of one
//! image; and the column of containers in the table that compares them with virtual machines.
//!
//! All of them have the same root file system, a directory with busybox. `runc` and `crun` use it as it is, without an
//! overlay on top and without a filter of system calls: what they are spared is theirs.

mod bed;
mod beside;
mod machine;
mod many;
mod oci;
mod starts;

use crate::run::Failed;

/// Runs all three.
///
/// # Errors
/// [`Failed`] if a container cannot be started.
pub(super) fn run(peers_only: bool, rounds: usize, quick: bool, seconds: f64) -> Result<(), Failed> {
    let bed = bed::Bed::make()?;
    let start = starts::run(&bed, peers_only, rounds, if quick { 3 } else { 7 })?;
    if peers_only {
        return Ok(());
    }
    let each = many::run(&bed, 200)?;
    beside::run(&bed, start, &each, seconds)
}
