//! `internet: true`: nodes reach a world, which is a namespace beside the machine, which is one too.

use std::time::Duration;

use crate::machine::{Machine, Served};
use crate::place::{Place, eventually, for_each, once};

/// A machine with a world beside it: 198.51.100.1 and .3, 2001:db8:5::1. What else is sent to it is lost in silence.
struct World {
    machine: Machine,
    /// Its servers end before it does.
    servers: Vec<Served>,
    world: Machine,
}

/// Bytes of the download.
const BULK: usize = 128 << 20;

const SERVER: &str = "\
import hashlib, socket, sys, threading
data = bytes(range(251)) * (1 << 13)
def serve(peer):
    size = int(peer.recv(16))
    if size == 0:
        digest = hashlib.md5()
        while part := peer.recv(1 << 16):
            digest.update(part)
        peer.sendall(digest.hexdigest().encode())
    while size > 0:
        size -= peer.send(data[:size])
    peer.close()
def stream(family, address):
    listener = socket.create_server((address, 80), family=family, backlog=100)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
def datagrams(family, address, port):
    socket_ = socket.socket(family, socket.SOCK_DGRAM)
    socket_.bind((address, port))
    while True:
        said, peer = socket_.recvfrom(1 << 16)
        socket_.sendto(b'%d ' % peer[1] + said.upper(), peer)
start = lambda *of: threading.Thread(target=of[0], args=of[1:], daemon=True).start()
for family, address in (socket.AF_INET, '198.51.100.1'), (socket.AF_INET6, '2001:db8:5::1'):
    start(stream, family, address)
    start(datagrams, family, address, 53)
start(datagrams, socket.AF_INET, '198.51.100.3', 53)
import time
time.sleep(0.3)
print('ready', flush=True)
while True:
    time.sleep(1)
";

/// What scripts in nodes begin with.
const CLIENT: &str = "\
import hashlib, socket, sys, time
def call(host, port=80, timeout=20):
    peer = socket.create_connection((host, port), timeout)
    peer.settimeout(60)
    return peer
def digest(size):
    whole = hashlib.md5()
    data = bytes(range(251)) * (1 << 13)
    while size > 0:
        whole.update(data[:size])
        size -= len(data)
    return whole.hexdigest()
def download(host, size):
    peer = call(host)
    peer.sendall(str(size).encode())
    whole, got, begin = hashlib.md5(), 0, time.time()
    while part := peer.recv(1 << 18):
        whole.update(part)
        got += len(part)
    took = time.time() - begin
    assert got == size, got
    return whole.hexdigest(), got * 8 / took / 1e6
