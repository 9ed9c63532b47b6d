//! From a spec to QEMU's command line: a pure function.
//!
//! Sources: QEMU's invocation manual; `qemu-options.hx`. Interfaces have no boot ROM (`romfile=`): nobody boots from the
//! network here, and looking for one takes 0.7 s. A guest that resets ends the machine (`-no-reboot`), so that one that
//! panics is not started again for ever; the daemon starts one that wanted to.

use crate::card;
use crate::spec::{Accel, Board, Boot, Disk, DiskFormat, Firmware, MachineSpec, Nic, NicBackend, Virt};

/// The name of the agent's port in the guest.
pub const AGENT_PORT: &str = "netloom.agent.0";

/// The arguments of `qemu-system-x86_64`.
#[must_use]
pub fn command(spec: &MachineSpec) -> Vec<String> {
    let mut args = Args::default();
    args.flags(["-nodefaults", "-no-user-config", "-no-reboot"]);
    args.pair("-display", "none");
    args.pair("-name", comma(&spec.name));
    board(spec, &mut args);
    processors(spec, &mut args);
    args.pair("-m", format!("{}M", mebibytes(spec.memory)));
    socket("qmp", spec.qmp, &mut args);
    args.pair("-mon", "chardev=qmp,mode=control");
    socket("serial", spec.serial, &mut args);
    args.pair("-serial", "chardev:serial");
    agent(spec, &mut args);
    if spec.virt == Virt::Para {
        // With a way of its own for wake-up calls (`ioeventfd`), starting the processors takes some 10 ms longer, emulated, before
        // cards are served: it was seen when a machine moves. Few calls come by these.
        args.pair("-device", "virtio-rng-pci,ioeventfd=off");
        // What the guest does not use for a while it gives back by itself.
        args.pair("-device", "virtio-balloon-pci,free-page-reporting=on");
    }
    for (number, disk) in spec.disks.iter().enumerate() {
        add_disk(number, disk, spec, &mut args);
    }
    if let Some(seed) = &spec.seed {
        add_seed(spec.disks.len(), seed, spec.virt, &mut args);
    }
    for slot in 0..spec.slots {
        args.pair("-device", card::slot(slot));
    }
    for nic in &spec.nics {
        add_nic(nic, spec, &mut args);
    }
    for address in &spec.functions {
        args.pair("-device", format!("vfio-pci,host={address},romfile="));
    }
    if let Boot::Kernel { kernel, initrd, append } = &spec.boot {
        args.pair("-kernel", kernel.display().to_string());
        if let Some(initrd) = initrd {
            args.pair("-initrd", initrd.display().to_string());
        }
        args.pair("-append", append.clone());
    }
    if spec.incoming {
        // Its processors stand still until they are told.
        args.flags(["-S"]);
        args.pair("-incoming", "defer");
    }
    args.0
}

/// A processor that is given and taken away, as a device: QEMU's name of it, and where it is on the board.
///
/// Source: QEMU, `docs/system/cpu-hotplug`. All are cores of one socket, which takes any number of them.
#[must_use]
pub fn processor(accel: Accel, core: u32) -> [(&'static str, String); 5] {
    let model = model(accel).split(',').next().unwrap_or_default();
    [
        ("driver", format!("{model}-x86_64-cpu")),
        ("id", processor_id(core)),
        ("socket-id", "0".to_owned()),
        ("core-id", core.to_string()),
        ("thread-id", "0".to_owned()),
    ]
}

/// What that device is called.
#[must_use]
pub fn processor_id(core: u32) -> String {
    format!("cpu{core}")
}

fn processors(spec: &MachineSpec, args: &mut Args) {
    let (first, most) = (spec.cpus.max(1), spec.most_cpus);
    if most <= first {
        return args.pair("-smp", first.to_string());
    }
    args.pair("-smp", format!("{first},maxcpus={most},sockets=1,cores={most},threads=1"));
    for core in first..first.saturating_add(spec.plugged).min(most) {
        let [(_, driver), properties @ ..] = processor(spec.accel, core);
        let properties = properties.map(|(key, value)| format!("{key}={value}")).join(",");
        args.pair("-device", format!("{driver},{properties}"));
    }
}

/// QEMU's word for what guests see of the processor.
const fn model(accel: Accel) -> &'static str {
    match accel {
        Accel::Kvm(processor) => processor,
        Accel::Tcg => "max",
    }
}

