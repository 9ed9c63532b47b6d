//! The switch behind a database: the stock `ovsdb-server` and its tools, with netloom where `ovs-vswitchd` stood.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::machine::Machine;
use crate::place::{BINARY, Done, Place, eventually, once};

const SCHEMA: &str = "/usr/share/openvswitch/vswitch.ovsschema";

/// A machine with a database and a switch, in a directory of their own.
pub(crate) struct Stage {
    machine: Machine,
    pub(crate) dir: PathBuf,
    /// `None`: the switch brings its own.
    database: Option<Child>,
    switch: Option<Child>,
    /// Flags of the switch.
    flags: Vec<&'static str>,
}

impl Stage {
    /// `None`, said aloud, where it cannot be had.
    fn new(place: &Place) -> Option<Self> {
        Self::of(place, "ovs", [BINARY, "ovsdb-server"], &[])
    }

    /// In the folder `name`, with this switch, this server and these flags of the switch.
    pub(crate) fn of(
        place: &Place,
        name: &str,
        [switch, server]: [&str; 2],
        flags: &[&'static str],
    ) -> Option<Self> {
        let machine = Machine::new()?;
        if !Path::new(SCHEMA).exists() {
            eprintln!("skipped: there is no ovsdb-server (Debian: openvswitch-switch)");
            return None;
        }
        place.make_dir(name);
        let dir = place.path(name);
        std::os::unix::fs::symlink(switch, dir.join("ovs-vswitchd")).unwrap();
        if server.starts_with('/') {
            std::os::unix::fs::symlink(server, dir.join("ovsdb-server")).unwrap();
        }
        let server = if server.starts_with('/') {
            dir.join("ovsdb-server").display().to_string()
        } else {
            server.to_owned()
        };
        let mut stage = Self { machine, dir, database: None, switch: None, flags: flags.to_vec() };
        if !server.is_empty() {
            let file = stage.dir.join("conf.db").display().to_string();
            let made = Command::new("ovsdb-tool").args(["create", &file, SCHEMA]).status().unwrap();
            assert!(made.success());
            stage.database = Some(stage.serve(&server));
            eventually("the database is served", || stage.dir.join("db.sock").exists().then_some(()));
            stage.vsctl("--no-wait init");
        }
        stage.start();
        Some(stage)
    }

    fn serve(&self, server: &str) -> Child {
        let file = self.dir.join("conf.db").display().to_string();
        let socket = format!("--remote=punix:{}", self.dir.join("db.sock").display());
        run_in(&self.machine, &self.dir, server, &[&file, &socket]).spawn().unwrap()
    }

    pub(crate) fn start(&mut self) {
        let program = self.dir.join("ovs-vswitchd").display().to_string();
        let words = [&["--pidfile", "--log-file", "-vconsole:off"][..], &self.flags].concat();
        self.switch = Some(run_in(&self.machine, &self.dir, &program, &words).spawn().unwrap());
        let control = |path: PathBuf| path.extension().is_some_and(|it| it == "ctl");
        let is_there = |dir: &Path| {
            let mut files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap());
            files.any(|file| {
                file.file_name().to_string_lossy().starts_with("ovs-vswitchd.") && control(file.path())
            })
        };
        eventually("the switch takes commands", || is_there(&self.dir).then_some(()));
    }

