//! What a host must not be able to do.

use std::collections::BTreeMap;

use netloom_container::{Ending, ProcessSpec, User};

use crate::Test;
use crate::lab::Lab;

pub(crate) const TESTS: &[Test] = &[
    ("capabilities_are_bounded", capabilities_are_bounded),
    ("the_machine_cannot_be_remounted_or_uncovered", the_machine_cannot_be_remounted_or_uncovered),
    ("a_user_namespace_does_not_help", a_user_namespace_does_not_help),
    (
        "devices_modules_and_switches_of_the_kernel_are_closed",
        devices_modules_and_switches_of_the_kernel_are_closed,
    ),
    ("the_hosts_own_network_is_open", the_hosts_own_network_is_open),
    ("foreign_processes_cannot_be_reached", foreign_processes_cannot_be_reached),
    ("init_cannot_be_looked_into_or_killed", init_cannot_be_looked_into_or_killed),
    ("nothing_is_inherited", nothing_is_inherited),
    ("open_files_are_limited_as_before", open_files_are_limited_as_before),
    ("another_user_has_no_privileges", another_user_has_no_privileges),
    ("privileged_lifts_the_limits", privileged_lifts_the_limits),
];

fn status(lab: &Lab, text: &str) -> BTreeMap<String, String> {
    let _ = lab;
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
        .collect()
}

fn capabilities_are_bounded(lab: &Lab) {
    let status = status(lab, &lab.sh("cat /proc/self/status").out);
    // chown 0, dac_override 1, fowner 3, kill 5, setgid 6, setuid 7, net_bind_service 10, net_admin 12, net_raw 13,
    // sys_chroot 18, audit_write 29.
    let expected = format!(
        "{:016x}",
        [0, 1, 3, 5, 6, 7, 10, 12, 13, 18, 29].map(|bit| 1_u64 << bit).iter().sum::<u64>()
    );
    for set in ["CapPrm", "CapEff", "CapBnd"] {
        assert_eq!(status[set], expected, "{set}");
    }
    assert_eq!(status["CapInh"], format!("{:016x}", 0));
    assert_eq!(status["CapAmb"], format!("{:016x}", 0));
    assert_eq!(status["NoNewPrivs"], "1");
}

fn must_fail(lab: &Lab, script: &str) {
    let done = lab.sh(script);
    assert_ne!(done.ending, Ending::Code(0), "{script}: {}{}", done.out, done.err);
    assert_ne!(done.ending, Ending::Code(127), "{script}: {}", done.err);
}

fn the_machine_cannot_be_remounted_or_uncovered(lab: &Lab) {
    for script in [
        "mount -o remount,rw /",
        "mount -o remount,bind,rw /",
        "mount -o remount,rw /proc/sys",
        "mount -t tmpfs none /mnt",
        "mount --bind / /mnt",
        "umount /dev",
        "umount /proc/sys",
        "umount -l /sys",
    ] {
        must_fail(lab, script);
    }
}

fn a_user_namespace_does_not_help(lab: &Lab) {
    // Where user namespaces cannot be nested this fails for a stronger reason.
    for action in [
        "mount -o remount,bind,rw / && touch /etc/netloom-was-here",
        "umount /dev && test -e /dev/kmsg",
        "umount -l /proc && cat /proc/sysrq-trigger",
        "umount /proc/sys",
        "mount --make-rshared / && mount -o remount,rw,bind /usr && touch /usr/netloom-was-here",
    ] {
        must_fail(lab, &format!("unshare --user --map-root-user --mount sh -c '{action}'"));
    }
}

fn devices_modules_and_switches_of_the_kernel_are_closed(lab: &Lab) {
    for script in [
        "mknod /tmp/disk b 254 0",
        "mknod /dev/mem c 1 1",
        "echo 1 > /proc/sys/kernel/panic",
        "echo x > /proc/sys/kernel/hostname",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo 1 > /proc/sys/vm/drop_caches",
        "test -s /proc/kcore",
        "echo h > /proc/sysrq-trigger && grep -q . /proc/sysrq-trigger",
        "hostname other",
        "swapoff -a && false",
        "dmesg -C",
        "date -s 2001-01-01",
        "chroot / mount -t proc none /mnt",
    ] {
        must_fail(lab, script);
    }
    if std::path::Path::new("/sbin/modprobe").exists() {
        must_fail(lab, "/sbin/modprobe dummy && grep -q '^dummy ' /proc/modules");
        must_fail(lab, "/sbin/rmmod -f $(head -n 1 /proc/modules | cut -d ' ' -f 1)");
    }
}