#[derive(Default)]
struct Args(Vec<String>);

impl Args {
    fn flags<const N: usize>(&mut self, flags: [&str; N]) {
        self.0.extend(flags.map(str::to_owned));
    }

    fn pair(&mut self, flag: &str, value: impl Into<String>) {
        self.0.extend([flag.to_owned(), value.into()]);
    }
}

fn board(spec: &MachineSpec, args: &mut Args) {
    let accel = match spec.accel {
        Accel::Kvm(_) => "kvm",
        Accel::Tcg => "tcg",
    };
    let flash = match &spec.boot {
        Boot::Firmware(Firmware::Uefi { code, variables }) => {
            let [code, variables] = [code, variables].map(|file| comma(&file.display().to_string()));
            args.pair("-blockdev", format!("driver=file,node-name=codef,read-only=on,filename={code}"));
            args.pair("-blockdev", "driver=raw,node-name=code,read-only=on,file=codef");
            args.pair("-blockdev", format!("driver=file,node-name=variablesf,filename={variables}"));
            args.pair("-blockdev", "driver=raw,node-name=variables,file=variablesf");
            ",pflash0=code,pflash1=variables"
        }
        _ => "",
    };
    let buses = match spec.board {
        Board::Q35 => "",
        // Both are off there unless one asks. Without, its devices would be on a bus of their own (virtio-mmio), and nobody could
        // ask the guest to switch itself off.
        Board::Microvm => ",acpi=on,pcie=on",
    };
    let board = spec.board.word();
    args.pair("-machine", format!("{board}{buses},accel={accel},memory-backend=ram{flash}"));
    // A back end in another process needs the guest's memory as a file; so does who keeps a copy of it. QEMU opens it by its
    // number: only of a file that it has opened by name does it believe that somebody else looks after what is in it.
    let (size, ram) = (mebibytes(spec.memory), spec.ram);
    args.pair(
        "-object",
        format!("memory-backend-file,id=ram,size={size}M,mem-path=/proc/self/fd/{ram},share=on"),
    );
    args.pair("-cpu", model(spec.accel));
}

fn socket(id: &str, fd: u32, args: &mut Args) {
    args.pair("-chardev", format!("socket,id={id},fd={fd}"));
}

/// A port of its own by virtio, or the second serial port.
fn agent(spec: &MachineSpec, args: &mut Args) {
    socket("agent", spec.agent, args);
    match spec.virt {
        Virt::Para => {
            args.pair("-device", "virtio-serial-pci,id=ports,ioeventfd=off");
            args.pair("-device", format!("virtserialport,bus=ports.0,chardev=agent,name={AGENT_PORT}"));
        }
        Virt::Full => args.pair("-serial", "chardev:agent"),
    }
}

fn add_disk(number: usize, disk: &Disk, spec: &MachineSpec, args: &mut Args) {
    let format = match disk.format {
        DiskFormat::Raw => "raw",
        DiskFormat::Qcow2 => "qcow2",
    };
    let [base, overlay] = [&disk.base, &disk.overlay].map(|file| comma(&file.display().to_string()));
    let mut node = |text: String| args.pair("-blockdev", text);
    node(format!("driver=file,node-name=b{number}f,read-only=on,filename={base}"));
    node(format!("driver={format},node-name=b{number},read-only=on,file=b{number}f"));
    node(format!("driver=file,node-name=d{number}f,filename={overlay}"));
    node(format!("driver=qcow2,node-name=d{number},file=d{number}f,backing=b{number}"));
    // UEFI would ask the network first, which takes its time.
    let first = match &spec.boot {
        Boot::Firmware(Firmware::Uefi { .. }) => format!(",bootindex={number}"),
        _ => String::new(),
    };
    args.pair(
        "-device",
        match spec.virt {
            Virt::Para => format!("virtio-blk-pci,drive=d{number}{first}"),
            // The board has an AHCI controller with six ports.
            Virt::Full => format!("ide-hd,drive=d{number},bus=ide.{number}{first}"),
        },
    );
}

