//! `netloom check`: tries what a lab needs, instead of believing settings.
//!
//! Each trial runs in a process of its own, the hidden `check --try NAME`: entering a namespace is for ever.

use std::process::{Command as Process, Stdio};

use netloom_sriov::{PhysicalFunction, Sysfs};
use netloom_sys::netns::NetNs;
use netloom_sys::packet_socket::{PacketOptions, PacketSocket};
use netloom_sys::tap::Tap;
use netloom_sys::{cgroup, process, userns};
use netloom_vm::kernel::Kernel;
use netloom_vm::probe::Probe;
use serde::Serialize;

use crate::exit::{DONE, Failure, MACHINE, Outcome};
use crate::output::{self, Kind, Style, Tint};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits 4 if this machine and user cannot run labs at all.")]
pub(crate) struct Check {
    /// As root: mend what can be mended
    #[arg(long)]
    fix: bool,
    /// Print a list, or JSON
    #[arg(short = 'o', long = "output", value_name = "FORMAT", default_value = "table")]
    output: Kind,
    #[arg(long = "try", hide = true)]
    only: Option<Trial>,
}

/// What is tried in a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Trial {
    Namespace,
    Tap,
    Packet,
    Users,
}

/// An outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was tried.
    name: &'static str,
    ok: bool,
    /// What was seen, or the cause.
    seen: String,
    /// What its lack costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    costs: Option<&'static str>,
    /// How to mend it.
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// Whether no lab runs without it.
    needed: bool,
    #[serde(skip)]
    mend: Option<Mend>,
}

/// What `--fix` does.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Mend {
    Setting(&'static str, &'static str),
    Open(&'static str),
}

impl Check {
    pub(crate) fn run(self) -> Outcome {
        if let Some(trial) = self.only {
            return attempt(trial);
        }
        let mut findings = look();
        if self.fix {
            if !process::is_root() {
                return Err(Failure::usage("--fix is for root.").hint("`sudo netloom check --fix`"));
            }
            for mend in findings.iter().filter_map(|finding| finding.mend.as_ref()) {
                mend.apply()?;
            }
            findings = look();
        }
        if self.output == Kind::Json {
            let document = serde_json::json!({ "schema": netloom_api::SCHEMA, "check": findings });
            output::line(&format!("{document:#}"));
        } else {
            output::put(&render(&findings, Style::stdout()));
        }
        let lacks = findings.iter().any(|finding| finding.needed && !finding.ok);
        Ok(if lacks { MACHINE } else { DONE })
    }
}

/// Runs every trial.
fn look() -> Vec<Finding> {
    let mut all = vec![namespaces(), tap(), packet(), cgroups()];
    if !process::is_root() {
        all.push(users());
    }
    all.extend([pings(), neighbours("ipv4"), neighbours("ipv6"), files()]);
    all.extend(machines());
    all.extend(functions(&Sysfs::of_machine(), is_guest()));
    all
}

/// The users that containers of an ordinary user have.
fn users() -> Finding {
    let (ok, seen) = trial(Trial::Users);
    Finding {
        name: "users of containers",
        ok,
        seen,
        costs: Some("files of an image belong to root, and `user:` of a container can be no other"),
        fix: (!ok).then(|| {
            "as root: apt-get install uidmap; usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER".to_owned()
        }),
        needed: false,
        mend: None,
    }
}

/// Whether a gateway can pass on pings: it has no more rights than the machine gives its users.
fn pings() -> Finding {
    const SETTING: &str = "/proc/sys/net/ipv4/ping_group_range";
    let range = std::fs::read_to_string(SETTING).unwrap_or_default();
    let ok = may_ping(&range, &process::groups());
    let mend = (!ok).then_some(Mend::Setting(SETTING, "0 2147483647"));
    Finding {
        name: "pings to the world",
        ok,
        seen: format!(
            "net.ipv4.ping_group_range is {}",
            range.split_whitespace().collect::<Vec<_>>().join(" ")
        ),
        costs: Some("`internet: true` carries TCP and UDP, but no ping"),
        fix: mend.as_ref().map(Mend::words),
        needed: false,
        mend,
    }
}

/// Whether one of the groups is in the range.
fn may_ping(range: &str, groups: &[u32]) -> bool {
    let bounds: Vec<u32> = range.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [first, last] = bounds[..] else { return false };
    groups.iter().any(|group| (first..=last).contains(group))
}

fn namespaces() -> Finding {
    let root = process::is_root();
    let (ok, seen) = trial(Trial::Namespace);
    let mend = Mend::for_namespaces(&seen);
    Finding {
        name: if root { "network namespaces" } else { "user namespaces" },
        ok,
        costs: Some("no lab runs for this user; root is not affected"),
        fix: (!ok).then(|| mend.as_ref().map_or_else(|| "run netloom as root".to_owned(), Mend::words)),
        seen,
        needed: true,
        mend: mend.filter(|_| !ok),
    }
}

