//! What of a network has changed while the guest runs: cards that have come get their names and addresses, and routes lead by
//! them. What belonged to a card that is gone has gone with it.

use std::io::Read;

use super::config::GuestChange;
use super::{init, network};

/// Bytes of what is told that are read.
const MOST: u64 = 16 << 20;

/// Does what standard input says, a [`GuestChange`]; returns the exit code.
pub(super) fn run() -> i32 {
    match change() {
        Ok(()) => 0,
        Err(error) => {
            super::say(&error);
            1
        }
    }
}

fn change() -> Result<(), String> {
    let mut text = Vec::new();
    std::io::stdin().take(MOST).read_to_end(&mut text).map_err(|error| error.to_string())?;
    let change: GuestChange = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    network::change(&change.from, &change.to)?;
    init::names_of_others(&change.hosts, change.resolver.as_deref());
    Ok(())
}
