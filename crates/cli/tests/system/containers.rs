//! Containers: images without a daemon, from `up` to nothing left.

mod copies;
pub(crate) mod image;
mod inside;
mod order;
mod users;

use std::time::{Duration, Instant};

use crate::place::{Place, eventually, for_each, once};

const CONFIG: &str = r#"{"Entrypoint":["/bin/sh","-c"],"Cmd":["echo started as $(id -u) in $PWD; trap 'echo leaving; exit 7' QUIT; while :; do sleep 0.05; done"],
"Env":["PATH=/bin","GREETING=hello from the image"],"WorkingDir":"/srv","StopSignal":"SIGQUIT","User":""}"#;

const PAIR: &str = "\
netloom: 1
name: pair
networks: { lan: { subnet: 10.7.0.0/24 } }
nodes:
  web: { image: 'oci:img', networks: [lan], env: { EXTRA: more }, files: { /etc/motd: motd } }
  host: { networks: [lan] }
";

/// A field of a node's row.
fn field(place: &Place, node: &str, name: &str) -> serde_json::Value {
    let json: serde_json::Value = serde_json::from_str(&place.ok("ls nodes -o json")).unwrap();
    let rows = json["nodes"].as_array().unwrap();
    rows.iter().find(|row| row["name"] == node).unwrap()[name].clone()
}

#[test]
fn a_container_runs_from_its_image_to_its_end() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.write("motd", "of the lab\n");
        place.up(PAIR);
        eventually("its first words", || (place.ok("logs web") == "started as 0 in /srv\n").then_some(()));
        assert_eq!(
            (field(place, "web", "kind"), field(place, "web", "state")),
            ("container".into(), "up".into())
        );
        // What it sees is the image, the lab's names and its own network.
        assert_eq!(place.sh_ok("web", "cat /srv/index.html /etc/top /etc/motd"), "Welcome\ntop\nof the lab");
        assert_eq!(
            place.sh_ok("web", "echo $GREETING, $EXTRA; pwd; hostname; echo $HOME"),
            "hello from the image, more\n/srv\nweb\n/root"
        );
        assert!(place.sh_ok("web", "cat /etc/hosts").contains("10.7.0.2 host"));
        assert_eq!(place.sh_ok("web", "cat /etc/hostname"), "web");
        let resolver = place.sh_ok("web", "cat /etc/resolv.conf");
        assert!(resolver.ends_with("nameserver 10.7.0.253\nsearch default.pair"), "{resolver}");
        let answer = place.sh_ok("web", "/bin/busybox nslookup host.default.pair");
        assert!(answer.contains("10.7.0.2"), "{answer}");
        assert_ne!(place.sh("web", "test -e /usr/share || test -e /home").code, 0, "nothing of the machine");
        place.ok("ping web host");
        place.sh_ok("host", "ping -c 1 -W 2 web");
        // It writes into a layer of its own, which goes with it.
        place.sh_ok("web", "echo changed > /srv/index.html; rm /etc/top; echo new > /new");
        place.ok("restart web");
        assert_eq!(
            place.sh_ok("web", "cat /srv/index.html /new; ls /etc"),
            "changed\nnew\ngroup\nhostname\nhosts\nmotd\npasswd\nresolv.conf"
        );
        let text = place.ok("logs web");
        assert!(text.contains("leaving\n"), "it was asked as its image says: {text}");
        place.ok("stop web");
        assert_eq!(field(place, "web", "exit_code"), 7);
        assert!(place.ok("show web").contains("exit code    7"), "{}", place.ok("show web"));
        place.ok("down");
        place.up(PAIR);
        assert_eq!(place.sh_ok("web", "cat /srv/index.html /etc/top"), "Welcome\ntop");
        place.ok("down");
        let left: Vec<_> = std::fs::read_dir(place.path("data/containers")).unwrap().collect();
        assert!(left.is_empty(), "{left:?}");
        let layers = std::fs::read_dir(place.path("data/images/layers")).unwrap().count();
        assert_eq!(layers, 2, "they were unpacked once");
    });
}

