//! A stateful firewall and address translation in a switch, with the machine's own TCP at both ends.

use std::path::Path;

use crate::place::{Place, eventually, for_each, interrupt};

/// A server of FTP that knows just enough: one file, active and passive.
const FTP_SERVER: &str = r#"
import socket, sys
DATA = bytes(range(256)) * 4000
listener = socket.create_server(("198.51.100.80", 21))
print("ready", flush=True)
while True:
    control, _ = listener.accept()
    waiting = target = None
    lines = control.makefile("rb")
    say = lambda text: control.sendall(text.encode() + b"\r\n")
    say("220 here")
    for line in lines:
        word, _, rest = line.decode().strip().partition(" ")
        word = word.upper()
        if word == "USER": say("331 who")
        elif word == "PASS": say("230 in")
        elif word == "TYPE": say("200 yes")
        elif word == "PORT":
            n = rest.split(",")
            target = (".".join(n[:4]), int(n[4]) * 256 + int(n[5]))
            say("200 seen as " + target[0])
        elif word == "EPRT":
            n = rest.split("|")
            target = (n[2], int(n[3]))
            say("200 seen as " + target[0])
        elif word in ("PASV", "EPSV"):
            waiting = socket.create_server(("198.51.100.80", 0))
            port = waiting.getsockname()[1]
            if word == "PASV": say("227 go (198,51,100,80,%d,%d)" % (port >> 8, port & 255))
            else: say("229 go (|||%d|)" % port)
        elif word == "RETR":
            say("150 comes")
            data = waiting.accept()[0] if waiting else socket.create_connection(target, 5)
            data.sendall(DATA)
            data.close()
            waiting = target = None
            say("226 done")
        elif word == "QUIT":
            say("221 bye")
            break
        else: say("502 no")
    control.close()
"#;

/// Fetches the file, actively and passively; prints how much came.
const FTP_CLIENT: &str = r#"
import ftplib
for passive in (False, True):
    got = bytearray()
    ftp = ftplib.FTP()
    ftp.connect("198.51.100.80", 21, timeout=5)
    ftp.login("a", "b")
    ftp.set_pasv(passive)
    ftp.retrbinary("RETR file", got.extend)
    ftp.quit()
    print("passive" if passive else "active", len(got), got == bytes(range(256)) * 4000)
"#;

/// Sends ten megabytes to whoever connects, and says from where that was.
const BULK: &str = r#"
import socket
listener = socket.create_server(("198.51.100.80", 80))
print("ready", flush=True)
while True:
    peer, where = listener.accept()
    peer.sendall(where[0].encode().ljust(16))
    for _ in range(160): peer.sendall(b"x" * 65536)
    peer.close()
"#;

/// Prints as whom the server has seen it, and how much came.
const FETCH: &str = r#"
import socket
peer = socket.create_connection(("198.51.100.80", 80), 5)
data = b""
while piece := peer.recv(1 << 20): data += piece
print(data[:16].decode().strip(), len(data) - 16)
"#;

fn example() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/firewall.loom.yml");
    std::fs::read_to_string(path).unwrap()
}

/// Starts a server, and waits until it listens.
fn serve(place: &Place, script: &str, port: u16) -> std::process::Child {
    place.write("server.py", script);
    let path = place.path("server.py");
    let server = place.start(&format!("exec -T server -- python3 {}", path.display()));
    eventually("the server listens", || {
        place.sh_ok("server", "ss -Htln").contains(&format!(":{port} ")).then_some(())
    });
    server
}

fn fetch(place: &Place, script: &str) -> String {
    place.write("client.py", script);
    place.sh_ok("lan1", &format!("python3 {}", place.path("client.py").display()))
}

#[test]
fn connections_begin_inside_and_nobody_outside_sees_who_asks() {
    for_each(|place| {
        place.up(&example());
        place.ok("test");
        if place.sh("server", "python3 -V && ss -V").code != 0 {
            eprintln!("skipped: python3 or ss is missing");
            return;
        }
        let server = serve(place, BULK, 80);
        assert_eq!(fetch(place, FETCH), format!("198.51.100.1 {}", 160 << 16));
        let json: serde_json::Value = serde_json::from_str(&place.ok("ls conntrack -o json")).unwrap();
        let rows = json["conntrack"].as_array().unwrap();
        let row =
            rows.iter().find(|row| row["protocol"] == "tcp" && row["packets"].as_u64() > Some(20)).unwrap();
        assert!(row["original"].as_str().unwrap().starts_with("10.0.0.1:"), "{row}");
        assert!(row["reply"].as_str().unwrap().contains("> 198.51.100.1:"), "{row}");
        assert_eq!(row["answered"], true);
        interrupt(server);
    });
}

#[test]
fn ftp_brings_a_file_by_both_ways_through_the_firewall() {
    for_each(|place| {
        place.up(&example());
        if place.sh("server", "python3 -c 'import ftplib' && ss -V").code != 0 {
            eprintln!("skipped: python3 with ftplib, or ss, is missing");
            return;
        }
        let server = serve(place, FTP_SERVER, 21);
        assert_eq!(fetch(place, FTP_CLIENT), "active 1024000 True\npassive 1024000 True");
        interrupt(server);
    });
}

#[test]
fn a_zone_has_the_limit_and_the_timeouts_it_is_given_and_its_connections_are_forgotten() {
    for_each(|place| {
        place.up(
            "netloom: 1\nname: zones\nnodes: { h1..3: {} }\nlinks: [ h1..3 -- s1 ]\nswitches:\n  s1:\n    \
             zones:\n      - zone=5,limit=1,icmp_first=9,icmp_reply=9\n    flows:\n      \
             - priority=1,icmp,icmp_type=8,actions=ct(commit,zone=5),normal\n      \
             - priority=0,actions=normal\n",
        );
        let zones = || -> serde_json::Value { serde_json::from_str(&place.ok("ct ls s1 -o json")).unwrap() };
        let row = zones()["zones"][0].clone();
        assert_eq!(
            (&row["zone"], &row["limit"], &row["connections"]),
            (&5.into(), &1.into(), &0.into()),
            "{row}"
        );
        assert_eq!(row["timeouts"], serde_json::json!({ "icmp_first": 9, "icmp_reply": 9 }));
        assert_eq!(place.run("ping h1 h2 -4 -c 1").code, 0);
        assert_ne!(place.run("ping h2 h3 -4 -c 1").code, 0, "there is room for one connection");
        assert!(place.ok("ls drops").contains("connection table full"));
        assert_eq!(place.ok("ct set s1 zone=5,limit=100"), "1 zone\n");
        assert_eq!(place.run("ping h2 h3 -4 -c 1").code, 0);
        let table = place.ok("ct ls s1");
        assert!(table.contains("ZONE") && table.contains("100"), "{table}");
        assert!(place.ok("ct flush s1 --zone 5").contains("connection"));
        assert_eq!(place.ok("ct flush s1 --zone 5"), "0 connections\n");
        let bad = place.run("ct set s1 zone=5,limit=many");
        assert!(bad.code == 2 && bad.err.contains("Not a zone"), "{bad:?}");
        place.ok("down");
    });
}