fn the_hosts_own_network_is_open(lab: &Lab) {
    let done = lab.sh("echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward");
    assert_eq!(done.out, "1\n", "{}", done.err);
    let done = lab.netns.run(|| std::fs::read_to_string("/proc/sys/net/ipv4/ip_forward"));
    assert_eq!(done.expect("the namespace").expect("the switch"), "1\n");
}

fn foreign_processes_cannot_be_reached(lab: &Lab) {
    // Numbers the host's own processes have not reached: the ones they name outside must not be found inside.
    for pid in [std::process::id(), std::os::unix::process::parent_id()] {
        if pid > 1_000 {
            must_fail(lab, &format!("kill -0 {pid}"));
            must_fail(lab, &format!("ls /proc/{pid}"));
        }
    }
    assert_eq!(
        lab.sh("kill -9 -1; echo survived").ending,
        Ending::Code(0),
        "only its own processes are in reach"
    );
}

fn init_cannot_be_looked_into_or_killed(lab: &Lab) {
    must_fail(lab, "readlink /proc/1/exe");
    must_fail(lab, "ls /proc/1/root/");
    must_fail(lab, "cat /proc/1/fd/3");
    must_fail(lab, "cat /proc/1/environ");
    let done = lab.sh("kill -9 1; kill -TERM 1; kill -STOP 1; echo survived");
    assert_eq!(done.out, "survived\n");
    assert_eq!(lab.sh("echo alive").out, "alive\n");
}

fn nothing_is_inherited(lab: &Lab) {
    let done = lab.sh("ls /proc/self/fd | wc -l; cat /proc/self/status; umask; env");
    let (count, rest) = done.out.split_once('\n').expect("a line");
    // 0, 1, 2 and the directory ls reads.
    assert_eq!(count.trim(), "4");
    let status = status(lab, rest);
    assert_eq!(status["SigBlk"], format!("{:016x}", 0));
    // 32 and 33 belong to the C library, which does not let go of what this test itself inherited.
    let ignored = u64::from_str_radix(&status["SigIgn"], 16).expect("a number") & !(0b11 << 31);
    assert_eq!(ignored, 0);
    assert!(rest.contains("\n0022\n"), "{rest}");
    assert!(!rest.contains("CARGO"), "{rest}");
}

fn open_files_are_limited_as_before(lab: &Lab) {
    let limits = std::fs::read_to_string("/proc/self/limits").expect("the limits");
    let own = limits.lines().find(|line| line.starts_with("Max open files")).expect("the limit").to_owned();
    let done = lab.sh("grep '^Max open files' /proc/self/limits");
    assert_eq!(done.out.trim_end(), own.trim_end());
}

fn another_user_has_no_privileges(lab: &Lab) {
    let mut process = ProcessSpec::new(["sh", "-c", "id -u; id -g; cat /proc/self/status"]);
    process.user = Some(User { uid: 1234, gid: 1235, groups: vec![1236] });
    match lab.run(&lab.host(), &process) {
        Ok(done) => {
            assert!(done.out.starts_with("1234\n1235\n"), "{}", done.out);
            assert_eq!(status(lab, &done.out)["CapEff"], format!("{:016x}", 0));
            assert_eq!(status(lab, &done.out)["Groups"], "1236");
        }
        // An ordinary user's namespace has no second user: that must be said.
        Err(error) => {
            assert!(!netloom_sys::userns::is_first() && error.to_string().contains("1236"), "{error}")
        }
    }
}

fn privileged_lifts_the_limits(lab: &Lab) {
    let host = lab.host().privileged();
    let done = lab.sh_in(&host, "mount -t tmpfs none /mnt && touch /mnt/x && hostname other && hostname");
    assert_eq!(done.out, "other\n", "{}", done.err);
    assert_eq!(status(lab, &lab.sh_in(&host, "cat /proc/self/status").out)["NoNewPrivs"], "0");
    // Not even then the machine's files are written by accident.
    assert_ne!(lab.sh_in(&host, "touch /etc/netloom-was-here").ending, Ending::Code(0));
}
