//! What `ovs-appctl` can ask.
//!
//! Texts are those of OVS, because scripts read them. A command that would have nothing true to say is not there.
//!
//! Source: ovs-vswitchd(8), "RUNTIME MANAGEMENT COMMANDS".

mod absent;
mod connections;
mod counters;
mod datapath;
mod flows;
mod macs;
mod megaflows;
mod routes;
mod trace;

use std::sync::Arc;

use tokio::sync::Notify;

use super::plant::Plant;
use super::work::{Shared, lock};
use crate::ovs::unixctl::{Answer, Commands};

/// As many words as somebody likes.
const MANY: usize = 64;

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
    add("dpctl/dump-conntrack", "[-m] [-s] [dp] [zone=N]", 0..=4, connections::dump);
    add("dpctl/flush-conntrack", "[dp] [zone=N] [ct-orig-tuple] [ct-reply-tuple]", 0..=4, connections::flush);
    add("dpctl/ct-stats-show", "[dp] [zone=N]", 0..=3, connections::statistics);
    add("dpctl/ct-get-maxconns", "[dp]", 0..=1, connections::most);
    add("dpctl/ct-get-limits", "[dp] [zone=N1[,N2]...]", 0..=MANY, connections::limits);
    add("dpctl/ct-set-limits", "[dp] [zone=N,limit=L]...", 1..=MANY, connections::set_limits);
    add("dpctl/ct-del-limits", "[dp] zone=N1[,N2]...", 1..=2, connections::delete_limits);
    add("dpctl/dump-flows", "[-m] [--names] [dp] [filter=..] [type=..]", 0..=6, megaflows::dump);
    add("dpctl/del-flows", "[dp]", 0..=1, megaflows::forget);
    add("dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1..=MANY, megaflows::dump_of_bridge);
    add("upcall/show", "", 0..=0, megaflows::show);
    add("revalidator/wait", "", 0..=0, megaflows::wait);
    add("revalidator/purge", "", 0..=0, megaflows::forget);
    add("ovs/route/show", "", 0..=0, routes::show);
    add("ovs/route/lookup", "ip_addr", 1..=1, routes::lookup);
    add("tnl/arp/show", "", 0..=0, routes::neighbours);
    add("tnl/neigh/show", "", 0..=0, routes::neighbours);
    add("tnl/ports/show", "", 0..=0, routes::listening);
    add("bond/list", "", 0..=0, absent::bonds);
    add("mdb/show", "bridge", 1..=1, absent::groups);
    add("mdb/flush", "[bridge]", 0..=1, absent::forget_groups);
    add("dpctl/ct-get-nconns", "[dp]", 0..=1, connections::count);
    add("ofproto/list", "", 0..=0, flows::list);
    add("ofproto/trace", "bridge br_flow", 1..=2, trace::trace);
    add("bridge/dump-flows", "[--offload-stats] bridge", 1..=2, flows::dump);
    add("bridge/reconnect", "[bridge]", 0..=1, flows::reconnect);
    add("coverage/show", "", 0..=0, counters::show);
    add("coverage/read-counter", "counter", 1..=1, counters::read);
    add("memory/show", "", 0..=0, counters::memory);
    for (name, usage, no_such) in absent::KINDS {
        commands.add(name, usage, 0..=1, move |words| absent::none(words, no_such));
    }
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
