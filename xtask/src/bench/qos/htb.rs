//! The kernel's HTB on one end of a veth pair, from 10.0.0.1 to 10.0.0.2, with its own defaults.

use super::bed::QUEUES;
use crate::bench::peer::{Bed, Peer};
use crate::bench::shell;
use crate::run::Failed;

/// A class: as [`super::bed`] has queues.
#[derive(Debug, Clone, Copy)]
pub(super) struct Class {
    /// TCP and UDP to [`QUEUES`] and this; 0 has what is left.
    pub(super) number: u16,
    /// Guaranteed, in Mbit/s.
    pub(super) rate: u32,
    pub(super) priority: u8,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Htb {
    pub(super) bed: Bed,
    classes: Vec<Class>,
}

impl Htb {
    /// Brings it up with a rate of all classes together, in Mbit/s.
    pub(super) fn up(mbit: u32, classes: &[Class]) -> Result<Self, Failed> {
        let bed = Peer::Veth.up()?;
        let tc = |line: &str| shell::sh(&format!("tc -n {} {line}", bed.hosts[0].name)).map(drop);
        tc("qdisc add dev eth0 root handle 1: htb default 10")?;
        tc(&format!("class add dev eth0 parent 1: classid 1:1 htb rate {mbit}mbit ceil {mbit}mbit"))?;
        for Class { number, rate, priority } in classes {
            tc(&format!(
                "class add dev eth0 parent 1:1 classid 1:{} htb rate {rate}mbit ceil {mbit}mbit prio {priority}",
                10 + number
            ))?;
            if *number > 0 {
                let (port, class) = (QUEUES + number, 10 + number);
                tc(&format!(
                    "filter add dev eth0 parent 1: protocol ip prio 1 u32 match ip dport {port} 0xffff flowid 1:{class}"
                ))?;
            }
        }
        Ok(Self { bed, classes: classes.to_vec() })
    }

    /// Bytes sent by each class.
    pub(super) fn sent(&self) -> Result<Vec<f64>, Failed> {
        let text = shell::sh(&format!("tc -n {} -s class show dev eth0", self.bed.hosts[0].name))?;
        Ok(self.classes.iter().map(|class| sent(&text, class.number)).collect())
    }
}

/// `class htb 1:11 parent ..`, and in the next line ` Sent 1514 bytes 1 pkt ..`.
fn sent(text: &str, number: u16) -> f64 {
    let head = format!("class htb 1:{} ", 10 + number);
    let next = text.lines().skip_while(|line| !line.starts_with(&head)).nth(1);
    next.and_then(|line| line.split_whitespace().nth(1)).and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
