//! Topologies of containerlab as lab files.

mod shown;

use netloom_import::{Nothing, containerlab};
use shown::shown;

#[test]
fn nodes_inherit_and_commands_become_addresses() {
    let source = include_str!("fabric.clab.yml");
    let made = containerlab(source, "dir", &Nothing).expect("a topology");
    insta::assert_snapshot!(shown(&made, source));
}

#[test]
fn what_is_no_topology_is_refused_with_its_place() {
    for (source, wanted) in [
        ("name: x\n", "there is no `topology`"),
        ("topology: { nodes: { a: { kind: linux } } }\n", "the node `a` has no image"),
        ("topology: { nodes: {}, links: [{ endpoints: [a] }] }\n", "a link has two `endpoints`"),
        (
            "topology: { nodes: {}, links: [{ endpoints: [\"a:eth1\", \"b:eth1\"] }] }\n",
            "there is no node `a`",
        ),
        (
            "topology: { nodes: { a: { kind: bridge } }, links: [{ endpoints: [a, b] }] }\n",
            "`a` is no endpoint",
        ),
    ] {
        let errors = containerlab(source, "x", &Nothing).expect_err(source);
        assert!(errors[0].message.contains(wanted), "{source}: {errors:?}");
    }
}

proptest::proptest! {
    /// Whatever the file says, it is a lab file or an error.
    #[test]
    fn any_text_does_no_harm(text in "[ -~\n]{0,200}") {
        let _ = containerlab(&text, "x", &Nothing);
        let _ = containerlab(&format!("topology:\n  nodes:\n    a:\n      kind: linux\n      {text}\n"), "x", &Nothing);
    }
}
