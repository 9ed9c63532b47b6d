//! Limits and quotas in lab files: what is read, what is refused, what an edit or a change by hand does.

use std::path::Path;

use netloom_lab::limits::{Amount, Io, Limits};
use netloom_lab::plan::{Action, Drifted, Plan, Present, Step, plan};
use netloom_lab::{Lab, load, resolve};

const LAB: &str = "\
netloom: 1
tenants: { red: { quota: { cpu: 4, memory: 1GiB, nodes: 2 } } }
defaults: { node: { pids: 100 } }
nodes:
  red/web: { cpu: 0.5..2, memory: 128MiB..512MiB, swap: 64MiB, cpuset: [0, 2..3], limits: best-effort }
  red/db: { cpu: 1, pids: 7, io: { read: 10MiB, writes: 50 } }
  h1: { io: 5MB, cpuset: 0-1 }
";

fn lab(source: &str) -> Lab {
    let file = load(source, Path::new("/lab/x.loom.yml"), &[]).unwrap_or_else(|errors| panic!("{errors:?}"));
    resolve(&file).unwrap_or_else(|errors| panic!("{}", errors.render(source)))
}

fn errors(source: &str) -> String {
    let found = load(source, Path::new("x.loom.yml"), &[]).and_then(|file| resolve(&file));
    found.expect_err("it is wrong").render(source)
}

fn limits(lab: &Lab, node: &str) -> Limits {
    lab.node(node).expect("it is there").limits.clone()
}

#[test]
fn all_limits_are_read() {
    let lab = lab(LAB);
    let web = Limits {
        cpu: Some(Amount { start: 500, most: Some(2_000) }),
        memory: Some(Amount { start: 128 << 20, most: Some(512 << 20) }),
        swap: Some(64 << 20),
        pids: Some(100),
        io: Io::default(),
        cpuset: Some("0,2-3".into()),
        best_effort: true,
    };
    assert_eq!(limits(&lab, "red/web"), web);
    let db = limits(&lab, "red/db");
    assert_eq!((db.cpu, db.pids, db.best_effort), (Some(Amount::of(1_000)), Some(7), false));
    assert_eq!(db.io, Io { read: Some(10 << 20), writes: Some(50), ..Io::default() });
    let h1 = limits(&lab, "h1");
    assert_eq!((h1.io.read, h1.io.write), (Some(5_000_000), Some(5_000_000)));
    assert_eq!(
        lab.tenant("red").map(|red| red.quota.words()).as_deref(),
        Some("cpu 4, memory 1GiB, nodes 2")
    );
}

#[test]
fn what_cannot_be_is_refused_with_a_hint() {
    for (key, wanted) in [
        ("cpu: 0.001", "0.001 processors are not possible"),
        ("cpu: 2..1", "ends below where it begins"),
        ("cpu: half", "is no number of processors"),
        ("memory: 128", "lacks its unit"),
        ("memory: 64MiB..x", "is not a size"),
        ("memory: 4KiB", "nothing runs in 4KiB"),
        ("pids: 0", "out of range"),
        ("io: 0", "at 0 bytes a second"),
        ("io: { raed: 1MiB }", "did you mean `read`?"),
        ("cpuset: 3..1", "names no processors"),
        ("cpuset: []", "the list of processors is empty"),
        ("limits: maybe", "is not possible here"),
    ] {
        let text = errors(&format!("netloom: 1\nnodes: {{ a: {{ {key} }} }}\n"));
        assert!(text.contains(wanted), "{key}: {text}");
    }
    let text = errors("netloom: 1\ntenants: { red: { quota: { cpus: 1, memory: 1..2 } } }\n");
    assert!(text.contains("did you mean `cpu`?") && text.contains("x.loom.yml:2"), "{text}");
}

#[test]
fn quotas_are_sums_of_what_may_come() {
    let text = errors(&LAB.replace("cpu: 4,", "cpu: 2.5,").replace("nodes: 2", "nodes: 1"));
    assert!(
        text.contains("x.loom.yml:2:33: the nodes of `red` may take 3 processors, its quota is 2.5"),
        "{text}"
    );
    assert!(text.contains("hint: red/web 2, red/db 1"), "{text}");
    assert!(text.contains("`red` has 2 nodes, its quota is 1"), "{text}");
    assert!(!text.contains("memory"), "{text}");
    let text = errors(&LAB.replace("memory: 1GiB", "memory: 511MiB"));
    assert!(text.contains("hint: red/web 512MiB\n"), "those that take nothing are not named: {text}");
    assert!(text.contains("may take 512MiB of memory, its quota is 511MiB"), "{text}");
    // Others' nodes do not count, those of `default` may have a quota as well.
    let text = errors(
        "netloom: 1\ntenants: { default: { quota: { nodes: 1 } }, red: {} }\nnodes: { a: {}, b: {}, red/c: {} }\n",
    );
    assert!(text.contains("`default` has 2 nodes, its quota is 1"), "{text}");
}

