//! Health, and who starts after whom.

use super::{field, image};
use crate::place::{eventually, for_each, once};

#[test]
fn others_wait_until_a_node_is_healthy_or_done() {
    for_each(|place| {
        if !image::usual(place, r#"{"Cmd":["sleep","1000"],"Env":["PATH=/bin"]}"#) {
            return;
        }
        place.up(
            "netloom: 1\nname: order\nnodes:\n  web: { image: 'oci:img', cmd: [sh, -c, 'date +%s; exec sleep 1000'], after: [db healthy, init done, plain] }\n  \
             db: { image: 'oci:img', cmd: [sh, -c, 'sleep 1; touch /ready; exec sleep 1000'], health: { run: 'test -e /ready', interval: 1s } }\n  \
             init: { image: 'oci:img', cmd: [sh, -c, 'sleep 0.3; echo initialised'] }\n  plain: {}\n",
        );
        assert_eq!(field(place, "db", "health"), "healthy", "`up` waits until all have started");
        assert_eq!(
            (field(place, "init", "state"), field(place, "init", "exit_code")),
            ("exited".into(), 0.into())
        );
        let stamp = || place.ok("logs web").trim().parse::<u64>().ok();
        let web = eventually("web has started", stamp);
        let ready = place.sh_ok("db", "stat -c %Y /ready").parse::<u64>().unwrap();
        assert!(web >= ready, "{web} {ready}");
        assert!(place.ok("ls nodes").contains("up, healthy"), "{}", place.ok("ls nodes"));
    });
}

#[test]
fn who_is_not_well_is_said_to_be_and_heals() {
    once(|place| {
        let config = r#"{"Cmd":["sleep","1000"],"Env":["PATH=/bin"],"Healthcheck":{"Test":["CMD","test","-e","/well"],"Interval":200000000,"Timeout":1000000000,"Retries":2}}"#;
        if !image::usual(place, config) {
            return;
        }
        place.up("netloom: 1\nname: ill\nnodes: { a: { image: 'oci:img' }, b: { image: 'oci:img', health: none } }\n");
        eventually("it is not well", || (field(place, "a", "health") == "unhealthy").then_some(()));
        place.sh_ok("a", "touch /well");
        eventually("it is well", || (field(place, "a", "health") == "healthy").then_some(()));
        assert_eq!(field(place, "b", "health"), serde_json::Value::Null, "it is not asked");
    });
}

#[test]
fn what_cannot_start_is_said_and_the_rest_goes_on() {
    once(|place| {
        if !image::usual(place, r#"{"Cmd":["sleep","1000"],"Env":["PATH=/bin"]}"#) {
            return;
        }
        place.write(
            "lab.loom.yml",
            "netloom: 1\nname: vain\nnodes:\n  a: { image: 'oci:img', cmd: [sh, -c, 'exit 3'] }\n  b: { image: 'oci:img', after: a done }\n  c: { image: 'oci:img', cmd: [nothing] }\n",
        );
        let done = place.run("up lab.loom.yml");
        assert_eq!(done.code, 0, "{done:?}");
        assert!(done.err.contains("b has not been started: it waits for a (done)"), "{done:?}");
        assert!(done.err.contains("nothing: command not found"), "{done:?}");
        assert_eq!((field(place, "a", "exit_code"), field(place, "c", "exit_code")), (3.into(), 127.into()));
        assert_eq!(
            (field(place, "b", "state"), field(place, "c", "state")),
            ("waiting".into(), "failed".into())
        );
    });
}

#[test]
fn a_container_is_started_again_as_its_policy_says() {
    once(|place| {
        if !image::usual(
            place,
            r#"{"Cmd":["sh","-c","echo again; (sleep 1000 &); exit 3"],"Env":["PATH=/bin"]}"#,
        ) {
            return;
        }
        place.up("netloom: 1\nname: again\nnodes: { a: { image: 'oci:img', restart: on-failure } }\n");
        eventually("two more starts", || (field(place, "a", "restarts").as_u64()? >= 2).then_some(()));
        eventually("it is seen between two starts", || {
            (field(place, "a", "state") == "restarting").then_some(())
        });
        let left = place.sh_ok("a", "cat /proc/[0-9]*/cmdline | tr '\\0' '\\n' | grep -c '^1000$'; true");
        assert!(left.parse::<u32>().unwrap() <= 1, "what a run left behind ends with it: {left}");
    });
}
