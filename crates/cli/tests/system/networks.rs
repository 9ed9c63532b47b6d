//! What networks answer by themselves: addresses, router advertisements, names.

use std::os::unix::fs::PermissionsExt;

use crate::machine::Machine;
use crate::place::{Place, eventually, for_each, lacks};

/// Two tenants with the same addresses; in one of them somebody routes.
const LAB: &str = "\
netloom: 1
name: nets
tenants: { red: {}, blue: {} }
networks:
  red/lan: { subnet: [10.7.0.0/24, 'fd00:7::/64'] }
  blue/lan: { subnet: [10.7.0.0/24, 'fd00:7::/64'] }
nodes:
  red/a: { networks: [lan] }
  red/db: { networks: [lan] }
  red/gw: { networks: [lan], forward: true }
  blue/a: { networks: [lan], mtu: 1400 }
  blue/web: { networks: [lan] }
";

/// What udhcpc runs: the address is set, and what was said is kept.
const SCRIPT: &str = "\
#!/bin/sh
case $1 in bound|renew) ;; *) exit 0 ;; esac
ip addr add $ip/$mask dev $interface
[ -z $router ] || ip route replace default via $router
echo $ip/$mask $serverid $dns $domain $hostname ${router:-none} ${mtu:-none} >/tmp/lease
";

/// A client of DHCPv6: a solicitation with rapid commit out of the kernel's own socket, and what comes back, in hexadecimal.
const SOLICIT: &str = r#"
    open(F, "/sys/class/net/eth0/ifindex"); my $link = <F> + 0; alarm(10);
    socket(S, AF_INET6, SOCK_DGRAM, 0) and bind(S, pack_sockaddr_in6(546, IN6ADDR_ANY)) or die $!;
    my $to = pack_sockaddr_in6(547, inet_pton(AF_INET6, "ff02::1:2"), $link);
    my $message = pack("H*", "010102030001000a00030001020000000009" . "0003000c000000070000000000000000" . "000e0000");
    send(S, $message, 0, $to) or die $!;
    recv(S, my $reply, 1500, 0); print unpack("H*", $reply);
"#;

/// Whether there is a client to try; where not, it is said.
fn has_client(place: &Place) -> bool {
    let found = place.sh("red/a", "busybox --list | grep -qx udhcpc").code == 0;
    if !found {
        eprintln!("skipped: busybox-static with udhcpc is not installed");
    }
    found
}

fn ask(place: &Place, node: &str) -> i32 {
    let script = place.path("lease.sh").display().to_string();
    let client = format!("busybox udhcpc -i eth0 -f -q -n -t 4 -T 1 -O mtu -s {script}");
    place.sh(node, &format!("rm -f /tmp/lease; ip -4 addr flush dev eth0; {client}")).code
}

fn addresses(place: &Place, node: &str) -> String {
    place.sh_ok(node, "ip -4 -o address show eth0 | tr -s ' ' | cut -d ' ' -f 4")
}

fn begin(place: &Place) {
    place.write("lease.sh", SCRIPT);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(place.path("lease.sh"), mode).unwrap();
    place.up(LAB);
}

#[test]
fn a_client_of_dhcp_gets_the_address_that_the_lab_gave_it_in_its_own_tenant() {
    for_each(|place| {
        begin(place);
        if !has_client(place) {
            return;
        }
        let before = addresses(place, "red/a");
        assert_eq!((before.as_str(), addresses(place, "blue/a").as_str()), ("10.7.0.1/24", "10.7.0.1/24"));
        for node in ["red/a", "blue/a"] {
            assert_eq!(ask(place, node), 0, "{node}");
            assert_eq!(addresses(place, node), before);
        }
        let lease = |node| place.sh_ok(node, "cat /tmp/lease");
        assert_eq!(lease("red/a"), "10.7.0.1/24 10.7.0.253 10.7.0.253 red.nets a 10.7.0.3 1500");
        assert_eq!(lease("blue/a"), "10.7.0.1/24 10.7.0.253 10.7.0.253 blue.nets a none 1400");
        place.ok("ping red/a red/db -4");
        let json: serde_json::Value = serde_json::from_str(&place.ok("show red/lan -o json")).unwrap();
        let text = json.to_string();
        assert!(text.contains("\"state\":\"bound\"") && text.contains("\"node\":\"red/a\""), "{text}");
        let shown = place.ok("show red/lan");
        assert!(shown.contains("10.7.0.253") && shown.contains("bound"), "{shown}");
        // One whom the lab does not know gets nothing, and it is said.
        place.sh_ok("red/a", "ip link set eth0 address 02:00:00:00:00:77");
        assert_ne!(ask(place, "red/a"), 0);
        let drops = place.ok("ls drops");
        assert!(drops.contains("red/lan:service") && drops.contains("no interface of the lab"), "{drops}");
    });
}

