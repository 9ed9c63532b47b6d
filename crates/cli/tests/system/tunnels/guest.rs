//! Tunnels to another kernel: Debian's own, in a machine that QEMU emulates. One boot for all types.
//!
//! The guest is an initial file system of busybox, `ip`, and the kernel's modules. It makes a device for each type and
//! waits; the lab beside it has a host for each.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::{Machines, ip, sh, sh_ok};
use crate::place::{Place, eventually, once};

/// Types, the device of the guest's kernel, and the tunnel of the lab. The nth has 10.N.0.2 in the guest, 10.N.0.1 here.
const TYPES: [(&str, &str); 7] = [
    ("vxlan id 77 REMOTE dstport 4789", "type: vxlan, key: 77"),
    ("geneve id 78 remote 203.0.113.1", "type: geneve, key: 78"),
    ("gretap REMOTE key 79", "type: gre, key: 79"),
    ("gretap REMOTE key 80 csum", "type: gre, key: 80, csum: true"),
    ("erspan REMOTE seq key 81 erspan_ver 1 erspan 3", "type: erspan, key: 81, erspan_idx: 3"),
    (
        "erspan REMOTE seq key 82 erspan_ver 2 erspan_dir egress erspan_hwid 4",
        "type: erspan, key: 82, erspan_ver: 2, erspan_dir: 1, erspan_hwid: 4",
    ),
    ("gretap REMOTE key 83 seq", "type: gre, key: 83, seq: true"),
];
const MTU: u32 = 1400;
const MODULES: [&str; 5] = ["virtio_pci", "virtio_net", "vxlan", "geneve", "ip_gre"];
/// How long the guest may take to boot, emulated, on a busy machine.
const BOOT: Duration = Duration::from_secs(75);

/// A running guest; killed when dropped.
struct Guest(Child);

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's kernel on this machine, and its modules; `None`, said aloud, if something is missing.
fn kernel() -> Option<(PathBuf, PathBuf)> {
    let folders = std::fs::read_dir("/lib/modules").into_iter().flatten().flatten();
    let found = folders.map(|folder| folder.path()).find_map(|modules| {
        let version = modules.file_name()?.to_str()?.to_owned();
        let image = PathBuf::from(format!("/boot/vmlinuz-{version}"));
        let list = std::fs::read_to_string(modules.join("modules.dep")).ok()?;
        let has = |name: &str| list.contains(&format!("/{name}.ko"));
        (image.is_file() && MODULES.iter().all(|name| has(name))).then_some((image, modules))
    });
    let programs = ["qemu-system-x86_64", "busybox", "cpio"];
    let lacks = |program: &&&str| Command::new(program).arg("--help").output().is_err();
    let missing = programs.iter().find(lacks);
    match (found, missing) {
        (Some(found), None) => Some(found),
        (found, missing) => {
            let packages = "qemu-system-x86, linux-image-cloud-amd64, busybox-static, cpio";
            eprintln!("skipped: kernel {found:?}, program {missing:?} missing (packages {packages})");
            None
        }
    }
}

/// Copies a file to the same place below `root`.
fn take(root: &Path, file: &Path) {
    let to = root.join(file.strip_prefix("/").unwrap());
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::copy(file, to).unwrap();
}

/// The libraries that a program is linked with, its loader included.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let done = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(done.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

fn which(program: &str) -> PathBuf {
    let folders = ["/bin", "/sbin", "/usr/bin", "/usr/sbin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(program)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{program} is missing"))
}

/// Modules in the order in which they can be loaded.
fn modules(folder: &Path) -> Vec<PathBuf> {
    let list = std::fs::read_to_string(folder.join("modules.dep")).unwrap();
    let mut order: Vec<PathBuf> = Vec::new();
    for name in MODULES {
        let of =
            |line: &&str| line.split(':').next().is_some_and(|path| path.ends_with(&format!("/{name}.ko")));
        let line = list.lines().find(of).unwrap();
        // What it needs stands behind it, the first needed last.
        for path in line.split([':', ' ']).filter(|path| !path.is_empty()).rev() {
            let path = folder.join(path);
            if !order.contains(&path) {
                order.push(path);
            }
        }
    }
    order
}

fn init(modules: &[PathBuf]) -> String {
    let mut script = String::from(
        "#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /srv /sbin /usr/bin /usr/sbin
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
",
    );
    for module in modules {
        script.push_str(&format!("insmod {} || echo FAILED {}\n", module.display(), module.display()));
    }
    script.push_str(
        "IP=/real/ip\n$IP link set lo up\n$IP addr add 203.0.113.2/24 dev eth0\n$IP link set eth0 up\n",
    );
    for (n, (device, _)) in (1..).zip(TYPES) {
        let device = device.replace("REMOTE", "remote 203.0.113.1 local 203.0.113.2");
        script.push_str(&format!(
            "$IP link add t{n} type {device} || echo FAILED {n}\n$IP addr add 10.{n}.0.2/24 dev t{n}\n\
             $IP link set t{n} mtu {MTU} up || echo FAILED {n}\n"
        ));
    }
    script.push_str(
        "dd if=/dev/urandom of=/srv/file bs=65536 count=16 2>/dev/null
md5sum < /srv/file > /srv/sum
httpd -p 80 -h /srv
nc -ll -p 5001 -e /bin/md5sum &
echo READY
while true; do sleep 1000; done
",
    );
    script
}

