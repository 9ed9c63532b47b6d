//! What a host must not be able to do, and whom it must not be able to reach.

use crate::place::{Place, for_each, lacks};

const TENANTS: &str = "\
netloom: 1
name: tenants
tenants: { red: {}, blue: {} }
nodes: { red/h1..2: {}, blue/h1..2: {} }
switches: { s1: {} }
links: [red/h1..2 -- s1, blue/h1..2 -- s1]
";

#[test]
fn tenants_with_equal_addresses_do_not_meet() {
    if lacks(&["ip", "ping"]) {
        return;
    }
    for_each(|place| {
        place.up(TENANTS);
        let address =
            |node: &str| place.sh_ok(node, "ip -4 -o address show eth0 | tr -s ' ' | cut -d ' ' -f 4");
        assert_eq!(address("red/h1"), address("blue/h1"));
        place.ok("ping red/h1 red/h2");
        place.ok("ping blue/h1 blue/h2");
        // The neighbours answer with their own tenant's addresses only.
        let macs = |node: &str| {
            place.sh_ok(node, "for i in 1 2 3 4; do ping -c 1 -W 1 10.0.0.$i >/dev/null & done; wait; cat /sys/class/net/eth0/address; ip -4 neigh | grep -o '..:..:..:..:..:..' | sort -u")
        };
        let (red, blue) = (macs("red/h1"), macs("blue/h1"));
        assert!(red.lines().count() == 2 && blue.lines().count() == 2, "{red} / {blue}");
        assert!(red.lines().all(|mac| !blue.contains(mac)), "{red} / {blue}");
        // A raw broadcast stays at home, too.
        let count = |node: &str| -> u64 {
            place.sh_ok(node, "cat /sys/class/net/eth0/statistics/rx_packets").parse().unwrap()
        };
        let (own, other) = (count("red/h2"), count("blue/h2"));
        place.sh("red/h1", "ping -b -c 5 -i 0.2 -W 1 10.255.255.255 >/dev/null 2>&1");
        assert!(count("red/h2") >= own + 5, "the broadcast was sent");
        assert!(count("blue/h2") <= other + 1, "{other} then {}", count("blue/h2"));
    });
}

#[test]
fn a_host_cannot_harm_the_machine() {
    if lacks(&["ip"]) {
        return;
    }
    for_each(|place| {
        place.up("netloom: 1\nname: bound\nnodes: { h1..2: {} }\nlinks: [h1 -- h2]\n");
        let me = std::process::id();
        for script in [
            "mount -o remount,rw /",
            "mount -t tmpfs none /etc",
            "umount /proc",
            "touch /usr/netloom-was-here",
            "echo 1 > /proc/sys/kernel/sysrq",
            "echo x > /proc/sys/kernel/hostname",
            "sysctl -w kernel.panic=1",
            "mknod /tmp/disk b 254 0 && dd if=/tmp/disk of=/dev/null bs=1 count=1",
            "echo 1 > /sys/kernel/mm/ksm/run",
            "modprobe dummy && ip link add d0 type dummy && rmmod dummy",
        ] {
            refused(place, "h1", script);
        }
        // A process of the machine cannot even be named: the number means something else in there, or nothing.
        refused(place, "h1", &format!("test {me} -gt 100 && kill -0 {me}"));
        // Nor can one of another host.
        let mut other = place.start("exec -T h2 -- sleep 54321");
        crate::place::eventually("the other host's program", || {
            (place.sh("h2", "grep -l 54321 /proc/[0-9]*/cmdline | grep -v self").code == 0).then_some(())
        });
        refused(
            place,
            "h1",
            "cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep '^sleep 5432[1]\\|[ ]sleep 5432[1]'",
        );
        assert!(other.try_wait().unwrap().is_none(), "the other host's program goes on");
        other.kill().unwrap();
        other.wait().unwrap();
        // What is its own works.
        place.sh_ok(
            "h1",
            "sysctl -q -w net.ipv4.ip_forward=1 && touch /tmp/mine && ip link add d0 type bridge",
        );
        assert!(!std::path::Path::new("/tmp/mine").exists(), "its /tmp is its own");
    });
}

fn refused(place: &Place, node: &str, script: &str) {
    let done = place.sh(node, script);
    assert_ne!(done.code, 0, "{:?}: {script}: {done:?}", place.who);
    assert_ne!(done.code, 125, "{script}: netloom itself failed: {done:?}");
}
