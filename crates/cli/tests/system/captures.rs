//! Captures, read back by tshark.

use std::path::Path;
use std::process::Command;

use crate::place::{eventually, for_each, interrupt, once};

const LAB: &str = "\
netloom: 1
name: capture
nodes: { h1..2: {} }
switches: { s1: {}, s2: {} }
links:
  - h1 -- s1
  - h2 -- s2
  - { link: s1 -- s2, name: core }
";

/// The packets of a file that match, one a line; `None`, said aloud, without tshark.
fn read(file: &Path, filter: &str) -> Option<Vec<String>> {
    let fields = [
        "-T",
        "fields",
        "-e",
        "frame.interface_name",
        "-e",
        "frame.cap_len",
        "-e",
        "frame.len",
        "-e",
        "icmp.type",
    ];
    let tshark = Command::new("tshark").arg("-r").arg(file).args(["-Y", filter]).args(fields).output();
    let Ok(tshark) = tshark else {
        eprintln!("skipped: there is no tshark to read {}", file.display());
        return None;
    };
    assert!(tshark.status.success(), "{}", String::from_utf8_lossy(&tshark.stderr));
    Some(String::from_utf8_lossy(&tshark.stdout).lines().map(str::to_owned).collect())
}

#[test]
fn a_capture_holds_every_packet_that_passes() {
    for_each(|place| {
        place.up(LAB);
        place.ok("ping h1 h2 -4");
        // Three at once: two of them at one port.
        let all = [("h1", "h1.pcapng"), ("h1:eth0", "eth0.pcapng"), ("core", "core.pcapng")];
        let running: Vec<_> =
            all.iter().map(|(name, file)| place.start(&format!("capture {name} -w {file}"))).collect();
        eventually("the files", || {
            all.iter()
                .all(|(_, file)| std::fs::metadata(place.path(file)).is_ok_and(|meta| meta.len() > 0))
                .then_some(())
        });
        place.ok("ping h1 h2 -4 -c 5");
        // The last answers travel to the captures' files by a stream that says nothing when it is empty; ten packets
        // are 980 bytes, and each has a head of 32 at least.
        eventually("the packets", || {
            all.iter()
                .all(|(_, file)| std::fs::metadata(place.path(file)).is_ok_and(|meta| meta.len() >= 1_300))
                .then_some(())
        });
        // One packet too many would come now: that none does can only be waited for.
        std::thread::sleep(std::time::Duration::from_millis(200));
        for child in running {
            let done = interrupt(child);
            assert_eq!(done.code, 0, "{done:?}");
        }
        for (name, file) in all {
            let Some(packets) = read(&place.path(file), "icmp") else { return };
            assert_eq!(packets.len(), 10, "{:?} {name}: {packets:?}", place.who);
            let of = if name == "core" { "core" } else { "h1:eth0" };
            assert!(packets.iter().all(|packet| packet.starts_with(of)), "{packets:?}");
            let kinds = |kind| packets.iter().filter(|packet| packet.ends_with(kind)).count();
            assert_eq!((kinds("\t8"), kinds("\t0")), (5, 5), "{packets:?}");
        }
        place.ok("ping h1 h2");
    });
}

#[test]
fn a_capture_ends_after_so_many_packets_and_keeps_so_many_bytes() {
    once(|place| {
        place.up(LAB);
        place.ok("ping h1 h2 -4");
        let child = place.start("capture s1 -c 4 -s 40 -w few.pcapng");
        eventually("the file", || {
            std::fs::metadata(place.path("few.pcapng")).ok().filter(|meta| meta.len() > 0)
        });
        place.ok("ping h1 h2 -4 -c 5");
        let end = child.wait_with_output().unwrap();
        assert!(end.status.success(), "{end:?}");
        let Some(packets) = read(&place.path("few.pcapng"), "frame") else { return };
        assert_eq!(packets.len(), 4, "{packets:?}");
        for packet in &packets {
            let fields: Vec<&str> = packet.split('\t').collect();
            let length: u32 = fields[2].parse().unwrap();
            assert_eq!(
                (fields[0].starts_with("s1-eth"), fields[1], length > 40),
                (true, "40", true),
                "{packet}"
            );
        }
    });
}

#[test]
fn a_wrong_name_is_told_with_the_right_one() {
    once(|place| {
        place.up(LAB);
        let done = place.run("capture cor -w x.pcapng");
        assert_eq!(done.code, 2, "{done:?}");
        assert!(done.err.contains("did you mean") && done.err.contains("core"), "{done:?}");
    });
}