fn boot(place: &Place, machine: &str, image: &Path, folder: &Path) -> Guest {
    let root = place.path("guest");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::create_dir_all(root.join("real")).unwrap();
    std::fs::copy(which("busybox"), root.join("bin/busybox")).unwrap();
    let program = which("ip");
    std::fs::copy(&program, root.join("real/ip")).unwrap();
    libraries(&program).iter().for_each(|library| take(&root, library));
    let order = modules(folder);
    order.iter().for_each(|module| take(&root, module));
    let script = root.join("init");
    std::fs::File::create(&script).unwrap().write_all(init(&order).as_bytes()).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, executable).unwrap();
    let initrd = place.path("initrd");
    let pack = format!("cd {} && find . | cpio -o -H newc --quiet > {}", root.display(), initrd.display());
    assert!(Command::new("sh").args(["-c", &pack]).status().unwrap().success());
    let mut command = Command::new("ip");
    command.args([
        "netns",
        "exec",
        machine,
        "qemu-system-x86_64",
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-m",
        "256",
    ]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"]);
    command.arg("-kernel").arg(image).arg("-initrd").arg(&initrd);
    command.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off"]);
    command.args(["-netdev", "tap,id=under,ifname=guest,script=no,downscript=no"]);
    command.args(["-device", "virtio-net-pci,netdev=under,mac=02:00:00:00:00:22,romfile="]);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let guest = Guest(child);
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
    let mut seen = Vec::new();
    loop {
        let line = told.recv_timeout(BOOT);
        let line = line.unwrap_or_else(|_| panic!("the guest did not boot: {seen:#?}"));
        assert!(!line.contains("FAILED"), "{line}: {seen:#?}");
        if line.trim_end().ends_with("READY") {
            return guest;
        }
        seen.push(line);
    }
}

const FETCH: &str = "\
import hashlib, socket, urllib.request
url = 'http://10.N.0.2/'
file = urllib.request.urlopen(url + 'file', timeout=20).read()
wanted = urllib.request.urlopen(url + 'sum', timeout=20).read().split()[0].decode()
assert len(file) == 1 << 20 and hashlib.md5(file).hexdigest() == wanted, len(file)
peer = socket.create_connection(('10.N.0.2', 5001), 20)
peer.settimeout(20)
peer.sendall(file)
peer.shutdown(socket.SHUT_WR)
assert peer.recv(64).split()[0].decode() == wanted
";

#[test]
fn debians_kernel_understands_every_type() {
    once(|place| {
        let Some((image, folder)) = kernel() else { return };
        let machines = Machines::new();
        let [west, _] = machines.names();
        ip(&format!("-n {west} tuntap add dev guest mode tap"));
        ip(&format!("-n {west} addr add 203.0.113.1/24 dev guest"));
        ip(&format!("-n {west} link set guest up"));
        let _guest = boot(place, &west, &image, &folder);
        let mut text = "netloom: 1\nname: west\nnodes:\n".to_owned();
        let every = || (1..).zip(TYPES);
        every().for_each(|(n, _)| text += &format!("  h{n}: {{ mtu: {MTU}, ip: 10.{n}.0.1/24 }}\n"));
        text += "switches:\n";
        every().for_each(|(n, _)| text += &format!("  s{n}: {{}}\n"));
        text += "links:\n";
        every().for_each(|(n, _)| text += &format!("  - h{n} -- s{n}\n"));
        text += "tunnels:\n";
        every()
            .for_each(|(n, (_, tunnel))| text += &format!("  - {{ link: s{n} -- 203.0.113.2, {tunnel} }}\n"));
        place.write("west.loom.yml", &text);
        let done = machines.netloom(place, &west, "up west.loom.yml");
        assert_eq!(done.code, 0, "{done:?}");
        for (n, (_, tunnel)) in every() {
            let host = format!("h{n}");
            eventually(tunnel, || {
                let ping = format!("ping -c 1 -W 1 10.{n}.0.2");
                (sh(place, "west", &host, &ping).code == 0).then_some(())
            });
            for size in [1_000, MTU - 28] {
                sh_ok(place, "west", &host, &format!("ping -c 1 -W 3 -M do -s {size} 10.{n}.0.2"));
            }
            let fetch = FETCH.replace(".N.", &format!(".{n}."));
            let done = place.run_words(&["exec", "-T", "-l", "west", &host, "--", "python3", "-c", &fetch]);
            assert_eq!(done.code, 0, "{tunnel}: {done:?}");
        }
    });
}
