//! What a host sees of the machine's files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use netloom_container::{BoundFile, Ending};

use crate::Test;
use crate::lab::Lab;

pub(crate) const TESTS: &[Test] = &[
    (
        "the_machine_is_read_only_and_the_lab_directory_is_not",
        the_machine_is_read_only_and_the_lab_directory_is_not,
    ),
    ("private_directories_last_but_are_nobody_elses", private_directories_last_but_are_nobody_elses),
    ("dev_holds_only_harmless_devices", dev_holds_only_harmless_devices),
    ("proc_and_sys_are_those_of_the_host", proc_and_sys_are_those_of_the_host),
    ("names_are_shown", names_are_shown),
    ("files_of_the_lab_appear_where_they_are_wanted", files_of_the_lab_appear_where_they_are_wanted),
    ("a_shown_file_is_read_only_wherever_its_name_leads", a_shown_file_is_read_only_wherever_its_name_leads),
    ("further_devices_can_be_allowed", further_devices_can_be_allowed),
    ("private_directories_may_be_on_the_machines_disk", private_directories_may_be_on_the_machines_disk),
    ("a_lab_below_tmp_hides_nothing_else_of_it", a_lab_below_tmp_hides_nothing_else_of_it),
    ("shared_shows_the_machine_as_it_is", shared_shows_the_machine_as_it_is),
];

fn the_machine_is_read_only_and_the_lab_directory_is_not(lab: &Lab) {
    for dir in ["/", "/etc", "/usr", "/home", "/root", "/opt", "/boot", "/sys", "/var", "/var/lib"] {
        if Path::new(dir).is_dir() {
            let done = lab.sh(&format!("LC_ALL=C touch {dir}/netloom-was-here"));
            assert_eq!(done.ending, Ending::Code(1), "{dir} can be written");
            assert!(!Path::new(dir).join("netloom-was-here").exists(), "{dir}");
        }
    }
    let done = lab.sh("pwd && echo hello > note && cat note");
    assert_eq!(done.out, format!("{}\nhello\n", lab.lab_dir().display()), "{}", done.err);
    assert_eq!(fs::read_to_string(lab.lab_dir().join("note")).expect("the note"), "hello\n");
}

fn private_directories_last_but_are_nobody_elses(lab: &Lab) {
    for dir in ["/tmp", "/run", "/var/log", "/dev/shm"] {
        assert_eq!(lab.sh(&format!("echo mine > {dir}/netloom-note")).ending, Ending::Code(0), "{dir}");
    }
    lab.wait_until_idle();
    let done = lab.sh("cat /tmp/netloom-note /run/netloom-note /var/log/netloom-note /dev/shm/netloom-note");
    assert_eq!(done.out, "mine\n".repeat(4), "{}", done.err);
    let mut other = lab.host();
    other.name.push_str("-other");
    other.private_dir = lab.dir.join("scratch").join(&other.name);
    let done = lab.sh_in(&other, "ls /tmp /run /var/log /dev/shm");
    assert!(!done.out.contains("netloom-note"), "{}", done.out);
    for dir in ["/tmp", "/run", "/var/log", "/dev/shm"] {
        assert!(!Path::new(dir).join("netloom-note").exists(), "{dir} of the machine");
    }
    assert_eq!(lab.sh("printf '#!/bin/sh\\necho ran\\n' > /tmp/x; chmod +x /tmp/x; /tmp/x").out, "ran\n");
}

fn dev_holds_only_harmless_devices(lab: &Lab) {
    let done = lab.sh("ls /dev");
    let names: Vec<_> = done.out.lines().collect();
    let expected = [
        "fd", "full", "null", "ptmx", "pts", "random", "shm", "stderr", "stdin", "stdout", "tty", "urandom",
        "zero",
    ];
    assert_eq!(names, expected);
    let done = lab.sh("echo x > /dev/null && head -c 4 /dev/zero | wc -c && head -c 4 /dev/urandom | wc -c");
    assert_eq!(done.out.split_whitespace().collect::<Vec<_>>(), ["4", "4"], "{}", done.err);
}

fn proc_and_sys_are_those_of_the_host(lab: &Lab) {
    let done = lab.sh("cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l; ls /sys/class/net");
    let lines: Vec<_> = done.out.lines().collect();
    assert_eq!(lines.first(), Some(&"netloom-init"), "{}", done.err);
    let processes: u32 = lines[1].trim().parse().expect("a number");
    assert!(processes <= 4, "{processes} processes are seen");
    assert_eq!(lines[2], "lo");
    for file in ["kcore", "kmsg", "keys", "sysrq-trigger", "timer_list"] {
        let done = lab.sh(&format!("test ! -e /proc/{file} -o -c /proc/{file}"));
        assert_eq!(done.ending, Ending::Code(0), "/proc/{file} is not masked");
    }
}

fn names_are_shown(lab: &Lab) {
    let mut host = lab.host();
    host.hostname = "web".to_owned();
    let hosts = lab.dir.join("hosts");
    fs::write(&hosts, "10.0.0.1 web\n").expect("a file");
    host.hosts_file = Some(hosts);
    let done = lab.sh_in(&host, "uname -n; cat /etc/hosts; test ! -e /etc/hostname || cat /etc/hostname");
    let rest = if Path::new("/etc/hostname").exists() { "web\n" } else { "" };
    assert_eq!(done.out, format!("web\n10.0.0.1 web\n{rest}"), "{}", done.err);
}

