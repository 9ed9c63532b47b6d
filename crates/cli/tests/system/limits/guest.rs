//! Control groups of version 2, as root, as an ordinary user who was given a part of them, and as one who was not: Debian's
//! kernel in a machine that QEMU emulates. One boot for all cases.

use std::process::Command;

use crate::guest::{Guest, kernel, libraries, modules, pack, take, which};
use crate::place::{BINARY, once};

const MODULES: [&str; 2] = ["tun", "overlay"];

/// The first script: to a file system that can be left by pivot_root(2), which the first one cannot.
const FIRST: &str = "\
#!/bin/busybox sh
/bin/busybox mkdir /new
/bin/busybox mount -t tmpfs -o size=90% new /new
for dir in bin lib lib64 usr second; do [ -e /$dir ] && /bin/busybox cp -a /$dir /new/; done
exec /bin/busybox switch_root /new /bin/busybox sh /second
";

/// The second: a line of results per case.
const SECOND: &str = r#"
/bin/busybox mkdir -p /proc /sys /dev /sbin /usr/bin /usr/sbin /tmp /run /root /etc /var/log /var/lib /home/u
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp; mount -t tmpfs run /run; mount -t cgroup2 none /sys/fs/cgroup
MODULES
chmod 666 /dev/net/tun
echo root:x:0:0::/root:/bin/sh > /etc/passwd
C=/sys/fs/cgroup
cat > /home/u/lab.loom.yml <<END
netloom: 1
name: two
tenants: { red: { quota: { memory: 64MiB, cpu: 1 } } }
nodes:
  red/h1: { cpu: 0.2..1, memory: 32MiB..48MiB, pids: 20, cpuset: 0, run: "while :; do sleep 1; done" }
END
cd /home/u
export NETLOOM_RUN_DIR=/tmp/run NETLOOM_DATA_DIR=/tmp/data NO_COLOR=1
netloom up lab.loom.yml; echo root up $?
N=$C/netloom.two.*/tenant-red/node-h1
for file in cpu.max memory.max memory.swap.max pids.max cpuset.cpus; do echo root $file $(cat $N/$file); done
echo root tenant $(cat $C/netloom.two.*/tenant-red/memory.max)
netloom exec -T red/h1 -- sh -c 'echo root group $(cat /proc/self/cgroup); exec dd if=/dev/zero of=/tmp/x bs=1M count=60'
echo root greedy $?
netloom exec -T red/h1 -- rm -f /tmp/x
netloom exec -T red/h1 -- dd if=/dev/zero of=/tmp/y bs=1M count=20; echo root modest $?
netloom resize red/h1 --memory 16MiB; echo root shrink $? $(cat $N/memory.max) $(cat $N/memory.high)
netloom resize red/h1 --memory 40MiB --cpu 0.5; echo root grow $? $(cat $N/memory.max) $(cat $N/cpu.max)
netloom exec -T red/h1 -- rm -f /tmp/y
netloom resize red/h1 --memory 16MiB; echo root less $? $(cat $N/memory.max) $(cat $N/memory.high)
echo root node $(netloom ls nodes -o json)
netloom down; echo root down $?
echo root left $(find $C -name 'netloom*')
# What systemd gives to a user who asks for a scope, but for processors.
U=$C/user.slice/user@1000.service
mkdir -p $U/app.slice/run.scope
for dir in $C $C/user.slice $U $U/app.slice; do echo "+memory +pids" > $dir/cgroup.subtree_control; done
chown -R 1000:1000 $U /home/u
sed -i 's/, cpu: 1 }/ }/' lab.loom.yml
cat > user.sh <<'END'
netloom up lab.loom.yml; echo user refused $?
sed -i 's/cpu: 0.2..1, //; s/, cpuset: 0//' lab.loom.yml
netloom up lab.loom.yml; echo user up $?
netloom exec -T red/h1 -- sh -c 'echo user group $(cat /proc/self/cgroup); exec dd if=/dev/zero of=/tmp/x bs=1M count=60'
echo user greedy $?
echo user node $(netloom ls nodes -o json)
netloom down; echo user down $?
END
export NETLOOM_RUN_DIR=/home/u/run NETLOOM_DATA_DIR=/home/u/data
BECOME="/bin/real-setpriv --reuid 1000 --regid 1000 --clear-groups"
(echo 0 > $U/app.slice/run.scope/cgroup.procs; exec $BECOME sh user.sh) 2>&1
echo user left $(find $C -name 'netloom*')
mkdir $C/session
(echo 0 > $C/session/cgroup.procs; exec $BECOME netloom up lab.loom.yml) 2>&1; echo session refused $?
echo ALL DONE
poweroff -f
"#;

