//! Virtual machines: two guests with Debian's kernel beside a host, from boot to end. One lab for all of it, since booting is
//! what takes the time.

mod disks;
mod microvm;

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::containers::image;
use crate::guest::{kernel, modules, pack, take, which};
use crate::place::{Done, Place, once};

/// What a guest needs of its kernel.
const DRIVERS: [&str; 4] = ["virtio_net", "virtio_console", "virtio_pci", "virtio_balloon"];

const LAB: &str = "\
netloom: 1
name: vms
networks: { lan: { subnet: 10.9.0.0/24 } }
nodes:
  h1: { networks: [lan], ip: 10.9.0.1 }
  vm1: { vm: {}, networks: [lan], ip: 10.9.0.11, memory: 256MiB..512MiB, cpu: 1..3,
         env: { GREETING: hello },
         files: { /etc/motd: motd } }
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
        assert!(plan.contains("vm para, cpu 1..3, memory 256MiB..512MiB"), "{plan}");
        assert!(plan.contains("vm para, cpu 2, memory 256MiB, image oci:img"), "{plan}");
        place.up(LAB);
        programs(place);
        streams(place);
        network(place);
        probes(place);
        cards(place);
        links(place);
        console(place);
        memory(place);
        processors(place);
        pause(place);
        copies(place);
        one_card_more(place);
        snapshots(place);
        one_card_less(place);
        fewer_processors(place);
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
}

/// Netloom itself sends from inside of guests, and listens there.
fn probes(place: &Place) {
    let said = place.ok("ping vm1 h1 -c 3");
    assert!(said.contains("3/3"), "{said}");
    let all: serde_json::Value = serde_json::from_str(&place.ok("ping -o json")).unwrap();
    assert_eq!((&all["pings"]["pairs"], &all["pings"]["answered"]), (&6.into(), &6.into()), "{all:#}");
    for sentence in [
        "vm1 can reach h1 tcp/81",
        "h1 can reach vm1 udp/82",
        "vm1 can reach vm2 with rtt < 10s",
        "throughput vm1 -> h1 >= 1Mbit for 1s",
        "throughput h1 -> vm2 >= 1Mbit for 1s",
        "loss vm2 -> h1 <= 90%",
    ] {
        let test = place.run_words(&["test", sentence]);
        assert_eq!(test.code, 0, "{test:?}");
    }
    // What does not arrive is told by those who would have to see it.
    for sentence in ["h1 cannot reach vm1 tcp/99", "vm1 cannot reach vm2 tcp/99"] {
        assert_eq!(place.run_words(&["test", sentence]).code, 1, "it can: {sentence}");
        for family in ["tcp", "tcp6"] {
            place.run_words(&[
                "flow",
                "add",
                "lan",
                &format!("priority=900,{family},tp_dst=99,actions=drop"),
            ]);
        }
        let test = place.run_words(&["test", sentence]);
        assert_eq!(test.code, 0, "{test:?}");
        for family in ["tcp", "tcp6"] {
            place.run_words(&["flow", "rm", "lan", &format!("{family},tp_dst=99")]);
        }
    }
}

/// What is told of a node's first card.
fn card(place: &Place, node: &str) -> serde_json::Value {
    show(place, node)["interfaces"][0]["card"].clone()
}

