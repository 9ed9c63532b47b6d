//! Virtual machines: two guests with Debian's kernel beside a host, from boot to end. One lab for all of it, since booting is
//! what takes the time.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::containers::image;
use crate::guest::kernel;
use crate::place::{Done, Place, once};

/// What a guest needs of its kernel.
const DRIVERS: [&str; 4] = ["virtio_net", "virtio_console", "virtio_pci", "virtio_balloon"];

const LAB: &str = "\
netloom: 1
name: vms
networks: { lan: { subnet: 10.9.0.0/24 } }
nodes:
  h1: { networks: [lan], ip: 10.9.0.1 }
  vm1: { vm: {}, networks: [lan], ip: 10.9.0.11, env: { GREETING: hello }, files: { /etc/motd: motd } }
  vm2: { vm: { image: \"oci:img\" }, networks: [lan], ip: 10.9.0.12, cpu: 2 }
";

/// How a node is.
fn show(place: &Place, node: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&place.ok("ls nodes -o json")).unwrap();
    let rows = json["nodes"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == node).cloned().unwrap_or_else(|| panic!("{json:#}"))
}

fn state(place: &Place, node: &str) -> String {
    show(place, node)["state"].as_str().unwrap_or_default().to_owned()
}

/// Looks until a node is in a state, for as long as an emulated kernel may need to get there.
fn until(place: &Place, node: &str, wanted: &str) -> serde_json::Value {
    let begin = Instant::now();
    loop {
        let row = show(place, node);
        if row["state"] == wanted {
            return row;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "{node} is not {wanted}: {row:#}");
        // Between two looks: an emulated guest needs the processor.
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Runs `netloom WORDS` with an input.
fn with_input(place: &Place, words: &[&str], input: &str) -> Done {
    let mut child = place.command(words).stdin(Stdio::piped()).spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_owned());
    // Beside reading: who writes first and reads then waits for ever.
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let done = Done::from(child.wait_with_output().unwrap());
    writer.join().unwrap().unwrap();
    done
}

/// Looks again and again until something is so, for as long as an emulated guest may need for it.
fn patiently(what: &str, mut look: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !look() {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what}");
        // Between two looks: an emulated guest needs the processor.
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn pid(row: &serde_json::Value) -> i32 {
    row["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_else(|| panic!("{row:#}"))
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

fn is_gone(pid: i32) -> bool {
    // What was killed may still be waited for.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[test]
#[ignore = "emulated guests beside other tests may take longer to boot than is waited for: it runs alone"]
fn a_host_and_two_guests() {
    once(|place| {
        if kernel(&DRIVERS).is_none() || !image::usual(place, r#"{"Env":["COLOUR=red"],"WorkingDir":"/srv"}"#)
        {
            return;
        }
        place.write("motd", "hello from the lab\n");
        place.write("lab.loom.yml", LAB);
        let plan = place.ok("plan lab.loom.yml");
        assert!(plan.contains("vm para, cpu 1, memory 256MiB"), "{plan}");
        assert!(plan.contains("vm para, cpu 2, memory 256MiB, image oci:img"), "{plan}");
        place.up(LAB);
        programs(place);
        streams(place);
        network(place);
        console(place);
        pause(place);
        panics_and_starts_again(place);
        stops(place);
        is_killed(place);
        daemon_is_killed(place);
    });
}

/// The first waits until its guest is up.
fn programs(place: &Place) {
    assert_eq!(
        place.sh_ok("vm1", "hostname; echo $GREETING; cat /etc/motd"),
        "vm1\nhello\nhello from the lab"
    );
    assert_eq!(state(place, "vm1"), "up");
    assert_eq!(
        place.sh_ok("vm2", "hostname; pwd; echo $COLOUR; cat /etc/top; busybox nproc"),
        "vm2\n/srv\nred\ntop\n2"
    );
    let release = place.sh_ok("vm1", "cat /proc/sys/kernel/osrelease");
    assert!(release.contains("amd64"), "Debian's kernel, not this one: {release}");
    assert_eq!(place.sh("vm1", "exit 7").code, 7);
    assert_eq!(place.run("exec -T vm1 -- no-such-program").code, 127);
    assert_eq!(place.sh("vm1", "kill -TERM $$").code, 143);
    let done = place.sh("vm1", "echo out; echo err >&2");
    assert_eq!((done.out.as_str(), done.err.as_str()), ("out\n", "err\n"));
    assert_eq!(place.run("exec -T -w /tmp vm1 -- pwd").out, "/tmp\n");
    assert_eq!(place.run("exec -T -u www vm2 -- id -u").out, "33\n");
    let rows = place.ok("ls nodes");
    assert!(rows.contains("vm") && rows.contains("10.9.0.11"), "{rows}");
}

fn streams(place: &Place) {
    // More than the window holds, in both directions.
    let long = "0123456789abcdef".repeat(64 << 10);
    let done = with_input(place, &["exec", "-T", "vm1", "--", "cat"], &long);
    assert_eq!((done.code, done.out.len(), done.out == long), (0, long.len(), true));
    let done = place.run("exec -t vm1 -- sh -c tty");
    assert!(done.out.starts_with("/dev/pts/"), "{done:?}");
    // Who leaves ends the program.
    let child = place.start("exec -T vm1 -- sleep 1000");
    patiently("it sleeps", || place.sh("vm1", "ps").out.contains("sleep 1000"));
    crate::place::interrupt(child);
    patiently("it has ended", || !place.sh("vm1", "ps").out.contains("sleep 1000"));
}

fn network(place: &Place) {
    place.ok("ping h1 vm1");
    place.ok("ping h1 vm2");
    for (from, to) in [("vm1", "h1"), ("vm1", "vm2"), ("vm2", "10.9.0.1")] {
        place.sh_ok(from, &format!("ping -c 2 -W 5 {to}"));
    }
    // More than a frame each way, and by a name that the network answers.
    place.sh_ok("vm1", "mkdir -p /www && head -c 3000000 /dev/zero > /www/big && httpd -h /www");
    assert_eq!(place.sh_ok("vm2", "wget -qO- http://vm1/big | wc -c"), "3000000");
    let refused = place.run("ping vm1 h1");
    assert!(refused.code != 0 && refused.err.contains("netloom exec vm1"), "{refused:?}");
    let test = place.run_words(&["test", "h1 can reach vm1"]);
    assert!(
        test.code != 0 && (test.out + &test.err).contains("virtual machine"),
        "said, and not silently passed"
    );
}

fn console(place: &Place) {
    let done = with_input(place, &["console", "vm1"], "echo con$((20 + 22))sole\n");
    assert_eq!(done.code, 0, "{done:?}");
    patiently("the shell of the console has answered", || place.ok("logs vm1").contains("con42sole"));
    assert!(place.ok("logs vm1").contains("netloom: vm1 is up"));
}

fn pause(place: &Place) {
    place.ok("pause vm1");
    assert_eq!(state(place, "vm1"), "paused");
    assert!(place.sh("vm1", "true").err.contains("paused"));
    assert_ne!(place.run("ping h1 vm1").code, 0);
    place.ok("resume vm1");
    place.sh_ok("vm1", "true");
    for (words, said) in [
        ("resize vm1 --memory 512MiB", "not supported by this version"),
        ("cp vm1:/etc/motd .", "not supported by this version"),
    ] {
        let refused = place.run(words);
        assert!(refused.code != 0 && refused.err.contains(said), "{words}: {refused:?}");
    }
}

fn panics_and_starts_again(place: &Place) {
    let first = pid(&show(place, "vm1"));
    // Nobody answers any more.
    place.sh("vm1", "echo c > /proc/sysrq-trigger");
    let row = until(place, "vm1", "failed");
    assert!(row["reason"].as_str().unwrap_or_default().contains("the guest panicked"), "{row:#}");
    assert!(is_gone(first));
    place.sh_ok("vm2", "true");
    assert!(place.sh("vm1", "true").err.contains("panicked"));
    place.ok("start vm1");
    assert_eq!(place.sh_ok("vm1", "hostname"), "vm1");
    place.ok("ping h1 vm1");
}

fn stops(place: &Place) {
    let running = pid(&show(place, "vm1"));
    place.ok("stop vm1");
    assert_eq!(state(place, "vm1"), "stopped");
    assert!(is_gone(running));
    assert!(place.sh("vm1", "true").err.contains("stopped"));
    assert_ne!(place.run("ping h1 vm1").code, 0);
}

fn is_killed(place: &Place) {
    kill(pid(&show(place, "vm2")));
    let row = until(place, "vm2", "failed");
    assert!(row["reason"].as_str().unwrap_or_default().contains("signal 9"), "{row:#}");
    place.sh_ok("h1", "true");
    let text = place.ok("show vm2");
    assert!(text.contains("QEMU was ended by signal 9"), "{text}");
}

fn daemon_is_killed(place: &Place) {
    place.ok("start vm1");
    patiently("QEMU runs", || show(place, "vm1")["pid"].is_i64());
    let qemu = pid(&show(place, "vm1"));
    let labs: serde_json::Value = serde_json::from_str(&place.ok("ls labs -o json")).unwrap();
    kill(pid(&labs["labs"][0]));
    patiently("QEMU is gone with its daemon", || is_gone(qemu));
    place.ok("down");
    let left = std::fs::read_dir(place.run_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
    assert_eq!(left.filter(|path| path.is_dir()).count(), 0, "no directory of a lab");
}

#[test]
fn what_cannot_be_had_is_said_and_changes_nothing() {
    once(|place| {
        place.write("junk", "no kernel\n");
        place.up("netloom: 1\nname: no\nnodes: { h1: {} }\n");
        for (vm, said) in [
            ("{ kernel: junk }", "is not a Linux kernel"),
            ("{ kernel: nothing }", "Cannot read the kernel"),
            ("{ disk: nothing.qcow2 }", "Cannot read the disk"),
        ] {
            place.write(
                "lab.loom.yml",
                &format!("netloom: 1\nname: no\nnodes: {{ h1: {{}}, vm1: {{ vm: {vm} }} }}\n"),
            );
            let done = place.run("up lab.loom.yml");
            // Without QEMU that is what is said.
            let known = done.err.contains(said) || done.err.contains("qemu-system-x86_64 is not");
            assert!(done.code != 0 && known, "{vm}: {done:?}");
            assert!(!place.ok("ls nodes").contains("vm1"));
        }
        place.sh_ok("h1", "true");
    });
}

/// Real mode: each letter of the text goes to the first serial port once that has room, then the processor rests.
const BOOT_SECTOR: &[u8] =
    b"\xfa\x31\xc0\x8e\xd8\xfc\xbe\x23\x7c\xac\x84\xc0\x74\x12\x88\xc4\xba\xfd\x03\xec\xa8\x20\x74\xfb\
    \x88\xe0\xba\xf8\x03\xee\xeb\xe9\xf4\xeb\xfdhello from the disk\r\n\0";

#[test]
fn a_disk_is_booted_by_firmware_and_nothing_of_ours_is_in_it() {
    once(|place| {
        if std::process::Command::new("qemu-system-x86_64").arg("--version").output().is_err() {
            eprintln!("skipped: qemu-system-x86 is not installed");
            return;
        }
        let mut disk = vec![0; 1 << 20];
        disk[..BOOT_SECTOR.len()].copy_from_slice(BOOT_SECTOR);
        disk[510..512].copy_from_slice(b"\x55\xaa");
        std::fs::write(place.path("boot.img"), &disk).unwrap();
        place.up("netloom: 1\nname: disk\nnodes: { old: { vm: { disk: boot.img, virt: full } }, h1: {} }\nlinks: [old -- h1]\n");
        patiently("the boot sector speaks", || place.ok("logs old").contains("hello from the disk"));
        let refused = place.sh("old", "true");
        assert!(refused.code == 125 && refused.err.contains("agent is not in this guest"), "{refused:?}");
        assert_eq!(state(place, "old"), "up");
        place.ok("pause old");
        place.ok("resume old");
        place.ok("down");
        assert_eq!(std::fs::read(place.path("boot.img")).unwrap(), disk, "the image is as it was");
    });
}
