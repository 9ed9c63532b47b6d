//! `cargo xtask test`: everything this machine and user can run.

use crate::packages::{self, Needed};
use crate::run::{self, Failed};

/// Programs that some tests drive; without one, those tests skip aloud.
const NEEDED: &[Needed] = &[
    Needed { program: "ip", package: "iproute2" },
    Needed { program: "ping", package: "iputils-ping" },
    Needed { program: "setpriv", package: "util-linux" },
    Needed { program: "ovs-ofctl", package: "openvswitch-common" },
    Needed { program: "ovs-testcontroller", package: "openvswitch-testcontroller" },
    Needed { program: "openssl", package: "openssl" },
    Needed { program: "tshark", package: "tshark" },
    Needed { program: "docker-registry", package: "docker-registry" },
    Needed { program: "ovs-vswitchd", package: "openvswitch-switch" },
    Needed { program: "mn", package: "mininet" },
    Needed { program: "telnet", package: "inetutils-telnet" },
    Needed { program: "ethtool", package: "ethtool" },
    Needed { program: "qemu-system-x86_64", package: "qemu-system-x86" },
    Needed { program: "/usr/share/OVMF/OVMF_CODE*", package: "ovmf" },
    Needed { program: "busybox", package: "busybox-static" },
    Needed { program: "cpio", package: "cpio" },
    Needed { program: "newuidmap", package: "uidmap" },
    Needed { program: "/boot/vmlinuz-*-cloud-amd64", package: "linux-image-cloud-amd64" },
];

/// Tests that emulate whole machines, and have the processors for themselves. `cargo test` alone leaves them out.
const ALONE: &[&str] =
    &["test", "--workspace", "--test", "system", "--locked", "--", "--ignored", "--test-threads=1"];

/// Options of `cargo xtask test`.
#[derive(clap::Args)]
#[group(id = "test")]
pub(crate) struct Args {
    /// Never install packages, only name those missing.
    #[arg(long)]
    pub(crate) no_install: bool,
}

/// Runs the tests.
///
/// # Errors
/// [`Failed`] of the first group that fails, after all have run.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    let missing = packages::ensure(NEEDED, !args.no_install)?;
    let outcome = run::step("tests", &mut run::cargo(&["test", "--workspace", "--locked"]))
        .and(run::step("tests that run alone", &mut run::cargo(ALONE)));
    let skipped = skipped(&missing);
    println!("--- skipped: {}", if skipped.is_empty() { "nothing" } else { "" });
    for reason in skipped {
        println!("    {reason}");
    }
    outcome
}

fn skipped(missing: &[&str]) -> Vec<String> {
    let mut reasons: Vec<String> =
        missing.iter().map(|package| format!("tests that drive programs of {package}")).collect();
    if !run::is_root() {
        reasons.push("tests that need root: run `sudo cargo xtask test` for them".to_owned());
    }
    if std::fs::File::options().read(true).write(true).open("/dev/net/tun").is_err() {
        reasons.push("tests of TAP devices: /dev/net/tun is closed to this user".to_owned());
    }
    reasons
}
