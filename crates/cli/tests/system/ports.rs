//! Published ports: from the machine into nodes, by TCP and UDP, changed while they are used, gone with the lab.

use crate::machine::Machine;
use crate::place::{Place, eventually, for_each};

/// Answers a connection with the digest of what it said, and datagrams in capitals.
const SERVER: &str = "\
import hashlib, socket, sys, threading

def digest(peer):
    said = hashlib.md5()
    while data := peer.recv(1 << 16):
        said.update(data)
    peer.sendall(said.hexdigest().encode())
    peer.close()

def shout(socket_):
    while True:
        said, peer = socket_.recvfrom(1 << 16)
        socket_.sendto(said.upper(), peer)

datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind((sys.argv[1], 53))
threading.Thread(target=shout, args=(datagrams,), daemon=True).start()
listener = socket.create_server((sys.argv[1], 80), backlog=128)
while True:
    threading.Thread(target=digest, args=(listener.accept()[0],), daemon=True).start()
";

/// What every script begins with.
const CLIENT: &str = "\
import hashlib, socket
def ask(port, data=b'hello', host='127.0.0.1'):
    peer = socket.create_connection((host, port), 10)
    peer.settimeout(30)
    peer.sendall(data)
    peer.shutdown(socket.SHUT_WR)
    said = b''
    while part := peer.recv(100):
        said += part
    assert said.decode() == hashlib.md5(data).hexdigest(), said
def shout(port, data=b'hello', host='127.0.0.1', family=socket.AF_INET):
    peer = socket.socket(family, socket.SOCK_DGRAM)
    peer.settimeout(10)
    peer.connect((host, port))
    peer.send(data)
    assert peer.recv(1 << 16) == data.upper()
";

fn lab(nodes: &str) -> String {
    format!("netloom: 1\nname: open\nnodes:\n{nodes}")
}

fn script(machine: &Machine, text: &str) {
    machine.python_ok(&format!("{CLIENT}{text}"));
}

fn refused(machine: &Machine, port: u16) {
    let text = format!("import socket\nprint(socket.socket().connect_ex(('127.0.0.1', {port})))");
    assert_eq!(machine.python_ok(&text), "111", "port {port} is closed");
}

/// A place with the server's program, and a machine.
fn with_machine(test: fn(&Place, &Machine)) {
    for_each(|place| {
        if let Some(machine) = Machine::new() {
            place.write("server.py", SERVER);
            test(place, &machine);
            machine.ok(place, "down --all");
        }
    });
}

/// Waits until the programs of the nodes listen.
fn listening(machine: &Machine, port: u16) {
    let text = format!("{CLIENT}ask({port})");
    eventually("the node's program listens", || (machine.python(&text).code == 0).then_some(()));
}

#[test]
fn connections_and_datagrams_come_in_without_any_network() {
    with_machine(|place, machine| {
        // One listens everywhere, one at the loopback of the node only; neither has a network.
        machine.up(
            place,
            &lab("  web: { run: python3 server.py 0.0.0.0, ports: [8080:80, 0.0.0.0:8081..8082:80..81, '[::1]:8083:80', 5353:53/udp, '[::]:5354:53/udp'] }\n  \
                  db: { run: python3 server.py 127.0.0.1, ports: [8090:80, 5390:53/udp] }\n"),
        );
        listening(machine, 8080);
        listening(machine, 8090);
        script(
            machine,
            "\
for port in 8080, 8081, 8090:
    ask(port)
    ask(port, bytes(range(251)) * 80_000)
ask(8083, host='::1')
ask(8081, host='127.0.0.2')
for port in 5353, 5390:
    shout(port)
    shout(port, bytes(60_000))
shout(5354, host='::1', family=socket.AF_INET6)
",
        );
        // Nobody listens at the node's port: whoever calls is reset, quickly.
        let text = "\
import socket, time
begin = time.time()
try:
    # The reset may be there before it is known that somebody answered.
    print(socket.create_connection(('127.0.0.1', 8082), 10).recv(1))
except ConnectionResetError:
    print('reset', time.time() - begin < 5)
";
        assert_eq!(machine.python_ok(text), "reset True");
        let shown = machine.ok(place, "show web");
        assert!(shown.contains("0.0.0.0:8082 -> 81/tcp  0 taken, 0 open, 1 refused"), "{shown}");
        assert!(shown.contains("127.0.0.1:5353 -> 53/udp  2 taken, 2 open"), "{shown}");
    });
}