/// The switch itself serves the guests' rings, and super-packets go whole from one guest to the other.
fn cards(place: &Place) {
    let (sender, receiver) = (card(place, "vm1"), card(place, "vm2"));
    assert_eq!((&sender["ready"], &sender["pairs"]), (&true.into(), &1.into()), "{sender:#}");
    let features = sender["features"].to_string();
    for feature in ["csum", "tso4", "lro4", "mergeable"] {
        assert!(features.contains(feature), "{feature}: {features}");
    }
    // vm2 has just fetched 3 MB from vm1: some 2,000 packets, unless they went in super-packets.
    let number = |value: &serde_json::Value| value.as_u64().unwrap_or(0);
    assert!(number(&sender["super_packets_out"]) >= 40, "{sender:#}");
    assert!(number(&receiver["super_packets_in"]) >= 40, "{receiver:#}");
    assert!(number(&receiver["copied_across"]) > 2_000_000, "from guest to guest: {receiver:#}");
    let text = place.ok("show vm1");
    assert!(text.contains("vhost-user, 1 pair of queues") && text.contains("super-packets"), "{text}");
    let packets = number(&show(place, "vm1")["interfaces"][0]["tx_packets"]);
    assert!(packets > 2_000, "counted as they would be on a wire: {packets}");
    speed(place);
    // Packets are captured one by one, however they came.
    let child = place.start("capture vm1 -c 300 -w big.pcapng");
    patiently("it captures", || place.path("big.pcapng").exists());
    assert_eq!(place.sh_ok("vm2", "wget -qO- http://vm1/big | wc -c"), "3000000");
    let done = Done::from(child.wait_with_output().unwrap());
    assert_eq!(done.code, 0, "{done:?}");
    let bytes = std::fs::metadata(place.path("big.pcapng")).unwrap().len();
    assert!(bytes > 100_000 && bytes < 300 * 1_600, "300 packets of at most an MTU: {bytes}");
    let trace = place.run("trace vm1 h1 icmp");
    assert!(trace.code == 0 && trace.out.contains("h1"), "{trace:?}");
}

/// How fast a guest's file comes to a host; said, since it depends on the machine.
fn speed(place: &Place) {
    const FETCH: &str = "python3 -c \"import time, urllib.request as u; t = time.time(); \
        n = sum(len(u.urlopen('http://10.9.0.11/big').read()) for _ in range(4)); \
        print(n, round(n * 8 / (time.time() - t) / 1e6))\"";
    let said = place.sh_ok("h1", FETCH);
    let mut words = said.split(' ');
    assert_eq!(words.next(), Some("12000000"), "{said}");
    eprintln!("from an emulated guest to a host: {} Mbit/s", words.next().unwrap_or_default());
}

/// The link of a card goes down and up; with a delay it takes its time.
fn links(place: &Place) {
    place.ok("link vm1 lan down");
    assert_ne!(place.sh("vm2", "ping -c 1 -W 1 10.9.0.11").code, 0);
    assert_ne!(place.sh("vm1", "ping -c 1 -W 1 10.9.0.1").code, 0);
    place.ok("link vm1 lan up");
    place.sh_ok("vm1", "ping -c 1 -W 5 10.9.0.1");
    place.ok("link vm1 lan --delay 200ms");
    let text = place.sh_ok("vm2", "ping -c 1 -W 5 10.9.0.11");
    let time = text.split("time=").nth(1).and_then(|rest| rest.split(' ').next()?.parse::<f64>().ok());
    assert!(time.is_some_and(|ms| ms >= 200.0), "{text}");
    place.ok("link vm1 lan --delay 0ms");
}

fn console(place: &Place) {
    let refused = with_input(place, &["console", "h1"], "");
    assert!(refused.code != 0 && refused.err.contains("no virtual machine"), "{refused:?}");
    let done = with_input(place, &["console", "vm1"], "echo con$((20 + 22))sole\n");
    assert_eq!(done.code, 0, "{done:?}");
    patiently("the shell of the console has answered", || place.run("logs vm1").out.contains("con42sole"));
    assert!(place.ok("logs vm1").contains("netloom: vm1 is up"));
}

/// A balloon in the guest takes what it has not been given.
fn memory(place: &Place) {
    // In KiB: what the kernel itself takes is not counted.
    let total = || {
        let said = place.sh_ok("vm1", "grep MemTotal /proc/meminfo");
        said.split_whitespace()
            .nth(1)
            .and_then(|number| number.parse::<u64>().ok())
            .unwrap_or_else(|| panic!("{said}"))
    };
    let small = total();
    assert!(small < 256 << 10, "of 512 MiB it has 256: {small}");
    let said = place.ok("resize vm1 --memory 384MiB");
    assert!(said.contains("memory 384MiB") && said.contains("file: memory 256MiB"), "{said}");
    patiently("it has 128 MiB more", || total().abs_diff(small + (128 << 10)) < 4 << 10);
    place.ok("resize vm1 --memory 256MiB");
    assert!(total().abs_diff(small) < 4 << 10);
    let refused = place.run("resize vm1 --memory 1GiB");
    assert!(refused.code != 0 && refused.err.contains("can have 64MiB to 512MiB"), "{refused:?}");
    assert!(show(place, "vm1")["limits_in_file"].is_null());
}