    pub(crate) fn kill(&mut self) {
        let mut switch = self.switch.take().unwrap();
        switch.kill().unwrap();
        switch.wait().unwrap();
        for file in std::fs::read_dir(&self.dir).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|it| it == "ctl")
                && file.display().to_string().contains("vswitchd")
            {
                std::fs::remove_file(file).unwrap();
            }
        }
    }

    /// Tells the switch to end, and waits until it has.
    pub(crate) fn end(&mut self) {
        self.appctl("exit");
        let mut switch = self.switch.take().unwrap();
        assert!(switch.wait().unwrap().success());
    }

    pub(crate) fn run(&self, program: &str, words: &str) -> Done {
        let words: Vec<&str> = words.split(' ').filter(|word| !word.is_empty()).collect();
        Done::from(run_in(&self.machine, &self.dir, program, &words).output().unwrap())
    }

    /// A program that must succeed; its output without the last line feed.
    fn ok(&self, program: &str, words: &str) -> String {
        let done = self.run(program, words);
        let log = || std::fs::read_to_string(self.dir.join("ovs-vswitchd.log")).unwrap_or_default();
        assert_eq!(done.code, 0, "{program} {words}: {done:?}\n{}", log());
        done.out.trim_end().to_owned()
    }

    /// It waits until the switch has done what it says.
    pub(crate) fn vsctl(&self, words: &str) -> String {
        self.ok("ovs-vsctl", &format!("-t 10 {words}"))
    }

    pub(crate) fn ofctl(&self, words: &str) -> String {
        self.ok("ovs-ofctl", words)
    }

    pub(crate) fn appctl(&self, words: &str) -> String {
        self.ok("ovs-appctl", &format!("-t ovs-vswitchd {words}"))
    }

    /// A line of the shell: its code, and what it printed to both.
    pub(crate) fn shell(&self, line: &str) -> (i32, String) {
        let done = Done::from(run_in(&self.machine, &self.dir, "sh", &["-c", line]).output().unwrap());
        (done.code, done.out + &done.err)
    }

    /// Another machine, joined by a cable; its end is `eth0`, ours has this name.
    pub(crate) fn neighbour(&self, name: &str, address: &str) -> Machine {
        let other = Machine::new().unwrap();
        self.machine.ip(&format!("link add {name} type veth peer name eth0 netns {}", other.name()));
        self.machine.ip(&format!("link set {name} up"));
        other.ip(&format!("addr add {address} dev eth0"));
        other.ip("link set eth0 up");
        other
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in self.switch.iter_mut().chain(self.database.iter_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn run_in(machine: &Machine, dir: &Path, program: &str, words: &[&str]) -> Command {
    let mut command = machine.program(program);
    command.args(words).env("OVS_RUNDIR", dir).env("OVS_LOGDIR", dir).env("OVS_DBDIR", dir).current_dir(dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

pub(crate) fn pings(from: &Machine, to: &str) -> bool {
    let mut ping = from.program("ping");
    ping.args(["-c", "1", "-W", "1", to]).output().unwrap().status.success()
}

#[test]
fn a_bridge_of_the_database_joins_machines_and_stays_over_a_restart() {
    once(|place| {
        let Some(mut stage) = Stage::new(place) else { return };
        let (a, b) = (stage.neighbour("va", "10.0.0.1/24"), stage.neighbour("vb", "10.0.0.2/24"));
        stage.vsctl("add-br br0 -- add-port br0 va -- add-port br0 vb -- set Interface vb ofport_request=7");
        assert_eq!(stage.vsctl("get Interface va ofport"), "1");
        assert_eq!(stage.vsctl("get Interface vb ofport"), "7");
        assert_eq!(stage.vsctl("get Interface br0 ofport"), "65534");
        assert_eq!(stage.vsctl("get Interface va link_state"), "up");
        eventually("a reaches b", || pings(&a, "10.0.0.2").then_some(()));

        // What the tools show.
        let shown = stage.ofctl("show br0");
        assert!(shown.contains(" 1(va): addr:") && shown.contains(" 7(vb): addr:"), "{shown}");
        assert!(shown.contains(" LOCAL(br0): addr:"), "{shown}");
        let mac = stage.vsctl("get Interface va mac_in_use").trim_matches('"').to_owned();
        assert!(shown.contains(&format!("1(va): addr:{mac}")), "{mac}: {shown}");
        let flows = stage.ofctl("dump-flows br0");
        assert!(flows.contains("actions=NORMAL"), "{flows}");
        let learned = stage.appctl("fdb/show br0");
        assert!(learned.starts_with(" port  VLAN  MAC                Age\n"), "{learned}");
        assert!(learned.lines().count() >= 3, "{learned}");
        let datapath = stage.appctl("dpif/show");
        assert!(datapath.contains("  br0:\n") && datapath.contains("    va 1/"), "{datapath}");
        let traced = stage.appctl("ofproto/trace br0 in_port=1,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2");
        assert!(traced.contains("bridge(\"br0\")\n-------------\n 0. priority 0\n    NORMAL\n"), "{traced}");
        assert!(traced.contains("Datapath actions: "), "{traced}");

        // Flows decide, and are gone with their own commands.
        stage.ofctl("add-flow br0 priority=100,icmp,actions=drop");
        assert!(!pings(&a, "10.0.0.2"), "a flow drops it");
        stage.ofctl("del-flows br0 icmp");
        assert!(pings(&a, "10.0.0.2"));

        // A port that goes carries nothing; one that comes again has its old number.
        stage.vsctl("del-port br0 vb");
        assert!(!pings(&a, "10.0.0.2"));
        stage.vsctl("add-port br0 vb -- set Interface vb ofport_request=7");
        assert!(pings(&a, "10.0.0.2"));

        // Killed and started again, everything is as the database says.
        stage.kill();
        assert!(!pings(&a, "10.0.0.2"), "nobody forwards");
        stage.start();
        eventually("a reaches b again", || pings(&a, "10.0.0.2").then_some(()));
        assert_eq!(stage.vsctl("get Interface vb ofport"), "7");
        assert!(pings(&b, "10.0.0.1"));

        // The end: its own device goes with the bridge, and the process when it is told to.
        stage.vsctl("del-br br0");
        let gone = stage.run("ip", "link show br0");
        assert_ne!(gone.code, 0, "{gone:?}");
        assert!(!stage.dir.join("br0.mgmt").exists());
        stage.appctl("exit");
        let mut switch = stage.switch.take().unwrap();
        assert!(switch.wait().unwrap().success());
        assert!(!stage.dir.join("ovs-vswitchd.pid").exists());
    });
}

#[test]
fn what_cannot_be_is_told_and_put_right_when_it_can() {
    once(|place| {
        let Some(stage) = Stage::new(place) else { return };
        stage.vsctl("add-br br0");
        let done = stage.run("ovs-vsctl", "-t 10 add-port br0 late");
        assert!(done.err.contains("Error detected while setting up 'late'"), "{done:?}");
        assert!(done.err.contains("could not open network device late (No such device)"), "{done:?}");
        assert_eq!(stage.vsctl("get Interface late ofport"), "-1");
        let other = stage.neighbour("late", "10.0.0.2/24");
        let is_port = || (stage.vsctl("get Interface late ofport") == "1").then_some(());
        eventually("the device that came is a port", is_port);
        assert_eq!(stage.vsctl("get Interface late error"), "[]");
        stage.machine.ip("addr add 10.0.0.1/24 dev br0");
        stage.machine.ip("link set br0 up");
        eventually("the bridge's own device is reached", || pings(&other, "10.0.0.1").then_some(()));
        // A device that goes is no port any more, and the switch goes on.
        stage.machine.ip("link del late");
        eventually("the device that went is none", || {
            (stage.vsctl("get Interface late ofport") == "-1").then_some(())
        });
        for (kind, text) in [("nonsense", "Address family not supported"), ("patch", "requires valid 'peer'")]
        {
            let done =
                stage.run("ovs-vsctl", &format!("-t 10 add-port br0 odd -- set Interface odd type={kind}"));
            assert!(done.err.contains(text), "{done:?}");
            stage.vsctl("del-port br0 odd");
        }
        stage.vsctl("set Bridge br0 stp_enable=true");
        assert_eq!(stage.vsctl("get Bridge br0 status"), "{stp_enable=\"no effect yet\"}");
    });
}

#[test]
fn bridges_are_joined_and_vlans_kept_apart() {
    once(|place| {
        let Some(stage) = Stage::new(place) else { return };
        let a = stage.neighbour("va", "10.0.0.1/24");
        let (b, c) = (stage.neighbour("vb", "10.0.0.2/24"), stage.neighbour("vc", "10.0.0.3/24"));
        stage.vsctl(
            "add-br br0 -- add-port br0 va tag=10 -- add-br br1 -- add-port br1 vb tag=10 -- add-port br1 vc tag=20 \
             -- add-port br0 p0 -- set Interface p0 type=patch options:peer=p1 \
             -- add-port br1 p1 -- set Interface p1 type=patch options:peer=p0",
        );
        eventually("a reaches b, by both bridges", || pings(&a, "10.0.0.2").then_some(()));
        assert!(!pings(&a, "10.0.0.3"), "another VLAN");
        stage.vsctl("set Port vc tag=10");
        // The kernel of a asks again for a neighbour that did not answer, but not at once.
        eventually("a reaches c, in one VLAN now", || pings(&a, "10.0.0.3").then_some(()));
        assert!(pings(&c, "10.0.0.2"));
        // A bridge replaced by another one of its name, in one transaction.
        stage.vsctl("del-br br1 -- add-br br1 -- add-port br1 vb tag=10 -- add-port br1 p1 -- set Interface p1 type=patch options:peer=p0");
        eventually("a reaches b again", || pings(&a, "10.0.0.2").then_some(()));
        assert!(!pings(&b, "10.0.0.3"));
        assert!(stage.ofctl("dump-ports br1 vb").contains("rx pkts="));
        drop(c);
    });
}

/// Real Mininet, with netloom in the place of the switch's daemon. It must not write settings of the whole machine.
fn mininet(stage: &Stage, words: &str) -> Done {
    let script = "for part in fs kernel vm; do mount --bind /proc/sys/$part /proc/sys/$part && \
                  mount -o remount,ro,bind /proc/sys/$part || exit 1; done; exec mn \"$@\"";
    let mut all = vec!["-c", script, "mn"];
    all.extend(words.split(' '));
    Done::from(run_in(&stage.machine, &stage.dir, "sh", &all).output().unwrap())
}

#[test]
fn mininet_reaches_everybody() {
    once(|place| {
        let Some(stage) = Stage::new(place) else { return };
        let installed = Command::new("mn").arg("--version").output().is_ok_and(|done| done.status.success());
        if !installed {
            return eprintln!("skipped: there is no mn (Debian: mininet)");
        }
        for topology in ["single,3", "linear,4", "tree,2,3"] {
            let done =
                mininet(&stage, &format!("--switch ovsk --controller ovsc --topo {topology} --test pingall"));
            let log = || std::fs::read_to_string(stage.dir.join("ovs-vswitchd.log")).unwrap_or_default();
            assert!(done.err.contains("0% dropped"), "{topology}: {done:?}\n{}", log());
            assert_eq!(done.code, 0, "{done:?}");
            assert_eq!(stage.vsctl("list-br"), "", "it has cleaned up");
        }
        // Mininet's own `--test iperf` never ends with iperf 2.1.8, whoever is the switch: the same by its prompt.
        for (topology, last) in [("single,3", "h3"), ("tree,2,3", "h9")] {
            let lines =
                format!("{last} iperf -s &\nh1 sleep 1\nh1 iperf -t 2 -c {last}\n{last} kill %1\nexit\n");
            std::fs::write(stage.dir.join("lines"), lines).unwrap();
            let done = mininet(
                &stage,
                &format!("--switch ovsk --controller ovsc --topo {topology} --test none --post lines"),
            );
            let told = done.out + &done.err;
            assert!(told.contains("bits/sec"), "{topology}: {told}");
            assert!(!told.contains("connect failed"), "{topology}: {told}");
        }
        for more in [
            "--switch ovsbr --topo single,3",
            "--switch ovsk,datapath=user,protocols=OpenFlow13 --topo linear,2",
        ] {
            let done = mininet(&stage, &format!("{more} --controller ovsc --test pingall"));
            assert!(done.err.contains("0% dropped"), "{more}: {done:?}");
        }
    });
}

/// Frames that a machine's `eth0` has received.
fn received(machine: &Machine) -> u64 {
    let mut cat = machine.program("cat");
    let done = Done::from(cat.arg("/proc/net/dev").output().unwrap());
    let line = done.out.lines().find(|line| line.trim_start().starts_with("eth0:")).unwrap().to_owned();
    line.split_whitespace().nth(2).unwrap().parse().unwrap()
}

#[test]
fn a_mirror_copies_what_passes_and_says_how_much() {
    once(|place| {
        let Some(stage) = Stage::new(place) else { return };
        let (a, b) = (stage.neighbour("va", "10.0.0.1/24"), stage.neighbour("vb", "10.0.0.2/24"));
        let c = stage.neighbour("vc", "10.0.0.3/24");
        stage.vsctl("add-br br0 -- add-port br0 va -- add-port br0 vb -- add-port br0 vc");
        eventually("a reaches b", || pings(&a, "10.0.0.2").then_some(()));
        stage.vsctl(
            "-- --id=@p get Port vc -- --id=@m create Mirror name=m select-all=true output-port=@p \
             -- set Bridge br0 mirrors=@m other_config:stats-update-interval=5000",
        );
        let before = received(&c);
        for _ in 0..5 {
            assert!(pings(&a, "10.0.0.2"));
        }
        assert!(received(&c) >= before + 10, "five requests and five answers");
        assert!(!pings(&c, "10.0.0.1"), "nothing comes in by the port of a mirror");
        eventually("the row tells", || {
            let count = stage.vsctl("--if-exists get Mirror m statistics:tx_packets");
            (count.parse::<u64>().unwrap_or(0) >= 10).then_some(())
        });
        let traced = stage.appctl("ofproto/trace br0 in_port=1,icmp,nw_src=10.0.0.1,nw_dst=10.0.0.2");
        let copy = traced.lines().find(|line| line.starts_with("Datapath actions: ")).unwrap();
        assert!(copy.contains(','), "two ports: {traced}");
        // Only what b gets: answers are no copies.
        stage.vsctl("-- --id=@p get Port vb -- set Mirror m select-all=false select_dst_port=@p");
        let before = received(&c);
        assert!(pings(&a, "10.0.0.2"));
        let copies = received(&c) - before;
        assert!((1..=4).contains(&copies), "{copies}");
        stage.vsctl("clear Bridge br0 mirrors");
        eventually("c is as any other again", || pings(&c, "10.0.0.1").then_some(()));
        drop(b);
    });
}

#[test]
fn protected_ports_and_vlans_of_a_service() {
    once(|place| {
        let Some(stage) = Stage::new(place) else { return };
        let (a, b) = (stage.neighbour("va", "10.0.0.1/24"), stage.neighbour("vb", "10.0.0.2/24"));
        let c = stage.neighbour("vc", "10.0.0.3/24");
        stage.vsctl("add-br br0 -- add-port br0 va -- add-port br0 vb -- add-port br0 vc");
        eventually("a reaches b", || pings(&a, "10.0.0.2").then_some(()));
        stage.vsctl("set Port va protected=true -- set Port vb protected=true");
        assert!(!pings(&a, "10.0.0.2"));
        eventually("a reaches c", || pings(&a, "10.0.0.3").then_some(()));
        // In the service's VLAN between two bridges; c is another customer.
        stage.vsctl(
            "set Port va protected=false vlan_mode=dot1q-tunnel tag=100 -- set Port vb protected=false -- del-port br0 vb \
             -- add-br br1 -- add-port br1 vb tag=100 vlan_mode=dot1q-tunnel \
             -- add-port br0 p0 -- set Interface p0 type=patch options:peer=p1 \
             -- add-port br1 p1 -- set Interface p1 type=patch options:peer=p0 -- set Port vc tag=200",
        );
        eventually("a reaches b in the service's VLAN", || pings(&a, "10.0.0.2").then_some(()));
        assert!(!pings(&a, "10.0.0.3"));
        let traced = stage.appctl(
            "ofproto/trace br0 in_port=1,dl_vlan=7,dl_dst=ff:ff:ff:ff:ff:ff,dl_src=02:00:00:00:00:07",
        );
        assert!(traced.contains("push_vlan") || !traced.contains("dropped"), "{traced}");
        stage.vsctl("set Port va cvlans=7");
        assert!(!pings(&a, "10.0.0.2"), "only VLAN 7 of the customer's");
        stage.vsctl("clear Port va cvlans -- set Bridge br0 flood_vlans=100");
        eventually("a reaches b, by floods", || pings(&a, "10.0.0.2").then_some(()));
        let learned = stage.appctl("fdb/show br0");
        assert!(!learned.contains(" 100 "), "{learned}");
        for column in ["mirrors", "flood_vlans"] {
            assert!(!stage.vsctl("get Bridge br0 status").contains(column));
        }
        drop((b, c));
    });
}

#[test]
fn both_daemons_are_ours_by_their_names() {
    once(|place| {
        let Some(mut stage) = Stage::of(place, "ovs", [BINARY, BINARY], &[]) else { return };
        let (a, b) = (stage.neighbour("va", "10.0.0.1/24"), stage.neighbour("vb", "10.0.0.2/24"));
        stage.vsctl("add-br br0 -- add-port br0 va -- add-port br0 vb");
        eventually("a reaches b", || pings(&a, "10.0.0.2").then_some(()));
        // The server goes and comes again: the switch goes on meanwhile, and then does what is new.
        let mut server = stage.database.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
        assert!(pings(&b, "10.0.0.1"));
        let server = stage.dir.join("ovsdb-server").display().to_string();
        stage.database = Some(stage.serve(&server));
        eventually("the new port is known", || {
            (stage.run("ovs-vsctl", "-t 10 --may-exist add-br br1").code == 0).then_some(())
        });
        assert_eq!(stage.vsctl("get Interface br1 ofport"), "65534");
        assert!(pings(&b, "10.0.0.1"));
    });
}

#[test]
fn one_process_serves_the_database_and_the_switch() {
    once(|place| {
        let Some(mut stage) = Stage::of(place, "ovs", [BINARY, ""], &["--serve"]) else { return };
        let (a, _b) = (stage.neighbour("va", "10.0.0.1/24"), stage.neighbour("vb", "10.0.0.2/24"));
        stage.vsctl("add-br br0 -- add-port br0 va -- add-port br0 vb");
        eventually("a reaches b", || pings(&a, "10.0.0.2").then_some(()));
        // Both programs are found by their pid files, and take their own commands.
        assert_eq!(stage.ok("ovs-appctl", "-t ovsdb-server ovsdb-server/list-dbs"), "Open_vSwitch\n_Server");
        assert_eq!(stage.appctl("ofproto/list"), "br0");
        stage.kill();
        for file in std::fs::read_dir(&stage.dir).unwrap().map(|file| file.unwrap().path()) {
            if file.extension().is_some_and(|it| it == "ctl") {
                std::fs::remove_file(file).unwrap();
            }
        }
        stage.start();
        assert_eq!(stage.vsctl("list-ports br0"), "va\nvb", "killed, and nothing is lost");
        eventually("a reaches b again", || pings(&a, "10.0.0.2").then_some(()));
        stage.appctl("exit");
        assert!(stage.switch.take().unwrap().wait().unwrap().success());
        let left = ["db.sock", "ovsdb-server.pid", "ovs-vswitchd.pid"];
        assert!(left.iter().all(|file| !stage.dir.join(file).exists()), "it leaves nothing");
    });
}
