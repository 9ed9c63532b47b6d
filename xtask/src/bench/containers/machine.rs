//! A virtual machine of the same kind: how long until a program runs in it, and what it costs.

use crate::bench::peer::{Lab, program};
use crate::bench::{now, report, scale, wait};
use crate::packages;
use crate::run::Failed;

/// What one machine takes.
pub(super) struct Machine {
    /// Seconds from the request to a program that has run in it.
    pub(super) start: f64,
    /// KiB of the machine around it.
    pub(super) memory: f64,
    /// How its processor is made.
    pub(super) by: &'static str,
}

/// How often one is booted.
const BOOTS: usize = 3;
const TEXT: &str =
    "netloom: 1\nname: guest\nswitches: { s1: {} }\nnodes: { vm1: { vm: {} } }\nlinks: [vm1 -- s1]\n";

/// Boots machines one after the other; `None`, said aloud, where QEMU or a kernel is missing.
///
/// # Errors
/// [`Failed`] if one that should boot does not.
pub(super) fn measure() -> Result<Option<Machine>, Failed> {
    let needed = [
        ("qemu-system-x86_64", "qemu-system-x86"),
        ("/boot/vmlinuz-*-cloud-amd64", "linux-image-cloud-amd64"),
    ];
    if let Some((_, package)) = needed.into_iter().find(|(program, _)| !packages::has(program)) {
        eprintln!("virtual machines: not measured, {package} is missing");
        return Ok(None);
    }
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..BOOTS {
        let before = scale::settled();
        let start = now();
        let lab = Lab::up("guest", TEXT)?;
        // It waits until the guest is there.
        lab.verb(&["exec", "-T", "vm1", "--", "true"])?;
        starts.push(start.elapsed().as_secs_f64());
        wait(scale::CLEARED);
        memory.push(before - scale::available());
    }
    let middle = |values: &[f64]| report::median(values).unwrap_or_default();
    let by = if check()?.contains("virtual machines are emulated") { "emulated" } else { "by KVM" };
    Ok(Some(Machine { start: middle(&starts), memory: middle(&memory), by }))
}

/// What netloom says of this machine; that something is lacking is no failure.
fn check() -> Result<String, Failed> {
    let done = std::process::Command::new(program()).arg("check").output();
    let done = done.map_err(|source| Failed::Start { program: "netloom".to_owned(), source })?;
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
