//! Containers in lab files: what is read, what is refused, what an edit does.

use std::path::Path;

use netloom_lab::container::{Condition, HealthRule, VolumeSource};
use netloom_lab::plan::{Action, Drifted, Present, plan};
use netloom_lab::{Lab, load, resolve};

const SHOP: &str = "\
netloom: 1
tenants: { red: {} }
defaults: { node: { stop-timeout: 3s } }
nodes:
  red/web:
    image: nginx:alpine
    entrypoint: [nginx]
    cmd: -g 'daemon off;'
    user: www:www
    workdir: /srv
    volumes: [./conf:/etc/nginx:ro, data:/data]
    tmpfs: /run
    read-only: true
    stop-signal: SIGQUIT
    health: wget -qO- localhost
    after: [db healthy, red/init done]
  red/db: { image: postgres, health: { run: [pg_isready], interval: 1s, retries: 5 } }
  red/init: { run: ./seed.sh }
";

fn lab(source: &str) -> Lab {
    let file =
        load(source, Path::new("/lab/shop.loom.yml"), &[]).unwrap_or_else(|errors| panic!("{errors:?}"));
    resolve(&file).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(source: &str) -> Vec<String> {
    let found = load(source, Path::new("shop.loom.yml"), &[]).and_then(|file| resolve(&file));
    let errors = found.expect_err("it is wrong").errors;
    errors.into_iter().map(|e| format!("{} [{}]", e.message, e.hint.unwrap_or_default())).collect()
}

#[test]
fn all_keys_of_a_container_are_read() {
    let lab = lab(SHOP);
    let web = lab.node("red/web").expect("it is there");
    let container = web.container.as_ref().expect("it has an image");
    assert_eq!(container.image, "nginx:alpine");
    assert_eq!(container.entrypoint.as_deref(), Some(&["nginx".to_owned()][..]));
    assert_eq!(container.cmd.as_deref(), Some(&["-g".to_owned(), "daemon off;".to_owned()][..]));
    assert_eq!((container.user.as_deref(), container.workdir.as_deref()), (Some("www:www"), Some("/srv")));
    assert_eq!(container.volumes[1].source, VolumeSource::Named("data".to_owned()));
    assert!(container.volumes[0].read_only && container.read_only);
    assert_eq!((container.tmpfs[0].target.as_str(), container.stop_signal), ("/run", Some(3)));
    assert_eq!(container.stop_timeout.as_secs_f64(), 3.0, "as the defaults say");
    let HealthRule::Check(health) = &web.health else { panic!("{:?}", web.health) };
    assert_eq!(health.command, ["/bin/sh", "-c", "wget -qO- localhost"]);
    let after: Vec<_> = web.after.iter().map(|after| (after.node.as_str(), after.when)).collect();
    assert_eq!(after, [("red/db", Condition::Healthy), ("red/init", Condition::Done)]);
    assert_eq!(lab.summary(), "1 host  2 containers  1 tenant");
}

#[test]
fn what_cannot_be_is_refused_with_a_hint() {
    let wrong = errors(
        "netloom: 1\nnodes:\n  a: { cmd: x, after: b healthy }\n  b: { after: [a, c] }\n  d: { image: 'a b' }\n",
    );
    assert_eq!(
        wrong[0],
        "`a b` names no image [such as nginx:alpine, oci:DIR[:TAG], docker-archive:FILE or dir:ROOTFS]"
    );
    let wrong = errors("netloom: 1\nnodes:\n  a: { cmd: x, after: b healthy }\n  b: { after: [a, aa, c] }\n");
    assert_eq!(
        wrong,
        [
            "`cmd` is for containers [a container has an `image`]",
            "nothing says whether `b` is healthy [give `b` a `health`]",
            "`a` would wait for itself [of nodes that wait for each other none would ever start]",
            "there is no node `aa` [did you mean `a`?]",
            "there is no node `c` []",
        ]
    );
    let wrong = errors("netloom: 1\nnodes: { a: { after: a }, b: { image: x, health: { interval: 1s } } }\n");
    assert_eq!(wrong[0], "a health check needs a command: `run` [its exit code 0 says that all is well]");
}

#[test]
fn an_edit_of_a_container_makes_it_anew_and_touches_no_other() {
    let (old, new) = (lab(SHOP), lab(&SHOP.replace("nginx:alpine", "nginx:1.27")));
    let plan = plan(Some(&old), &new, &Present::default(), Drifted::Keep);
    let changes: Vec<_> = plan.rows().map(|row| format!("{} {} {}", row.sign, row.kind, row.name)).collect();
    assert_eq!(changes, ["- run red/web", "~ node red/web", "+ run red/web"]);
    let detail = plan.rows().nth(1).map(|row| row.detail.to_owned()).unwrap_or_default();
    assert_eq!(detail, "made anew: image nginx:alpine -> nginx:1.27");
    assert!(matches!(&plan.steps[1].action, Action::ChangeNode { delta, .. } if delta.container));
    let same = netloom_lab::plan::plan(Some(&new), &new, &Present::default(), Drifted::Keep);
    assert!(same.is_empty());
}
