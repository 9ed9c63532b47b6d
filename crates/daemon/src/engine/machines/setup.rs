//! From a node of the lab file to what QEMU is started with.

use std::fs::File;
use std::io::BufWriter;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use netloom_api::{ApiError, ErrorKind};
use netloom_container::HostSpec;
use netloom_container::capability::Capabilities;
use netloom_lab::Lab;
use netloom_lab::container::Container;
use netloom_lab::lab::{ArpMode, Node, Vm};
use netloom_lab::{lab, quantity};
use netloom_sys::netns::NetNs;
use netloom_sys::shared_memory::sealed_memory;
use netloom_vm::command::AGENT_PORT;
use netloom_vm::firmware::{self, Uefi};
use netloom_vm::guest::{Console, GuestConfig, GuestInterface, GuestRoute, Port};
use netloom_vm::initramfs::Tree;
use netloom_vm::kernel::{Kernel, KernelError};
use netloom_vm::payload::Payload;
use netloom_vm::probe::{Probe, ProbeError};
use netloom_vm::{Accel, Board, Boot, Disk, DiskFormat, Firmware, MachineSpec, Nic, NicBackend, Virt};
use rustix::fs::{MemfdFlags, memfd_create};

use crate::engine::containers::Ready;
use crate::engine::functions::Passed;
use crate::engine::guests::SOCKET;
use crate::engine::running::{Nic as Card, NodeState};
use crate::host::{HostInterface, HostNet};

/// What the kernel needs beside what is unpacked.
const ROOM: u64 = 48 << 20;
/// Bytes of user-data that are read.
const MOST_USER_DATA: u64 = 16 << 20;
/// Where QEMU is looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is on this machine for a virtual machine.
pub(super) struct Ground {
    kernel: Option<Kernel>,
    initrd: Option<PathBuf>,
    disk: Option<(PathBuf, DiskFormat)>,
    /// The user-data for cloud-init in the guest.
    user_data: Option<PathBuf>,
    /// What starts its disk, if it is not QEMU's own.
    uefi: Option<Uefi>,
}

/// All a machine is started from, as often as it is.
pub(super) struct Setup {
    /// The lab's name.
    lab: String,
    /// The node's name.
    pub(super) name: String,
    /// What QEMU sees of the machine.
    pub(super) host: HostSpec,
    /// The node's network namespace.
    pub(super) netns: Arc<NetNs>,
    /// Where the output of its serial port goes.
    pub(super) log: PathBuf,
    /// Its cards, in order.
    seats: Vec<Seat>,
    /// Slots for them.
    slots: u32,
    /// QEMU.
    pub(super) qemu: PathBuf,
    version: String,
    /// Whether netloom's own agent is in the guest.
    pub(super) has_agent: bool,
    /// Bytes of memory that it has at first, and at most.
    pub(super) memory: [u64; 2],
    /// Where what is written to disks is kept.
    disks: Option<PathBuf>,
    vm: Vm,
    accel: Accel,
    ground: Ground,
    /// A function of a network card that is the guest's.
    passed: Option<Passed>,
    config: GuestConfig,
    layers: Vec<PathBuf>,
    /// Files laid over the guest's own.
    files: Vec<(String, PathBuf)>,
}

/// A card of a machine.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// Its name in the guest.
    pub(super) name: String,
    /// Which of the machine's it is.
    pub(super) number: u32,
    /// Its Ethernet address.
    pub(super) mac: [u8; 6],
    /// What joins it with its port.
    pub(super) card: Card,
}

/// What one start of QEMU needs.
pub(super) struct Start {
    /// The arguments.
    pub(super) argv: Vec<String>,
    /// The descriptors it gets beside its control socket, serial port and agent, in order.
    pub(super) files: Vec<OwnedFd>,
    /// The guest's memory.
    pub(super) ram: Arc<OwnedFd>,
    /// The folder with the key of what comes in, as QEMU sees it.
    pub(super) key: Option<String>,
}