fn tap() -> Finding {
    let (ok, seen) = trial(Trial::Tap);
    let closed = seen.contains("ermission") || seen.contains("EACCES");
    let mend = closed.then_some(Mend::Open("/dev/net/tun"));
    Finding {
        name: "tap devices",
        ok,
        costs: Some("hosts are joined by packet sockets instead, at a lower rate"),
        fix: (!ok).then(|| mend.as_ref().map_or_else(|| "modprobe tun".to_owned(), Mend::words)),
        seen,
        needed: false,
        mend: mend.filter(|_| !ok),
    }
}

fn packet() -> Finding {
    let (ok, seen) = trial(Trial::Packet);
    Finding {
        name: "packet sockets",
        ok,
        seen,
        costs: Some("real interfaces cannot join a lab, and nothing stands in for tap devices"),
        fix: (!ok).then(|| "modprobe af_packet".to_owned()),
        needed: false,
        mend: None,
    }
}

fn cgroups() -> Finding {
    let machine = cgroup::Hierarchies::detect();
    let version = machine.as_ref().map(cgroup::Hierarchies::version);
    let (ok, seen) = machine.as_ref().map_or_else(|error| (false, error.to_string()), limits);
    let delegated = version == Ok(cgroup::Version::Two) && !process::is_root();
    Finding {
        name: "control groups",
        ok,
        seen,
        costs: Some("limits of nodes that say `limits: required`, which is the default, are refused"),
        fix: (!ok).then(|| match delegated {
            true => "systemd-run --user --scope netloom up .. (docs/limits.md says how to get all of them)"
                .to_owned(),
            false => "run netloom as root".to_owned(),
        }),
        needed: false,
        mend: None,
    }
}

/// Whether all limits can be kept, and which: `hybrid; cpu, memory, pids, io and cpuset are kept`.
fn limits(machine: &cgroup::Hierarchies) -> (bool, String) {
    let grounds = cgroup::Grounds::find(machine);
    let all = [
        ("cpu", cgroup::Controller::Cpu),
        ("memory", cgroup::Controller::Memory),
        ("pids", cgroup::Controller::Pids),
        ("io", cgroup::Controller::Io),
        ("cpuset", cgroup::Controller::Cpuset),
    ];
    let kept: Vec<&str> =
        all.iter().filter(|(_, it)| grounds.of(*it).is_ok()).map(|(name, _)| *name).collect();
    let mut words = format!("{:?}; ", machine.version()).to_lowercase();
    words += &match kept.as_slice() {
        [] => "no limit is kept".to_owned(),
        kept => format!("{} can be kept", kept.join(", ")),
    };
    let missing = all.iter().find_map(|(name, it)| Some((name, grounds.of(*it).err()?)));
    if let Some((name, why)) = missing {
        words += &format!("; {name}: {why}");
    }
    (missing.is_none(), words)
}

/// The machine's neighbour tables are shared by all namespaces: a pingall of a great lab fills them.
fn neighbours(family: &'static str) -> Finding {
    let path = format!("/proc/sys/net/{family}/neigh/default/gc_thresh3");
    let limit = std::fs::read_to_string(&path).ok().and_then(|text| text.trim().parse::<u64>().ok());
    Finding {
        name: if family == "ipv4" { "neighbours, IPv4" } else { "neighbours, IPv6" },
        ok: limit.is_none_or(|limit| limit >= 1024),
        seen: limit.map_or_else(
            || "the limit is not visible here".to_owned(),
            |limit| format!("{limit} entries for the whole machine; netloom keeps below that"),
        ),
        costs: Some("a pingall of many hosts waits for entries to expire"),
        fix: None,
        needed: false,
        mend: None,
    }
}

fn files() -> Finding {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    Finding {
        name: "open files",
        ok: limit.is_none_or(|limit| limit >= 4096),
        seen: limit.map_or_else(
            || "no limit".to_owned(),
            |limit| format!("{limit}: room for {} idle hosts", limit.saturating_sub(100) / 2),
        ),
        costs: Some("two are needed per host"),
        fix: None,
        needed: false,
        mend: None,
    }
}

