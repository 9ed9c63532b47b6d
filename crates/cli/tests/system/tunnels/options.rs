//! Options of Geneve: what flows write arrives and is matched, here and at Open vSwitch, and is on the wire as it should.

use std::process::{Command, Stdio};

use super::foreign::{Ovs, has_ovs};
use super::{Machines, joined, one_host, sh};
use crate::place::{Place, eventually, lacks, once, once_as_root};

/// Option 0x80 is critical: who does not know it drops the packet.
const MAP: &str = "{class=0xffff,type=0x80,len=4}->tun_metadata0,{class=0x0102,type=1,len=8}->tun_metadata1,\
                   {class=0x0102,type=2,len=16}->tun_metadata40";

/// `ovs-ofctl VERB` for the first switch of a lab.
fn ofctl(place: &Place, lab: &str, verb: &str, word: &str) {
    ofctl_at(place, lab, "s1", verb, word);
}

fn ofctl_at(place: &Place, lab: &str, switch: &str, verb: &str, word: &str) {
    let target = format!("unix:{}", place.run_dir().join(format!("{lab}/{switch}.mgmt")).display());
    let done = Command::new("ovs-ofctl").args(["-O", "OpenFlow13", verb, &target, word]).output().unwrap();
    assert!(done.status.success(), "{lab} {verb} {word}: {done:?}");
}

fn has_ofctl() -> bool {
    let found = Command::new("ovs-ofctl").arg("--version").output().is_ok();
    if !found {
        eprintln!("skipped: there is no ovs-ofctl");
    }
    found
}

/// A lab's host is at port 1 and its tunnel at port 2: what leaves gets one option, what comes needs another.
fn flows(place: &Place, lab: &str, writes: &str, matches: &str) {
    ofctl(place, lab, "del-flows", "table=0");
    ofctl(place, lab, "add-flow", &format!("in_port=1,actions={writes},output:2"));
    ofctl(place, lab, "add-flow", &format!("in_port=2,{matches},actions=output:1"));
}

fn pings(place: &Place) -> bool {
    sh(place, "west", "h1", "ping -c 1 -W 1 10.0.0.2").code == 0
}