/// What a machine goes on from.
pub(super) struct Resumed {
    /// The guest's memory as it was; `None`: it comes with all else.
    pub(super) ram: Option<OwnedFd>,
    /// Where QEMU reads what its devices were.
    pub(super) devices: OwnedFd,
    /// Processors it had.
    pub(super) processors: u32,
    /// A folder with the key of a machine that comes encrypted.
    pub(super) key: Option<OwnedFd>,
}

/// Tries what the machine can do.
pub(super) fn probe() -> Result<Probe, ApiError> {
    Probe::try_all(PATH).map_err(|error| {
        let hint = match error {
            ProbeError::Missing => "apt-get install qemu-system-x86; `netloom check` says what is there",
            _ => "`netloom check` says what is there",
        };
        ApiError::new(ErrorKind::Machine, format!("Virtual machines cannot be run: {error}.")).hint(hint)
    })
}

impl Ground {
    /// Finds kernel and files of a virtual machine.
    ///
    /// # Errors
    /// What is missing.
    pub(super) fn find(lab: &Lab, node: &Node, probe: &Probe) -> Result<Self, ApiError> {
        let Some(vm) = node.vm.as_deref() else {
            return Err(ApiError::new(ErrorKind::Internal, "It is no virtual machine."));
        };
        if vm.board == lab::Board::Microvm && !probe.has_board(Board::Microvm) {
            let said = format!("{} was built without the board microvm.", probe.qemu.display());
            return Err(ApiError::new(ErrorKind::Machine, said).hint("leave out `machine: microvm`"));
        }
        let disk = match (&vm.disk, &vm.sha256) {
            (Some(disk), _) => Some(disk_of(&lab.dir().join(disk))?),
            (None, Some(digest)) => Some(disk_of(&super::fetched::place(digest)?)?),
            (None, None) => None,
        };
        let uefi = match vm.firmware {
            lab::Firmware::Bios => None,
            lab::Firmware::Uefi => Some(firmware::find(Path::new("/")).ok_or_else(no_firmware)?),
        };
        let user_data = vm.cloud_init.as_ref().map(|file| lab.dir().join(file));
        if let Some(file) = &user_data {
            File::open(file).map_err(|error| missing("user-data", file, &error))?;
        }
        if vm.boots_disk() {
            return Ok(Self { kernel: None, initrd: None, disk, user_data, uefi });
        }
        let drivers = drivers(vm);
        let kernel = match &vm.kernel {
            Some(file) => Kernel::of(&lab.dir().join(file)),
            None => Kernel::newest(if vm.is_ours() { &drivers } else { &[] }),
        };
        let kernel = kernel.map_err(|error| no_kernel(&error, vm))?;
        if vm.is_ours() {
            kernel.files(&drivers).map_err(|error| no_kernel(&error, vm))?;
        }
        let initrd = vm.initrd.as_ref().map(|file| lab.dir().join(file));
        if let Some(initrd) = &initrd {
            File::open(initrd).map_err(|error| missing("initial file system", initrd, &error))?;
        }
        Ok(Self { kernel: Some(kernel), initrd, disk, user_data, uefi })
    }
}

impl Setup {
    /// What a node's machine is started from.
    ///
    /// # Errors
    /// As [`Ground::find`].
    pub(super) fn new(
        lab: &Lab,
        node: &Node,
        made: &NodeState,
        probe: &Probe,
        (image, passed): (Option<Arc<Ready>>, Option<Passed>),
    ) -> Result<Self, ApiError> {
        let ground = Ground::find(lab, node, probe)?;
        let Some(vm) = node.vm.as_deref() else {
            return Err(ApiError::new(ErrorKind::Internal, "It is no virtual machine."));
        };
        let accel = probe.accel();
        let mut host = HostSpec::new(&node.name, PathBuf::new());
        host.capabilities = Capabilities::default();
        host.devices = match accel {
            Accel::Kvm(_) => vec![PathBuf::from("/dev/kvm")],
            Accel::Tcg => Vec::new(),
        };
        if let Some(function) = &passed {
            host.devices.push(PathBuf::from("/dev/vfio/vfio"));
            host.devices.push(PathBuf::from(format!("/dev/vfio/{}", function.group)));
            // All memory of the guest stays where it is: the card writes to it.
            host.capabilities = Capabilities::named("ipc_lock").unwrap_or_default();
        }
        Ok(Self {
            lab: lab.name.clone(),
            name: node.name.clone(),
            host,
            netns: Arc::clone(&made.netns),
            log: PathBuf::new(),
            seats: seats(&made.net, &made.nics, &[]),
            slots: slots(vm, made.net.interfaces.len()),
            qemu: probe.qemu.clone(),
            version: probe.version.clone(),
            has_agent: vm.is_ours(),
            memory: [vm.memory, vm.most_memory],
            disks: crate::engine::containers::disks(&lab.name),
            vm: vm.clone(),
            accel,
            ground,
            config: config(lab, node, vm, image.as_deref(), passed.as_ref()),
            passed,
            layers: image.map(|image| image.layers.clone()).unwrap_or_default(),
            files: node.files.iter().map(|(to, from)| (to.clone(), lab.dir().join(from))).collect(),
        })
    }

