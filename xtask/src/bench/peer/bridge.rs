//! A Linux bridge with veth pairs; the bridge's packet filter hooks are off.

use super::{Bed, Rest};
use crate::bench::shell::Netns;
use crate::run::Failed;

pub(super) fn up() -> Result<Bed, Failed> {
    let hosts = [Netns::make("h1")?, Netns::make("h2")?];
    let switch = Netns::make("sw")?;
    // Absent where the bridge netfilter module is: then there is nothing to switch off.
    let _ = switch.command("sysctl").args(["-qw", "net.bridge.bridge-nf-call-iptables=0"]).output();
    let _ = switch.command("sysctl").args(["-qw", "net.bridge.bridge-nf-call-ip6tables=0"]).output();
    let _ = switch.command("sysctl").args(["-qw", "net.bridge.bridge-nf-call-arptables=0"]).output();
    switch.ip("link add br0 type bridge stp_state 0 forward_delay 0")?;
    switch.ip("link set br0 up")?;
    for (host, n) in hosts.iter().zip(1..) {
        super::join(&switch, host, n)?;
        switch.ip(&format!("link set port{n} master br0"))?;
    }
    super::address(&hosts, "eth0")?;
    Ok(Bed { hosts, switch: Vec::new(), rest: Rest::Netns { _switch: switch } })
}
