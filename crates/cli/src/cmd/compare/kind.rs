//! The kinds, and the lab in which a node is booted as one of them.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use netloom_api::{ApiError, ErrorKind, Set, Wanted};
use netloom_lab::lab::{Node, Virt, Vm};
use netloom_sriov::{PhysicalFunction, Sysfs};
use netloom_vm::{Accel, probe::Probe};
use serde_json::{Map, Value, json};

use crate::cmd::vf::NONE;
use crate::exit::Failure;
use crate::labfile::LabText;

/// What a node can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum As {
    /// A container
    Container,
    /// A virtual machine of hardware that every guest knows
    Full,
    /// A virtual machine of devices made for it
    Para,
    /// What it is in the file, container or virtual machine, with a virtual function of a network card; so has its peer
    Vf,
}

impl As {
    /// As it is written.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Full => "full",
            Self::Para => "para",
            Self::Vf => "vf",
        }
    }
}

/// The labs of a round, one after the other.
pub(super) struct Labs {
    /// What begins it.
    pub(super) first: LabText,
    /// The peer alone, if that is another one.
    pub(super) alone: Option<LabText>,
    /// The node beside its peer.
    pub(super) beside: LabText,
}

/// The node that is compared.
pub(super) struct Subject {
    node: Node,
    text: LabText,
    /// The root file system of a node that has no image: gone with it.
    root: Option<Root>,
    /// The card whose virtual functions it has.
    pf: Option<String>,
}

impl Subject {
    /// Finds it in a lab file. `pf`: the card, where the file does not say.
    ///
    /// # Errors
    /// The file has errors, or no such node; no busybox for a node without an image.
    pub(super) fn find(text: &LabText, name: &str, pf: Option<String>) -> Result<Self, Failure> {
        let lab = text.check()?;
        let Some(node) = lab.node(name) else {
            let error =
                ApiError::new(ErrorKind::NotFound, format!("There is no node {name} in {}.", text.shown()));
            let all = lab.nodes.iter().map(|node| node.name.as_str());
            return Err(match netloom_lab::did_you_mean(name, all) {
                Some(hint) => error.hint(hint),
                None => error,
            }
            .into());
        };
        let root = if image(node).is_none() { Some(Root::make()?) } else { None };
        let text = LabText { name: String::new(), base: "compare".to_owned(), wanted: text.wanted.clone() };
        let pf = pf.or_else(|| node.vf.as_ref().map(|vf| vf.pf.clone())).or_else(first_card);
        Ok(Self { node: node.clone(), text, root, pf })
    }