    /// What the machine is made of, in one line: one that is made of something else cannot go on from where it was.
    pub(super) fn made_of(&self) -> String {
        // Names of others are only texts in there.
        let config = GuestConfig { hosts: String::new(), resolver: None, ..self.config.clone() };
        let kernel = self.ground.kernel.as_ref().map(|kernel| &kernel.image);
        let rings = |seat: &Seat| (seat.number, seat.mac, matches!(seat.card, Card::Rings { .. }));
        let (cards, accel) = (self.seats.iter().map(rings).collect::<Vec<_>>(), format!("{:?}", self.accel));
        // Where it is at first is no part of it.
        let vm = Vm { standby: false, ..self.vm.clone() };
        let made = (&vm, self.slots, cards, kernel, &self.version, accel, config);
        serde_json::to_string(&made).unwrap_or_default()
    }

    /// The image over that of its disk, in which what the guest writes is kept.
    pub(super) fn disk(&self) -> Option<PathBuf> {
        let folder = self.disks.as_ref().filter(|_| self.ground.disk.is_some())?;
        Some(super::disks::written(folder, &self.name))
    }

    /// From its next start on it has these cards, and is told this.
    pub(super) fn reseat(&mut self, seats: Vec<Seat>, config: GuestConfig) {
        (self.seats, self.config) = (seats, config);
    }

    /// Its cards, and what it is told.
    pub(super) fn seated(&self) -> (Vec<Seat>, GuestConfig) {
        (self.seats.clone(), self.config.clone())
    }

    /// Which kind of devices it has.
    pub(super) fn virt(&self) -> Virt {
        virt(&self.vm)
    }

    /// Who executes its instructions.
    pub(super) const fn accel(&self) -> Accel {
        self.accel
    }

    /// Processors that it begins with.
    pub(super) const fn processors(&self) -> u32 {
        self.vm.cpus
    }

