//! `cargo xtask sriov`: virtual functions for real, on any machine.
//!
//! QEMU from version 8 on emulates a network card with SR-IOV (igb, an Intel 82576). Debian's kernel boots in a guest with
//! one, and in it netloom itself makes virtual functions, gives them to nodes and puts everything back (`task.sh`).
//!
//! ```text
//! fetch: QEMU, kernel (the machine's own, else Debian's packages, unpacked and not installed)   target/sriov/
//! image: scripts and labs, in a folder                                                           target/sriov/root
//! boot:  `netloom vf guest`, which copies the folder; lines `ok ..`, FAILED or DONE
//!        `netloom vf run` of the example, as a user types it
//! ```
//! With `--nested` the guest has QEMU and a kernel as well, and a virtual machine in it is given a virtual function
//! (`nested.sh`): emulated in what is emulated, so it takes minutes.

mod boot;
mod fetch;
mod image;

use crate::packages::{self, Needed};
use crate::run::{self, Failed};

/// Options of `cargo xtask sriov`.
#[derive(clap::Args)]
#[group(id = "sriov")]
pub(crate) struct Args {
    /// Never install packages, only name those missing.
    #[arg(long)]
    no_install: bool,
    /// A virtual machine in the guest instead, which has a virtual function of the card: takes minutes.
    #[arg(long)]
    nested: bool,
}

impl Args {
    /// What continuous integration runs.
    pub(crate) fn quick(test: &crate::test::Args) -> Self {
        Self { no_install: test.no_install, nested: false }
    }
}

const NEEDED: [Needed; 4] = [
    Needed { program: "busybox", package: "busybox-static" },
    Needed { program: "depmod", package: "kmod" },
    Needed { program: "xz", package: "xz-utils" },
    Needed { program: "ip", package: "iproute2" },
];

/// Boots the guest and looks on.
///
/// # Errors
/// [`Failed::Check`] with what the guest found broken, or that it did not end in time.
pub(crate) fn run(args: &Args) -> Result<(), Failed> {
    let missing = packages::ensure(&NEEDED, !args.no_install)?;
    if !missing.is_empty() {
        println!("sriov: SKIPPED: missing {}", missing.join(", "));
        return Ok(());
    }
    let place = run::target().join("sriov");
    let ground = match fetch::ground(&place) {
        Ok(ground) => ground,
        Err(fetch::Lack::Missing(why)) => {
            println!("sriov: SKIPPED: {why}");
            return Ok(());
        }
        Err(fetch::Lack::Failed(failed)) => return Err(failed),
    };
    run::step("build netloom", &mut run::cargo(&["build", "--locked", "--workspace", "--bin", "netloom"]))?;
    let root = image::folder(&place, &ground, args.nested)?;
    println!("--- sriov: {} with Linux {}", ground.qemu.display(), ground.version);
    if args.nested {
        return boot::run(&ground, &root, true);
    }
    // A guest with such a card waits for it more than it works: side by side they take little longer than one.
    std::thread::scope(|scope| {
        let example = scope.spawn(|| boot::example(&ground));
        boot::run(&ground, &root, false)?;
        let said =
            example.join().map_err(|_| Failed::Check("sriov: the example was not looked at".to_owned()))?;
        println!("{}", said?);
        Ok(())
    })
}
