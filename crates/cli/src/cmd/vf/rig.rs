//! `netloom vf run` and `netloom vf guest`: a guest with an emulated card, in which netloom has labs.

use std::path::{Path, PathBuf};

use netloom_api::{ApiError, ErrorKind};
use netloom_lab::quantity;
use netloom_sriov::Address;
use netloom_vm::kernel::{Kernel, KernelError};
use netloom_vm::probe::{PROGRAM, Probe, ProbeError};
use netloom_vm::rig::{self, CARD, MOST_CARDS, Rig, RigError};

use super::machine::Machine;
use crate::exit::{DONE, Failure, Outcome};
use crate::labfile::FileArgs;
use crate::output::{self, Kind};

/// Arguments of `vf run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The guest has a card under each name that the file's `pf:` say, with up to seven virtual functions. It takes QEMU 8 or newer and a
kernel for hardware (linux-image-amd64), and no root. Nothing is left when it ends, however it ends. Exits as `netloom run` does;
4 if this machine lacks something.
Examples:  netloom vf run examples/sriov.loom.yml
           netloom vf run examples/sriov.loom.yml --shell")]
pub(crate) struct Run {
    #[command(flatten)]
    file: FileArgs,
    /// Leave the lab up after its test, and open a shell in the guest; it ends with the shell
    #[arg(long)]
    shell: bool,
    /// Give up after TIME, such as 90s or 5min, from when the guest is up; exits 124
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// Print the screen, or JSON
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    output: Kind,
    #[command(flatten)]
    boot: Boot,
}

/// Arguments of `vf guest`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It is root there, and has busybox and netloom. Nothing is left when it ends, however it ends. Exits with the program's own code;
4 if this machine lacks something.
Examples:  netloom vf guest
           netloom vf guest --program ip -- ip link show enp1s0")]
pub(crate) struct Guest {
    /// The names of its cards
    #[arg(long = "card", value_name = "NAME", default_value = CARD)]
    cards: Vec<String>,
    /// Copy a program of this machine into it, with its libraries
    #[arg(long = "program", value_name = "PROGRAM")]
    programs: Vec<PathBuf>,
    #[command(flatten)]
    boot: Boot,
    /// The program and its arguments [default: a shell]
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    argv: Vec<String>,
}

/// What boots.
#[derive(Debug, clap::Args)]
struct Boot {
    /// The kernel; its modules are looked for in ../lib/modules beside its folder, then in /lib/modules
    #[arg(long, value_name = "FILE")]
    kernel: Option<PathBuf>,
    /// QEMU [default: the one in PATH]
    #[arg(long, value_name = "FILE")]
    qemu: Option<PathBuf>,
    /// The guest's memory
    #[arg(long, value_name = "SIZE", default_value = "768MiB")]
    memory: String,
    /// Copy a file or folder of this machine into the guest, TO its path there [default: /lab/ and its name]
    #[arg(long, value_name = "FROM[:TO]")]
    copy: Vec<String>,
}

/// Where lab files are in the guest.
const LAB: &str = "/lab";

