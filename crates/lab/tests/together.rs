//! Whatever is wrong with a file is told in one run, whichever of its errors come together.

use std::path::Path;

/// What is written where nothing is wrong, what where something is, and a part of what is said of it.
const FAULTS: &[(&str, &str, &str)] = &[
    ("{ memory: 64MiB }", "{ memry: 64MiB }", "`memry` is not a key of a node"),
    ("rate: 10Mbit,", "rate: 10Mbits,", "`Mbits` is not a unit"),
    ("delay: 5ms", "delay: 5", "lacks its unit"),
    ("h3 -- s1", "h3 -- s9", "`s9`, which does not exist"),
    ("ip: 10.0.0.2/24", "ip: 10.0.0.1/24", "the address 10.0.0.1 is that of `h1` already"),
    ("vlan: 7", "vlna: 7", "`vlna` is not a key of a link"),
    ("loss: 1%", "loss: 300%", "300%"),
    ("/etc/motd: there", "/etc/motd: gone", "there is no file `gone`"),
    ("arp: local\n", "arp: local\nacl: []\n", "not yet supported: `acl`"),
    ("actions=normal", "actions=nromal", "nromal"),
    ("node: h1, do", "node: h7, do", "there is no node `h7`"),
    ("h1 can reach h2", "h1 cna reach h2", "`cna`"),
    ("mtu: 1400", "mtu: 9", "9 is out of range"),
];

const WHOLE: &str = "\
netloom: 1
arp: local
nodes:
  h1: { ip: 10.0.0.1/24, files: { /etc/motd: there } }
  h2: { ip: 10.0.0.2/24 }
  h3: { mtu: 1400 }
  h4: { memory: 64MiB }
switches: { s1: { flows: [ 'actions=normal' ] } }
links:
  - { link: h1 -- s1, rate: 10Mbit, delay: 5ms }
  - { link: h2 -- s1, loss: 1% }
  - h3 -- s1
  - { link: h4 -- s1, vlan: 7 }
events: [ { at: 1s, node: h1, do: pause } ]
expect: [ h1 can reach h2 ]
";

/// The errors of a file, each as it is printed.
fn errors(source: &str) -> Vec<String> {
    let exists = |path: &Path| path == Path::new("there");
    match netloom_lab::check(source, Path::new("a.loom.yml"), &[], &exists) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.errors.iter().map(|error| error.message.clone()).collect(),
    }
}

#[test]
fn any_faults_together_are_all_told_and_nothing_else_is() {
    assert_eq!(errors(WHOLE), Vec::<String>::new());
    for set in 0_u32..1 << FAULTS.len() {
        let there =
            || FAULTS.iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, fault)| fault);
        let source = there().fold(WHOLE.to_owned(), |text, (right, wrong, _)| {
            assert_eq!(text.matches(right).count(), 1, "{right}");
            text.replace(right, wrong)
        });
        let told = errors(&source);
        for (_, _, said) in there() {
            assert!(told.iter().any(|error| error.contains(said)), "{said} is not told: {told:#?}\n{source}");
        }
        assert_eq!(told.len(), set.count_ones() as usize, "{told:#?}\n{source}");
    }
}

#[test]
fn a_misspelt_key_is_read_as_the_one_that_is_meant() {
    let source = "netloom: 1\nndoes: { a: {}, b: { gatway: 10.0.0.x } }\nlinks: [ a -- b, a -- c ]\n";
    let told = errors(source);
    assert_eq!(told.len(), 4, "{told:#?}");
    for said in ["`ndoes`", "`gatway`", "10.0.0.x", "`c`, which does not exist"] {
        assert!(told.iter().any(|error| error.contains(said)), "{said}: {told:#?}");
    }
}

#[test]
fn two_keys_for_one_thing_leave_open_what_is_meant() {
    let source = "netloom: 1\nnodes: { a: {} }\nndoes: { b: {} }\nlinks: [ a -- b ]\n";
    let told = errors(source);
    assert!(told.len() == 1 && told[0].contains("`ndoes`"), "{told:#?}");
}

#[test]
fn what_may_follow_from_another_error_is_not_told() {
    for (source, only) in [
        // A link that is not one: its node has a wire, its switch a port.
        (
            "netloom: 1\nnodes: { a: { ip: 10.0.0.1/24 }, b: {} }\n\
             switches: { s: { flows: [ 'in_port=a,actions=drop' ] } }\nlinks: [ a--s, b -- s ]\n",
            "`a--s` is not a link",
        ),
        // A link to nowhere, too.
        (
            "netloom: 1\nnodes: { a: { ip: 10.0.0.1/24 } }\nswitches: { s: {} }\nlinks: [ a -- t ]\n",
            "`t`, which does not exist",
        ),
        // They may be in VLANs of their own.
        (
            "netloom: 1\nnodes: { a: { ip: 10.0.0.1/24 }, b: { ip: 10.0.0.1/24 } }\nswitches: { s: {} }\n\
             links: [ { link: a -- s, vlan: 10x }, b -- s ]\n",
            "`10x` is not a whole number",
        ),
        // The network may have said how long the prefix is.
        (
            "netloom: 1\nnetworks: { n: { subnet: 10.0.0.x/24 } }\n\
             nodes: { a: { ip: 10.0.0.1, networks: n } }\n",
            "10.0.0.x",
        ),
    ] {
        let told = errors(source);
        assert!(told.len() == 1 && told[0].contains(only), "{told:#?}\n{source}");
    }
}
