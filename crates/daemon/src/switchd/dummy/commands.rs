//! `netdev-dummy/*` and `time/*`.

use std::sync::Arc;

use netloom_sys::clock;

use super::flow;
use crate::ovs::unixctl::{Answer, Commands};
use crate::switchd::plant::Plant;
use crate::switchd::work::{Shared, lock};

/// As many frames as somebody likes to have received at once.
const MANY: usize = 256;
/// Most steps of one warp.
const STEPS: u64 = 100_000;
/// Looks whether a device has been read, before it is given up: it is none that a worker has.
const LOOKS: u32 = 10_000;

/// Registers all commands.
pub(in crate::switchd) fn register(commands: &mut Commands, plant: &Shared) {
    let held = Arc::clone(plant);
    commands.add("netdev-dummy/receive", "name packet|flow...", 2..=MANY, move |words| {
        receive(&lock(&held), words)
    });
    let held = Arc::clone(plant);
    commands.add("netdev-dummy/set-admin-state", "[netdev] up|down", 1..=2, move |words| {
        set_state(&mut lock(&held), words)
    });
    commands.add("time/stop", "", 0..=0, |_| {
        clock::stop();
        Ok(String::new())
    });
    let held = Arc::clone(plant);
    commands.add("time/warp", "[large_msecs] msecs", 1..=2, move |words| warp(&lock(&held), words));
}

/// When it returns, the frames have gone where they go.
fn receive(plant: &Plant, words: &[String]) -> Answer {
    let Some((name, frames)) = words.split_first() else { return Err("no such device".to_owned()) };
    let device = plant.dummies.named(name).ok_or_else(|| "no such dummy netdev".to_owned())?;
    let mut frames = frames.iter();
    let mut all = Vec::new();
    while let Some(text) = frames.next() {
        if text == "--len" {
            let length = frames.next().and_then(|text| text.parse::<usize>().ok());
            let length = length.filter(|length| *length <= 65_535).ok_or("bad length")?;
            let last: &mut Vec<u8> = all.last_mut().ok_or("--len stands behind a flow")?;
            last.resize(length.max(last.len()), 0);
            continue;
        }
        all.push(flow::frame(text)?);
    }
    for frame in all {
        if !device.receive(frame) {
            return Err("too many frames wait".to_owned());
        }
    }
    for _ in 0..LOOKS {
        // A worker reads its mail after it has carried out what it read from devices.
        let was_idle = device.is_idle();
        plant.core.settle();
        if was_idle {
            return Ok(String::new());
        }
    }
    Err("the device is not read".to_owned())
}

fn set_state(plant: &mut Plant, words: &[String]) -> Answer {
    let (name, state) = match words {
        [state] => (None, state),
        [name, state] => (Some(name.as_str()), state),
        _ => return Err("Invalid Admin State".to_owned()),
    };
    let up = match state.as_str() {
        "up" => true,
        "down" => false,
        _ => return Err("Invalid Admin State".to_owned()),
    };
    if !plant.set_dummy(name, up) && name.is_some() {
        return Err("Unknown Dummy Interface".to_owned());
    }
    plant.core.settle();
    Ok("OK".to_owned())
}

/// One step of so many milliseconds; with two numbers, the first in steps of the second.
fn warp(plant: &Plant, words: &[String]) -> Answer {
    let number = |word: &String| word.parse::<u64>().ok().filter(|number| *number > 0);
    let (whole, step) = match words {
        [step] => (number(step), number(step)),
        [whole, step] => (number(whole), number(step)),
        _ => (None, None),
    };
    let (Some(mut left), Some(step)) = (whole, step) else { return Err("invalid MSECS".to_owned()) };
    if left / step > STEPS {
        return Err(format!("more than {STEPS} steps"));
    }
    while left > 0 {
        let now = left.min(step);
        left -= now;
        clock::warp(now.saturating_mul(1_000_000));
        plant.core.catch_up();
    }
    Ok("warped".to_owned())
}