#[test]
fn a_network_with_dhcp_false_answers_names_only() {
    for_each(|place| {
        begin(place);
        if !has_client(place) {
            return;
        }
        place.up(&LAB.replace("red/lan: { ", "red/lan: { dhcp: false, "));
        assert_ne!(ask(place, "red/a"), 0);
        assert_eq!(ask(place, "blue/a"), 0, "the other network goes on");
        place.sh_ok("red/a", "ip addr add 10.7.0.1/24 dev eth0");
        assert!(place.sh_ok("red/a", "busybox nslookup db.red.nets").contains("10.7.0.2"));
        let plan = place.ok("show red/lan");
        assert!(!plan.contains("dhcp,"), "{plan}");
    });
}

#[test]
fn names_are_those_of_the_tenant() {
    if lacks(&["ping"]) {
        return;
    }
    for_each(|place| {
        place.up(LAB);
        let file = place.sh_ok("red/a", "cat /etc/resolv.conf");
        assert!(file.contains("nameserver 10.7.0.253\nsearch red.nets"), "{file}");
        // Not in /etc/hosts, so it was asked.
        assert!(place.sh_ok("red/a", "getent ahostsv4 db.red.nets").starts_with("10.7.0.2 "));
        assert!(place.sh_ok("blue/a", "getent ahostsv4 web.blue.nets").starts_with("10.7.0.2 "));
        assert!(place.sh_ok("red/a", "getent ahostsv6 db.red.nets").starts_with("fd00:7::2 "));
        for name in ["web.blue.nets", "db.blue.nets", "nobody.red.nets", "example.org"] {
            assert_ne!(place.sh("red/a", &format!("getent hosts {name}")).code, 0, "{name}");
        }
        place.sh_ok("red/a", "ping -c 1 -W 2 10.7.0.253");
        // By connection.
        assert!(
            place.sh_ok("red/a", "RES_OPTIONS=use-vc getent ahostsv4 db.red.nets").starts_with("10.7.0.2 ")
        );
        assert_ne!(place.sh("red/a", "RES_OPTIONS=use-vc getent hosts nobody.red.nets").code, 0);
        assert!(!place.ok("ls drops").contains("no such service"), "{}", place.ok("ls drops"));
        // Other names of a node, and one that nodes share.
        place.up(&LAB
            .replace("red/db: {", "red/db: { aliases: [sql_1, both],")
            .replace("red/a: {", "red/a: { aliases: both,"));
        assert_eq!(place.sh_ok("red/a", "getent ahostsv4 sql_1").split(' ').next(), Some("10.7.0.2"));
        let asked = place.sh_ok("red/gw", "busybox nslookup both.red.nets; getent hosts 10.7.0.2");
        assert!(
            asked.contains("10.7.0.1") && asked.contains("10.7.0.2") && asked.contains("db.red"),
            "{asked}"
        );
        assert_ne!(place.sh("blue/a", "getent ahostsv4 sql_1").code, 0, "of one tenant");
        // A name that comes with an edit is known at once.
        place.up(&LAB.replace("red/db:", "red/new: { networks: [lan], ip: 10.7.0.77 }\n  red/db:"));
        assert!(place.sh_ok("red/a", "getent ahostsv4 new.red.nets").starts_with("10.7.0.77 "));
    });
}

