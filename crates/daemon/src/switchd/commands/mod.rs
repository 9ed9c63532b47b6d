//! What `ovs-appctl` can ask.
//!
//! Texts are those of OVS, because scripts read them. A command that would have nothing true to say is not there.
//!
//! Source: ovs-vswitchd(8), "RUNTIME MANAGEMENT COMMANDS".

mod connections;
mod counters;
mod datapath;
mod flows;
mod macs;
mod trace;

use std::sync::Arc;

use tokio::sync::Notify;

use super::plant::Plant;
use super::work::{Shared, lock};
use crate::ovs::unixctl::{Answer, Commands};

/// What is asked of what stands.
type Question = fn(&mut Plant, &[String]) -> Answer;

/// Registers all commands. `exit` ends the process.
pub(super) fn register(commands: &mut Commands, plant: &Shared, exit: &Arc<Notify>) {
    let exit = Arc::clone(exit);
    // Without --cleanup OVS leaves what the kernel has; ours goes with the process either way.
    commands.add("exit", "[--cleanup]", 0..=1, move |_| {
        exit.notify_one();
        Ok(String::new())
    });
    let mut add = |name: &str, usage: &str, words: std::ops::RangeInclusive<usize>, question: Question| {
        let plant = Arc::clone(plant);
        commands.add(name, usage, words, move |words| question(&mut lock(&plant), words));
    };
    add("fdb/show", "bridge", 1..=1, macs::show);
    add("fdb/flush", "[bridge]", 0..=1, macs::flush);
    add("fdb/stats-show", "bridge", 1..=1, macs::stats);
    add("dpif/show", "", 0..=0, datapath::show);
    add("dpif/dump-dps", "", 0..=0, datapath::names);
    add("dpctl/dump-dps", "", 0..=0, datapath::names);
    add("dpctl/show", "[-s] [dp...]", 0..=8, datapath::ports);
    add("dpctl/dump-conntrack", "[dp] [zone=zone]", 0..=2, connections::dump);
    add("dpctl/flush-conntrack", "[dp] [zone=zone]", 0..=2, connections::flush);
    add("dpctl/ct-get-nconns", "[dp]", 0..=1, connections::count);
    add("ofproto/list", "", 0..=0, flows::list);
    add("ofproto/trace", "bridge br_flow", 2..=2, trace::trace);
    add("bridge/dump-flows", "[--offload-stats] bridge", 1..=2, flows::dump);
    add("bridge/reconnect", "[bridge]", 0..=1, flows::reconnect);
    add("coverage/show", "", 0..=0, counters::show);
    add("coverage/read-counter", "counter", 1..=1, counters::read);
    add("memory/show", "", 0..=0, counters::memory);
}

/// OVS's words for a bridge that is not there.
fn no_such_bridge() -> String {
    "no such bridge".to_owned()
}

/// The type of a datapath, by the bridges that are of it: all of ours are one.
fn datapath_type(plant: &Plant) -> &'static str {
    let is_user = plant.desired.bridges.iter().any(|bridge| bridge.datapath_type == "netdev");
    if is_user { "netdev@ovs-netdev" } else { "system@ovs-system" }
}
