//! Tunnels to another kernel: Debian's own, in a machine that QEMU emulates. One boot for all types.
//!
//! The guest is an initial file system of busybox, `ip`, and the kernel's modules. It makes a device for each type and
//! waits; the lab beside it has a host for each.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Machines, ip, sh, sh_ok};
use crate::guest::{Guest, kernel, libraries, modules, pack, take, which};
use crate::place::{Place, eventually, once_as_root};

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
    let order = modules(folder, &MODULES);
    order.iter().for_each(|module| take(&root, module));
    let initrd = pack(place, &root, &init(&order));
    let mut command = Command::new("ip");
    let qemu = ["qemu-system-x86_64", "-accel", "tcg", "-cpu", "max", "-m", "256"];
    command.args(["netns", "exec", machine]).args(qemu);
    command.args(["-netdev", "tap,id=under,ifname=guest,script=no,downscript=no"]);
    command.args(["-device", "virtio-net-pci,netdev=under,mac=02:00:00:00:00:22,romfile="]);
    let guest = Guest::boot(command, image, &initrd);
    guest.until("READY");
    guest
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
    once_as_root(|place| {
        let Some((image, folder)) = kernel(&MODULES) else { return };
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