const RATES: &str = "\
netloom: 1
tenants: { red: { quota: { bandwidth: 30Mbit } }, blue: {} }
nodes: { red/a: {}, red/b: {}, blue/c: {} }
switches: { s1: { qos: { red/b: { police: { rate: 10Mbit } } } } }
links:
  - { link: red/a -- s1, rate: 20Mbit, back: { rate: 1Gbit } }
  - { link: s1 -- red/b }
  - blue/c -- s1
";

#[test]
fn rates_of_links_are_sums_of_the_bandwidth() {
    assert_eq!(lab(RATES).nodes.len(), 3, "20 Mbit by the link and 10 Mbit by the port");
    let text = errors(&RATES.replace("30Mbit", "29Mbit"));
    assert!(text.contains("the nodes of `red` may send 30Mbit, its quota is 29Mbit"), "{text}");
    assert!(text.contains("hint: red/a:eth0 20Mbit, red/b:eth0 10Mbit"), "{text}");
    // A link without a rate shares what there is.
    let shares = RATES.replace("police: { rate: 10Mbit }", "police: { packets: 10 }");
    assert_eq!(lab(&shares.replace("30Mbit", "20Mbit")).nodes.len(), 3);
}

fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(Step::label).collect()
}

#[test]
fn an_edit_of_limits_touches_nothing_else() {
    let before = lab(LAB);
    let after = lab(&LAB.replace("cpu: 1,", "cpu: 1.5,").replace("cpu: 4,", "cpu: 5,"));
    let done = plan(Some(&before), &after, &Present::default(), Drifted::Keep);
    assert_eq!(steps(&done), ["set limits of red/db", "set quota of red"]);
    assert!(done.to_string().contains("cpu 1, pids 7, io read 10MiB writes 50 -> cpu 1.5, pids 7"), "{done}");
    for step in &done.steps {
        assert_eq!(step.action.undo().and_then(|undo| undo.undo()).as_ref(), Some(&step.action));
    }
    let first = plan(None, &before, &Present::default(), Drifted::Keep);
    assert!(first.to_string().contains("cpu 0.5..2, memory 128MiB..512MiB"), "{first}");
}

#[test]
fn limits_set_by_hand_are_drift() {
    let before = lab(LAB);
    let by_hand =
        Limits { cpu: Some(Amount { start: 1_500, most: Some(2_000) }), ..limits(&before, "red/web") };
    let present = Present { limits: vec![("red/web".into(), by_hand)], ..Present::default() };
    let kept = plan(Some(&before), &before, &present, Drifted::Keep);
    assert!(kept.is_empty(), "{kept}");
    assert_eq!((kept.drift[0].kind.as_str(), kept.drift[0].name.as_str()), ("limits", "red/web"));
    let after = lab(&LAB.replace("swap: 64MiB", "swap: 32MiB"));
    let changed = plan(Some(&before), &after, &present, Drifted::Keep);
    let [Step { action: Action::Limit { to, .. }, .. }] = changed.steps.as_slice() else {
        panic!("{changed}")
    };
    assert_eq!((to.cpu.map(|cpu| cpu.start), to.swap), (Some(1_500), Some(32 << 20)));
    let reset = plan(Some(&before), &before, &present, Drifted::Reset);
    let [Step { action: Action::Limit { to, .. }, .. }] = reset.steps.as_slice() else { panic!("{reset}") };
    assert_eq!(**to, limits(&before, "red/web"));
}

proptest::proptest! {
    #[test]
    fn whatever_stands_there_is_read_or_refused_and_reads_the_same_again(text in "[0-9.,a-zA-Z -]{0,20}") {
        if let Ok(set) = netloom_lab::limits::cpuset(&text) {
            proptest::prop_assert_eq!(netloom_lab::limits::cpuset(&set), Ok(set));
        }
        if let Ok(cpu) = netloom_lab::quantity::processors(&text) {
            let shown = netloom_lab::quantity::show_processors(cpu);
            proptest::prop_assert_eq!(netloom_lab::quantity::processors(&shown), Ok(cpu));
        }
        for key in ["cpu", "memory", "swap", "pids"] {
            let _ = netloom_lab::limits::Resize::parse(&[(key.to_owned(), text.clone())].into());
        }
    }
}