#[test]
fn the_file_says_more_than_the_image() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.make_dir("shared");
        std::fs::write(place.path("shared/a"), "a\n").unwrap();
        let user = if place.is_root() { "www" } else { "0" };
        place.up(&format!(
            "netloom: 1\nname: says\nnodes:\n  a:\n    image: 'oci:img'\n    entrypoint: [/bin/sh, -c]\n    cmd: ['id; pwd; echo $$HOME; exec sleep 1000']\n    \
             user: {user}\n    workdir: /made/for/it\n    volumes: [./shared:/in, ./shared:/ro:ro, data:/keep]\n    tmpfs: /fast:size=1MiB\n    read-only: true\n"
        ));
        let log = || place.ok("logs a");
        if user == "www" {
            eventually("who it is", || {
                (log() == "uid=33(www) gid=34(www) groups=40(logs)\n/made/for/it\n/srv\n").then_some(())
            });
            assert_eq!(place.sh_ok("a", "id -u; echo $HOME"), "33\n/srv");
            // Ports below 1024 are no more than others, as Docker has it.
            let listen = "httpd -p 127.0.0.1:80 -h /in && wget -q -O - http://127.0.0.1/a";
            assert_eq!(place.sh_ok("a", listen), "a");
            // And they may ping, without the capability for packets of any kind.
            assert_eq!(place.sh_ok("a", "cat /proc/sys/net/ipv4/ping_group_range"), "0\t2147483647");
            assert_eq!(place.run("exec -T --user 0:40 a -- id").out, "uid=0(root) gid=40(logs)\n");
            assert!(
                place
                    .run("exec -T --user nobody a -- id")
                    .err
                    .contains("There is no user nobody in the image")
            );
        }
        if user == "0" {
            let done = place.run("exec -T --user www a -- id");
            assert!(done.code == 125 && done.err.contains("only with subordinate ids"), "{done:?}");
        }
        let as_root =
            |script: &str| place.run_words(&["exec", "-T", "--user", "0", "a", "--", "sh", "-c", script]);
        let done = as_root(
            "cat /in/a && echo b > /in/b && cat /ro/b && echo k > /keep/k && dd if=/dev/zero of=/fast/x bs=1k count=512 2>/dev/null && echo fine",
        );
        assert_eq!((done.out.as_str(), done.code), ("a\nb\nfine\n", 0), "{done:?}");
        for script in [
            "echo x > /ro/c",
            "touch /new",
            "touch /etc/passwd",
            "dd if=/dev/zero of=/fast/y bs=1k count=2048",
            "chmod 0 /srv",
        ] {
            assert_ne!(as_root(script).code, 0, "{script}");
        }
        place.ok("down");
        assert!(!place.path("shared/c").exists() && place.path("shared/b").exists());
        let kept = || place.path("data/volumes/says/data/k").exists();
        assert!(kept(), "a volume outlives its lab");
        place.up("netloom: 1\nname: says\nnodes: { a: { image: 'oci:img', volumes: [data:/keep] } }\n");
        assert_eq!(place.sh_ok("a", "cat /keep/k"), "k");
        place.ok("down --volumes");
        assert!(!kept());
    });
}

#[test]
fn what_an_image_lacks_or_a_registry_refuses_is_said_and_nothing_changes() {
    once(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.write("motd", "x");
        place.up(PAIR);
        let pid = field(place, "web", "pid");
        for (edit, said) in [
            ("oci:nothing", "Cannot use the image oci:nothing"),
            ("127.0.0.1:1/a/b:1", "Cannot reach the registry 127.0.0.1:1"),
            ("Up/Per", "line 5 of the lab file names it, for web"),
            ("dir:/none", "Cannot use the root file system /none"),
        ] {
            place.write("lab.loom.yml", &PAIR.replace("oci:img", edit));
            let done = place.run("up lab.loom.yml");
            assert_ne!(done.code, 0, "{edit}");
            assert!(done.err.contains(said), "{edit}: {}", done.err);
        }
        assert_eq!(field(place, "web", "pid"), pid, "it was not touched");
        let missing = PAIR.replace("networks: [lan], env", "volumes: [./missing:/x], networks: [lan], env");
        place.write("lab.loom.yml", &missing);
        assert!(place.run("up lab.loom.yml").err.contains("missing"));
        // While a lab runs an image, nobody takes it away.
        place.ok("image gc");
        assert_eq!(place.sh_ok("web", "cat /etc/top"), "top");
        place.ok("down");
        assert!(place.ok("image gc -o json").contains("\"layers\": 2"));
    });
}

