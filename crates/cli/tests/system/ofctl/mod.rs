//! Every command of `ovs-ofctl` that asks a switch, in OpenFlow 1.0, 1.3 and 1.5, as a user types them after
//! `eval "$(netloom env)"`. docs/ovs-ofctl.md has the same list.

mod list;

use std::process::{Command, Stdio};

use crate::place::{Place, once};
use list::{Line, SCRIPT, Version};

const LAB: &str = "\
netloom: 1
name: ofctl
nodes: { h1..2: {} }
defaults: { switch: { controller: learn, fail_mode: secure } }
switches: { s1: {}, s2: {} }
links: [ h1 -- s1, h2 -- s1, s1 -- s2 ]
";

/// Files that the commands read.
const FILES: [(&str, &str); 6] = [
    ("flows", "priority=10,ip,nw_dst=10.0.0.1,actions=output:1\ntable=1,priority=5,arp,actions=FLOOD\n"),
    ("other", "priority=10,ip,nw_dst=10.0.0.1,actions=output:2\ntable=1,priority=7,tcp,actions=drop\n"),
    ("changes", "add priority=11,udp,actions=output:1\ndelete table=1\n"),
    ("groups", "group_id=11,type=indirect,bucket=output:1\ngroup_id=12,type=all,bucket=output:2\n"),
    (
        "bundle",
        "group add group_id=21,type=all,bucket=output:1\nflow add priority=77,udp,actions=group:21\nflow delete table=1\n",
    ),
    ("broken", "flow add priority=78,udp,actions=output:1\nflow add priority=79,udp,actions=group:99\n"),
];

/// A script of the shell with `$O` as `ovs-ofctl` in a version, in the place's own directory. `env` is what `netloom env`
/// printed.
fn shell(place: &Place, env: &str, version: Version, script: &str) -> (String, i32) {
    let text = format!("{env}\nO='ovs-ofctl -O {}'\n{script}", version.name());
    let mut command = Command::new("timeout");
    command.args(["20", "sh", "-c", &text]).current_dir(place.path("")).stdin(Stdio::null());
    let done = command.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (String::from_utf8_lossy(&said).into_owned(), done.status.code().unwrap_or(-1))
}

/// What is wrong with what a line printed.
fn wrong(line: &Line, version: Version, said: &str, code: i32) -> Option<String> {
    let expected = line.expected(version)?;
    let (texts, is_refused) = expected;
    let is_as_told = (code != 0) == is_refused;
    let missing = texts.iter().find(|text| match text.strip_prefix('!') {
        Some(absent) => said.contains(absent),
        None => !said.contains(**text),
    });
    match missing {
        None if is_as_told => None,
        None => Some(format!("{} {}: code {code}: {said}", version.name(), line.script)),
        Some(text) => Some(format!("{} {}: {text:?} (code {code}): {said}", version.name(), line.script)),
    }
}

/// Carries out the list in a version, in a lab of its own: the versions run side by side.
fn every_command(place: &Place, version: Version) {
    if Command::new("ovs-ofctl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no ovs-ofctl");
        return;
    }
    for (name, text) in FILES {
        place.write(name, text);
    }
    place.up(LAB);
    let env = place.ok("env");
    // The controller's own flows go first.
    shell(place, &env, Version::V15, "$O del-flows s1; $O del-groups s1; $O del-meters s1");
    let mut failures = Vec::new();
    for line in SCRIPT {
        let (said, code) = shell(place, &env, version, line.script);
        failures.extend(wrong(line, version, &said, code));
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    place.ok("down");
}

#[test]
fn every_command_of_ovs_ofctl_does_what_it_does_with_open_vswitch_in_1_0() {
    once(|place| every_command(place, Version::V10));
}

#[test]
fn every_command_of_ovs_ofctl_does_what_it_does_with_open_vswitch_in_1_3() {
    once(|place| every_command(place, Version::V13));
}

#[test]
fn every_command_of_ovs_ofctl_does_what_it_does_with_open_vswitch_in_1_5() {
    once(|place| every_command(place, Version::V15));
}

/// The commands that the table of the manual names, as `` `name` `` at the front of a row.
#[test]
fn the_manual_has_a_row_for_every_command_that_is_tested() {
    let manual = include_str!("../../../../../docs/ovs-ofctl.md");
    let rows: Vec<&str> = manual.lines().filter(|line| line.starts_with("| `")).collect();
    for command in list::commands() {
        let row = rows
            .iter()
            .any(|row| row.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{command}`"))));
        assert!(row, "docs/ovs-ofctl.md has no row for {command}");
    }
    for command in
        rows.iter().flat_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2))
    {
        assert!(
            list::commands().contains(command),
            "docs/ovs-ofctl.md has a row for {command}, which is not tested"
        );
    }
}