fn add_seed(port: usize, file: &std::path::Path, virt: Virt, args: &mut Args) {
    let file = comma(&file.display().to_string());
    args.pair("-blockdev", format!("driver=file,node-name=seedf,read-only=on,filename={file}"));
    args.pair("-blockdev", "driver=raw,node-name=seed,read-only=on,file=seedf");
    args.pair(
        "-device",
        match virt {
            Virt::Para => "virtio-blk-pci,drive=seed".to_owned(),
            Virt::Full => format!("ide-cd,drive=seed,bus=ide.{port}"),
        },
    );
}

fn add_nic(nic: &Nic, spec: &MachineSpec, args: &mut Args) {
    let netdev = card::netdev(nic.number);
    match &nic.backend {
        NicBackend::Datagram { fd } => {
            args.pair("-netdev", format!("dgram,id={netdev},local.type=fd,local.str={fd}"));
        }
        NicBackend::VhostUser { socket } => {
            let (chardev, path) = (card::chardev(nic.number), comma(&socket.display().to_string()));
            args.pair("-chardev", format!("socket,id={chardev},path={path},reconnect=1"));
            args.pair("-netdev", format!("vhost-user,id={netdev},chardev={chardev}"));
        }
    }
    let is_served = matches!(nic.backend, NicBackend::VhostUser { .. });
    let properties = card::properties(nic.number, nic.mac, is_served);
    let mut words = vec![card::driver(spec.virt).to_owned()];
    words.extend(properties.into_iter().map(|(key, value)| format!("{key}={value}")));
    words.extend((nic.number < spec.slots).then(|| format!("bus={}", card::bus(nic.number))));
    args.pair("-device", words.join(","));
}

/// QEMU's options are lists with commas; one in a value is written twice.
fn comma(text: &str) -> String {
    text.replace(',', ",,")
}