/// Given by ACPI, put to use by netloom in the guest, and let go of by its kernel.
fn processors(place: &Place) {
    let count = || place.sh_ok("vm1", "busybox nproc");
    assert_eq!(count(), "1");
    let said = place.ok("resize vm1 --cpu 3");
    assert!(said.contains("cpu 3") && said.contains("file: cpu 1"), "{said}");
    assert_eq!(count(), "3");
    let refused = place.run("resize vm1 --cpu 4");
    assert!(refused.code != 0 && refused.err.contains("can have 1 to 3 processors"), "{refused:?}");
    let refused = place.run("resize vm2 --cpu 1");
    assert!(refused.code != 0 && refused.err.contains("has 2 processors for good"), "{refused:?}");
}

fn fewer_processors(place: &Place) {
    place.ok("resize vm1 --cpu 2");
    assert_eq!(place.sh_ok("vm1", "busybox nproc"), "2");
    let refused = place.run("snapshot save vm1");
    assert!(refused.code != 0 && refused.err.contains("a processor was taken away"), "{refused:?}");
}

fn pause(place: &Place) {
    place.ok("pause vm1");
    assert_eq!(state(place, "vm1"), "paused");
    assert!(place.sh("vm1", "true").err.contains("paused"));
    assert_ne!(place.run("ping h1 vm1").code, 0);
    place.ok("resume vm1");
    place.sh_ok("vm1", "true");
    let refused = place.run("resize vm1 --pids 2");
    assert!(refused.code != 0 && refused.err.contains("only `--cpu` and `--memory`"), "{refused:?}");
}

/// Files go in and out, by netloom in the guest: it needs no tar there.
fn copies(place: &Place) {
    std::fs::create_dir_all(place.path("tree/below")).unwrap();
    let long = "0123456789abcdef".repeat(20_000);
    place.write("tree/below/long", &long);
    place.write("tree/short", "short\n");
    place.ok("cp tree vm1:/root");
    assert_eq!(place.sh_ok("vm1", "cat /root/tree/short; wc -c < /root/tree/below/long"), "short\n320000");
    place.ok("cp vm1:/root/tree back");
    assert_eq!(std::fs::read_to_string(place.path("back/below/long")).unwrap(), long);
    let lacking = place.run("cp vm1:/no/such here");
    assert!(lacking.code != 0 && lacking.err.contains("/no/such"), "{lacking:?}");
}

/// A file in which the first guest has another card, and the host with it.
fn with_another_card() -> String {
    let text = LAB.replace("10.9.0.0/24 } }", "10.9.0.0/24 }, more: { subnet: 10.9.1.0/24 } }");
    let text = text.replace(
        "h1: { networks: [lan], ip: 10.9.0.1 }",
        "h1: { networks: [lan, more], ip: { eth0: 10.9.0.1, eth1: 10.9.1.1 } }",
    );
    text.replace(
        "networks: [lan], ip: 10.9.0.11,",
        "networks: [lan, more], ip: { eth0: 10.9.0.11, eth1: 10.9.1.11 }, routes: [\"10.77.0.0/16 via 10.9.1.1\"],",
    )
}