#[test]
fn version_2_is_kept_as_root_and_in_a_delegated_part_and_refused_elsewhere() {
    once(|place| {
        let Some((image, folder)) = kernel(&MODULES) else { return };
        if Command::new("setpriv").arg("--version").output().is_err() {
            eprintln!("skipped: setpriv is missing (package util-linux)");
            return;
        }
        let root = place.path("guest");
        std::fs::create_dir_all(root.join("bin")).unwrap();
        let ours = std::path::Path::new(BINARY);
        let setpriv = which("setpriv");
        // Busybox's shell takes its own programs before others of their name.
        for (program, name) in
            [(which("busybox"), "busybox"), (ours.to_owned(), "netloom"), (setpriv.clone(), "real-setpriv")]
        {
            std::fs::copy(program, root.join("bin").join(name)).unwrap();
        }
        // Words for debuggers are most of it; without `strip` it only takes longer.
        let _ = Command::new("strip").arg(root.join("bin/netloom")).status();
        [ours, &setpriv].into_iter().flat_map(libraries).for_each(|library| take(&root, &library));
        let order = modules(&folder, &MODULES);
        order.iter().for_each(|module| take(&root, module));
        let load: String =
            order.iter().map(|it| format!("insmod {} || echo FAILED\n", it.display())).collect();
        std::fs::write(root.join("second"), SECOND.replace("MODULES\n", &load)).unwrap();
        let initrd = pack(place, &root, FIRST);
        let mut qemu = Command::new("qemu-system-x86_64");
        qemu.args(["-accel", "tcg", "-cpu", "max", "-m", "768"]);
        let said = Guest::boot(qemu, &image, &initrd).until("ALL DONE");
        let has = |wanted: &str| said.iter().any(|line| line.trim_end() == wanted);
        for wanted in [
            "root up 0",
            "root cpu.max 20000 100000",
            "root memory.max 33554432",
            "root memory.swap.max 0",
            "root pids.max 20",
            "root cpuset.cpus 0",
            "root tenant 67108864",
            "root greedy 137",
            "root modest 0",
            // Less than is in use: nothing has changed, and nothing was killed.
            "root shrink 3 33554432 max",
            "root grow 0 41943040 50000 100000",
            "root less 0 16777216 max",
            "root down 0",
            "root left",
            "user refused 4",
            "user up 0",
            "user greedy 137",
            "user down 0",
            "user left",
            "session refused 4",
        ] {
            assert!(has(wanted), "{wanted}: {said:#?}");
        }
        let all = said.join("\n");
        for wanted in [
            "/tenant-red/node-h1",
            "cannot be 16MiB: ",
            "0::/user.slice/user@1000.service/app.slice/netloom.two.",
            "app.slice has no cpu controller",
            "this user may make no control groups in /sys/fs/cgroup/session",
        ] {
            assert!(all.contains(wanted), "{wanted}: {said:#?}");
        }
        // The node's own first process is not there to be taken: programs of the file go on.
        for who in ["root node", "user node"] {
            let line = said.iter().find_map(|line| line.strip_prefix(who)).unwrap();
            let rows: serde_json::Value = serde_json::from_str(line.trim()).unwrap();
            assert_eq!(rows["nodes"][0]["state"], "up", "{who}: {said:#?}");
        }
    });
}