/// Virtual machines: QEMU, who executes guests, and a kernel for them.
fn machines() -> [Finding; 3] {
    let path = std::env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned();
    let probe = Probe::try_all(&format!("{path}:/usr/bin"));
    let finding = |name, found: Result<String, String>, costs, fix: &str| Finding {
        name,
        ok: found.is_ok(),
        fix: found.is_err().then(|| fix.to_owned()),
        seen: found.unwrap_or_else(|why| why),
        costs: Some(costs),
        needed: false,
        mend: None,
    };
    let qemu = probe.as_ref().map(|probe| format!("QEMU {}", probe.version)).map_err(ToString::to_string);
    let kvm = match &probe {
        Ok(Probe { kvm: Ok(_), .. }) => Ok("a guest ran".to_owned()),
        Ok(Probe { kvm: Err(why), .. }) => Err(why.clone()),
        Err(error) => Err(error.to_string()),
    };
    let kernel = Kernel::newest(&["virtio_net", "virtio_console"]);
    let kernel = kernel.map(|kernel| kernel.image.display().to_string()).map_err(|error| error.to_string());
    [
        finding("virtual machines", qemu, "nodes with `vm` are refused", "apt-get install qemu-system-x86"),
        finding(
            "kvm",
            kvm,
            "virtual machines are emulated, an order of magnitude slower",
            "load kvm_intel or kvm_amd; in a virtual machine, its host must allow nesting; /dev/kvm must be open to this user",
        ),
        finding(
            "kernel for guests",
            kernel,
            "a `vm` needs a `kernel`, or a disk of its own",
            "apt-get install linux-image-cloud-amd64",
        ),
    ]
}

/// Virtual functions of network cards: a card, and what gives them to virtual machines.
fn functions(sysfs: &Sysfs, guest: bool) -> [Finding; 2] {
    let all = sysfs.physical_functions().unwrap_or_default();
    let one = |pf: &PhysicalFunction| match (&pf.driver, pf.total) {
        (None, _) => format!("{} has no driver", pf.name()),
        (Some(driver), 0) => {
            format!("{} ({driver}) has none: its firmware may have SR-IOV switched off", pf.name())
        }
        (Some(driver), total) => {
            let mode = super::vf::eswitch(pf).filter(|mode| mode == "switchdev");
            let mode = mode.map(|mode| format!(", {mode}")).unwrap_or_default();
            format!("{} ({driver}) has up to {total}{mode}", pf.name())
        }
    };
    let ok = all.iter().any(|pf| pf.driver.is_some() && pf.total > 0);
    let seen: Vec<String> = all.iter().map(one).collect();
    let (card, iommu) = match guest {
        true => (
            "this is a virtual machine: its hypervisor must show it a card with SR-IOV",
            "this is a virtual machine: its hypervisor must show it an IOMMU; then intel_iommu=on for Linux",
        ),
        false => (
            "a network card with SR-IOV and its driver; SR-IOV switched on in the firmware of the machine and of the card",
            super::vf::IOMMU,
        ),
    };
    let has_iommu = sysfs.has_iommu();
    let with_vfio =
        if sysfs.has_driver("vfio-pci") { "vfio-pci is loaded" } else { "vfio-pci is not loaded" };
    [
        Finding {
            name: "virtual functions",
            ok,
            seen: if seen.is_empty() { "no network card shows SR-IOV".to_owned() } else { seen.join("; ") },
            costs: Some("nodes with `vf` are refused, or have an ordinary card at their `fallback`"),
            fix: (!ok).then(|| card.to_owned()),
            needed: false,
            mend: None,
        },
        Finding {
            name: "iommu",
            ok: has_iommu,
            seen: if has_iommu { format!("on; {with_vfio}") } else { "off".to_owned() },
            costs: Some("virtual machines cannot be given virtual functions; hosts and containers can"),
            fix: (!has_iommu).then(|| iommu.to_owned()),
            needed: false,
            mend: None,
        },
    ]
}

/// Whether a hypervisor is below this kernel.
fn is_guest() -> bool {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = info.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    flags.split_whitespace().any(|flag| flag == "hypervisor")
}

/// Runs a trial in a process of its own: whether it worked, and what it said.
fn trial(trial: Trial) -> (bool, String) {
    let name = match trial {
        Trial::Namespace => "namespace",
        Trial::Tap => "tap",
        Trial::Packet => "packet",
        Trial::Users => "users",
    };
    let tried = Process::new("/proc/self/exe").args(["check", "--try", name]).stdin(Stdio::null()).output();
    match tried {
        Ok(out) => {
            let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
            (out.status.success(), if text.is_empty() { out.status.to_string() } else { text })
        }
        Err(error) => (false, error.to_string()),
    }
}

/// In the process of a trial: tries, says what was seen, and exits 0 if it worked.
fn attempt(trial: Trial) -> Outcome {
    match seen(trial) {
        Ok(text) => {
            output::line(&text);
            Ok(DONE)
        }
        Err(text) => {
            output::line(&text);
            Ok(MACHINE)
        }
    }
}

