//! A meter of Open vSwitch's userspace datapath, from 10.0.0.1 to 10.0.0.2.

use serde_json::Value;

use crate::bench::peer::{Bed, Peer};
use crate::run::Failed;

/// See the module.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) bed: Bed,
}

impl Meter {
    /// Brings it up with a rate in Mbit/s, and the burst that our policers have: half a second.
    pub(super) fn up(mbit: u32) -> Result<Self, Failed> {
        let bed = Peer::Ovs.up()?;
        let kbit = mbit * 1000;
        let burst = kbit / 2;
        bed.ofctl(&format!(
            "-O OpenFlow13 add-meter br0 meter=1,kbps,burst,stats,bands=type=drop,rate={kbit},burst_size={burst}"
        ))?;
        bed.ofctl("-O OpenFlow13 add-flow br0 in_port=1,actions=meter:1,normal")?;
        Ok(Self { bed })
    }

    /// Bytes that the other host has received, L2.
    pub(super) fn passed(&self) -> Result<Vec<f64>, Failed> {
        let text = self.bed.hosts[1].ip("-s -j link show eth0")?;
        let links: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok(vec![links.pointer("/0/stats64/rx/bytes").and_then(Value::as_f64).unwrap_or(0.0)])
    }
}
