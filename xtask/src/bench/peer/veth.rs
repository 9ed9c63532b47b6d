//! One veth pair between two hosts.

use super::{Bed, Rest};
use crate::bench::shell::Netns;
use crate::run::Failed;

pub(super) fn up() -> Result<Bed, Failed> {
    let hosts = [Netns::make("h1")?, Netns::make("h2")?];
    hosts[0].ip(&format!("link add eth0 type veth peer name eth0 netns {}", hosts[1].name))?;
    super::address(&hosts, "eth0")?;
    Ok(Bed { hosts, switch: Vec::new(), rest: Rest::Nothing })
}