    /// Who its processor is, as this kind.
    pub(super) fn processor(&self, kind: As) -> &'static str {
        if kind == As::Container || kind == As::Vf && self.node.vm.is_none() {
            return "kernel";
        }
        let path = std::env::var_os("PATH").unwrap_or_default().to_string_lossy().into_owned();
        match Probe::try_all(&format!("{path}:/usr/sbin:/usr/bin")) {
            Ok(probe) if matches!(probe.accel(), Accel::Kvm(_)) => "kvm",
            _ => "emulated",
        }
    }

    /// The lab with its peer alone, and the one with it as this kind beside.
    ///
    /// # Errors
    /// In words: it cannot be of this kind.
    pub(super) fn labs(&self, kind: As, tag: &str) -> Result<Labs, String> {
        let name = format!("compare-{tag}");
        let mut card = json!({ "networks": ["lan"] });
        if kind == As::Vf {
            let pf = self.pf.as_ref().ok_or(NONE)?;
            card = json!({ "vf": { "pf": pf } });
        }
        let lab = |it: Option<Value>| {
            let nodes: Map<String, Value> = [("peer".to_owned(), card.clone())]
                .into_iter()
                .chain(it.map(|it| ("it".to_owned(), it)))
                .collect();
            let mut source = json!({ "netloom": 1, "name": name, "nodes": nodes });
            if kind != As::Vf {
                source["networks"] = json!({ "lan": { "subnet": "10.199.0.0/24" } });
            }
            let wanted = Wanted {
                source: source.to_string(),
                // Relative paths of the node begin where they did.
                path: self.text.wanted.path.clone(),
                sets: Vec::<Set>::new(),
                name: None,
            };
            LabText::made(name.clone(), wanted)
        };
        let beside = lab(Some(self.it(kind, &card)?));
        Ok(match kind {
            // The number of virtual functions is not changed while one is in use: there are two from the start.
            As::Vf => Labs { first: lab(Some(card.clone())), alone: Some(lab(None)), beside },
            _ => Labs { first: lab(None), alone: None, beside },
        })
    }

    /// The node with this card.
    fn it(&self, kind: As, card: &Value) -> Result<Value, String> {
        let mut it = card.clone();
        (it["env"], it["files"]) = (json!(self.node.env), json!(self.node.files));
        let vm = self.node.vm.as_deref();
        if let Some(vm) = vm.filter(|vm| !vm.is_ours()) {
            return Err(format!(
                "{} has {}: it has no image that other kinds could have",
                self.node.name,
                own(vm)
            ));
        }
        let image = image(&self.node).map(str::to_owned);
        let image = image.or_else(|| self.root.as_ref().map(|root| format!("dir:{}", root.0.display())));
        let of_vm = |vm: &Vm| match vm.virt {
            Virt::Full => "full",
            Virt::Para => "para",
        };
        let virt = match (kind, vm) {
            (As::Container, _) | (As::Vf, None) => {
                it["image"] = json!(image);
                if self.root.is_some() {
                    it["cmd"] = json!(["/bin/sleep", "100000"]);
                }
                return Ok(it);
            }
            (As::Full, _) => "full",
            (As::Para, _) => "para",
            (As::Vf, Some(vm)) => of_vm(vm),
        };
        let mut spec = json!({ "image": image, "virt": virt });
        if let Some(vm) = vm {
            for (key, value) in [("kernel", &vm.kernel), ("append", &vm.append)] {
                if let Some(value) = value {
                    spec[key] = json!(value);
                }
            }
            it["memory"] = json!(netloom_lab::quantity::show_size(vm.memory));
            it["cpu"] = json!(vm.cpus);
        }
        it["vm"] = spec;
        Ok(it)
    }
}

/// The first card of the machine that has virtual functions.
fn first_card() -> Option<String> {
    let all = Sysfs::of_machine().physical_functions().ok()?;
    all.iter().find(|pf| pf.driver.is_some() && pf.total > 0).map(PhysicalFunction::name)
}

/// What is its own of a machine that netloom does not boot by itself.
fn own(vm: &Vm) -> &'static str {
    if vm.initrd.is_some() { "an initial file system of its own" } else { "a disk of its own" }
}

fn image(node: &Node) -> Option<&str> {
    let of_vm = || node.vm.as_ref().and_then(|vm| vm.image.as_deref());
    node.container.as_ref().map(|container| container.image.as_str()).or_else(of_vm)
}

/// A tiny root file system: the machine's busybox under all its names.
struct Root(PathBuf);

impl Root {
    fn make() -> Result<Self, Failure> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&path).map(|folder| folder.join("busybox")).find(|file| file.is_file());
        let Some(busybox) = found else {
            let said = "The node has no image, and busybox, which would be its files, is not there.";
            return Err(
                Failure::from(ApiError::new(ErrorKind::Machine, said)).hint("apt-get install busybox-static")
            );
        };
        let folder = std::env::temp_dir().join(format!("netloom-compare-{}", std::process::id()));
        let root = Self(folder);
        root.fill(&busybox)
            .map_err(|error| Failure::failed("Cannot make a tiny root file system.", &error))?;
        Ok(root)
    }

    fn fill(&self, busybox: &Path) -> std::io::Result<()> {
        for folder in ["bin", "dev", "etc", "proc", "root", "run", "sys", "tmp"] {
            std::fs::create_dir_all(self.0.join(folder))?;
        }
        std::fs::copy(busybox, self.0.join("bin/busybox"))?;
        std::fs::write(self.0.join("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n")?;
        std::fs::write(self.0.join("etc/group"), "root:x:0:\n")?;
        let said = std::process::Command::new(busybox).arg("--list").output()?;
        let list = String::from_utf8_lossy(&said.stdout).into_owned();
        list.lines()
            .filter(|name| !name.is_empty() && !name.contains('/') && *name != "busybox")
            .try_for_each(|name| symlink("busybox", self.0.join("bin").join(name)))
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