impl Run {
    pub(super) fn run(self) -> Outcome {
        let text = self.file.read()?;
        let lab = text.check()?;
        let named = lab.nodes.iter().filter_map(|node| Some(node.vf.as_ref()?.pf.clone()));
        let mut cards: Vec<String> = named.collect();
        cards.sort();
        cards.dedup();
        if cards.is_empty() {
            cards.push(CARD.to_owned());
        }
        let name = Path::new(&text.wanted.path).file_name().map(|name| name.to_string_lossy().into_owned());
        let path = format!("{LAB}/{}", name.unwrap_or_else(|| "lab.loom.yml".to_owned()));
        let mut rig = self.boot.rig(cards)?;
        rig.texts.push((path.clone(), text.wanted.source));
        let mut words = vec![path];
        words.extend(self.file.name.iter().flat_map(|name| ["--name".to_owned(), name.clone()]));
        words.extend(self.file.sets.iter().flat_map(|set| ["--set".to_owned(), set.clone()]));
        let mut testing: Vec<String> = Vec::new();
        testing.extend(self.timeout.iter().flat_map(|timeout| ["--timeout".to_owned(), timeout.clone()]));
        if self.output == Kind::Json {
            testing.extend(["-o", "json"].map(str::to_owned));
        }
        let netloom = |verb: &str, words: &[&[String]]| {
            let first = ["netloom".to_owned(), verb.to_owned()];
            first.into_iter().chain(words.concat()).collect::<Vec<String>>()
        };
        let mut machine = self.boot.start(&rig)?;
        if !self.shell {
            return machine.run(netloom("run", &[&words, &testing]), false);
        }
        let up = machine.run(netloom("up", &[&words]), false)?;
        if up != DONE {
            return Ok(up);
        }
        let tested = machine.run(netloom("test", &[&testing]), false)?;
        output::note("A shell in the guest, where the lab is up: `netloom ls`. `exit` ends both.");
        machine.run(Vec::new(), true)?;
        Ok(tested)
    }
}

impl Guest {
    pub(super) fn run(self) -> Outcome {
        let mut rig = self.boot.rig(self.cards)?;
        rig.programs = self.programs.iter().map(|program| found(program)).collect::<Result<_, _>>()?;
        self.boot.start(&rig)?.run(self.argv, true)
    }
}

impl Boot {
    /// What is to boot, as far as it can be said without trying.
    fn rig(&self, cards: Vec<String>) -> Result<Rig, Failure> {
        if let Some(card) = cards.iter().find(|card| !is_device_name(card)) {
            let error = Failure::usage(format!("A card of the guest cannot be called {card}."));
            return Err(match card.parse::<Address>() {
                Ok(_) => error.hint(format!(
                    "PCI addresses are the guest's own; give the card a name, such as {CARD} (`--set` changes \
                     a variable of the file)"
                )),
                Err(_) => error.hint(format!("a name of a network device has up to 15 letters, such as {CARD}")),
            });
        }
        if cards.len() > MOST_CARDS {
            let (many, most) = (cards.len(), MOST_CARDS);
            return Err(Failure::usage(format!("The guest has slots for {most} cards, not {many}.")));
        }
        let memory = quantity::memory(&self.memory)
            .map_err(|error| Failure::usage(format!("--memory {}: {error}.", self.memory)))?;
        let kernel = match &self.kernel {
            Some(file) => Kernel::of(file),
            None => rig::kernel(),
        };
        let kernel = kernel.map_err(|error| no_kernel(&error))?;
        let copies = self.copy.iter().map(|text| copied(text)).collect::<Result<_, _>>()?;
        Ok(Rig { kernel, memory, cards, programs: Vec::new(), copies, texts: Vec::new() })
    }

    /// Finds QEMU, and boots.
    fn start(&self, rig: &Rig) -> Result<Machine, Failure> {
        let probe = match &self.qemu {
            Some(file) => Probe::of(file.clone()),
            None => {
                let path = std::env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned();
                Probe::try_all(&format!("{path}:/usr/local/bin:/usr/bin"))
            }
        };
        let probe = probe.map_err(|error| no_qemu(&error))?;
        if !probe.is_at_least(rig::QEMU) {
            let (major, minor) = rig::QEMU;
            let said = format!(
                "QEMU {} has no network card with SR-IOV; {major}.{minor} is the first that has.",
                probe.version
            );
            return Err(Failure::from(ApiError::new(ErrorKind::Machine, said)).hint(NEWER));
        }
        let initrd = rig::image(rig).map_err(|error| no_rig(&error, rig))?;
        Machine::start(rig, &probe, &initrd)
    }
}

const NEWER: &str = "Debian 12 has one in its backports: apt-get install -t bookworm-backports qemu-system-x86; or name \
another by --qemu FILE";

