//! One guest: QEMU with an igb behind a root port, an IOMMU, and a serial port whose lines are looked at.

#![allow(clippy::disallowed_methods, reason = "a guest is given so much real time")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::fetch::Ground;
use crate::run::{self, Failed};

/// How long all of it may take where everything is emulated and the machine is shared: some three times what it takes alone.
const PATIENCE: Duration = Duration::from_secs(240);
/// The same where a machine is emulated in the guest.
const NESTED_PATIENCE: Duration = Duration::from_secs(1_200);
/// What the guest has of memory: its initial file system is there three times.
const MEMORY: &str = "768";
const NESTED_MEMORY: &str = "2048";

/// Boots the guest and waits for its verdict.
///
/// # Errors
/// [`Failed::Check`]: the first promise that was not kept, or no verdict in time.
pub(super) fn run(ground: &Ground, initrd: &Path, nested: bool) -> Result<(), Failed> {
    let (memory, patience) = if nested { (NESTED_MEMORY, NESTED_PATIENCE) } else { (MEMORY, PATIENCE) };
    let begun = Instant::now();
    let program = ground.qemu.display().to_string();
    let mut command = run::command(&program, &[]);
    for folder in &ground.firmware {
        command.arg("-L").arg(folder);
    }
    command.args(["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio"]);
    command.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", memory]);
    command.arg("-kernel").arg(&ground.kernel).arg("-initrd").arg(initrd);
    command.args(["-append", "console=ttyS0 quiet panic=-1 intel_iommu=on mitigations=off nokaslr"]);
    command.args(["-device", "intel-iommu,intremap=on"]);
    command.args(["-netdev", "hubport,id=wire,hubid=0", "-device", "pcie-root-port,id=rp0,chassis=1,slot=1"]);
    command.args(["-device", "igb,bus=rp0,netdev=wire,mac=52:54:00:00:08:01,romfile="]);
    command.stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().map_err(|source| Failed::Start { program, source })?;
    let (tell, told) = mpsc::channel();
    if let Some(output) = child.stdout.take() {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        std::thread::spawn(move || lines.into_iter().try_for_each(|line| tell.send(line)));
    }
    let verdict = listen(&told, patience);
    let _ = child.kill();
    let _ = child.wait();
    verdict?;
    println!("sriov: all promises kept in {:.0} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Prints what the guest says until it says that it is done.
fn listen(told: &mpsc::Receiver<String>, patience: Duration) -> Result<(), Failed> {
    let begun = Instant::now();
    let mut failed = None;
    loop {
        let left = patience.saturating_sub(begun.elapsed());
        let Ok(line) = told.recv_timeout(left) else {
            let why =
                failed.unwrap_or_else(|| "the guest ended, or took too long, without a verdict".to_owned());
            return Err(Failed::Check(format!("sriov: {why}")));
        };
        let line = line.trim_end();
        println!("    {line}");
        if line == "DONE" && failed.is_none() {
            return Ok(());
        }
        if let Some(what) = line.strip_prefix("FAILED ") {
            failed.get_or_insert(what.to_owned());
        }
    }
}
