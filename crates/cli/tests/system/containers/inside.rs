//! What a container must not be able to do, tried from inside: the rows of the table in docs/containers.md.

use super::image;
use crate::place::{Place, eventually, for_each, once};

const LAB: &str = "\
netloom: 1
name: inside
networks: { lan: {} }
nodes:
  a: { image: 'oci:img', networks: [lan] }
  b: { image: 'oci:img', networks: [lan], cmd: [sh, -c, 'echo secret > /secret; exec sleep 54321'], memory: 256MiB, limits: best-effort }
  host: { networks: [lan] }
";
const CONFIG: &str = r#"{"Cmd":["sleep","1000"],"Env":["PATH=/bin"]}"#;

fn refused(place: &Place, script: &str) {
    let done = place.sh("a", script);
    assert_ne!(done.code, 0, "{:?}: {script}: {done:?}", place.who);
    assert_ne!(done.code, 125, "{script}: netloom itself failed: {done:?}");
    assert_ne!(done.code, 127, "{script}: the image lacks it: {done:?}");
}

#[test]
fn no_process_of_others_is_seen_or_killed() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.up(LAB);
        eventually("the other's program", || {
            (place.sh("b", "grep -q 54321 /proc/[0-9]*/cmdline").code == 0).then_some(())
        });
        assert_eq!(
            place.sh_ok("a", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^5432[1]'; true"),
            "0"
        );
        let pid = super::field(place, "b", "pid");
        refused(place, &format!("test {pid} -gt 100 && kill -0 {pid}"));
        refused(place, "kill -9 1 && sleep 0.2 && ! kill -0 1");
        let numbers = place.sh_ok("a", "ls /proc | grep -c '^[0-9]'");
        assert!(numbers.parse::<u32>().unwrap() < 10, "its own processes only: {numbers}");
        assert_eq!(super::field(place, "b", "pid"), pid, "the other goes on");
    });
}

#[test]
fn no_file_socket_or_cgroup_of_others_is_seen() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.up(LAB);
        eventually("the other's file", || (place.sh("b", "cat /secret").code == 0).then_some(()));
        refused(place, "cat /secret");
        // Neither the machine's nor the layers' own directories.
        refused(place, "ls -d /data /usr /home /run/netloom /var/lib/netloom");
        let mounts = place.sh_ok("a", "cat /proc/mounts");
        assert!(!mounts.contains("/images/") && !mounts.contains("/containers/"), "{mounts}");
        // Abstract sockets belong to a network: the machine's are those of another.
        let machine = std::fs::read_to_string("/proc/net/unix")
            .unwrap()
            .lines()
            .filter(|line| line.contains('@'))
            .count();
        let own = place.sh_ok("a", "grep -c @ /proc/net/unix; true");
        assert_eq!(own, "0", "the machine has {machine}");
        assert_eq!(place.sh_ok("a", "cut -d: -f3 /proc/self/cgroup | sort | uniq 2>/dev/null || cut -d: -f3 /proc/self/cgroup | head -n 1"), "/");
        // One with limits is in a group of its own, and sees it as the first of all.
        assert_eq!(place.sh_ok("b", "grep -vc ':/$' /proc/self/cgroup; true"), "0");
        assert_eq!(place.sh_ok("a", "find /sys/fs/cgroup -name cgroup.procs | wc -l"), "0");
        assert_eq!(place.sh_ok("a", "ls /dev/shm /tmp"), "/dev/shm:\n\n/tmp:");
    });
}

#[test]
fn mounts_devices_modules_and_namespaces_are_refused() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.up(LAB);
        for script in [
            "mount -t tmpfs none /tmp",
            "mount -t proc none /tmp",
            "mount -o bind / /tmp",
            "mount -o remount,rw /sys",
            "umount /proc",
            "umount /etc/hosts",
            "unshare -m true",
            "unshare -U true",
            "unshare -n true",
            "mknod /tmp/disk b 254 0",
            "mknod /tmp/mem c 1 1",
            "insmod /bin/busybox",
            "swapoff -a",
            "dmesg -c",
            "cat /proc/kcore",
            "echo x > /proc/sysrq-trigger; test -s /proc/sysrq-trigger",
            "echo 1 > /proc/sys/kernel/sysrq",
            "echo 1 > /proc/sys/net/ipv4/ip_forward",
            "echo 1 > /sys/kernel/mm/ksm/run",
            "cat /sys/firmware/*",
            "cat /proc/keys | grep .",
            "date -s 2000-01-01 2>/dev/null; test $(date +%Y) = 2000",
            "hostname other",
            "ip link set lo down",
            "ip link add d0 type dummy",
            "ls /dev/vda /dev/sda /dev/mem /dev/kvm /dev/net/tun",
        ] {
            refused(place, script);
        }
        let status = place.sh_ok("a", "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | tr -d '\\t '");
        assert_eq!(status, "NoNewPrivs:1\nSeccomp:2");
    });
}

#[test]
fn links_of_an_image_lead_nowhere_but_inside() {
    for_each(|place| {
        let Some(busybox) = image::busybox() else { return };
        let evil = netloom_image::layer::tar::build::Builder::default()
            .link("etc/hosts", "../../../../../../../../tmp/hosts")
            .link("etc/resolv.conf", "/run/nowhere/resolv.conf")
            .link("in", "/../../../etc");
        image::layout(place, "img", &[image::base(&busybox).finish(), evil.finish()], CONFIG);
        place.make_dir("shared");
        place.up(
            "netloom: 1\nname: links\nnodes: { a: { image: 'oci:img', volumes: [./shared:/in/deep] } }\n",
        );
        assert!(place.sh_ok("a", "cat /etc/hosts").contains("localhost"));
        assert!(place.sh_ok("a", "cat /etc/resolv.conf").starts_with('#'));
        place.sh_ok("a", "touch /etc/deep/x");
        assert!(place.path("shared/x").exists() && !std::path::Path::new("/etc/deep").exists());
        assert!(!std::path::Path::new("/tmp/hosts").exists());
    });
}

#[test]
fn a_volume_beside_the_lab_file_leads_nowhere_else() {
    once(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.make_dir("shared");
        let lab =
            "netloom: 1\nname: way\nnodes: { a: { image: 'oci:img', volumes: [./shared:/in] }, h: {} }\n";
        place.up(lab);
        // A host of the lab writes beside the lab file: it puts a way out there.
        place.sh_ok("h", "rmdir shared && ln -s /etc shared");
        place.ok("stop a");
        let done = place.sh("a", "true");
        assert_ne!(done.code, 0);
        place.ok("start a");
        let done = place.sh("a", "ls /in");
        assert_eq!(done.code, 125, "{done:?}");
        assert!(done.err.contains("shared"), "{done:?}");
        std::fs::remove_file(place.path("shared")).unwrap();
    });
}