    /// Gathers what one start with so many processors needs; `resumed`: to go on from there.
    ///
    /// # Errors
    /// In words: a file that is gone, or too much for the guest's memory.
    pub(super) fn prepare(&self, resumed: Option<Resumed>, processors: u32) -> Result<Start, String> {
        let incoming = resumed.is_some();
        let (ram, devices, key) = match resumed {
            Some(Resumed { ram, devices, key, .. }) => (ram, Some(devices), key),
            None => (None, None, None),
        };
        let blank_ram = || sealed_memory("guest", self.memory[1].next_multiple_of(1 << 20));
        let ram = Arc::new(ram.map_or_else(blank_ram, Ok).map_err(|error| error.to_string())?);
        let mut files = vec![ram.try_clone().map_err(|error| error.to_string())?];
        files.extend(devices);
        // QEMU opens them by their number: what it sees of the machine's files is not what the daemon sees.
        let mut pass = |file: OwnedFd| {
            files.push(file);
            PathBuf::from(format!("/proc/self/fd/{}", FIRST_FILE + files.len() - 1))
        };
        let key = key.map(|key| pass(key).display().to_string());
        let open = |path: &Path| {
            File::open(path).map(OwnedFd::from).map_err(|error| format!("{}: {error}", path.display()))
        };
        let boot = match &self.ground.kernel {
            None => Boot::Firmware(match &self.ground.uefi {
                None => Firmware::Bios,
                Some(uefi) => {
                    let folder = self.disks.as_ref().ok_or("there is no directory for what it remembers")?;
                    let variables = super::disks::variables(folder, &self.name, &uefi.variables)?;
                    Firmware::Uefi { code: pass(open(&uefi.code)?), variables: pass(variables) }
                }
            }),
            Some(kernel) => {
                let image = pass(open(&kernel.image)?);
                let (initrd, append) = match &self.ground.initrd {
                    // It was unpacked long ago; that there is one is all that is left of it.
                    _ if incoming => (pass(blank()?), String::new()),
                    Some(initrd) => (pass(open(initrd)?), String::new()),
                    None => {
                        let payload = Payload::this().map_err(|error| error.to_string())?;
                        let append = append(&payload);
                        (pass(self.initrd(kernel, &payload)?), append)
                    }
                };
                Boot::Kernel { kernel: image, initrd: Some(initrd), append: self.append(&append)? }
            }
        };
        let disks = match &self.ground.disk {
            Some((file, format)) => {
                let folder = self.disks.as_ref().ok_or("there is no directory for what it writes")?;
                let [base, overlay] = super::disks::open(folder, &self.name, file, *format)?;
                vec![Disk { base: pass(base), overlay: pass(overlay), format: *format }]
            }
            None => Vec::new(),
        };
        let seed = match &self.ground.user_data {
            Some(file) => Some(pass(self.seed(file)?)),
            None => None,
        };
        let mut nics = Vec::new();
        for seat in &self.seats {
            files.push(seat.given()?);
            let fd = u32::try_from(FIRST_FILE + files.len() - 1).unwrap_or(u32::MAX);
            let backend = match &seat.card {
                Card::Datagrams { .. } => NicBackend::Datagram { fd },
                Card::Rings { .. } => NicBackend::VhostUser { socket: socket(fd).into() },
            };
            nics.push(Nic { number: seat.number, mac: seat.mac, backend });
        }
        let spec = MachineSpec {
            name: self.name.clone(),
            accel: self.accel,
            board: board(&self.vm),
            virt: virt(&self.vm),
            memory: self.vm.most_memory,
            cpus: self.vm.cpus,
            plugged: processors.saturating_sub(self.vm.cpus),
            most_cpus: self.vm.most_cpus,
            boot,
            disks,
            seed,
            slots: self.slots,
            nics,
            functions: self.passed.iter().map(|function| function.address.clone()).collect(),
            qmp: QMP,
            serial: SERIAL,
            agent: AGENT,
            ram: RAM,
            incoming,
        };
        let argv =
            std::iter::once(self.qemu.display().to_string()).chain(netloom_vm::command::command(&spec));
        Ok(Start { argv: argv.collect(), files, ram, key })
    }

    /// Words of a kernel's command line: ours, the file's, and behind `--` those for the first process.
    fn append(&self, init: &str) -> Result<String, String> {
        let own = self.vm.append.as_deref().unwrap_or_default();
        // A guest that panics resets at once, which ends QEMU: what it said is in the log.
        // What is only translated has no processor that could be made to guess wrong.
        let emulated = if self.accel == Accel::Tcg { "mitigations=off" } else { "" };
        let counter = if emulated.is_empty() { None } else { counter(&self.vm)? };
        // No keyboard controller of a microvm resets it: a fault while a fault is handled does.
        let resets = if self.vm.board == lab::Board::Microvm { "reboot=t" } else { "" };
        let counter = counter.as_deref().unwrap_or_default();
        let words = ["console=ttyS0 panic=-1", resets, emulated, counter, own, init];
        Ok(words.into_iter().filter(|words| !words.is_empty()).collect::<Vec<_>>().join(" "))
    }

