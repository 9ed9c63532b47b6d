//! Tunnels to others: Linux's own VXLAN device, and Open vSwitch's userspace datapath.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Machines, RECEIVE, SEND, ip, one_host, sh, sh_ok};
use crate::place::{Place, eventually, once_as_root};

/// A command on a machine.
fn on(machine: &str, words: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", machine]).args(words.split(' '));
    command
}

fn on_ok(machine: &str, words: &str) {
    let done = on(machine, words).output().unwrap();
    assert!(done.status.success(), "{words}: {done:?}");
}

/// West's lab with a tunnel of this type, and that it reaches 10.0.0.2 on the east machine, which has the address itself:
/// pings of all sizes, and bulk both ways.
fn meets(place: &Place, machines: &Machines, tunnel: &str, mtu: u32) {
    let [west, east] = machines.names();
    place.write("west.loom.yml", &one_host("west", 1, &format!("link: s1 -- 192.0.2.2, {tunnel}")));
    let done = machines.netloom(place, &west, "up west.loom.yml");
    assert_eq!(done.code, 0, "{done:?}");
    eventually("the first ping", || {
        (sh(place, "west", "h1", "ping -c 1 -W 1 10.0.0.2").code == 0).then_some(())
    });
    for size in [0, 1000, mtu - 28] {
        sh_ok(place, "west", "h1", &format!("ping -c 1 -W 2 -M do -s {size} 10.0.0.2"));
    }
    let mut receiver = on(&east, "python3 -c").arg(RECEIVE).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(receiver.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let sent = place.run_words(&["exec", "-T", "-l", "west", "h1", "--", "python3", "-c", SEND]);
    assert_eq!(sent.code, 0, "{tunnel}: {sent:?}");
    assert!(receiver.wait().unwrap().success());
    // And back: what Linux sends crosses the underlay as one super-packet, its checksum open.
    let (receive, send) = (RECEIVE.replace("10.0.0.2", "10.0.0.1"), SEND.replace("10.0.0.2", "10.0.0.1"));
    let words = ["exec", "-T", "-l", "west", "h1", "--", "python3", "-c", &receive];
    let mut receiver = place.command(&words).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(receiver.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let sent = on(&east, "python3 -c").arg(send).output().unwrap();
    assert!(sent.status.success(), "{tunnel}: {sent:?}");
    assert!(receiver.wait().unwrap().success());
    place.ok("down -l west");
}

#[test]
fn linux_understands_vxlan_with_super_packets_and_open_checksums() {
    once_as_root(|place| {
        let machines = Machines::new();
        let [_, east] = machines.names();
        for (remote, local, tunnel) in [
            ("192.0.2.1", "192.0.2.2", "type: vxlan, key: 77"),
            ("192.0.2.1", "192.0.2.2", "type: vxlan, key: 77, csum: true"),
        ] {
            ip(&format!(
                "-n {east} link add vx0 type vxlan id 77 remote {remote} local {local} dstport 4789"
            ));
            ip(&format!("-n {east} addr add 10.0.0.2/24 dev vx0"));
            ip(&format!("-n {east} link set vx0 mtu 1450 up"));
            meets(place, &machines, tunnel, 1450);
            ip(&format!("-n {east} link del vx0"));
        }
    });
}

/// Open vSwitch's daemons on a machine, killed when dropped.
pub(super) struct Ovs<'a> {
    machine: &'a str,
    folder: &'a Path,
}

impl<'a> Ovs<'a> {
    fn start(machine: &'a str, folder: &'a Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        let ovs = Self { machine, folder };
        let (db, socket) = (folder.join("conf.db"), folder.join("db.sock"));
        let (db, socket) = (db.display(), socket.display());
        ovs.run(&format!("ovsdb-tool create {db} /usr/share/openvswitch/vswitch.ovsschema"));
        ovs.run(&format!("ovsdb-server {db} --remote punix:{socket} --pidfile --detach --log-file"));
        ovs.vsctl("--no-wait init");
        ovs.run(&format!("ovs-vswitchd unix:{socket} --pidfile --detach --log-file"));
        ovs
    }

    pub(super) fn run(&self, words: &str) {
        let mut command = on(self.machine, words);
        for variable in ["OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR", "OVS_SYSCONFDIR"] {
            command.env(variable, self.folder);
        }
        let done = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(done.success(), "{words}");
    }

    pub(super) fn vsctl(&self, words: &str) {
        self.run(&format!("ovs-vsctl --db=unix:{} {words}", self.folder.join("db.sock").display()));
    }
}

impl<'a> Ovs<'a> {
    /// The userspace datapath on the east machine: a bridge `br0` with 10.0.0.2, which reaches the underlay.
    pub(super) fn east(machines: &Machines, east: &'a str, folder: &'a Path) -> Self {
        let ovs = Self::start(east, folder);
        // The underlay is a bridge's own port, by whose address OVS finds the way to the other end.
        ovs.vsctl("add-br br-under -- set bridge br-under datapath_type=netdev -- add-port br-under under");
        ovs.vsctl("add-br br0 -- set bridge br0 datapath_type=netdev fail_mode=standalone");
        ip(&format!("-n {east} addr flush dev under"));
        ip(&format!("-n {east} addr add 192.0.2.2/24 dev br-under"));
        ip(&format!("-n {east} link set br-under up"));
        ip(&format!("-n {east} addr add 10.0.0.2/24 dev br0"));
        ip(&format!("-n {east} link set br0 mtu 1400 up"));
        // This datapath loses unfinished checksums.
        for device in ["br0", "br-under"] {
            on_ok(east, &format!("ethtool -K {device} tx off"));
        }
        let [west, _] = machines.names();
        on_ok(&west, "ethtool -K under tx off");
        ovs
    }
}

/// Whether there is an Open vSwitch; if not, it is said aloud.
pub(super) fn has_ovs() -> bool {
    let found = Command::new("ovs-vswitchd").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: ovs-vswitchd is missing (package openvswitch-switch)");
    }
    found
}