/// A card comes while the guest runs, and is one as any other.
fn one_card_more(place: &Place) {
    let before = pid(&show(place, "vm1"));
    place.sh_ok("vm1", "echo here > /tmp/stays");
    place.write("lab.loom.yml", &with_another_card());
    let plan = place.ok("plan lab.loom.yml");
    assert!(plan.contains("~ node     vm1") && plan.contains("+eth1 10.9.1.11/24"), "{plan}");
    assert!(!plan.lines().any(|line| line.starts_with('-')), "nothing is made anew: {plan}");
    let begin = Instant::now();
    place.ok("up lab.loom.yml");
    eprintln!("a card came in {} ms", begin.elapsed().as_millis());
    assert_eq!(pid(&show(place, "vm1")), before);
    assert_eq!(place.sh_ok("vm1", "cat /tmp/stays"), "here");
    place.sh_ok("vm1", "ping -c 1 -W 5 10.9.1.1");
    place.ok("ping h1 vm1");
    let routes = place.sh_ok("vm1", "ip route");
    assert!(routes.contains("10.77.0.0/16 via 10.9.1.1 dev eth1"), "{routes}");
    assert!(place.sh_ok("vm1", "cat /etc/hosts").contains("10.9.1.1"));
    let card = &show(place, "vm1")["interfaces"][1]["card"];
    assert_eq!(card["ready"], true, "{card:#}");
    assert!(place.ok("plan lab.loom.yml").contains("Nothing to do"));
    // Another address is an address, no other card.
    place.write("lab.loom.yml", &with_another_card().replace("10.9.1.11", "10.9.1.12"));
    place.ok("up lab.loom.yml");
    assert_eq!(pid(&show(place, "vm1")), before);
    place.sh_ok("h1", "ping -c 1 -W 5 10.9.1.12");
    place.ok("pause vm1");
    place.write("lab.loom.yml", LAB);
    let refused = place.run("up lab.loom.yml");
    assert!(refused.code != 0 && refused.err.contains("it is paused"), "{refused:?}");
    place.ok("resume vm1");
    place.sh_ok("h1", "ping -c 1 -W 5 10.9.1.12");
}

/// It goes again, and what was is as it was.
fn one_card_less(place: &Place) {
    let before = pid(&show(place, "vm1"));
    place.up(LAB);
    assert_eq!(pid(&show(place, "vm1")), before);
    assert_eq!(place.sh_ok("vm1", "ls /sys/class/net"), "eth0\nlo");
    assert!(!place.sh_ok("vm1", "ip route").contains("10.77.0.0"));
    place.ok("ping h1 vm1");
    let refused = place.run("snapshot restore vm1 then");
    assert!(refused.code != 0 && refused.err.contains("devices"), "it had a card more: {refused:?}");
    // Its place is free again, and another reset begins with the cards that it has.
    place.up(&with_another_card());
    place.sh_ok("h1", "ping -c 1 -W 5 10.9.1.11");
    place.up(LAB);
    place.sh_ok("vm1", "ping -c 1 -W 5 10.9.0.1");
}

