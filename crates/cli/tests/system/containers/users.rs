//! The users of an image in the container of an ordinary user: with subordinate ids all of them.
//!
//! The machine's own files about users stay as they are: the commands have others mounted over them.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use netloom_image::layer::tar::build::Builder;

use super::image;
use crate::place::{Done, Place, eventually, for_user};

const CONFIG: &str = r#"{"Entrypoint":["/bin/sh","-c"],"Cmd":["id -u; id -g; sleep 100000"],"Env":["PATH=/bin"],"User":"www"}"#;

const LAB: &str = "\
netloom: 1
name: users
nodes:
  web: { image: 'oci:img' }
  root: { image: 'oci:img', user: root }
";

/// `netloom WORDS` by a user for whom the machine has set numbers aside.
fn netloom(place: &Place, words: &[&str]) -> Done {
    let inner = place.command(words);
    let script = "mount --bind $0/passwd /etc/passwd && mount --bind $0/numbers /etc/subuid &&
        mount --bind $0/numbers /etc/subgid && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script]).arg(place.path("."));
    command.arg(inner.get_program()).args(inner.get_args()).env_clear();
    command.envs(inner.get_envs().filter_map(|(key, value)| Some((key, value?))));
    Done::from(command.current_dir(place.path(".")).output().unwrap())
}

fn ok(place: &Place, words: &[&str]) -> String {
    let done = netloom(place, words);
    assert_eq!(done.code, 0, "{words:?}: {done:?}");
    done.out
}

/// Whether all that is needed is there; where not, it is said.
fn is_possible() -> bool {
    let there = |path: &str| std::path::Path::new(path).exists();
    let all = there("/usr/bin/newuidmap") && there("/etc/subuid") && there("/etc/subgid");
    if !all || !rustix::process::geteuid().is_root() {
        eprintln!("skipped: needs root, and the package uidmap");
    }
    all && rustix::process::geteuid().is_root()
}

/// What is left of containers and layers.
fn left(place: &Place, dir: &str) -> Vec<String> {
    let entries = std::fs::read_dir(place.path(dir)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().display().to_string()).collect()
}

#[test]
fn with_subordinate_ids_a_users_container_has_the_users_of_its_image() {
    for_user(|place| {
        let (true, Some(busybox)) = (is_possible(), image::busybox()) else { return };
        let top =
            Builder::default().pax(&[("uid", b"33"), ("gid", b"34")]).file("srv/page", 0o640, b"of www\n");
        image::layout(place, "img", &[image::base(&busybox).finish(), top.finish()], CONFIG);
        place.write("passwd", "root:x:0:0::/root:/bin/sh\nana:x:1000:1000::/:/bin/sh\n");
        place.write("numbers", "ana:100000:65536\n");
        place.write("lab.loom.yml", LAB);
        let up = netloom(place, &["up", "lab.loom.yml"]);
        assert!(up.code == 0 && !format!("{up:?}").contains("went to root"), "{up:?}");
        eventually("its first words", || (place.ok("logs web") == "33\n34\n").then_some(()));
        assert_eq!(place.sh_ok("web", "cat /srv/page; stat -c %u:%g /srv/page"), "of www\n33:34");
        let layers = left(place, "data/images/layers");
        let page =
            layers.iter().find_map(|layer| std::fs::metadata(format!("{layer}/fs/srv/page")).ok()).unwrap();
        assert_eq!((page.uid(), page.gid()), (100_032, 100_033), "another number outside");
        let made =
            "mkdir /var/d; touch /var/d/f; chown -R 65534:7 /var/d; chmod 700 /var/d; stat -c %u:%g /var/d/f";
        assert_eq!(place.sh_ok("root", made), "65534:7");
        assert_ne!(place.sh("web", "ls /var/d").code, 0, "another user's");
        ok(place, &["down"]);
        assert!(left(place, "data/containers").is_empty());

        // Nobody but root of such a namespace can remove what a daemon left that was killed.
        ok(place, &["up", "lab.loom.yml"]);
        place.sh_ok("root", made);
        let json: serde_json::Value = serde_json::from_str(&place.ok("ls labs -o json")).unwrap();
        let pid = i32::try_from(json["labs"][0]["pid"].as_i64().unwrap()).unwrap();
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        eventually("the end of the daemon", || {
            rustix::process::test_kill_process(pid).is_err().then_some(())
        });
        ok(place, &["down"]);
        assert!(left(place, "data/containers").is_empty());
        ok(place, &["image", "gc"]);
        assert!(left(place, "data/images/layers").is_empty());
        let checked = netloom(place, &["check"]);
        assert!(checked.out.contains("65537 of them"), "{checked:?}");
    });
}