impl Drop for Ovs<'_> {
    fn drop(&mut self) {
        for daemon in ["ovs-vswitchd", "ovsdb-server"] {
            let pid = std::fs::read_to_string(self.folder.join(format!("{daemon}.pid")));
            if let Ok(pid) = pid.unwrap_or_default().trim().parse().map(rustix::process::Pid::from_raw)
                && let Some(pid) = pid
            {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
    }
}

#[test]
fn open_vswitch_understands_every_type() {
    once_as_root(|place| {
        if !has_ovs() {
            return;
        }
        let machines = Machines::new();
        let [_, east] = machines.names();
        let folder = place.path("ovs");
        let ovs = Ovs::east(&machines, &east, &folder);
        for (theirs, ours) in [
            ("type=vxlan options:key=77", "type: vxlan, key: 77"),
            (
                "type=vxlan options:key=77 options:exts=gbp options:csum=true",
                "type: vxlan, key: 77, exts: gbp",
            ),
            ("type=geneve options:key=77", "type: geneve, key: 77"),
            ("type=gre options:key=77", "type: gre, key: 77"),
            // Not both at once: OVS writes the sequence number after it has summed.
            ("type=gre options:csum=true", "type: gre, csum: true"),
            ("type=gre options:seq=true", "type: gre, seq: true"),
            (
                "type=erspan options:key=77 options:erspan_ver=1 options:erspan_idx=3",
                "type: erspan, key: 77, erspan_idx: 3",
            ),
            (
                "type=erspan options:key=77 options:erspan_ver=2 options:erspan_dir=1 options:erspan_hwid=4",
                "type: erspan, key: 77, erspan_ver: 2, erspan_dir: 1, erspan_hwid: 4",
            ),
        ] {
            ovs.vsctl(&format!("add-port br0 tun -- set interface tun options:remote_ip=192.0.2.1 {theirs}"));
            meets(place, &machines, ours, 1400);
            ovs.vsctl("del-port br0 tun");
        }
    });
}