/// What a guest was comes back, its programs and connections included, and the switch serves it on.
fn snapshots(place: &Place) {
    let none = place.run("snapshot restore vm1");
    assert!(none.code != 0 && none.err.contains("There is no snapshot of vm1"), "{none:?}");
    assert!(place.run("snapshot save h1").err.contains("is no virtual machine"));
    let child = place.start("exec -T vm1 -- sleep 1000");
    patiently("it sleeps", || place.sh("vm1", "ps").out.contains("sleep 1000"));
    let refused = place.run("snapshot save vm1");
    assert!(refused.code != 0 && refused.err.contains("a program is run in it"), "{refused:?}");
    crate::place::interrupt(child);
    patiently("it has ended", || !place.sh("vm1", "ps").out.contains("sleep 1000"));
    // A program that counts on, and a word that is in memory only.
    place.sh_ok(
        "vm1",
        "echo then > /tmp/word; (while true; do date +%s > /tmp/beat; sleep 1; done) > /dev/null 2>&1 &",
    );
    place.ok("snapshot save vm1 then");
    assert_eq!(place.sh_ok("vm1", "cat /tmp/word"), "then", "it went on");
    place.sh_ok("vm1", "echo now > /tmp/word");
    let before = pid(&show(place, "vm1"));
    let begin = Instant::now();
    place.ok("snapshot restore vm1");
    let restored = begin.elapsed();
    patiently("it answers", || place.run("ping h1 vm1").code == 0);
    eprintln!("restored in {} ms, answers after {} ms", restored.as_millis(), begin.elapsed().as_millis());
    assert!(is_gone(before));
    assert_eq!(place.sh_ok("vm1", "cat /tmp/word; busybox nproc"), "then\n3");
    let beat = place.sh_ok("vm1", "cat /tmp/beat");
    patiently("its programs go on", || place.sh_ok("vm1", "cat /tmp/beat") != beat);
    place.sh_ok("vm1", "ping -c 1 -W 5 10.9.0.1");
    assert_eq!(place.sh_ok("vm2", "wget -qO- http://vm1/big | wc -c"), "3000000");
    // Of one that stands still, and by one that was stopped.
    place.ok("pause vm1");
    place.ok("snapshot save vm1 still");
    assert_eq!(state(place, "vm1"), "paused");
    place.ok("stop vm1");
    place.ok("snapshot restore vm1 still");
    assert_eq!((state(place, "vm1").as_str(), place.sh_ok("vm1", "cat /tmp/word").as_str()), ("up", "then"));
    place.ok("ping h1 vm1");
    let json: serde_json::Value = serde_json::from_str(&place.ok("snapshot ls vm1 -o json")).unwrap();
    let rows = json["snapshots"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["then", "still"]);
    assert_eq!(rows[0]["memory"], 512 << 20);
    assert!(rows[0]["bytes"].as_u64().unwrap() < 400 << 20, "holes are holes: {json:#}");
    place.ok("snapshot rm vm1 still");
    assert!(place.run("snapshot restore vm1 still").err.contains("there is no snapshot still"));
    assert!(place.run("snapshot restore vm1 ../then").code == 2);
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
    let cards = |place: &Place| {
        let labs = std::fs::read_dir(place.run_dir()).into_iter().flatten().flatten();
        let all = labs.flat_map(|lab| std::fs::read_dir(lab.path()).into_iter().flatten().flatten());
        all.filter(|entry| entry.file_name().to_string_lossy().starts_with("card-")).count()
    };
    assert_eq!(cards(place), 2, "sockets of the dead daemon");
    // What it left is removed, and the lab is there again, its machine included.
    place.ok("up lab.loom.yml");
    assert_eq!(place.sh_ok("vm1", "hostname"), "vm1");
    place.sh_ok("vm1", "ping -c 1 -W 5 10.9.0.1");
    place.ok("down");
    let left = std::fs::read_dir(place.run_dir()).into_iter().flatten().flatten().map(|entry| entry.path());
    assert_eq!(left.filter(|path| path.is_dir()).count(), 0, "no directory of a lab");
}

const OWN: [&str; 3] = ["virtio_pci", "virtio_blk", "isofs"];

/// A guest that says what is on its disk and on the CD of its seed, and writes to the disk.
fn own_guest(place: &Place, folder: &Path) {
    let root = place.path("guest");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy(which("busybox"), root.join("bin/busybox")).unwrap();
    let order = modules(folder, &OWN);
    order.iter().for_each(|module| take(&root, module));
    let mut script = String::from(
        "#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /seed /sbin /usr/bin /usr/sbin
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
",
    );
    order.iter().for_each(|module| script.push_str(&format!("insmod {}\n", module.display())));
    script.push_str(
        "mount -t iso9660 -o ro /dev/vdb /seed && cat /seed/meta-data /seed/network-config /seed/user-data
echo \"disk: $(head -c 4 /dev/vda)\"
printf kept | dd of=/dev/vda bs=4 conv=notrunc,fsync 2>/dev/null
echo READY
while true; do sleep 1000; done
",
    );
    pack(place, &root, &script);
}