fn files_of_the_lab_appear_where_they_are_wanted(lab: &Lab) {
    let source = lab.lab_dir().join("a.conf");
    fs::write(&source, "a\n").expect("a file");
    fs::create_dir_all(lab.lab_dir().join("conf.d")).expect("a directory");
    fs::write(lab.lab_dir().join("conf.d/b"), "b\n").expect("a file");
    let mut host = lab.host();
    let places = [
        ("/etc/netloom-test.conf", "a.conf"),
        ("/etc/netloom-new/deep/a.conf", "a.conf"),
        ("/etc/netloom-test.d", "conf.d"),
        ("/etc/passwd", "a.conf"),
        ("/usr/share/netloom-test/a", "a.conf"),
        ("/run/netloom-test/a", "a.conf"),
    ];
    for (target, source) in places {
        let (target, source) = (PathBuf::from(target), lab.lab_dir().join(source));
        host.files.push(BoundFile { target, source });
    }
    let script = "cat /etc/netloom-test.conf /etc/netloom-new/deep/a.conf /etc/netloom-test.d/b /etc/passwd \
                  /usr/share/netloom-test/a /run/netloom-test/a; test -e /etc/group && test -d /usr/share && echo rest";
    let done = lab.sh_in(&host, script);
    assert_eq!(done.out, "a\na\nb\na\na\na\nrest\n", "{}", done.err);
    assert_eq!(done.ending, Ending::Code(0));
    for path in ["/etc/netloom-test.conf", "/etc/netloom-new", "/usr/share/netloom-test", "/run/netloom-test"]
    {
        assert!(!Path::new(path).exists(), "{path} was made on the machine");
    }
    assert_eq!(lab.sh_in(&host, "touch /etc/netloom-was-here").ending, Ending::Code(1));
}

fn a_shown_file_is_read_only_wherever_its_name_leads(lab: &Lab) {
    let (note, link) = (lab.lab_dir().join("note"), lab.lab_dir().join("link"));
    fs::write(&note, "first\n").expect("a file");
    let machine = lab.dir.join("machine");
    fs::write(&machine, "kept\n").expect("a file");
    std::os::unix::fs::symlink(&machine, &link).expect("a link");
    let mut host = lab.host();
    host.files.push(BoundFile { target: "/etc/note".into(), source: note });
    host.files.push(BoundFile { target: "/etc/link".into(), source: link });
    assert_eq!(lab.sh_in(&host, "cat /etc/note /etc/link").out, "first\nkept\n");
    assert_ne!(lab.sh_in(&host, "echo x > /etc/note").ending, Ending::Code(0));
    assert_ne!(lab.sh_in(&host, "echo x > /etc/link").ending, Ending::Code(0));
    assert_eq!(lab.sh_in(&host, "echo second > note; cat /etc/note").out, "second\n", "it is the same file");
    assert_eq!(fs::read_to_string(machine).expect("a file"), "kept\n");
}

fn further_devices_can_be_allowed(lab: &Lab) {
    let tun = Path::new("/dev/net/tun");
    if !tun.exists() {
        return println!("     skipped: no /dev/net/tun");
    }
    let mut host = lab.host();
    host.devices.push(tun.to_owned());
    assert_eq!(lab.sh_in(&host, "test -c /dev/net/tun && ls /dev/net").out, "tun\n");
    lab.wait_until_idle();
    assert_eq!(lab.sh("test ! -e /dev/net").ending, Ending::Code(0));
}

fn private_directories_may_be_on_the_machines_disk(lab: &Lab) {
    let mut host = lab.host();
    host.private_dir = lab.dir.join("on-disk").join("h");
    assert_eq!(lab.sh_in(&host, "echo kept > /tmp/note").ending, Ending::Code(0));
    assert_eq!(fs::read_to_string(host.private_dir.join("tmp/note")).expect("the note"), "kept\n");
}

fn a_lab_below_tmp_hides_nothing_else_of_it(lab: &Lab) {
    let done = lab.sh("cd /tmp && ls");
    let own = lab.dir.file_name().and_then(|name| name.to_str()).expect("a name");
    assert_eq!(done.out.trim_end(), own, "only the way to the lab's directory");
}

fn shared_shows_the_machine_as_it_is(lab: &Lab) {
    let host = lab.host().shared();
    let note = lab.dir.join("shared-note");
    let script = format!("echo here > {}; cat /proc/1/comm; ls /sys/class/net", note.display());
    let done = lab.sh_in(&host, &script);
    assert_eq!(done.out, "netloom-init\nlo\n", "{}", done.err);
    assert_eq!(fs::read_to_string(note).expect("the note"), "here\n");
}

impl Lab {
    /// Waits until no host has an init. The kernel's list of children may lack some while others end, so it looks more than
    /// once.
    pub(crate) fn wait_until_idle(&self) {
        let start = Instant::now();
        let mut without = 0;
        while without < 3 {
            without = if self.inits() > 0 { 0 } else { without + 1 };
            assert!(start.elapsed() < Duration::from_secs(10), "an init stays");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
