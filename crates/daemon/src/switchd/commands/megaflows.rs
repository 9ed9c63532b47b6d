//! Cached flows: `dpctl/dump-flows`, `dpif/dump-flows`, `upcall/*`, `revalidator/*`.
//!
//! All bridges share a datapath, and each worker has a cache of its own. There is nobody who revalidates: a cached flow
//! is looked at when it is hit after something has changed, so "wait until all is revalidated" is to wait for the workers.

use std::fmt::Write as _;

use netloom_datapath::CachedFlow;
use netloom_flow::text::datapath;
use netloom_flow::text::no_names;
use netloom_flow::{FLOW_WORDS, FlowKey, FlowMask, FlowMatch, Nanos, PortId, parse_filter, word};

use super::{datapath_type, no_such_bridge};
use crate::ovs::unixctl::Answer;
use crate::slowpath;
use crate::switchd::plant::Plant;

/// How flows are shown, and which.
#[derive(Default)]
struct Wish {
    /// Everything of each: its name, fields that do not matter.
    is_whole: bool,
    /// Ports by their names.
    by_name: bool,
    /// Only those that packets of this description may meet.
    filter: Option<FlowMatch>,
    /// Only those that hardware carries: there are none.
    only_offloaded: bool,
    /// What is no option.
    rest: Vec<String>,
}

impl Wish {
    fn read(words: &[String]) -> Result<Self, String> {
        let mut wish = Self::default();
        for word in words {
            match word.split_once('=') {
                Some(("filter", text)) => {
                    let filter = parse_filter(text, &no_names).map_err(|wrong| wrong.message)?;
                    wish.filter = Some(filter.matches);
                }
                Some(("type", kind)) => match kind {
                    "all" | "ovs" | "non-offloaded" => {}
                    "tc" | "dpdk" | "offloaded" | "partially-offloaded" => wish.only_offloaded = true,
                    _ => {
                        return Err(format!(
                            "ovs-vswitchd: Failed to parse type ({kind}) (Invalid argument)"
                        ));
                    }
                },
                _ => match word.as_str() {
                    "-m" | "--more" => (wish.is_whole, wish.by_name) = (true, true),
                    "--names" => wish.by_name = true,
                    "--no-names" => wish.by_name = false,
                    _ => wish.rest.push(word.clone()),
                },
            }
        }
        Ok(wish)
    }

    fn takes(&self, flow: &CachedFlow) -> bool {
        if self.only_offloaded {
            return false;
        }
        let Some(filter) = &self.filter else { return true };
        let (mut key, mut mask) = (FlowKey([0; FLOW_WORDS]), FlowMask([0; FLOW_WORDS]));
        for at in word::TENANT + 1..flow.key.0.len() {
            (key.0[at], mask.0[at]) = (flow.key.0[at], flow.mask.0[at]);
        }
        filter.overlaps(&FlowMatch::new(key, mask))
    }
}

/// `dpctl/dump-flows`: of the datapath, by worker.
pub(super) fn dump(plant: &mut Plant, words: &[String]) -> Answer {
    let wish = Wish::read(words)?;
    let name = datapath_type(plant);
    if wish.rest.iter().any(|word| word != name && !name.ends_with(&format!("@{word}"))) {
        return Err("ovs-vswitchd: datapath not found (Invalid argument)".to_owned());
    }
    let mut text = String::new();
    for (worker, flows) in plant.core.cached().iter().enumerate() {
        let lines = lines(plant, &wish, flows, |_| true, ", ");
        if !lines.is_empty() {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "flow-dump from worker {worker}:");
        }
        text += &lines;
    }
    Ok(text)
}

/// `dpif/dump-flows`: those that begin at a port of a bridge.
pub(super) fn dump_of_bridge(plant: &mut Plant, words: &[String]) -> Answer {
    let wish = Wish::read(words)?;
    let bridge = plant.desired.bridges.iter().find(|it| wish.rest.last() == Some(&it.name));
    let uuid = bridge.ok_or_else(no_such_bridge)?.uuid;
    let ports: Vec<PortId> =
        plant.standing.values().filter(|it| it.bridge == uuid).map(|it| it.spec.id).collect();
    let all: Vec<CachedFlow> = plant.core.cached().into_iter().flatten().collect();
    Ok(lines(plant, &wish, &all, |port| ports.contains(&port), " "))
}