#[test]
#[ignore = "emulated guests beside other tests may take longer to boot than is waited for: it runs alone"]
fn a_guest_of_ones_own_has_a_disk_that_is_kept_and_a_seed_for_cloud_init() {
    once(|place| {
        let Some((image, folder)) = kernel(&OWN) else { return };
        own_guest(place, &folder);
        let mut base = vec![0; 1 << 20];
        base[..4].copy_from_slice(b"base");
        std::fs::write(place.path("base.img"), &base).unwrap();
        place.write("user.yml", "#cloud-config\nusers: [ada]\n");
        let lab = format!(
            "netloom: 1\nname: own\nnetworks: {{ lan: {{ subnet: 10.9.0.0/24 }} }}\nnodes:\n  vm1:\n    \
             vm: {{ kernel: {}, initrd: initrd, disk: base.img, cloud-init: user.yml }}\n    \
             networks: [lan]\n    ip: 10.9.0.7\n",
            image.display()
        );
        place.up(&lab);
        patiently("it has booted", || place.run("logs vm1").out.contains("READY"));
        let said = place.ok("logs vm1");
        for text in
            ["disk: base", "users: [ada]", "\"local-hostname\":\"vm1\"", "\"addresses\":[\"10.9.0.7/24\"]"]
        {
            assert!(said.contains(text), "{text}: {said}");
        }
        kill(pid(&show(place, "vm1")));
        until(place, "vm1", "failed");
        place.ok("start vm1");
        patiently("what it wrote is there", || place.run("logs vm1").out.contains("disk: kept"));
        assert_eq!(std::fs::read(place.path("base.img")).unwrap(), base, "the image is as it was");
        // A snapshot has the disk as it was then.
        place.ok("snapshot save vm1");
        let kept = place.path("data/disks/own/vm1.qcow2");
        std::fs::write(&kept, "spoiled").unwrap();
        place.ok("snapshot restore vm1");
        assert!(std::fs::read(&kept).unwrap().starts_with(b"QFI"));
        assert_eq!(state(place, "vm1"), "up");
        place.ok("down");
        assert!(kept.exists());
        // An image that has changed below it would be garbage.
        base[0] = b'B';
        std::fs::write(place.path("base.img"), &base).unwrap();
        place.up(&lab);
        let row = until(place, "vm1", "failed");
        assert!(row["reason"].as_str().unwrap_or_default().contains("down --volumes"), "{row:#}");
        place.ok("down --volumes");
        assert!(!kept.exists() && !place.path("data/snapshots/own").exists());
    });
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

#[test]
fn a_node_is_compared_as_what_this_machine_can_make_of_it() {
    once(|place| {
        if std::process::Command::new("busybox").arg("true").output().is_err() {
            eprintln!("skipped: busybox is not installed");
            return;
        }
        place.write("lab.loom.yml", "netloom: 1\nnodes:\n  h1: {}\n  own: { vm: { disk: d.img } }\n");
        let words = ["compare", "h1", "--as", "container", "--seconds", "1", "-o", "json"];
        let done = place.run_words(&words);
        assert_eq!(done.code, 0, "{done:?}");
        let json: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        let row = &json["compared"][0];
        let number = |key: &str| row[key].as_f64().unwrap_or_else(|| panic!("{key}: {row:#}"));
        assert!(number("boot_ms") > 0.0 && number("rtt_ms") > 0.0 && number("cpu_s_per_gb") > 0.0, "{row:#}");
        assert!(number("out_bps") > 1e6 && number("in_bps") > 1e6, "{row:#}");
        assert!((100e3..1e9).contains(&number("memory")), "{row:#}");
        assert_eq!(row["kind"], "container");
        // One that cannot be had is said, and nothing stays.
        let done = place.run("compare own --as container,full");
        assert_eq!(done.code, 4, "{done:?}");
        assert!(done.out.contains("not here: own has a disk of its own"), "{done:?}");
        let done = place.run("compare h1 --as vf --pf none0");
        assert!(done.code == 4 && done.out.contains("not here: "), "{done:?}");
        assert!(done.out.contains("there is no physical function none0"), "{done:?}");
        let done = place.run("compare h2");
        assert!(done.code == 2 && done.err.contains("There is no node h2"), "{done:?}");
        assert!(!place.run("ls labs").out.contains("compare-"), "labs of its own are gone");
    });
}