/// `FROM[:TO]`
fn copied(text: &str) -> Result<(String, PathBuf), Failure> {
    let (from, to) = match text.rsplit_once(':') {
        Some((from, to)) => (PathBuf::from(from), to.to_owned()),
        None => {
            let from = PathBuf::from(text);
            let name = from.file_name().map(|name| name.to_string_lossy().into_owned());
            (from, format!("{LAB}/{}", name.unwrap_or_default()))
        }
    };
    match std::fs::metadata(&from) {
        Ok(_) => Ok((to, from)),
        Err(error) => Err(ApiError::caused(
            ErrorKind::Usage,
            format!("Cannot copy {} into the guest.", from.display()),
            &error,
        )
        .into()),
    }
}

/// A program by its path, or by its name in `PATH`.
fn found(program: &Path) -> Result<PathBuf, Failure> {
    if program.components().count() > 1 {
        return Ok(program.to_owned());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let mut places = folders.map(|folder| folder.join(program));
    places
        .find(|path| path.is_file())
        .ok_or_else(|| Failure::usage(format!("There is no program {} here.", program.display())))
}

/// As Linux has it: up to 15 bytes, no `/`, no blank, not `.` or `..`; without a colon here, which is an alias.
fn is_device_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_graphic() && !matches!(c, '/' | ':' | '%');
    (1..=15).contains(&name.len()) && name.chars().all(fine) && !matches!(name, "." | ".." | "lo")
}

fn no_qemu(error: &ProbeError) -> Failure {
    let said = ApiError::new(ErrorKind::Machine, format!("No guest can be booted: {error}."));
    Failure::from(said).hint(match error {
        ProbeError::Missing => format!("apt-get install qemu-system-x86, which has {PROGRAM}"),
        ProbeError::Old { .. } => NEWER.to_owned(),
        ProbeError::Mute(_) => "`netloom check` says what is there".to_owned(),
    })
}

fn no_kernel(error: &KernelError) -> Failure {
    let (kind, hint) = match error {
        KernelError::None | KernelError::Lacks { .. } => (
            ErrorKind::Machine,
            "apt-get install linux-image-amd64, which has drivers for hardware (a cloud kernel has not); or \
             --kernel FILE; some distributions let only root read theirs",
        ),
        KernelError::Read { .. } => (ErrorKind::Usage, "some distributions let only root read their kernels"),
        KernelError::NotOne(_) => (ErrorKind::Usage, "a bzImage (vmlinuz) or a vmlinux is wanted"),
    };
    Failure::from(ApiError::caused(kind, "There is no kernel for the guest.", error)).hint(hint)
}

fn no_rig(error: &RigError, rig: &Rig) -> Failure {
    match error {
        RigError::Kernel(error) => no_kernel(error),
        RigError::NoBusybox => Failure::from(ApiError::new(ErrorKind::Machine, format!("{error}.")))
            .hint("apt-get install busybox-static"),
        RigError::Memory { wanted, .. } => {
            let said = format!("The guest has too little memory: {error}.");
            Failure::usage(said).hint(format!("--memory {wanted}MiB instead of {}MiB", rig.memory >> 20))
        }
        RigError::Files(why) => Failure::failed("The guest's files cannot be put together.", why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_cards_are_those_of_devices() {
        for name in ["enp1s0", "eth0", "a", "enp129s0f0np0"] {
            assert!(is_device_name(name), "{name}");
        }
        for name in ["", "a b", "a/b", "0000:01:00.0", "lo", "..", "sixteen-letters-", "é"] {
            assert!(!is_device_name(name), "{name}");
        }
    }

    #[test]
    fn what_is_copied_has_a_place() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(copied("src").unwrap().0, "/lab/src");
        assert_eq!(copied(&format!("{}:/", here.display())).unwrap(), ("/".to_owned(), here));
        assert!(copied("nowhere/x").unwrap_err().error.message.contains("nowhere/x"));
    }
}
