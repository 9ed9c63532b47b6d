//! Tunnels whose two ends are in one lab: no packet has a header around it, and yet all is as if it had.

use super::{sh, sh_ok};
use crate::place::{Place, for_each, lacks, once};

/// Two hosts, each at a switch of its own, and a tunnel between the switches; the tunnel is port 2 of both.
fn lab(tunnel: &str, west: &str, east: &str) -> String {
    let switch = |flows: &str| {
        if flows.is_empty() { "{}".to_owned() } else { format!("{{ flows: [{flows}] }}") }
    };
    format!(
        "netloom: 1
name: lab
nodes:
  h1: {{ mtu: 1500, ip: [10.0.0.1/24, fd00:9::1/64] }}
  h2: {{ mtu: 1500, ip: [10.0.0.2/24, fd00:9::2/64] }}
switches:
  s1: {}
  s2: {}
links: [h1 -- s1, h2 -- s2]
tunnels: [{{ link: s1 -- s2, {tunnel} }}]
",
        switch(west),
        switch(east)
    )
}

#[test]
fn flows_see_the_key_and_the_other_fields() {
    if lacks(&["ping"]) {
        return;
    }
    for_each(|place| {
        let seen = "'in_port=1,actions=output:2', \
                    'in_port=2,tun_id=77,tun_src=127.0.0.1,tun_dst=127.0.0.1,tun_ttl=9,actions=output:1'";
        place.up(&lab("type: vxlan, key: 77, ttl: 9", "", seen));
        place.sh_ok("h1", "ping -c 2 -i 0.2 -W 2 10.0.0.2");
        // Another key is another packet.
        place.up(&lab("type: vxlan, key: 78, ttl: 9", "", seen));
        assert_ne!(place.sh("h1", "ping -c 1 -W 1 10.0.0.2").code, 0);
        let links = place.ok("show s1");
        assert!(links.contains("s2"), "{links}");
    });
}

#[test]
fn flows_set_the_key_where_the_tunnel_leaves_it_to_them() {
    if lacks(&["ping"]) {
        return;
    }
    once(|place| {
        let west = "'in_port=1,actions=set_field:0xfedcba9876543210->tun_id,output:2', \
                    'in_port=2,tun_id=5,actions=output:1'";
        let east = "'in_port=2,tun_id=0xfedcba9876543210,actions=output:1', \
                    'in_port=1,actions=set_field:5->tun_id,output:2'";
        place.up(&lab("type: stt, key: flow", west, east));
        place.sh_ok("h1", "ping -c 2 -i 0.2 -W 2 10.0.0.2");
        // A capture at the tunnel's port sees frames without a header.
        place.up(&lab(
            "type: stt, in_key: 5, out_key: 6",
            "",
            "'in_port=2,tun_id=6,actions=output:1', \
                    'in_port=1,actions=output:2'",
        ));
        place.sh_ok("h1", "ping -c 2 -i 0.2 -W 2 10.0.0.2");
    });
}

#[test]
fn what_would_not_fit_is_answered() {
    if lacks(&["ping"]) {
        return;
    }
    once(|place| {
        place.write("lab.loom.yml", &lab("type: vxlan, key: 77", "", ""));
        let planned = place.ok("plan lab.loom.yml");
        assert!(planned.contains("vxlan, key 77, mtu 1450"), "{planned}");
        place.ok("up lab.loom.yml");
        place.sh_ok("h1", "ping -c 1 -W 2 -M do -s 1422 10.0.0.2; ping -c 1 -W 2 fd00:9::2");
        let too_long = place.sh("h1", "ping -c 2 -W 1 -M do -s 1472 10.0.0.2");
        assert!(format!("{too_long:?}").contains("1450"), "{too_long:?}");
        let route = place.sh_ok("h1", "ip route get 10.0.0.2");
        assert!(route.contains("mtu 1450"), "{route}");
        place.sh("h1", "ping -6 -c 2 -W 1 -M do -s 1452 fd00:9::2");
        let route = place.sh_ok("h1", "ip -6 route get fd00:9::2");
        assert!(route.contains("mtu 1450"), "{route}");
        let drops = place.ok("ls drops");
        assert!(drops.contains("too long for the tunnel"), "{drops}");
        // TCP finds its way, by what it is told or by what it is told to announce.
        bulk(place);
        place.up(&lab("type: vxlan, key: 77, mss_clamp: true", "", ""));
        bulk(place);
    });
}

fn bulk(place: &Place) {
    let server =
        "python3 -c \"import socket; s = socket.create_server(('10.0.0.2', 5001)); c = s.accept()[0]; \
                  n = 0
while d := c.recv(65536): n += len(d)
c.sendall(str(n).encode())\"";
    let client = "python3 -c \"import socket; c = socket.create_connection(('10.0.0.2', 5001), 5); c.settimeout(20); \
                  c.sendall(bytes(4000000)); c.shutdown(1); print(c.recv(99).decode())\"";
    let mut receiver = place.command(&["exec", "-T", "h2", "--", "sh", "-c", server]).spawn().unwrap();
    let sent = sh_ok(
        place,
        "lab",
        "h1",
        &format!("for i in 1 2 3 4 5; do {client} && exit 0; sleep 0.3; done; exit 1"),
    );
    assert_eq!(sent.trim(), "4000000");
    assert!(receiver.wait().unwrap().success());
}

#[test]
fn keys_of_tenants_are_theirs() {
    if lacks(&["ping"]) {
        return;
    }
    once(|place| {
        place.up(
            "netloom: 1
name: lab
tenants: { red: {}, blue: {} }
nodes:
  red/h1: { ip: 10.0.0.1/24 }
  red/h2: { ip: 10.0.0.2/24 }
  blue/h1: { ip: 10.0.0.1/24 }
  blue/h2: { ip: 10.0.0.2/24 }
switches:
  s1: {}
  s2:
    flows: ['priority=9,tun_id=100,actions=NORMAL', 'priority=9,tun_id=0,actions=NORMAL', 'priority=1,actions=drop']
links: [red/h1 -- s1, blue/h1 -- s1, red/h2 -- s2, blue/h2 -- s2]
tunnels: [{ link: s1 -- s2, type: geneve, key: { red: 100, blue: 200 } }]
",
        );
        place.sh_ok("red/h1", "ping -c 1 -W 2 10.0.0.2");
        assert_ne!(sh(place, "lab", "blue/h1", "ping -c 1 -W 1 10.0.0.2").code, 0, "its key is dropped");
    });
}