#[test]
fn a_node_with_a_network_sees_callers_as_itself_and_its_links_do_not_matter() {
    with_machine(|place, machine| {
        let run = "python3 server.py 10.0.0.7";
        let text = lab(&format!("  web: {{ ip: 10.0.0.7/24, run: {run}, ports: [8080:80] }}\n"))
            + "switches: { s1: {} }\nlinks: [{ link: web -- s1, loss: 100% }]\n";
        machine.up(place, &text);
        listening(machine, 8080);
    });
}

#[test]
fn an_edit_changes_ports_and_leaves_open_connections_alone() {
    with_machine(|place, machine| {
        let web =
            |ports: &str| lab(&format!("  web: {{ run: python3 server.py 0.0.0.0, ports: [{ports}] }}\n"));
        machine.up(place, &web("8080:80, 8081:80"));
        listening(machine, 8080);
        let held = machine.serve(&format!(
            "{CLIENT}
import sys, time
peer = socket.create_connection(('127.0.0.1', 8081), 10)
peer.sendall(b'before')
print('ready', flush=True)
while True:
    time.sleep(1)
"
        ));
        place.write("lab.loom.yml", &web("0.0.0.0:8080:80, 8081:80, 8082:80"));
        let plan = machine.ok(place, "plan lab.loom.yml");
        assert!(plan.contains("+port 127.0.0.1:8082 -> 80/tcp"), "{plan}");
        assert!(plan.contains("-port 127.0.0.1:8080 -> 80/tcp"), "{plan}");
        machine.ok(place, "up lab.loom.yml");
        script(machine, "ask(8080, host='127.0.0.2')\nask(8082)\n");
        let shown = machine.ok(place, "show web");
        assert!(shown.contains("127.0.0.1:8081 -> 80/tcp  1 taken, 1 open"), "it is the same one: {shown}");
        drop(held);
        machine.up(place, &web("8080:81"));
        refused(machine, 8081);
        refused(machine, 8082);
        // The same port of the machine leads to another one of the node now.
        assert_ne!(machine.python(&format!("{CLIENT}ask(8080)")).code, 0);
    });
}

#[test]
fn a_port_that_is_taken_is_an_error_with_its_place_and_nothing_has_changed() {
    with_machine(|place, machine| {
        let _somebody = machine.serve(
            "import socket\ns = socket.create_server(('127.0.0.1', 9191))\nprint('ready', flush=True)\ns.accept()\n",
        );
        let taken =
            lab("  web: { run: python3 server.py 0.0.0.0, ports: [8080:80] }\n  b: { ports: [9191:80] }\n");
        place.write("lab.loom.yml", &taken);
        let done = machine.netloom(place, &["up", "lab.loom.yml"]);
        assert_eq!(done.code, 3, "{done:?}");
        for word in
            ["Cannot publish 127.0.0.1:9191 -> 80/tcp of b", "Address already in use", "line 5", "ss -lnp"]
        {
            assert!(done.err.contains(word), "{word}: {}", done.err);
        }
        refused(machine, 8080);
        // So it is with a lab that runs.
        machine.up(place, &lab("  web: { run: python3 server.py 0.0.0.0, ports: [8080:80] }\n"));
        listening(machine, 8080);
        place.write("lab.loom.yml", &taken.replace("[8080:80]", "[0.0.0.0:8080:80]"));
        assert_eq!(machine.netloom(place, &["up", "lab.loom.yml"]).code, 3);
        script(machine, "ask(8080)\n");
        let names = machine.ok(place, "ls nodes -q");
        assert_eq!(names.trim(), "web");
    });
}

#[test]
fn ports_are_closed_after_down_and_after_a_kill() {
    with_machine(|place, machine| {
        let text = lab("  web: { run: python3 server.py 0.0.0.0, ports: [8080:80, 5353:53/udp] }\n");
        for kill in [false, true] {
            machine.up(place, &text);
            listening(machine, 8080);
            if kill {
                machine.kill_daemon(place);
                eventually("its sockets are closed", || {
                    let text = "import socket\nprint(socket.socket().connect_ex(('127.0.0.1', 8080)))";
                    (machine.python_ok(text) == "111").then_some(())
                });
            }
            machine.ok(place, "down open");
            refused(machine, 8080);
            machine
                .python_ok("import socket\nsocket.socket(type=socket.SOCK_DGRAM).bind(('127.0.0.1', 5353))");
        }
    });
}