    /// The CD for cloud-init, in a file in memory.
    fn seed(&self, user_data: &Path) -> Result<OwnedFd, String> {
        let said = |error: std::io::Error| format!("{}: {error}", user_data.display());
        let mut text = Vec::new();
        let file = File::open(user_data).map_err(said)?;
        std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST_USER_DATA), &mut text)
            .map_err(said)?;
        let instance = format!("{}/{}", self.lab, self.name);
        let cd = netloom_vm::seed::seed(&instance, &self.config, text).ok_or("its CD has no room for it")?;
        let file = memfd_create("seed", MemfdFlags::CLOEXEC).map_err(|error| error.to_string())?;
        let mut file = File::from(file);
        std::io::Write::write_all(&mut file, &cd).map_err(said)?;
        Ok(file.into())
    }

    /// The initial file system, in a file in memory.
    fn initrd(&self, kernel: &Kernel, payload: &Payload) -> Result<OwnedFd, String> {
        let mut tree = Tree::new();
        for layer in &self.layers {
            tree.layer(layer).map_err(|error| error.to_string())?;
        }
        if self.layers.is_empty() {
            busybox(&mut tree);
        }
        for (to, from) in &self.files {
            let path = tree.resolve(to);
            tree.whole_file(&path, 0o644, from).map_err(|error| format!("{}: {error}", from.display()))?;
        }
        let mut config = self.config.clone();
        config.netloom.clone_from(&payload.argv);
        let mut drivers = drivers(&self.vm);
        drivers.extend(self.passed.iter().map(|function| function.driver.as_str()));
        tree.own(payload, kernel, &drivers, config).map_err(|error| error.to_string())?;
        // While it is unpacked it is there twice.
        let wanted = 2 * tree.size() + ROOM;
        if wanted > self.vm.memory {
            let mebibytes = wanted.div_ceil(64 << 20) * 64;
            return Err(format!(
                "its files are {}, which takes `memory: {mebibytes}MiB` to unpack",
                quantity::show_size(tree.size().next_multiple_of(1 << 20))
            ));
        }
        let file = memfd_create("initrd", MemfdFlags::CLOEXEC).map_err(|error| error.to_string())?;
        let mut file = BufWriter::with_capacity(1 << 20, File::from(file));
        tree.write(&mut file).map_err(|error| error.to_string())?;
        let file = file.into_inner().map_err(|error| error.to_string())?;
        Ok(file.into())
    }
}

impl Seat {
    /// What QEMU gets of it. What waits for a guest that is gone is not for the next one.
    pub(super) fn given(&self) -> Result<OwnedFd, String> {
        let given = match &self.card {
            Card::Datagrams { guest, .. } => {
                guest.drain();
                guest.as_fd()
            }
            Card::Rings { folder, .. } => folder.as_fd(),
        };
        given.try_clone_to_owned().map_err(|error| error.to_string())
    }
}

/// Where QEMU calls whoever serves a card's rings, of whose folder it has this descriptor.
pub(super) fn socket(fd: u32) -> String {
    format!("/proc/self/fd/{fd}/{SOCKET}")
}

/// The cards of a machine with these interfaces; those that are in `before` keep their numbers.
pub(super) fn seats(net: &HostNet, nics: &[Card], before: &[Seat]) -> Vec<Seat> {
    let mut free = (0..).filter(|number| before.iter().all(|seat| seat.number != *number));
    let seat = |(interface, card): (&HostInterface, &Card)| {
        let kept = before.iter().find(|seat| seat.name == interface.name).map(|seat| seat.number);
        let number = kept.or_else(|| free.next()).unwrap_or_default();
        Seat { name: interface.name.clone(), number, mac: interface.mac, card: card.clone() }
    };
    net.interfaces.iter().zip(nics).map(seat).collect()
}

/// Slots of a machine that has so many cards when it is made.
fn slots(vm: &Vm, cards: usize) -> u32 {
    if cards > vm.slots() { 0 } else { u32::try_from(vm.slots()).unwrap_or_default() }
}

/// Descriptors of QEMU: after the streams come its control socket, the serial port, the agent, and then files.
const QMP: u32 = 3;
const SERIAL: u32 = 4;
const AGENT: u32 = 5;
const FIRST_FILE: usize = 6;
/// The first of the files; behind it, in a machine that goes on, [`DEVICES`].
const RAM: u32 = 6;
/// Where a machine that goes on reads what its devices were.
pub(super) const DEVICES: u32 = 7;

