//! A daemon that is killed at some moment: a short version of `cargo xtask chaos`.

use std::path::Path;
use std::time::Duration;

use crate::place::{Place, eventually, for_each};

fn lab(tag: &str, is_root: bool) -> String {
    let name = if is_root { format!("netns: nl-{tag}, ") } else { String::new() };
    format!(
        "netloom: 1\nname: chaos\nnodes:\n  h1: {{ {name}run: sleep 97531 }}\n  h2..6: {{}}\n\
         switches: {{ s1: {{}} }}\nlinks: [h1..6 -- s1]\n"
    )
}

/// Processes whose environment names the place: daemons, spawners and commands of this test.
fn processes(place: &Place) -> Vec<String> {
    let mine = place.run_dir().to_string_lossy().into_owned();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let is_mine = |path: &Path| {
        std::fs::read(path.join("environ")).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&mine))
    };
    entries.map(|e| e.path()).filter(|path| is_mine(path)).map(|path| path.display().to_string()).collect()
}

fn kill_daemon(place: &Place) -> bool {
    let text = std::fs::read_to_string(place.run_dir().join("chaos/daemon.pid")).unwrap_or_default();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let pid = json["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
    let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { return false };
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
}

#[test]
fn whenever_the_daemon_dies_down_leaves_nothing() {
    for_each(|place| {
        let is_root = place.is_root();
        let tag = format!("chaos{}", std::process::id());
        let named = Path::new("/run/netns").join(format!("nl-{tag}"));
        place.write("lab.loom.yml", &lab(&tag, is_root));
        let mut killed = 0;
        for (round, pause) in [15, 25, 40, 80, 2].into_iter().enumerate() {
            let is_down = round == 4;
            if is_down {
                place.ok("up lab.loom.yml");
            }
            let mut command = place.start(if is_down { "down chaos" } else { "up lab.loom.yml" });
            // The moment of the kill is what varies.
            std::thread::sleep(Duration::from_millis(pause));
            killed += u32::from(kill_daemon(place));
            if round % 2 == 0 {
                // Nobody is left to clean up.
                let _ = command.kill();
            }
            command.wait().unwrap();
            // A daemon that had only been started when it was to be killed may come up after that.
            eventually("it is down", || {
                let done = place.run("down chaos");
                assert!(matches!(done.code, 0 | 2), "round {round}: {done:?}");
                (!place.run_dir().join("chaos").exists()).then_some(())
            });
            assert!(!named.exists(), "round {round}");
            eventually("no process is left", || processes(place).is_empty().then_some(()));
        }
        assert!(killed >= 2, "it is killed while it lives: {killed}");
    });
}
