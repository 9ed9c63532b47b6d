//! Flow tables at scale, netloom beside Open vSwitch: the same bytes through the same kind of socket.

mod bed;
mod client;
mod established;
mod explosion;
mod flow_mods;
mod generator;
mod latest;
mod lookup;
mod misses;
mod reactive;
mod rules;
mod wire;

use crate::run::Failed;

/// Runs all of it, or the parts that are `wanted`.
///
/// # Errors
/// [`Failed`] if a switch cannot be set up, or refuses something.
pub(super) fn run(rounds: usize, quick: bool, wanted: impl Fn(&str) -> bool) -> Result<(), Failed> {
    if wanted("flow-mods") {
        flow_mods::run(rounds, if quick { 20_000 } else { 100_000 })?;
    }
    if wanted("latest") {
        latest::run(if quick { 20_000 } else { 100_000 })?;
    }
    if wanted("reactive") {
        reactive::run(rounds, if quick { 10_000 } else { 50_000 })?;
    }
    if wanted("misses") {
        misses::run(rounds, quick)?;
    }
    for set in lookup::SETS {
        if wanted("lookup") || wanted(set.group) {
            lookup::run(set, rounds, quick)?;
        }
    }
    if wanted("established") {
        established::run(rounds)?;
    }
    if wanted("explosion") {
        explosion::run(rounds)?;
    }
    Ok(())
}