#[test]
fn routers_are_advertised_to_those_who_listen() {
    if lacks(&["ip"]) {
        return;
    }
    for_each(|place| {
        place.up(LAB);
        // The kernel asks for routers once it has an address of the link.
        let listen = "sysctl -q -w net.ipv6.conf.eth0.accept_ra=2; ip -6 route flush default; \
                      ip -6 addr flush dev eth0; ip addr add fe80::77/64 dev eth0";
        place.sh_ok("red/a", listen);
        place.sh_ok("blue/a", listen);
        eventually("the route to the prefix and the router", || {
            let routes = place.sh_ok("red/a", "ip -6 route show dev eth0");
            (routes.contains("fd00:7::/64") && routes.contains("default via fe80::")).then_some(())
        });
        eventually("the route to the prefix", || {
            let routes = place.sh_ok("blue/a", "ip -6 route show dev eth0");
            assert!(!routes.contains("default"), "nobody routes there: {routes}");
            routes.contains("fd00:7::/64").then_some(())
        });
        let own = place.sh_ok("red/a", "ip -6 -o addr show dev eth0 scope global");
        assert_eq!(own, "", "no address is made up");
        if place.sh("red/a", "perl -MSocket=:all -e 1").code != 0 {
            return eprintln!("skipped: perl is not installed");
        }
        let reply = place.sh_ok("red/a", &format!("perl -MSocket=:all -e '{SOLICIT}'"));
        assert!(reply.starts_with("07010203"), "a reply: {reply}");
        assert!(reply.contains("00050018fd00"), "with an address: {reply}");
        assert!(reply.contains("fd000007000000000000000000000001"), "its own: {reply}");
        assert!(place.ok("show red/lan").contains("fd00:7::1"));
    });
}

#[test]
fn a_trace_says_who_answers() {
    for_each(|place| {
        place.up(LAB);
        let flow = "in_port=1,udp,dl_src=02:00:00:00:00:01,dl_dst=ff:ff:ff:ff:ff:ff,nw_dst=255.255.255.255,tp_src=68,tp_dst=67";
        let done = place.run_words(&["trace", "--at", "red/lan", flow]);
        assert!(done.out.contains("answered by the network's DHCP"), "{done:?}");
    });
}

/// A name server that knows every name but those that begin with `slow`, of which it says nothing.
const WORLD: &str = "\
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('127.0.0.53', 53))
print('ready', flush=True)
while True:
    asked, peer = s.recvfrom(2000)
    at = 12
    while asked[at]: at += 1 + asked[at]
    question = asked[12:at + 5]
    if question[1:5] == b'slow': continue
    known = asked[at + 1:at + 3] == b'\\0\\1'
    answer = b'\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\x3c\\0\\4' + bytes([192, 0, 2, 77]) if known else b''
    edns = b'\\0\\0\\x29\\x04\\xd0\\0\\0\\0\\0\\0\\0'
    head = asked[:2] + b'\\x81\\x80\\0\\1' + struct.pack('>H', known) + b'\\0\\0\\0\\1'
    s.sendto(head + question + answer + edns, peer)
";

#[test]
fn names_of_the_world_are_asked_of_the_machine_where_the_network_leads_there() {
    for_each(|place| {
        let Some(machine) = Machine::new() else { return };
        let server = machine.serve(WORLD);
        place.write("resolv.conf", "nameserver 127.0.0.53\n");
        machine.with_resolver(&place.path("resolv.conf"));
        machine.up(place, &LAB.replace("red/lan: { ", "red/lan: { internet: true, "));
        let ask = |node: &str, name: &str| {
            machine.netloom(place, &["exec", "-T", node, "--", "getent", "ahostsv4", name])
        };
        let found = ask("red/a", "example.org");
        assert!(found.out.starts_with("192.0.2.77 "), "{found:?}");
        let by_connection =
            ["exec", "-T", "red/a", "--", "env", "RES_OPTIONS=use-vc", "getent", "ahostsv4", "www.org"];
        let found = machine.netloom(place, &by_connection);
        assert!(found.out.starts_with("192.0.2.77 "), "{found:?}");
        assert!(ask("red/a", "db.red.nets").out.starts_with("10.7.0.2 "), "its own stay its own");
        assert_ne!(ask("red/a", "web.blue.nets").code, 0, "and others' are nobody's");
        assert_ne!(ask("blue/a", "example.org").code, 0, "the other network is closed");
        assert_ne!(ask("red/a", "slow.example.org").code, 0);
        let shown = machine.ok(place, "show red/lan");
        assert!(shown.contains("forwarded name") && shown.contains("no answer from outside"), "{shown}");
        machine.ok(place, "down --all");
        drop(server);
    });
}