#[test]
fn a_killed_daemon_takes_its_containers_along_and_down_removes_what_they_wrote() {
    for_each(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        place.write("motd", "x");
        place.up(PAIR);
        place.sh_ok("web", "mkdir -p /closed/in && touch /closed/in/file && chmod 0 /closed");
        let web = field(place, "web", "pid");
        let json: serde_json::Value = serde_json::from_str(&place.ok("ls labs -o json")).unwrap();
        let pid = i32::try_from(json["labs"][0]["pid"].as_i64().unwrap()).unwrap();
        let daemon = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(daemon, rustix::process::Signal::KILL).unwrap();
        eventually("its program is gone", || {
            (!std::path::Path::new(&format!("/proc/{web}")).exists()).then_some(())
        });
        let written = || std::fs::read_dir(place.path("data/containers")).unwrap().count();
        assert_eq!(written(), 1);
        place.ok("down pair");
        assert_eq!(written(), 0);
        place.up(PAIR);
        assert_ne!(place.sh("web", "test -e /closed").code, 0);
    });
}

#[test]
fn on_a_full_disk_an_image_is_refused_and_the_store_stays_whole() {
    once(|place| {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only root can have a small disk");
            return;
        }
        if !image::usual(place, CONFIG) {
            return;
        }
        place.write("lab.loom.yml", &PAIR.replace(", files: { /etc/motd: motd }", ""));
        for size in ["size=64k", "size=1m", "size=3m"] {
            let up = place.command(&["up", "lab.loom.yml"]);
            let script = "mkdir -p full && mount -t tmpfs -o $1 tmpfs full && shift && export NETLOOM_DATA_DIR=$PWD/full NETLOOM_RUN_DIR=$PWD/run; \"$@\"; code=$?; \
                          \"$1\" image ls -q; ls full/containers full/images/blobs full/images/layers 2>/dev/null; exit $code";
            let mut command = std::process::Command::new("unshare");
            command
                .args(["--mount", "sh", "-c", script, "sh", size])
                .arg(up.get_program())
                .args(up.get_args());
            command.current_dir(place.path(".")).stdin(std::process::Stdio::null());
            let done = crate::place::Done::from(command.output().unwrap());
            assert_ne!(done.code, 0, "{size}: {done:?}");
            assert!(done.err.contains("No space left") && done.err.contains("image gc"), "{size}: {done:?}");
            // Nothing half: blobs are whole, no layer has its name, no container was made.
            assert!(!done.out.contains(".0"), "{size}: {done:?}");
        }
        assert!(place.ok("ls").contains("No lab is up"), "no lab is left");
    });
}

#[test]
fn an_edit_makes_a_container_anew_and_touches_no_other() {
    once(|place| {
        if !image::usual(place, CONFIG) {
            return;
        }
        let lab = "netloom: 1\nname: edit\nnodes:\n  a: { image: 'oci:img' }\n  b: { image: 'oci:img' }\nlinks: [a -- b]\n";
        place.up(lab);
        place.sh_ok("a", "touch /mine");
        let (a, b) = (field(place, "a", "pid"), field(place, "b", "pid"));
        place.up(&lab.replace("a: { image: 'oci:img' }", "a: { image: 'oci:img', env: { X: '1' } }"));
        assert_eq!(place.sh_ok("a", "test -e /mine; echo $X"), "1");
        assert_ne!(field(place, "a", "pid"), a, "another environment is another process");
        place.up(&lab.replace("a: { image: 'oci:img' }", "a: { image: 'oci:img', user: '0:0' }"));
        assert_ne!(place.sh("a", "test -e /mine").code, 0, "what it wrote is gone");
        assert_eq!(field(place, "b", "pid"), b);
        place.ok("ping a b");
        place.up(&lab.replace("a: { image: 'oci:img' }", "a: {}"));
        assert_eq!(field(place, "a", "kind"), "host");
        place.sh_ok("a", "test -e /usr/share");
        assert_eq!(
            std::fs::read_dir(place.path("data/containers"))
                .unwrap()
                .flatten()
                .flat_map(|dir| std::fs::read_dir(dir.path()).unwrap())
                .count(),
            1
        );
    });
}