/// A file in memory with nothing in it.
fn blank() -> Result<OwnedFd, String> {
    let file = memfd_create("initrd", MemfdFlags::CLOEXEC).map_err(|error| error.to_string())?;
    rustix::fs::ftruncate(&file, 4_096).map_err(|error| error.to_string())?;
    Ok(file)
}

/// The modules that a guest of ours needs.
fn drivers(vm: &Vm) -> Vec<&'static str> {
    let mut drivers: Vec<&str> = match vm.virt {
        lab::Virt::Para => vec!["virtio_pci", "virtio_net", "virtio_console", "virtio_rng", "virtio_balloon"],
        lab::Virt::Full => vec!["e1000e"],
    };
    if vm.has_disk() {
        drivers.push(if vm.virt == lab::Virt::Para { "virtio_blk" } else { "ahci" });
    }
    drivers
}

fn board(vm: &Vm) -> Board {
    match vm.board {
        lab::Board::Q35 => Board::Q35,
        lab::Board::Microvm => Board::Microvm,
    }
}

fn virt(vm: &Vm) -> Virt {
    match vm.virt {
        lab::Virt::Full => Virt::Full,
        lab::Virt::Para => Virt::Para,
    }
}

/// Words about time for a kernel that is emulated. On a microvm Linux holds its counter against the PIT at the very start, which
/// emulated it often fails to do, and against nothing later: hardware-reduced ACPI has it leave the PIT alone, and there is neither
/// HPET nor ACPI's timer. Then it stands still for good. By KVM it is told. The counter that guests of QEMU's translator read counts
/// like the processor's own, and is one for all processors of a guest.
///
/// Source: Linux, `Documentation/admin-guide/kernel-parameters.txt`; `arch/x86/kernel/tsc.c`.
fn counter(vm: &Vm) -> Result<Option<String>, String> {
    if vm.board == lab::Board::Q35 {
        return Ok(None);
    }
    let lacks = "an emulated microvm takes a processor with a time stamp counter";
    let kilohertz = netloom_sys::tsc::kilohertz().ok_or(lacks)?;
    Ok(Some(format!("tsc_early_khz={kilohertz} tsc=reliable")))
}

/// How the kernel starts netloom as its first process. Unpacked into memory that is not bounded to half of it.
fn append(payload: &Payload) -> String {
    let (program, words) = payload.argv.split_first().map_or(("", &[][..]), |(p, w)| (p.as_str(), w));
    let words = words.iter().map(String::as_str).chain(["guest", "init"]).collect::<Vec<_>>().join(" ");
    format!("quiet rootfstype=ramfs rdinit={program} -- {words}")
}

/// The machine's busybox, under all its names; without it a guest has no programs but netloom's own.
fn busybox(tree: &mut Tree) {
    let found = PATH.split(':').map(|folder| Path::new(folder).join("busybox")).find(|path| path.is_file());
    let Some(busybox) = found else { return };
    if tree.whole_file("bin/busybox", 0o755, &busybox).is_err() {
        return;
    }
    let said = std::process::Command::new(&busybox).arg("--list").output();
    let list = said.map(|out| String::from_utf8_lossy(&out.stdout).into_owned()).unwrap_or_default();
    for name in list.lines().filter(|name| !name.is_empty() && !name.contains('/') && *name != "busybox") {
        tree.link(&format!("bin/{name}"), "busybox");
    }
    tree.bytes("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n");
    tree.bytes("etc/group", 0o644, "root:x:0:\n");
}