fn lines(
    plant: &Plant,
    wish: &Wish,
    flows: &[CachedFlow],
    is_wanted: impl Fn(PortId) -> bool,
    behind_name: &str,
) -> String {
    let name = |port: PortId| {
        let known = plant.standing.values().find(|it| it.spec.id == port).filter(|_| wish.by_name);
        known.map_or_else(|| port.0.to_string(), |it| it.name.clone())
    };
    let now = slowpath::now();
    let mut all: Vec<String> = Vec::new();
    for flow in flows.iter().filter(|flow| is_wanted(ingress(flow)) && wish.takes(flow)) {
        let mut line = String::new();
        if wish.is_whole {
            line += &format!("ufid:{}{behind_name}", identity(flow));
        }
        line += &datapath::key(&flow.key, &flow.mask, &name(ingress(flow)), wish.is_whole);
        line += &carried(flow, now);
        if wish.is_whole {
            line += ", dp:ovs";
        }
        let actions = datapath::actions(&flow.translation.actions, (&flow.key, &flow.mask), &name);
        line += &format!(", actions:{actions}\n");
        all.push(line);
    }
    all.sort();
    all.concat()
}

fn ingress(flow: &CachedFlow) -> PortId {
    PortId(u32::try_from(flow.key.0[word::IN_PORT] >> 32).unwrap_or_default())
}

/// `, packets:3, bytes:270, used:0.921s, flags:S.`
fn carried(flow: &CachedFlow, now: Nanos) -> String {
    let hits = flow.translation.hits.read();
    let used = match hits.packets {
        0 => "never".to_owned(),
        _ => {
            let millis = now.since(hits.used).0 / 1_000_000;
            format!("{}.{:03}s", millis / 1_000, millis % 1_000)
        }
    };
    let mut text = format!(", packets:{}, bytes:{}, used:{used}", hits.packets, hits.bytes);
    if hits.tcp_flags != 0 {
        let letters = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'C'].iter().enumerate();
        let seen = letters.filter(|(bit, _)| hits.tcp_flags & 1 << bit != 0).map(|(_, letter)| letter);
        text += ", flags:";
        text.extend(seen);
    }
    text
}

/// A name for a flow: the same as long as its key and mask are (FNV-1a of 128 bits).
fn identity(flow: &CachedFlow) -> String {
    let mut hash = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128;
    for byte in flow.key.0.iter().chain(&flow.mask.0).flat_map(|word| word.to_be_bytes()) {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let digits = format!("{hash:032x}");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

/// `dpctl/del-flows`, `revalidator/purge`
pub(super) fn forget(plant: &mut Plant, words: &[String]) -> Answer {
    let name = datapath_type(plant);
    if words.iter().any(|word| word != name && !name.ends_with(&format!("@{word}"))) {
        return Err("ovs-vswitchd: datapath not found (Invalid argument)".to_owned());
    }
    // What they have carried is not to be lost.
    drop(plant.core.fresh());
    plant.core.forget_cached();
    drop(plant.core.fresh());
    Ok(String::new())
}

/// `revalidator/wait`
pub(super) fn wait(plant: &mut Plant, _: &[String]) -> Answer {
    plant.core.settle();
    drop(plant.core.fresh());
    Ok(String::new())
}

/// `upcall/show`
pub(super) fn show(plant: &mut Plant, _: &[String]) -> Answer {
    let counts: Vec<usize> = plant.core.cached().iter().map(Vec::len).collect();
    let all: usize = counts.iter().sum();
    let mut text = format!("{}:\n  flows         : (current {all})\n\n", datapath_type(plant));
    for (worker, keys) in counts.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {worker}: (keys {keys})");
    }
    Ok(text)
}
