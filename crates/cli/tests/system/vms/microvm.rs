//! The board microvm: less to emulate, and all the same a guest like any other.

use super::{kernel, patiently, state, until};
use crate::place::once;

/// What a guest needs of its kernel.
const DRIVERS: [&str; 3] = ["virtio_net", "virtio_console", "virtio_pci"];

const LAB: &str = "\
netloom: 1
name: micro
networks: { lan: { subnet: 10.9.0.0/24 } }
nodes:
  h1: { networks: [lan], ip: 10.9.0.1 }
  small: { vm: { machine: microvm }, networks: [lan], ip: 10.9.0.11, cpu: 2, memory: 256MiB..384MiB }
";

#[test]
#[ignore = "emulated guests beside other tests may take longer to boot than is waited for: it runs alone"]
fn a_microvm_is_a_guest_like_any_other() {
    once(|place| {
        if kernel(&DRIVERS).is_none() {
            return;
        }
        place.up(LAB);
        assert_eq!(place.sh_ok("small", "hostname; cat /proc/cpuinfo | grep -c ^processor"), "small\n2");
        assert!(place.ok("show small").contains("microvm"));
        patiently("it answers", || place.run("ping h1 small").code == 0);
        place.ok("resize small --memory 384MiB");
        place.ok("pause small");
        assert_eq!(state(place, "small"), "paused");
        place.ok("resume small");
        patiently("it answers", || place.run("ping h1 small").code == 0);
        // Whoever waits for a program in it is told that it is over.
        let panicked = place.sh("small", "echo c > /proc/sysrq-trigger; sleep 60");
        assert_ne!(panicked.code, 0, "{panicked:?}");
        let row = until(place, "small", "failed");
        assert!(row["reason"].as_str().unwrap_or_default().contains("the guest panicked"), "{row:#}");
        place.ok("start small");
        patiently("it answers", || place.run("ping h1 small").code == 0);
        place.ok("stop small");
        patiently("it is stopped", || state(place, "small") != "up");
        place.ok("down");
    });
}