/// The UDP payloads of some Geneve packets that pass a machine's underlay while `during` runs; `None`: no tshark.
fn on_the_wire(machine: &str, during: impl Fn()) -> Option<Vec<String>> {
    if Command::new("tshark").arg("--version").output().is_err() {
        eprintln!("skipped: there is no tshark to look at the wire");
        return None;
    }
    let words = "tshark -l -i under -c 4 -a duration:20 -f udp\u{a0}port\u{a0}6081 -T fields -e geneve.vni \
                 -e geneve.option.class -e geneve.option.type -e geneve.option.length -e udp.payload";
    let words: Vec<String> = words.split(' ').map(|word| word.replace('\u{a0}', " ")).collect();
    let mut command = Command::new("ip");
    command.args(["netns", "exec", machine]).args(words);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // It says nothing when it begins to listen; there are enough packets.
    for _ in 0..6 {
        during();
    }
    let done = child.wait_with_output().unwrap();
    Some(String::from_utf8_lossy(&done.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn two_labs_tell_each_other_by_options_and_tshark_reads_them() {
    once_as_root(|place| {
        if !has_ofctl() {
            return;
        }
        let machines = Machines::new();
        let labs = joined("type: geneve, key: 77", false);
        machines.up(place, [&labs[0], &labs[1]]);
        for lab in ["west", "east"] {
            ofctl(place, lab, "add-tlv-map", MAP);
        }
        let sets = "set_field:0xabcd->tun_metadata0,set_field:0x1122334455667788->tun_metadata1";
        flows(place, "west", sets, "tun_metadata0=0x99");
        flows(
            place,
            "east",
            "set_field:0x99->tun_metadata0",
            "tun_metadata0=0xabcd,tun_metadata1=0x55000000/0xff000000",
        );
        eventually("a ping by options", || pings(place).then_some(()));
        let [west, _] = machines.names();
        if let Some(lines) = on_the_wire(&west, || _ = pings(place)) {
            let there =
                lines.iter().find(|line| line.contains("0000abcd")).unwrap_or_else(|| panic!("{lines:?}"));
            // VNI 77, both options in the order of their fields, critical flag and 20 bytes of options.
            assert!(there.contains("05406558") && there.contains("00004d00"), "{there}");
            assert!(there.contains("ffff8001") && there.contains("010201021122334455667788"), "{there}");
            assert!(lines.iter().any(|line| line.contains("ffff800100000099")), "{lines:?}");
        }
        // Another value is another packet, though all else is cached.
        ofctl(place, "west", "mod-flows", "in_port=1,actions=set_field:0xabce->tun_metadata0,output:2");
        assert!(!pings(place), "nobody takes this option");
        flows(place, "east", "set_field:0x99->tun_metadata0", "ip");
        ofctl(place, "east", "add-flow", "in_port=2,arp,actions=output:1");
        eventually("a ping whatever the option", || pings(place).then_some(()));
        ofctl(place, "east", "del-flows", "in_port=1");
        ofctl(place, "east", "add-flow", "in_port=1,actions=output:2");
        ofctl(place, "west", "add-flow", "in_port=2,actions=output:1");
        eventually("a ping without an answering option", || pings(place).then_some(()));
        ofctl(place, "east", "del-tlv-map", "{class=0xffff,type=0x80,len=4}->tun_metadata0");
        assert!(!pings(place), "the option is critical and not known any more");
    });
}

#[test]
fn open_vswitch_reads_our_options_and_we_read_those_it_writes() {
    once_as_root(|place| {
        if !has_ovs() || !has_ofctl() {
            return;
        }
        let machines = Machines::new();
        let [west, east] = machines.names();
        let folder = place.path("ovs");
        let ovs = Ovs::east(&machines, &east, &folder);
        ovs.vsctl("add-port br0 tun -- set interface tun ofport_request=5 type=geneve options:key=77 options:remote_ip=192.0.2.1");
        ovs.run(&format!("ovs-ofctl add-tlv-map br0 {MAP}"));
        ovs.run("ovs-ofctl del-flows br0");
        ovs.run(
            "ovs-ofctl add-flow br0 in_port=5,tun_metadata0=0xabcd,tun_metadata1=0x7788/0xffff,tun_metadata40=0x0102030405060708090a0b0c0d0e0f10,actions=LOCAL",
        );
        ovs.run("ovs-ofctl add-flow br0 in_port=LOCAL,actions=set_field:0x1234->tun_metadata1,set_field:0xfedcba98765432100123456789abcdef->tun_metadata40,output:5");
        place.write("west.loom.yml", &one_host("west", 1, "link: s1 -- 192.0.2.2, type: geneve, key: 77"));
        let done = machines.netloom(place, &west, "up west.loom.yml");
        assert_eq!(done.code, 0, "{done:?}");
        ofctl(place, "west", "add-tlv-map", MAP);
        let sets = "set_field:0xabcd->tun_metadata0,set_field:0x1122334455667788->tun_metadata1,\
                    set_field:0x0102030405060708090a0b0c0d0e0f10->tun_metadata40";
        flows(place, "west", sets, "tun_metadata1=0x1234,tun_metadata40=0xfedcba98765432100123456789abcdef");
        eventually("a ping by options", || pings(place).then_some(()));
        flows(place, "west", sets, "tun_metadata1=0x1235");
        assert!(!pings(place), "it writes another one");
        flows(place, "west", "set_field:0xabcd->tun_metadata0", "tun_metadata1=0x1234");
        assert!(!pings(place), "it wants both");
    });
}

#[test]
fn two_switches_of_one_lab_tell_each_other_by_options() {
    once(|place| {
        if !has_ofctl() || lacks(&["ping"]) {
            return;
        }
        // Where the tunnel has nothing to do with a packet, its two ends are one path; where it has, there is a link.
        for more in ["", ", mss_clamp: true"] {
            place.up(&format!(
                "netloom: 1
name: lab
nodes: {{ h1: {{ ip: 10.0.0.1/24 }}, h2: {{ ip: 10.0.0.2/24 }} }}
switches: {{ s1: {{}}, s2: {{}} }}
links: [h1 -- s1, h2 -- s2]
tunnels: [{{ link: s1 -- s2, type: geneve, key: 77{more} }}]
"
            ));
            for (switch, writes, wants) in [
                ("s1", "set_field:0x99->tun_metadata0", "tun_metadata40=0x5000000000000000000000000000000a"),
                ("s2", "set_field:0x5000000000000000000000000000000a->tun_metadata40", "tun_metadata0=0x99"),
            ] {
                ofctl_at(place, "lab", switch, "add-tlv-map", MAP);
                ofctl_at(place, "lab", switch, "del-flows", "table=0");
                let out = format!("in_port=1,actions={writes},output:2");
                ofctl_at(place, "lab", switch, "add-flow", &out);
                ofctl_at(place, "lab", switch, "add-flow", &format!("in_port=2,{wants},actions=output:1"));
            }
            place.sh_ok("h1", "ping -c 3 -i 0.2 -W 2 10.0.0.2");
            let other = "in_port=1,actions=set_field:0x98->tun_metadata0,output:2";
            ofctl_at(place, "lab", "s1", "mod-flows", other);
            assert_ne!(place.sh("h1", "ping -c 1 -W 1 10.0.0.2").code, 0, "{more}");
            place.ok("down lab");
        }
    });
}
