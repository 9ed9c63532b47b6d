//! Two labs on two machines, joined by tunnels. The machines are network namespaces with a cable between them.

mod foreign;
mod fused;
mod guest;
mod options;
mod stt;

use std::process::{Command, Stdio};

use crate::place::{Done, Place, Who, eventually, for_each, lacks, once_as_root};

/// Two machines, west 192.0.2.1 and east 192.0.2.2, also 2001:db8:9::1 and ::2. Dropping them takes them away.
pub(crate) struct Machines {
    tag: String,
}

impl Machines {
    pub(crate) fn new() -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let tag = format!("nlt{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let machines = Self { tag };
        let [west, east] = machines.names();
        ip(&format!("netns add {west}"));
        ip(&format!("netns add {east}"));
        ip(&format!("link add under netns {west} type veth peer name under netns {east}"));
        for (name, n) in [(&west, 1), (&east, 2)] {
            ip(&format!("-n {name} link set lo up"));
            ip(&format!("-n {name} link set under up"));
            ip(&format!("-n {name} addr add 192.0.2.{n}/24 dev under"));
            ip(&format!("-n {name} addr add 2001:db8:9::{n}/64 dev under nodad"));
        }
        machines
    }

    pub(crate) fn names(&self) -> [String; 2] {
        [format!("{}w", self.tag), format!("{}e", self.tag)]
    }

    /// `netloom WORDS` on a machine.
    pub(crate) fn netloom(&self, place: &Place, machine: &str, words: &str) -> Done {
        Done::from(self.command(place, machine, words).output().unwrap())
    }