const fn mebibytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> MachineSpec {
        MachineSpec {
            name: "red/db".to_owned(),
            accel: Accel::Tcg,
            board: Board::Q35,
            virt: Virt::Para,
            memory: 256 << 20,
            cpus: 2,
            plugged: 0,
            most_cpus: 2,
            boot: Boot::Kernel {
                kernel: "/boot/vmlinuz".into(),
                initrd: Some("/proc/self/fd/6".into()),
                append: "console=ttyS0".to_owned(),
            },
            disks: vec![Disk { overlay: "/o".into(), base: "/a,b.qcow2".into(), format: DiskFormat::Qcow2 }],
            seed: None,
            slots: 0,
            nics: vec![Nic { number: 0, mac: [2, 0, 0, 0, 0, 0xa], backend: NicBackend::Datagram { fd: 7 } }],
            functions: Vec::new(),
            qmp: 3,
            serial: 4,
            agent: 5,
            ram: 6,
            incoming: false,
        }
    }

    #[test]
    fn a_para_virtualized_machine_has_virtio_devices() {
        let expected = "-nodefaults -no-user-config -no-reboot -display none -name red/db \
            -machine q35,accel=tcg,memory-backend=ram \
            -object memory-backend-file,id=ram,size=256M,mem-path=/proc/self/fd/6,share=on \
            -cpu max -smp 2 -m 256M \
            -chardev socket,id=qmp,fd=3 -mon chardev=qmp,mode=control \
            -chardev socket,id=serial,fd=4 -serial chardev:serial \
            -chardev socket,id=agent,fd=5 -device virtio-serial-pci,id=ports,ioeventfd=off \
            -device virtserialport,bus=ports.0,chardev=agent,name=netloom.agent.0 \
            -device virtio-rng-pci,ioeventfd=off -device virtio-balloon-pci,free-page-reporting=on \
            -blockdev driver=file,node-name=b0f,read-only=on,filename=/a,,b.qcow2 \
            -blockdev driver=qcow2,node-name=b0,read-only=on,file=b0f \
            -blockdev driver=file,node-name=d0f,filename=/o \
            -blockdev driver=qcow2,node-name=d0,file=d0f,backing=b0 -device virtio-blk-pci,drive=d0 \
            -netdev dgram,id=n0,local.type=fd,local.str=7 \
            -device virtio-net-pci,id=card0,netdev=n0,mac=02:00:00:00:00:0a,romfile= \
            -kernel /boot/vmlinuz -initrd /proc/self/fd/6 -append console=ttyS0";
        assert_eq!(command(&spec()).join(" "), expected);
    }

    #[test]
    fn a_microvm_differs_in_its_board_alone() {
        let (usual, small) = (command(&spec()), command(&MachineSpec { board: Board::Microvm, ..spec() }));
        let differ = |(a, b): &(&String, &String)| a != b;
        let different: Vec<_> =
            usual.iter().zip(&small).filter(differ).map(|(_, word)| word.as_str()).collect();
        assert_eq!(different, ["microvm,acpi=on,pcie=on,accel=tcg,memory-backend=ram"]);
        assert_eq!(usual.len(), small.len());
    }

    #[test]
    fn processors_that_can_be_taken_away_are_devices() {
        let text = command(&MachineSpec { cpus: 1, plugged: 2, most_cpus: 4, ..spec() }).join(" ");
        let expected = "-smp 1,maxcpus=4,sockets=1,cores=4,threads=1 \
            -device max-x86_64-cpu,id=cpu1,socket-id=0,core-id=1,thread-id=0 \
            -device max-x86_64-cpu,id=cpu2,socket-id=0,core-id=2,thread-id=0 -m 256M";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn a_fully_virtualized_machine_has_hardware_that_every_guest_knows() {
        let disks = vec![Disk { overlay: "/o".into(), base: "/d".into(), format: DiskFormat::Raw }];
        let full = MachineSpec {
            virt: Virt::Full,
            accel: Accel::Kvm("host"),
            boot: Boot::Firmware(Firmware::Bios),
            seed: Some("/s".into()),
            disks,
            ..spec()
        };
        let text = command(&full).join(" ");
        assert!(text.contains("-machine q35,accel=kvm,memory-backend=ram"), "{text}");
        assert!(text.contains("-cpu host"), "{text}");
        assert!(text.contains("-serial chardev:serial") && text.contains("-serial chardev:agent"), "{text}");
        assert!(text.contains("-device ide-hd,drive=d0,bus=ide.0"), "{text}");
        assert!(text.contains("read-only=on,filename=/s"), "{text}");
        assert!(text.contains("-device ide-cd,drive=seed,bus=ide.1"), "{text}");
        assert!(text.contains("-device e1000e,id=card0,netdev=n0,mac=02:00:00:00:00:0a,romfile="), "{text}");
        assert!(!text.contains("virtio") && !text.contains("-kernel"), "{text}");
    }

    #[test]
    fn a_board_has_its_firmware_in_flash_memory() {
        let firmware = Firmware::Uefi { code: "/c".into(), variables: "/v".into() };
        let text = command(&MachineSpec { boot: Boot::Firmware(firmware), ..spec() }).join(" ");
        let expected = "-blockdev driver=file,node-name=codef,read-only=on,filename=/c \
            -blockdev driver=raw,node-name=code,read-only=on,file=codef \
            -blockdev driver=file,node-name=variablesf,filename=/v \
            -blockdev driver=raw,node-name=variables,file=variablesf \
            -machine q35,accel=tcg,memory-backend=ram,pflash0=code,pflash1=variables";
        assert!(text.contains(expected) && !text.contains("-kernel"), "{text}");
        assert!(text.contains("-device virtio-blk-pci,drive=d0,bootindex=0"), "{text}");
    }

    #[test]
    fn cards_are_served_by_another_process() {
        let backend = NicBackend::VhostUser { socket: "/run/n0".into() };
        let nics = vec![Nic { number: 1, mac: [2, 0, 0, 0, 0, 1], backend }];
        let text = command(&MachineSpec { slots: 2, nics, ..spec() }).join(" ");
        assert!(text.contains("-netdev vhost-user,id=n1,chardev=c1"), "{text}");
        assert!(text.contains("romfile=,vectors=0,bus=slot1"), "{text}");
        let slots = "-device pcie-root-port,id=slot0,chassis=1,bus=pcie.0,addr=0x10.0,multifunction=on \
            -device pcie-root-port,id=slot1,chassis=2,bus=pcie.0,addr=0x10.1,multifunction=on -chardev";
        assert!(text.contains(slots), "{text}");
    }

    #[test]
    fn one_that_goes_on_waits_for_what_it_was() {
        let text = command(&MachineSpec { incoming: true, ..spec() }).join(" ");
        assert!(text.ends_with("-append console=ttyS0 -S -incoming defer"), "{text}");
    }
}