def upload(host, size):
    peer = call(host)
    peer.sendall(b'0')
    time.sleep(0.2)
    data = bytes(range(251)) * (1 << 13)
    whole = hashlib.md5()
    for _ in range(size // len(data)):
        peer.sendall(data)
        whole.update(data)
    peer.shutdown(socket.SHUT_WR)
    assert peer.recv(100).decode() == whole.hexdigest()
def outcome(host, port, timeout=20):
    begin = time.time()
    try:
        socket.create_connection((host, port), timeout).close()
        return 'connected', time.time() - begin
    except OSError as error:
        return type(error).__name__ + ' ' + str(error.errno), time.time() - begin
";

impl World {
    fn new() -> Option<Self> {
        let (machine, world) = (Machine::new()?, Machine::new()?);
        machine.ip(&format!("link add near type veth peer name far netns {}", world.name()));
        for (at, device, addresses) in [
            (&machine, "near", &["198.51.100.2/24", "2001:db8:5::2/64"][..]),
            (&world, "far", &["198.51.100.1/24", "198.51.100.3/24", "2001:db8:5::1/64"]),
        ] {
            at.ip(&format!("link set {device} up"));
            for address in addresses {
                let nodad = if address.contains(':') { " nodad" } else { "" };
                at.ip(&format!("addr add {address} dev {device}{nodad}"));
            }
        }
        machine.ip("route add default via 198.51.100.1");
        machine.ip("route add unreachable 192.0.2.0/24");
        machine.python_ok("open('/proc/sys/net/ipv4/ping_group_range', 'w').write('0 2147483647')");
        // Nothing it does not have may be answered, or said to be unreachable.
        world.python_ok("open('/proc/sys/net/ipv4/ip_forward', 'w').write('0')");
        let servers = vec![world.serve(SERVER)];
        Some(Self { machine, servers, world })
    }

    fn with(test: fn(&Place, &Self)) {
        for_each(|place| {
            if let Some(mut world) = Self::new() {
                test(place, &world);
                world.machine.ok(place, "down --all");
                world.servers.clear();
            }
        });
    }

    /// A script of Python's in a node, which must succeed; its output without the last line feed.
    fn python(&self, place: &Place, node: &str, script: &str) -> String {
        let script = format!("{CLIENT}{script}");
        let done = self.machine.netloom(place, &["exec", "-T", node, "--", "python3", "-c", &script]);
        assert_eq!(done.code, 0, "{:?} {node}: {script}: {done:?}", place.who);
        done.out.trim_end().to_owned()
    }
}

const LAB: &str = "\
netloom: 1
name: out
networks: { lan: { subnet: 10.7.0.0/24, internet: true } }
nodes: { h1..2: { networks: [lan] } }
";

#[test]
fn connections_datagrams_and_echoes_reach_the_world() {
    World::with(|place, world| {
        world.machine.up(place, LAB);
        let script = format!(
            "
for host, size in ('198.51.100.1', {BULK}), ('2001:db8:5::1', 10_000_000), ('198.51.100.1', 1):
    got, rate = download(host, size)
    assert got == digest(size)
    if size == {BULK}:
        print('%.0f Mbit/s' % rate)
upload('198.51.100.1', 40_000_000)
"
        );
        let rate = world.python(place, "h1", &script);
        eprintln!("{:?}: {} MiB out of a lab: {rate}", place.who, BULK >> 20);
        let script = "
s = socket.socket(type=socket.SOCK_DGRAM)
s.settimeout(10)
ports = set()
for host in '198.51.100.1', '198.51.100.3':
    s.sendto(b'hello', (host, 53))
    said, peer = s.recvfrom(100)
    assert peer == (host, 53), peer
    port, text = said.split()
    assert text == b'HELLO', said
    ports.add(port)
assert len(ports) == 1, 'one socket of the machine for one port of a node'
s.sendto(b'x' * 9_000, ('198.51.100.1', 53))
assert len(s.recv(1 << 16)) > 9_000, 'in fragments'
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b'hello', ('2001:db8:5::1', 53))
assert s.recv(100).endswith(b'HELLO')
";
        world.python(place, "h2", script);
        for host in ["198.51.100.1", "2001:db8:5::1", "10.7.0.254"] {
            let words = ["exec", "-T", "h1", "--", "ping", "-c", "2", "-W", "5", host];
            let done = world.machine.netloom(place, &words);
            assert_eq!(done.code, 0, "{:?} {host}: {done:?}", place.who);
        }
        let shown = world.machine.ok(place, "show lan-gw");
        for words in ["gateway", "tcp_connected 4", "echo_in 4"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
    });
}

#[test]
fn a_gateway_without_a_tap_leads_out_too() {
    World::with(|place, world| {
        world.machine.up(place, &format!("{LAB}defaults: {{ node: {{ port: packet }} }}\nworkers: 2\n"));
        let script = "
got, rate = download('198.51.100.1', 30_000_000)
assert got == digest(30_000_000)
upload('2001:db8:5::1', 30_000_000)
assert outcome('198.51.100.1', 81)[0] == 'ConnectionRefusedError 111'
";
        world.python(place, "h1", script);
        let shown = world.machine.ok(place, "show lan");
        assert!(shown.contains("tcp_connected 2, tcp_refused 1"), "{shown}");
    });
}

#[test]
fn what_is_refused_lost_or_forbidden_is_so_in_the_node() {
    World::with(|place, world| {
        world.machine.up(place, LAB);
        let script = "
for host, port, wanted in [
    ('198.51.100.1', 81, 'ConnectionRefusedError 111'),
    ('2001:db8:5::1', 81, 'ConnectionRefusedError 111'),
    ('192.0.2.7', 80, 'OSError 113'),
    ('169.254.169.254', 80, 'ConnectionRefusedError 111'),
    ('10.7.0.254', 22, 'ConnectionRefusedError 111'),
]:
    said, took = outcome(host, port)
    assert (said, took < 5) == (wanted, True), (host, said, took)
said, took = outcome('203.0.113.9', 80, 3)
assert said == 'TimeoutError None' and took > 2.5, (said, took)
";
        world.python(place, "h1", script);
        // The machine's own loopback is not the world's business.
        let _secret = world.machine.serve(
            "import socket\ns = socket.create_server(('', 8000))\nprint('ready', flush=True)\nwhile True: s.accept()\n",
        );
        let script = "
for host in '::ffff:127.0.0.1', '127.0.0.1':
    assert outcome(host, 8000)[0] != 'connected', host
assert outcome('198.51.100.2', 8000)[0] == 'connected', 'as any other host of its network would'
";
        world.python(place, "h1", script);
        let shown = world.machine.ok(place, "show lan-gw");
        assert!(shown.contains("tcp_refused 2") && shown.contains("denied 1"), "{shown}");
    });
}

#[test]
fn names_are_asked_of_the_machines_server_at_the_gateways_address() {
    World::with(|place, world| {
        // As where a resolver of the machine's own listens at its loopback only.
        let stub = SERVER.replace("198.51.100.3", "127.0.0.53").replace(
            "for family, address in (socket.AF_INET, '198.51.100.1'), (socket.AF_INET6, '2001:db8:5::1'):\n    start(stream, family, address)\n    start(datagrams, family, address, 53)\n",
            "",
        );
        let _stub = world.machine.serve(&stub);
        place.write("resolv.conf", "nameserver 127.0.0.53\n");
        world.machine.with_resolver(&place.path("resolv.conf"));
        world.machine.up(place, LAB);
        let script = "
s = socket.socket(type=socket.SOCK_DGRAM)
s.settimeout(10)
s.sendto(b'a name', ('10.7.0.254', 53))
said, peer = s.recvfrom(100)
assert said.endswith(b'A NAME') and peer == ('10.7.0.254', 53), (said, peer)
";
        world.python(place, "h1", script);
    });
}

#[test]
fn tenants_with_equal_addresses_have_ways_of_their_own() {
    World::with(|place, world| {
        world.machine.up(
            place,
            "\
netloom: 1
name: two
tenants: { red: {}, blue: {} }
networks: { 'red/lan': { subnet: 10.7.0.0/24, internet: true }, 'blue/lan': { subnet: 10.7.0.0/24, internet: true } }
nodes: { 'red/h1': { networks: [lan] }, 'blue/h1': { networks: [lan] } }
",
        );
        // The same addresses and ports at the same time.
        let script = "
s = socket.socket(type=socket.SOCK_DGRAM)
s.settimeout(10)
s.bind(('10.7.0.1', 4000))
for n in range(50):
    s.sendto(b'%d NAME' % n, ('198.51.100.1', 53))
    assert s.recv(100).endswith(b' %d NAME' % n), n
peer = socket.create_connection(('198.51.100.1', 80), 10, source_address=('10.7.0.1', 4001))
peer.sendall(b'1000')
assert len(peer.recv(2000, socket.MSG_WAITALL)) == 1000
";
        std::thread::scope(|scope| {
            for node in ["red/h1", "blue/h1"] {
                let script = script.replace("NAME", &node.to_uppercase());
                scope.spawn(move || world.python(place, node, &script));
            }
        });
        for gateway in ["red/lan-gw", "blue/lan-gw"] {
            let shown = world.machine.ok(place, &format!("show {gateway}"));
            assert!(shown.contains("tcp_connected 1") && shown.contains("udp_out 50"), "{shown}");
        }
    });
}

#[test]
fn a_gateway_comes_and_goes_with_an_edit_and_with_the_lab() {
    World::with(|place, world| {
        let without = LAB.replace(", internet: true", "");
        world.machine.up(place, &without);
        let reach = "print(outcome('198.51.100.1', 80)[0])";
        assert_eq!(world.python(place, "h1", reach), "OSError 101", "no way");
        place.write("lab.loom.yml", LAB);
        let plan = world.machine.ok(place, "plan lab.loom.yml");
        let row = plan.lines().find(|line| line.contains("lan-gw")).unwrap_or_default();
        assert!(row.starts_with("+ node") && row.contains("gateway of lan"), "{plan}");
        world.machine.ok(place, "up lab.loom.yml");
        assert_eq!(world.python(place, "h1", reach), "connected");
        world.machine.up(place, &without);
        assert_eq!(world.python(place, "h1", reach), "OSError 101", "no way again");
        // A connection ends with the lab, however that ends.
        for kill in [false, true] {
            world.machine.up(place, LAB);
            let watch = world.world.serve(
                "\
import socket, threading
s = socket.create_server(('198.51.100.1', 7000))
print('ready', flush=True)
peer, _ = s.accept()
try:
    while peer.recv(100): pass
except OSError:
    pass
",
            );
            let mut held = world.machine.start(
                place,
                &["exec", "-T", "h1", "--", "python3", "-c", "import socket, time\ns = socket.create_connection(('198.51.100.1', 7000), 10)\ntime.sleep(100)"],
            );
            eventually("a connection", || {
                world.machine.ok(place, "show lan-gw").contains("tcp_open 1").then_some(())
            });
            if kill {
                world.machine.kill_daemon(place);
            }
            world.machine.ok(place, "down out");
            held.wait().unwrap();
            watch.ended(Duration::from_secs(10));
        }
    });
}

#[test]
fn mininets_nat_is_the_same_way() {
    once(|place| {
        let Some(world) = World::new() else { return };
        place.write("script", "h1 python3 -c \"import socket; socket.create_connection(('198.51.100.1', 80), 10); print('through')\"\n");
        let done = world
            .machine
            .netloom(place, &["mn", "--nat", "--topo", "linear,2", "--pre", "script", "--test", "pingall"]);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.out.contains("through") && done.out.contains("0% dropped (2/2 received)"), "{done:?}");
    });
}