    /// The same, not started.
    pub(crate) fn command(&self, place: &Place, machine: &str, words: &str) -> Command {
        let inner = place.command(&words.split(' ').collect::<Vec<_>>());
        let mut command = Command::new("ip");
        command.args(["netns", "exec", machine]).arg(inner.get_program()).args(inner.get_args());
        command.env_clear().stdin(Stdio::null());
        command.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
        command.current_dir(inner.get_current_dir().unwrap());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Brings the two labs up, each on its machine.
    pub(crate) fn up(&self, place: &Place, labs: [&str; 2]) {
        for (machine, (name, text)) in self.names().iter().zip(["west", "east"].into_iter().zip(labs)) {
            place.write(&format!("{name}.loom.yml"), text);
            let done = self.netloom(place, machine, &format!("up {name}.loom.yml"));
            assert_eq!(done.code, 0, "{done:?}");
        }
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for name in self.names() {
            let _ = Command::new("ip").args(["netns", "del", &name]).status();
        }
    }
}

pub(crate) fn ip(words: &str) {
    let done = Command::new("ip").args(words.split(' ')).output().unwrap();
    assert!(done.status.success(), "ip {words}: {done:?}");
}

/// A shell command in a node of a lab.
pub(crate) fn sh(place: &Place, lab: &str, node: &str, script: &str) -> Done {
    place.run_words(&["exec", "-T", "-l", lab, node, "--", "sh", "-c", script])
}

pub(crate) fn sh_ok(place: &Place, lab: &str, node: &str, script: &str) -> String {
    let done = sh(place, lab, node, script);
    assert_eq!(done.code, 0, "{lab} {node}: {script}: {done:?}");
    done.out
}

/// A lab with one host, 10.0.0.`n`, and this tunnel.
fn one_host(name: &str, n: u8, tunnel: &str) -> String {
    format!(
        "netloom: 1
name: {name}
nodes: {{ h{n}: {{ ip: [10.0.0.{n}/24, fd00:9::{n}/64] }} }}
switches: {{ s1: {{}} }}
links: [h{n} -- s1]
tunnels: [{{ {tunnel} }}]
"
    )
}

/// West's and east's lab with one host each, joined by a tunnel with these options.
fn joined(options: &str, v6: bool) -> [String; 2] {
    let peer = |n: u8| if v6 { format!("2001:db8:9::{n}") } else { format!("192.0.2.{n}") };
    [("west", 1, 2), ("east", 2, 1)]
        .map(|(name, n, far)| one_host(name, n, &format!("link: s1 -- {}, {options}", peer(far))))
}

const RECEIVE: &str = "\
import hashlib, socket
listener = socket.create_server(('10.0.0.2', 5001))
print('ready', flush=True)
peer, _ = listener.accept()
peer.settimeout(20)
digest = hashlib.md5()
while data := peer.recv(1 << 16):
    digest.update(data)
peer.sendall(digest.hexdigest().encode())
";

const SEND: &str = "\
import hashlib, socket
data = bytes(range(251)) * 40_000
peer = socket.create_connection(('10.0.0.2', 5001), 5)
peer.settimeout(20)
peer.sendall(data)
peer.shutdown(socket.SHUT_WR)
assert peer.recv(64).decode() == hashlib.md5(data).hexdigest()
";

/// Sends 10 MB by TCP from west's host to east's, and looks that all arrive as they were.
fn bulk(place: &Place) {
    use std::io::{BufRead, BufReader};
    let mut receiver =
        place.command(&["exec", "-T", "-l", "east", "h2", "--", "python3", "-c", RECEIVE]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(receiver.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let sent = place.run_words(&["exec", "-T", "-l", "west", "h1", "--", "python3", "-c", SEND]);
    assert_eq!(sent.code, 0, "{sent:?}");
    assert!(receiver.wait().unwrap().success());
}

#[test]
fn every_type_over_both_families_carries_pings_of_all_sizes_and_bulk() {
    once_as_root(|place| {
        let types = [
            ("type: vxlan, key: 77", [50, 70]),
            ("type: vxlan, key: 77, exts: gbp, csum: true, dst_port: 5789", [50, 70]),
            ("type: geneve, key: 77", [50, 70]),
            ("type: gre, key: 77", [42, 62]),
            ("type: gre, key: 77, csum: true, seq: true", [50, 70]),
            ("type: erspan, key: 77", [50, 70]),
            // It cuts what is too long for the underlay: nodes keep their MTU.
            ("type: stt, key: 77", [0, 0]),
        ];
        let machines = Machines::new();
        for (options, overhead) in types {
            for (v6, overhead) in [(false, overhead[0]), (true, overhead[1])] {
                let labs = joined(options, v6);
                machines.up(place, [&labs[0], &labs[1]]);
                let mtu = 1500 - overhead;
                let found = sh_ok(place, "west", "h1", "cat /sys/class/net/eth0/mtu");
                assert_eq!(found.trim(), mtu.to_string(), "{options}");
                for size in [0, 1000, mtu - 28] {
                    let ping = format!("ping -c 1 -W 2 -M do -s {size} 10.0.0.2");
                    assert_eq!(sh(place, "west", "h1", &ping).code, 0, "{options} v6 {v6} size {size}");
                }
                sh_ok(place, "west", "h1", "ping -c 1 -W 2 fd00:9::2");
                bulk(place);
            }
        }
    });
}

#[test]
fn with_two_workers_a_tunnel_that_becomes_another_one_goes_to_its_door() {
    once_as_root(|place| {
        let machines = Machines::new();
        for kind in ["vxlan", "geneve", "vxlan", "stt", "gre"] {
            let labs = joined(&format!("type: {kind}, key: 77"), false);
            let labs = labs.map(|lab| lab.replace("netloom: 1\n", "netloom: 1\nworkers: 2\n"));
            machines.up(place, [&labs[0], &labs[1]]);
            sh_ok(place, "west", "h1", "ping -c 3 -i 0.2 -W 2 10.0.0.2");
            bulk(place);
        }
    });
}

#[test]
fn tenants_with_equal_addresses_share_an_underlay_and_do_not_meet() {
    once_as_root(|place| tenants(place, "type: vxlan, key: { red: 100, blue: 200 }"));
}

/// Two tenants with ten nodes each on both machines: all pairs inside a tenant, none across.
pub(crate) fn tenants(place: &Place, tunnel: &str) {
    let machines = Machines::new();
    let lab = |name: &str, first: u8, far: u8| {
        let node = |tenant: &str, n: u8| format!("  {tenant}/h{n}: {{ ip: 10.0.0.{n}/24 }}\n");
        let nodes: String = (first..first + 10).map(|n| node("red", n) + &node("blue", n)).collect();
        format!(
            "netloom: 1\nname: {name}\ntenants: {{ red: {{}}, blue: {{}} }}\nnodes:\n{nodes}\
             switches: {{ s1: {{}} }}\nlinks: [red/h{first}..{last} -- s1, blue/h{first}..{last} -- s1]\n\
             tunnels: [{{ link: s1 -- 192.0.2.{far}, {tunnel} }}]\n",
            last = first + 9
        )
    };
    machines.up(place, [&lab("west", 1, 2), &lab("east", 11, 1)]);
    // All pairs of a tenant reach: whoever answers, every one of the twenty does.
    let all = "n=0; for i in $(seq 1 20); do ping -c 1 -W 2 10.0.0.$i >/dev/null & done; wait; \
               for i in $(seq 1 20); do ping -c 1 -W 1 10.0.0.$i >/dev/null && n=$((n+1)); done; echo $n";
    for tenant in ["red", "blue"] {
        for (lab, first) in [("west", 1), ("east", 11)] {
            for n in first..first + 10 {
                assert_eq!(sh_ok(place, lab, &format!("{tenant}/h{n}"), all).trim(), "20", "{tenant}/h{n}");
            }
        }
    }
    // No pair across: no neighbour that anybody of one tenant knows belongs to the other.
    let macs = |tenant: &str| {
        let mut macs: Vec<String> = Vec::new();
        for (lab, first) in [("west", 1), ("east", 11)] {
            for n in first..first + 10 {
                let known = "cat /sys/class/net/eth0/address; ip -4 neigh | grep -o '..:..:..:..:..:..'";
                let out = sh_ok(place, lab, &format!("{tenant}/h{n}"), known);
                macs.extend(out.lines().map(str::to_owned));
            }
        }
        macs.sort();
        macs.dedup();
        macs
    };
    let (red, blue) = (macs("red"), macs("blue"));
    assert_eq!((red.len(), blue.len()), (20, 20));
    assert!(red.iter().all(|mac| !blue.contains(mac)), "{red:?} / {blue:?}");
    // Nor does a broadcast get there.
    let count = |lab: &str, node: &str| -> u64 {
        let field = "awk '/^IpExt: [0-9]/ { print $6 }' /proc/net/netstat";
        sh_ok(place, lab, node, field).trim().parse().unwrap()
    };
    let (own, other) = (count("east", "red/h11"), count("east", "blue/h11"));
    sh(place, "west", "red/h1", "ping -b -c 5 -i 0.2 -W 1 10.0.0.255 >/dev/null 2>&1");
    eventually("the broadcasts arrive", || (count("east", "red/h11") >= own + 5).then_some(()));
    assert_eq!(count("east", "blue/h11"), other);
}

#[test]
fn the_examples_are_one_network_over_every_type() {
    once_as_root(|place| {
        let machines = Machines::new();
        let examples = [
            ("west", include_str!("../../../../examples/overlay-west.loom.yml")),
            ("east", include_str!("../../../../examples/overlay-east.loom.yml")),
        ];
        for kind in ["vxlan", "geneve", "gre", "erspan", "stt"] {
            for (machine, (name, text)) in machines.names().iter().zip(examples) {
                place.write(&format!("{name}.loom.yml"), text);
                let done = machines.netloom(place, machine, &format!("up {name}.loom.yml --set type={kind}"));
                assert_eq!(done.code, 0, "{kind}: {done:?}");
            }
            for tenant in ["red", "blue"] {
                let ping = "ping -c 1 -W 2 10.0.0.11 && ping -c 1 -W 2 10.0.0.12";
                sh_ok(place, "overlay-west", &format!("{tenant}/w1"), ping);
            }
        }
    });
}

#[test]
fn a_packet_that_does_not_fit_is_answered() {
    once_as_root(|place| {
        let machines = Machines::new();
        let labs = joined("type: vxlan, key: 77", false).map(|lab| lab.replace("ip: [", "mtu: 1500, ip: ["));
        let planned = {
            place.write("west.loom.yml", &labs[0]);
            place.ok("plan west.loom.yml")
        };
        assert!(
            planned.contains("does not fit through the tunnel s1--192.0.2.2, which takes 1450"),
            "{planned}"
        );
        machines.up(place, [&labs[0], &labs[1]]);
        sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2; ping -c 1 -W 2 fd00:9::2");
        let too_long = sh(place, "west", "h1", "ping -c 2 -W 1 -M do -s 1472 10.0.0.2");
        assert!(format!("{too_long:?}").contains("1450"), "{too_long:?}");
        let route = sh_ok(place, "west", "h1", "ip route get 10.0.0.2");
        assert!(route.contains("mtu 1450"), "{route}");
        sh(place, "west", "h1", "ping -6 -c 2 -W 1 -M do -s 1452 fd00:9::2");
        let route = sh_ok(place, "west", "h1", "ip -6 route get fd00:9::2");
        assert!(route.contains("mtu 1450"), "{route}");
        bulk(place);
        let drops = place.ok("ls drops -l west");
        assert!(drops.contains("too long for the tunnel"), "{drops}");
    });
}

#[test]
fn flows_say_which_peer_and_key_and_see_what_came() {
    once_as_root(|place| {
        let machines = Machines::new();
        let west = one_host("west", 1, "link: s1 -- flow, type: vxlan, key: flow").replace(
            "switches: { s1: {} }",
            "switches:
  s1:
    flows:
      - in_port=1,actions=set_field:77->tun_id,set_field:192.0.2.2->tun_dst,output:2
      - in_port=2,tun_id=77,tun_src=192.0.2.2,tun_dst=192.0.2.1,actions=output:1",
        );
        let east = one_host("east", 2, "link: s1 -- 192.0.2.1, type: vxlan, key: 77");
        machines.up(place, [&west, &east]);
        sh_ok(place, "west", "h1", "ping -c 2 -W 2 10.0.0.2");
        place.ok("flow rm s1 in_port=1 -l west");
        place.run_words(&[
            "flow",
            "add",
            "s1",
            "in_port=1,actions=set_field:78->tun_id,set_field:192.0.2.2->tun_dst,output:2",
            "-l",
            "west",
        ]);
        assert_ne!(sh(place, "west", "h1", "ping -c 1 -W 1 10.0.0.2").code, 0, "another key");
        let drops = place.ok("ls drops -l east");
        assert!(drops.contains("no tunnel has its key and peer"), "{drops}");
    });
}

/// Sends raw packets to VXLAN's port of a machine.
fn throw(machine: &str, packets: &[Vec<u8>]) {
    let hex: Vec<String> =
        packets.iter().map(|p| p.iter().map(|byte| format!("\\x{byte:02x}")).collect()).collect();
    for packet in hex {
        let script = format!("printf '{packet}' > /dev/udp/192.0.2.2/4789");
        let done =
            Command::new("ip").args(["netns", "exec", machine, "bash", "-c", &script]).output().unwrap();
        assert!(done.status.success(), "{done:?}");
    }
}

#[test]
fn what_is_no_tunnel_packet_is_dropped_with_its_reason() {
    once_as_root(|place| {
        let machines = Machines::new();
        let labs = joined("type: vxlan, key: 77", false);
        machines.up(place, [&labs[0], &labs[1]]);
        let frame = [&[0xff; 6][..], &[2, 0, 0, 0, 0, 9, 0x88, 0xb5], &[0; 50]].concat();
        let tunnelled = |header: [u8; 8]| [&header[..], &frame].concat();
        let [west, _] = machines.names();
        throw(
            &west,
            &[
                vec![8],
                tunnelled([0, 0, 0, 0, 0, 0, 77, 0]),
                tunnelled([8, 1, 0, 0, 0, 0, 77, 0]),
                tunnelled([0x88, 0, 0, 1, 0, 0, 77, 0]),
                tunnelled([8, 0, 0, 0, 0, 0, 78, 0]),
                vec![8, 0, 0, 0, 0, 0, 77, 0, 1, 2, 3],
            ],
        );
        let drops = eventually("all six are counted", || {
            let drops = place.ok("ls drops -l east");
            let line = |reason: &str| drops.lines().find(|line| line.contains(reason)).map(str::to_owned);
            let malformed = line("malformed tunnel packet").filter(|line| line.contains(" 5"));
            let unknown = line("no tunnel has its key and peer").filter(|line| line.contains(" 1"));
            (malformed.is_some() && unknown.is_some()).then_some(drops)
        });
        assert!(drops.contains("UDP port 4789"), "{drops}");
        sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2");
    });
}

#[test]
fn a_tunnel_is_changed_in_place_and_gone_with_its_lab() {
    if lacks(&["ping"]) {
        return;
    }
    for_each(|place| {
        // Two labs on one machine: each at an address of its own.
        let lab = |name: &str, n: u8, far: u8, key: u32| {
            one_host(
                name,
                n,
                &format!(
                    "link: s1 -- 127.9.0.{far}, local_ip: 127.9.0.{n}, type: vxlan, key: {key}, dst_port: {}",
                    if place.who == Who::Me { 14_789 } else { 14_790 }
                ),
            )
        };
        let up = |name: &str, text: &str| {
            place.write(&format!("{name}.loom.yml"), text);
            place.ok(&format!("up {name}.loom.yml"))
        };
        up("west", &lab("west", 1, 2, 5));
        up("east", &lab("east", 2, 1, 5));
        sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2");
        up("east", &lab("east", 2, 1, 6));
        assert_ne!(sh(place, "west", "h1", "ping -c 1 -W 1 10.0.0.2").code, 0, "another key");
        up("west", &lab("west", 1, 2, 6));
        sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2");
        let links = place.ok("ls links -l west");
        assert!(links.contains("vxlan:127.9.0.2"), "{links}");
        // The port is free again at once.
        place.ok("down -l east");
        up("east", &lab("east", 2, 1, 6));
        sh_ok(place, "west", "h1", "ping -c 1 -W 2 10.0.0.2");
        // A second lab that wants the same port is told so, and nothing is left of it.
        let third = lab("third", 2, 1, 6);
        place.write("third.loom.yml", &third);
        let done = place.run("up third.loom.yml");
        assert_ne!(done.code, 0);
        assert!(done.err.contains("14789") || done.err.contains("14790"), "{done:?}");
        assert!(done.err.contains("local_ip"), "{done:?}");
    });
}