/// What the guest is told.
pub(super) fn config(
    lab: &Lab,
    node: &Node,
    vm: &Vm,
    image: Option<&Ready>,
    passed: Option<&Passed>,
) -> GuestConfig {
    let everybody = |interface: &lab::Interface| {
        let others = lab.nodes.iter().flat_map(|node| &node.interfaces);
        let others = others.filter(|it| it.domain == interface.domain && it.mac != interface.mac);
        others.flat_map(|it| it.addresses.iter().map(|address| (address.ip, it.mac.0))).collect::<Vec<_>>()
    };
    let interface = |interface: &lab::Interface| GuestInterface {
        mac: interface.mac.0,
        driver: passed.filter(|_| node.is_function(&interface.name)).map(|function| function.driver.clone()),
        name: interface.name.clone(),
        mtu: interface.mtu,
        addresses: interface.addresses.iter().map(|address| (address.ip, address.len)).collect(),
        neighbours: if lab.options.arp == ArpMode::Static { everybody(interface) } else { Vec::new() },
    };
    let route = |route: &lab::Route| GuestRoute {
        to: (route.to.ip, route.to.len),
        via: route.via,
        dev: route.dev.clone(),
        metric: route.metric,
    };
    let forward =
        ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"].map(|name| (name.to_owned(), "1".to_owned()));
    let container = container(vm);
    let run = image.zip(container.as_ref()).map(|(image, container)| {
        (image.command(container), image.env(), image.user(container), image.workdir(container))
    });
    let (command, mut env, user, cwd) = run.unwrap_or_default();
    env.extend(node.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    let own = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
    GuestConfig {
        netloom: Vec::new(),
        hostname: node.hostname().to_owned(),
        modules: Vec::new(),
        interfaces: node.interfaces.iter().map(interface).collect(),
        routes: node.routes.iter().map(route).collect(),
        sysctls: node
            .forward
            .then_some(forward)
            .into_iter()
            .flatten()
            .chain(node.sysctl.iter().map(|(name, value)| (name.clone(), value.clone())))
            .collect(),
        hosts: format!("{own}{}", lab.hosts_file(&node.tenant)),
        resolver: lab.resolver(node).map(|resolver| resolver.text),
        env,
        cwd: cwd.map(|cwd| cwd.display().to_string()),
        user: Some(user).filter(|user| !user.is_empty()),
        console: if command.is_empty() { Console::Shell } else { Console::Program(command) },
        port: match vm.virt {
            lab::Virt::Para => Port::Virtio(AGENT_PORT.to_owned()),
            lab::Virt::Full => Port::Serial,
        },
    }
}

/// The image of a virtual machine, as of a container of which nothing else is said.
pub(in crate::engine) fn container(vm: &Vm) -> Option<Container> {
    Some(Container {
        image: vm.image.clone()?,
        entrypoint: None,
        cmd: None,
        user: None,
        workdir: None,
        volumes: Vec::new(),
        tmpfs: Vec::new(),
        read_only: false,
        stop_signal: None,
        stop_timeout: netloom_lab::container::STOP_TIMEOUT,
    })
}

/// A disk's image and how it lies there: QEMU's own format says so in its first bytes.
fn disk_of(path: &Path) -> Result<(PathBuf, DiskFormat), ApiError> {
    let mut head = Vec::new();
    let read = File::open(path)
        .and_then(|file| std::io::Read::read_to_end(&mut std::io::Read::take(file, 4), &mut head));
    read.map_err(|error| missing("disk", path, &error))?;
    let format = if head == b"QFI\xfb" { DiskFormat::Qcow2 } else { DiskFormat::Raw };
    Ok((path.to_owned(), format))
}

fn no_firmware() -> ApiError {
    ApiError::new(ErrorKind::Machine, "There is no UEFI firmware for guests on this machine.")
        .hint("apt-get install ovmf")
}

fn missing(what: &str, path: &Path, error: &std::io::Error) -> ApiError {
    ApiError::caused(ErrorKind::Failed, format!("Cannot read the {what} {}.", path.display()), error)
}

fn no_kernel(error: &KernelError, vm: &Vm) -> ApiError {
    let said = ApiError::caused(ErrorKind::Machine, format!("{error}."), error);
    match error {
        KernelError::None => said.hint("apt-get install linux-image-cloud-amd64, or give it a `kernel`"),
        KernelError::Lacks { .. } if vm.virt == lab::Virt::Full => {
            said.hint("apt-get install linux-image-amd64, which has drivers for hardware; or `virt: para`")
        }
        KernelError::Lacks { .. } => {
            said.hint("apt-get install linux-image-cloud-amd64, or give it another `kernel`")
        }
        KernelError::Read { .. } | KernelError::NotOne(_) => {
            ApiError::caused(ErrorKind::Failed, format!("{error}."), error)
        }
    }
}
