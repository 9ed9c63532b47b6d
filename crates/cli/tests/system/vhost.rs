//! A real machine's para-virtual card at a port of the switch: QEMU, emulated, with Debian's kernel, and nothing between the
//! guest's rings and the daemon's worker.
//!
//! The back end is taken away under a running machine, so the switch runs in the test's own process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use netloom_daemon::engine::Patchbay;
use netloom_sys::netlink::{LinkChange, Netlink as _, NetlinkSocket, Request};
use netloom_sys::netns::NetNs;
use netloom_sys::tap::Tap;

use crate::guest::{Guest, kernel, libraries, modules, pack, take, which};
use crate::place::{Place, eventually, once};

const LAB: &str = "netloom: 1
arp: flood
nodes: { host: {}, machine: {} }
switches: { s1: {} }
links: [host -- s1, machine -- s1]
";
const MODULES: [&str; 2] = ["virtio_pci", "virtio_net"];
/// Pings that the guest sends while its card's back end is away for a while.
const PINGS: u32 = 70;

/// First the guest looks whether it reaches the host, then it goes on for as long as the back end goes and comes back; and
/// then a file goes over TCP.
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
    script.push_str(&format!(
        "ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 mtu 1400 up
until /real/ping -c 1 -W 1 10.0.0.1; do sleep 1; done
dd if=/dev/urandom of=/srv/file bs=65536 count=64 2>/dev/null
md5sum < /srv/file > /srv/sum
httpd -p 80 -h /srv
echo READY
/real/ping -q -c {PINGS} -i 0.1 -W 20 10.0.0.1
echo DONE
while true; do sleep 1000; done
"
    ));
    script
}

fn boot(place: &Place, socket: &Path, image: &Path, folder: &Path) -> Guest {
    let root = place.path("guest");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::create_dir_all(root.join("real")).unwrap();
    std::fs::copy(which("busybox"), root.join("bin/busybox")).unwrap();
    let program = which("ping");
    std::fs::copy(&program, root.join("real/ping")).unwrap();
    libraries(&program).iter().for_each(|library| take(&root, library));
    let order = modules(folder, &MODULES);
    order.iter().for_each(|module| take(&root, module));
    let initrd = pack(place, &root, &init(&order));
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-accel", "tcg", "-cpu", "max", "-m", "192", "-machine", "q35,memory-backend=ram"]);
    command.args(["-object", "memory-backend-memfd,id=ram,size=192M,share=on"]);
    command.arg("-chardev").arg(format!("socket,id=c0,path={},reconnect=1", socket.display()));
    command.args(["-netdev", "vhost-user,id=n0,chardev=c0"]);
    // Without `vectors` QEMU 7.2 ends in a segmentation fault when the guest's driver starts.
    command.args(["-device", "virtio-net-pci,netdev=n0,mac=02:00:00:00:00:22,romfile=,vectors=0"]);
    Guest::boot(command, image, &initrd)
}

/// A TAP with an address in a namespace of its own.
fn host(bay: &Patchbay) -> NetNs {
    let netns = NetNs::create().unwrap();
    let tap = netns.run(|| {
        let tap = Tap::create("eth0").unwrap();
        let index = tap.index();
        let change = LinkChange { up: Some(true), mtu: Some(1_400), ..LinkChange::default() };
        let address = "10.0.0.1".parse().unwrap();
        let requests =
            [Request::SetLink { index, change }, Request::AddAddress { index, address, prefix: 24 }];
        NetlinkSocket::open().unwrap().batch(&requests).unwrap();
        tap
    });
    bay.plug_tap("host", tap.unwrap()).unwrap();
    netns
}

/// Fetches the guest's file and looks whether it is whole.
fn fetch(netns: &NetNs) {
    const SCRIPT: &str = "\
import hashlib, urllib.request
file = urllib.request.urlopen('http://10.0.0.2/file', timeout=30).read()
wanted = urllib.request.urlopen('http://10.0.0.2/sum', timeout=30).read().split()[0].decode()
assert len(file) == 4 << 20 and hashlib.md5(file).hexdigest() == wanted, len(file)
";
    let done = netns.run(|| Command::new("python3").args(["-c", SCRIPT]).output().unwrap()).unwrap();
    assert!(done.status.success(), "{done:?}");
}

#[test]
fn a_machines_card_is_served_and_served_again_after_its_back_end_was_away() {
    once(|place| {
        let Some((image, folder)) = kernel(&MODULES) else { return };
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: a network namespace of the test's own needs root");
            return;
        }
        let bay = Patchbay::start(&place.path("run"), LAB).unwrap();
        let netns = host(&bay);
        let (socket, status) = bay.plug_guest("machine", 1).unwrap();
        assert!(!bay.is_up("machine"), "nobody is there yet");
        let guest = boot(place, &socket, &image, &folder);
        guest.until("READY");
        assert!(bay.is_up("machine") && status.is_ready());
        assert!(status.features() & 1 << 32 > 0, "{:#x}", status.features());
        // The guest is at its pings. The back end goes, and is away for longer than a few of them.
        std::thread::sleep(Duration::from_secs(1));
        bay.unplug("machine").unwrap();
        assert!(!socket.exists());
        std::thread::sleep(Duration::from_millis(500));
        let (again, status) = bay.plug_guest("machine", 1).unwrap();
        assert_eq!(again, socket);
        eventually("the machine calls again", || bay.is_up("machine").then_some(()));
        assert!(status.is_ready());
        let said = guest.until("DONE").join("\n");
        // All of them on a machine that is not busy; an emulated guest that gets no processor gives some up.
        let received = said.split(" packets transmitted, ").nth(1).and_then(|rest| rest.split(' ').next());
        let received: u32 = received.and_then(|count| count.parse().ok()).unwrap_or(0);
        assert!(received + 10 >= PINGS, "{said}");
        fetch(&netns);
        assert!(status.copied.out() > 4 << 20, "the file came by the ring");
        drop(guest);
        eventually("the port goes down with its machine", || (!bay.is_up("machine")).then_some(()));
    });
}