fn seen(trial: Trial) -> Result<String, String> {
    let say = |error: netloom_sys::HostError| error.to_string();
    let root = process::is_root() && userns::is_first();
    let numbers = userns::Subordinates::of_this_user().map_or(1, |own| own.users());
    let mut lack = None;
    if !root && !process::is_root() {
        lack = userns::become_root().map_err(|error| {
            userns::obstacle().map_or_else(|| error.to_string(), |why| format!("{error}: {why}"))
        })?;
    }
    let netns = NetNs::create().map_err(say)?;
    match trial {
        Trial::Namespace => {
            Ok(if root { "as root" } else { "rootless, a namespace was made inside" }.to_owned())
        }
        Trial::Tap => {
            let offloads =
                netns.run(|| Tap::create("check0").map(|tap| tap.offloads())).map_err(say)?.map_err(say)?;
            let has = [
                (offloads.csum(), "checksum"),
                (offloads.tso(), "TCP segmentation"),
                (offloads.uso(), "UDP segmentation"),
            ];
            let words: Vec<_> = has.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
            Ok(if words.is_empty() {
                "without offloads".to_owned()
            } else {
                format!("offloads: {}", words.join(", "))
            })
        }
        Trial::Users => match lack {
            None => Ok(format!("{numbers} of them")),
            Some(lack) => Err(format!("one, root: {lack}")),
        },
        Trial::Packet => {
            // The loopback interface of every namespace is number 1.
            netns
                .run(|| PacketSocket::open(1, PacketOptions::default()).map(|_| ()))
                .map_err(say)?
                .map_err(say)?;
            Ok("with virtio-net headers".to_owned())
        }
    }
}

impl Mend {
    /// What stands in the way of user namespaces, if it is a setting that root can change.
    fn for_namespaces(seen: &str) -> Option<Self> {
        if seen.contains("apparmor_restrict_unprivileged_userns") {
            return Some(Self::Setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "0"));
        }
        if seen.contains("unprivileged_userns_clone") {
            return Some(Self::Setting("/proc/sys/kernel/unprivileged_userns_clone", "1"));
        }
        seen.contains("max_user_namespaces")
            .then_some(Self::Setting("/proc/sys/user/max_user_namespaces", "10000"))
    }

    fn words(&self) -> String {
        match self {
            Self::Setting(path, value) => {
                let name = path.trim_start_matches("/proc/sys/").replace('/', ".");
                format!(
                    "sudo sysctl -w {name}={value}   (or `sudo netloom check --fix`, until the next boot)"
                )
            }
            Self::Open(path) => {
                format!("sudo chmod 0666 {path}   (or `sudo netloom check --fix`, until the next boot)")
            }
        }
    }

    fn apply(&self) -> Result<(), Failure> {
        let done = match self {
            Self::Setting(path, value) => std::fs::write(path, value),
            Self::Open(path) => {
                std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o666))
            }
        };
        done.map_err(|error| Failure::failed(format!("Cannot do `{}`.", self.words()), &error))
    }
}

fn render(findings: &[Finding], style: Style) -> String {
    let mut out = String::new();
    for finding in findings {
        let (word, tint) = match (finding.ok, finding.needed) {
            (true, _) => ("ok  ", Tint::Good),
            (false, true) => ("NO  ", Tint::Bad),
            (false, false) => ("no  ", Tint::Odd),
        };
        out.push_str(&format!("{}{:<20} {}\n", style.paint(tint, word), finding.name, finding.seen));
        if !finding.ok {
            for (head, text) in [("costs", finding.costs), ("fix", finding.fix.as_deref())] {
                if let Some(text) = text {
                    out.push_str(&format!("      {head}: {text}\n"));
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lacks_says_its_price_and_its_remedy() {
        let seen = "Cannot create a user namespace: EPERM: kernel.apparmor_restrict_unprivileged_userns is 1";
        let mend = Mend::for_namespaces(seen).unwrap();
        let findings = [
            Finding {
                name: "user namespaces",
                ok: false,
                seen: seen.into(),
                costs: Some("no lab runs for this user; root is not affected"),
                fix: Some(mend.words()),
                needed: true,
                mend: Some(mend),
            },
            Finding {
                name: "tap devices",
                ok: true,
                seen: "offloads: checksum".into(),
                costs: Some("not printed"),
                fix: None,
                needed: false,
                mend: None,
            },
        ];
        insta::assert_snapshot!(render(&findings, Style::PLAIN));
    }

    #[test]
    fn pings_are_for_the_groups_of_a_range() {
        assert!(may_ping("0\t2147483647\n", &[1000]) && may_ping("5 9", &[1, 9]));
        assert!(!may_ping("1\t0\n", &[0, 1]) && !may_ping("", &[0]));
    }

    #[test]
    fn only_settings_that_root_can_change_are_mended() {
        assert!(Mend::for_namespaces("this kernel has no user namespaces").is_none());
        assert!(Mend::for_namespaces("user.max_user_namespaces is 0").is_some());
    }
}