#[test]
fn children_without_a_parent_are_reaped_and_all_end_with_the_program() {
    for_each(|place| {
        let config = r#"{"Cmd":["/bin/sh","-c","for i in 1 2 3 4 5 6 7 8 9; do (sleep 0.1 &) ; done; sleep 1000 & exec sleep 1000"]}"#;
        if !image::usual(place, config) {
            return;
        }
        place.up("netloom: 1\nname: reap\nnodes: { a: { image: 'oci:img', stop-timeout: 1s } }\n");
        eventually("only the two that last", || {
            let states = place.sh_ok(
                "a",
                "cat /proc/[0-9]*/stat 2>/dev/null | grep '(sleep)' | cut -d' ' -f3 | tr -d '\\n'",
            );
            (states == "SS").then_some(())
        });
        let begin = Instant::now();
        place.ok("stop a");
        assert!(begin.elapsed() < Duration::from_secs(4), "SIGTERM is enough for who has no handler");
        assert_eq!(field(place, "a", "exit_code"), 143);
    });
}

#[test]
fn who_does_not_listen_is_killed_after_the_time_it_was_given() {
    once(|place| {
        if !image::usual(
            place,
            r#"{"Cmd":["/bin/sh","-c","trap '' TERM; echo ready; while :; do sleep 0.1; done"]}"#,
        ) {
            return;
        }
        place.up("netloom: 1\nname: deaf\nnodes: { a: { image: 'oci:img', stop-timeout: 700ms } }\n");
        eventually("it is ready", || (place.ok("logs a") == "ready\n").then_some(()));
        let begin = Instant::now();
        place.ok("stop a");
        assert!((600..5_000).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
        assert_eq!(field(place, "a", "exit_code"), 137);
    });
}

#[test]
fn archives_directories_and_many_layers_are_images_too() {
    for_each(|place| {
        let Some(busybox) = image::busybox() else { return };
        let base = image::base(&busybox).finish();
        // A root file system as it lies there.
        let root = place.path("root");
        for dir in ["bin", "proc"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        std::fs::write(root.join("bin/sh"), &busybox).unwrap();
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(root.join("bin/sh"), executable).unwrap();
        // More layers than a page of options has room for; each takes away what the one before brought.
        let mut layers = vec![base];
        for n in 0..100 {
            let layer =
                netloom_image::layer::tar::build::Builder::default().file(&format!("srv/{n}"), 0o644, b"x");
            let gone = if n > 0 { format!("srv/.wh.{}", n - 1) } else { "srv/.wh.none".to_owned() };
            layers.push(layer.file(&gone, 0o644, b"").finish());
        }
        image::layout(place, "many", &layers, r#"{"Cmd":["sleep","1000"],"Env":["PATH=/bin"]}"#);
        place.up(
            "netloom: 1\nname: kinds\nnodes:\n  plain: { image: 'dir:root', cmd: [/bin/sh, -c, 'echo here; exec sleep 1000'] }\n  idle: { image: 'dir:root' }\n  \
             many: { image: 'oci:many' }\n",
        );
        eventually("the plain one", || (place.ok("logs plain") == "here\n").then_some(()));
        place.sh_ok("plain", "echo x > /written");
        assert!(!root.join("written").exists(), "it is never written");
        assert_eq!(place.sh_ok("idle", "echo idle"), "idle");
        assert_eq!(place.sh_ok("many", "ls /srv"), "99");
    });
}
