//! `netloom vf`: what network cards with SR-IOV have.

mod machine;
mod rig;
mod row;
mod space;

use std::path::PathBuf;

use netloom_api::{ApiError, ErrorKind, FunctionInfo, Reply};
use netloom_daemon::Homes;
use netloom_sriov::attempt::{AttemptError, attempt as try_one};
use netloom_sriov::{Claims, ConfigSpace, PhysicalFunction, Sysfs, VirtualFunction};

use crate::exit::{Failure, Outcome};
use crate::output::{self, Format};

use row::Owners;

pub(crate) use row::{NONE, eswitch};

/// Arguments of `vf`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
A function is named by its network device (enp1s0f0), its PCI address (0000:01:00.0), or, a virtual one, by its physical
function and its number there (enp1s0f0:3).
Examples:  netloom vf ls
           netloom vf show enp1s0f0:0
           netloom vf run examples/sriov.loom.yml")]
pub(crate) struct Vf {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List physical functions (PFs) and their virtual functions (VFs)
    Ls {
        #[command(flatten)]
        tree: Tree,
        #[command(flatten)]
        format: Format,
    },
    /// Try whether a virtual machine could be given a VF: make one, open it as QEMU does, put everything back
    Try {
        /// The PF
        pf: String,
    },
    /// Run a lab where there is no such card: boot a guest with an emulated one, up, test and down there
    Run(rig::Run),
    /// Boot a guest with an emulated card, and run a program or a shell in it
    Guest(rig::Guest),
    /// Decode the PCI configuration spaces of a PF and a VF side by side
    Show {
        /// The function; a PF stands beside its first VF
        function: String,
        #[command(flatten)]
        tree: Tree,
        #[command(flatten)]
        format: Format,
    },
}

/// Where to look.
#[derive(Debug, clap::Args)]
struct Tree {
    /// Look at a copy of another machine's /sys
    #[arg(long, value_name = "DIR", default_value = "/sys")]
    sysfs: PathBuf,
}

impl Vf {
    pub(crate) fn run(self) -> Outcome {
        match self.verb {
            Verb::Ls { tree, format } => {
                let owners = tree.owners();
                let found = tree.functions()?;
                let rows = found.iter().flat_map(|pf| row::of(pf, &tree.open(), &owners)).collect();
                output::reply(&Reply::Functions(rows), format)
            }
            Verb::Try { pf } => attempt(&pf),
            Verb::Run(verb) => verb.run(),
            Verb::Guest(verb) => verb.run(),
            Verb::Show { function, tree, format } => {
                let found = tree.functions()?;
                let (pf, vf) = pick(&found, &function)?;
                let info = show(pf, vf, &tree)?;
                output::reply(&Reply::Function(Box::new(info)), format)
            }
        }
    }
}

impl Tree {
    fn open(&self) -> Sysfs {
        Sysfs::at(&self.sysfs)
    }

    fn functions(&self) -> Result<Vec<PhysicalFunction>, Failure> {
        self.open().physical_functions().map_err(|error| failed(&error))
    }

    /// Of this machine only: what a driver says, and who has what here, says nothing of a copy.
    fn owners(&self) -> Owners {
        if self.sysfs.as_os_str() != "/sys" {
            return Owners::default();
        }
        Owners::of_machine(&Claims::at(Homes::mine().claims()))
    }
}

/// Makes a VF, opens it as QEMU does, and puts everything back.
fn attempt(pf: &str) -> Outcome {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map_err(|error| failed(&error))?;
    let homes = Homes::mine();
    std::fs::create_dir_all(homes.base()).map_err(|error| failed(&error))?;
    let tried = try_one(&Sysfs::of_machine(), &Claims::at(homes.claims()), pf, boot.trim());
    let seen = tried.map_err(|error| {
        let said = format!("No virtual machine can be given a VF of {pf}.");
        let said = ApiError::caused(ErrorKind::Machine, said, &error);
        let hint = match &error {
            AttemptError::Refused(why) => why.hint(),
            AttemptError::NoIommu => IOMMU.to_owned(),
            AttemptError::Shared { .. } => {
                "a slot behind a switch with access control (ACS) has groups of its own".to_owned()
            }
            _ => "modprobe vfio-pci; `netloom check` says what else is needed".to_owned(),
        };
        Failure::from(said).hint(hint)
    })?;
    let class = ConfigSpace::parse(&seen.config).map(|space| space.ids.class).unwrap_or_default();
    output::line(&format!(
        "{}: group {} opened, {} bytes of configuration space read (class {class:06x}), {} bytes of BAR 0 mapped (first word {:08x}); put back",
        seen.address,
        seen.group,
        seen.config.len(),
        seen.bar,
        seen.word
    ));
    Ok(crate::exit::DONE)
}

/// How to switch an IOMMU on.
pub(crate) const IOMMU: &str =
    "switch it on in the firmware (VT-d, AMD-Vi), and start Linux with intel_iommu=on";

/// The function that a user means.
fn pick<'f>(
    all: &'f [PhysicalFunction],
    name: &str,
) -> Result<(&'f PhysicalFunction, Option<&'f VirtualFunction>), Failure> {
    if let Some(pf) = all.iter().find(|pf| pf.is_called(name)) {
        return Ok((pf, pf.vfs.first()));
    }
    let is_it = |pf: &PhysicalFunction, vf: &VirtualFunction| {
        vf.address.to_string() == name
            || vf.netdevs.iter().any(|device| device == name)
            || row::vf_name(pf, vf) == name
            || format!("{}:{}", pf.address, vf.index) == name
    };
    let found = all.iter().find_map(|pf| Some((pf, pf.vfs.iter().find(|vf| is_it(pf, vf))?)));
    if let Some((pf, vf)) = found {
        return Ok((pf, Some(vf)));
    }
    let error =
        ApiError::new(ErrorKind::NotFound, format!("No physical or virtual function is called {name}."));
    Err(match all.is_empty() {
        true => Failure::from(error).hint(row::NONE),
        false => Failure::from(error).hint("`netloom vf ls` lists those there are"),
    })
}

fn show(pf: &PhysicalFunction, vf: Option<&VirtualFunction>, tree: &Tree) -> Result<FunctionInfo, Failure> {
    let (sysfs, owners) = (tree.open(), tree.owners());
    let rows = row::of(pf, &sysfs, &owners);
    let find = |address: String| rows.iter().find(|row| row.address == address).cloned().unwrap_or_default();
    let space = |address| space::read(&sysfs, address);
    let (decoded, pf_space) = space(pf.address).map_err(|error| failed(&*error))?;
    let beside = match vf {
        Some(vf) => {
            let (own, mut row) = space(vf.address).map_err(|error| failed(&*error))?;
            row.means = space::ids(decoded.ids_of_vf(&own.ids));
            Some((find(vf.address.to_string()), row))
        }
        None => None,
    };
    let (vf, vf_space) = beside.unzip();
    Ok(FunctionInfo { pf: find(pf.address.to_string()), pf_space, vf, vf_space })
}

fn failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    ApiError::caused(ErrorKind::Machine, "The machine's PCI functions cannot be read.", error).into()
}
