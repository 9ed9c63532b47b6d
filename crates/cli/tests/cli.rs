//! The binary as users type it, against a lab that does not exist: transcripts of output and exit codes.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test that cannot go on fails")]

mod fake;

use std::io::Read;
use std::process::Stdio;

use fake::World;
use netloom_api::{Command, Direction, Family};

/// Transcripts of several commands.
fn transcript(world: &World, lines: &[&str]) -> String {
    lines.iter().map(|line| world.run(line)).collect::<Vec<_>>().join("\n")
}

const GOOD: &str =
    "netloom: 1\nname: shop\nnodes: { h1..2: {} }\nswitches: { s1: {} }\nlinks: [ h1..2 -- s1 ]\n";

#[test]
fn help_is_as_documented() {
    let world = World::empty();
    let lines = [
        "--help",
        "up --help",
        "run --help",
        "down --help",
        "ls --help",
        "exec --help",
        "link --help",
        "flow --help",
        "capture --help",
        "ping --help",
        "mn --help",
    ];
    insta::assert_snapshot!(transcript(&world, &lines));
}

#[test]
fn every_verb_explains_itself() {
    let world = World::empty();
    let help = world.run("--help");
    let verbs: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(verbs.len() > 20, "{verbs:?}");
    for verb in verbs {
        let text = world.run(&format!("{verb} --help"));
        assert!(text.contains("Usage: netloom"), "{verb}: {text}");
        assert!(!text.contains("[exit"), "{verb}: {text}");
    }
}

#[test]
fn without_a_lab_the_user_learns_what_to_type() {
    let world = World::empty();
    let lines = [
        "ls",
        "ls nodes",
        "ls -q",
        "exec h1 -- true",
        "down",
        "down shop",
        "down --all",
        "-l Shop ls nodes",
        "up",
        "up nosuch.loom.yml",
        "dance",
        "exec h1",
        "up --set x -",
        "run --timeout never",
    ];
    insta::assert_snapshot!(transcript(&world, &lines));
}

#[test]
fn a_file_with_errors_starts_nothing_and_shows_its_lines() {
    let world = World::empty();
    world.file("shop.loom.yml", &GOOD.replace("h1..2: {}", "h1..2: { dealy: 20ms }, h3: { mtuu: 9 }"));
    insta::assert_snapshot!(transcript(&world, &["lint", "up", "run", "plan"]));
    assert!(world.is_empty());
}

#[test]
fn a_good_file_can_be_looked_at_without_a_lab() {
    let world = World::empty();
    world.file("shop.loom.yml", GOOD);
    insta::assert_snapshot!(transcript(&world, &["lint", "plan", "plan -o json", "plan -q"]));
    world.file("other.loom.yml", GOOD);
    assert!(world.run("lint").contains("other.loom.yml, shop.loom.yml"));
    assert!(world.run("lint shop.loom.yml").contains("no errors"));
    assert!(world.run_with("lint -", GOOD).contains("no errors"));
}

#[test]
fn lists_are_tables_for_people() {
    let world = World::shop();
    let lines = [
        "ls",
        "ls labs",
        "ls switches",
        "ls links",
        "ls tenants",
        "ls drops",
        "ls conntrack",
        "ls nodes -q",
        "ls links --no-headers",
        "show",
        "show red/web",
        "show s1",
        "show core",
        "show nothing",
        "graph",
    ];
    insta::assert_snapshot!(transcript(&world, &lines));
}

#[test]
fn lists_are_json_for_programs() {
    let world = World::shop();
    let kinds = [
        ("ls nodes", "nodes"),
        ("ls labs", "labs"),
        ("ls switches", "switches"),
        ("ls links", "links"),
        ("ls tenants", "tenants"),
        ("ls drops", "drops"),
        ("ls conntrack", "conntrack"),
        ("show core", "shown"),
        ("graph", "graph"),
        ("flow ls s1", "flows"),
        ("link core", "links"),
        ("ping", "pings"),
        ("test", "tested"),
    ];
    for (line, kind) in kinds {
        let out = world.command(&format!("{line} -o json")).output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(json["schema"], 1, "{line}");
        assert!(json.get(kind).is_some(), "{line}: {json}");
    }
    insta::assert_snapshot!(world.run("ls links -o json"));
}

#[test]
fn a_running_lab_is_changed_in_place() {
    let world = World::shop();
    world.file("shop.loom.yml", GOOD);
    let lines = [
        "up",
        "up -o json",
        "plan",
        "link core --delay 50ms --loss 1%",
        "link s1 s2 down",
        "flow ls s1",
        "flow add s1 priority=5,tcp,tcp_dts=80,actions=drop",
        "flow add s1 a b",
        "flow rm s1",
        "start h1..4",
        "play",
    ];
    insta::assert_snapshot!(transcript(&world, &lines));
    let asked = world.asked.lock().unwrap();
    assert!(asked.iter().any(|command| matches!(command, Command::Apply { wanted, .. }
        if wanted.source == GOOD && wanted.path.ends_with("/work/shop.loom.yml"))));
    assert!(
        asked.iter().any(|command| matches!(command, Command::Link { link, settings, up: None, direction }
        if link == "core" && settings["delay"] == "50ms" && *direction == Direction::Both))
    );
    assert!(
        asked.iter().any(
            |command| matches!(command, Command::Link { link, up: Some(false), .. } if link == "s1--s2")
        )
    );
}

#[test]
fn a_packet_that_is_lost_is_explained_and_the_answer_is_no() {
    let world = World::shop();
    let lines = ["trace red/web red/db tcp/24", "trace --at s1 in_port=1,tcp -o json", "trace", "trace h1"];
    insta::assert_snapshot!(transcript(&world, &lines));
}

#[test]
fn groups_and_meters_are_listed_and_changed() {
    let world = World::shop();
    let lines = [
        "group ls s1",
        "group add s1 group_id=1,type=all,bucket=output:1",
        "group rm s1",
        "group mod s1",
        "meter ls s1",
        "meter add s1 meter=1,kbps,bands=type=drop,rate=9 meter=2,kbps,bands=type=drop,rate=9",
        "flow mod s1 tcp,actions=drop",
        "flow rm s1 -f missing.txt",
    ];
    insta::assert_snapshot!(transcript(&world, &lines));
}

#[test]
fn flows_come_from_standard_input_too() {
    let world = World::shop();
    let text =
        world.run_with("flow add s1 -", "# two\npriority=1,actions=drop\n\n priority=2,actions=normal\n");
    assert!(text.contains("2 flows"), "{text}");
}

#[test]
fn expectations_decide_the_exit_code() {
    let world = World::shop();
    let lines = [
        "test",
        "test \"h1 can reach h2\" \"h1 can reach mars\" \"a doubt\"",
        "test \"a doubt\"",
        "ping red/web red/db",
        "ping red/web blue/h1 -6",
        "ping --junit x",
    ];
    insta::assert_snapshot!(transcript(&world, &lines));
    assert_eq!(world.command("test --junit out.xml mars").output().unwrap().status.code(), Some(1));
    let xml = std::fs::read_to_string(world.work().join("out.xml")).unwrap();
    assert!(xml.contains("<failure message=\"3.2 ms\">last hop seen: s1"), "{xml}");
    assert!(
        world
            .asked
            .lock()
            .unwrap()
            .iter()
            .any(|command| matches!(command, Command::Ping { family: Family::Ipv6, .. }))
    );
}

#[test]
fn exec_is_as_transparent_as_a_shell() {
    let world = World::shop();
    let lines = [
        "exec red/web -- echo a b",
        "exec red/web echo -n x",
        "exec red/web -- exit 3",
        "exec red/web -- nothing",
        "exec h9 -- true",
    ];
    insta::assert_snapshot!(transcript(&world, &lines));
    let long = "line\n".repeat(100_000);
    let text = world.run_with("exec red/web -- cat", &long);
    assert_eq!(text.len(), long.len() + "$ netloom exec red/web -- cat\n".len());
}

#[test]
fn streams_end_when_they_should() {
    let world = World::shop();
    insta::assert_snapshot!(transcript(
        &world,
        &["logs red/web", "top -n 2", "top -n 1 -o json", "capture core"]
    ));
    assert_eq!(std::fs::read(world.work().join("core.pcapng")).unwrap(), b"\x0a\x0d\x0d\x0apackets");
    // A reader that leaves ends it.
    let mut child = world.command("top -o json").stdout(Stdio::piped()).spawn().unwrap();
    let mut some = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut some).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn down_ends_labs_alive_and_dead() {
    let world = World::shop();
    world.pretend_dead();
    let lines = ["ls labs -q", "exec -l gone h1 -- true", "down gone", "down", "ls labs"];
    let mut text = transcript(&world, &lines);
    // How long a recovery takes is not the point.
    text =
        text.lines().map(|line| line.split("  0.").next().unwrap().trim_end()).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(text);
    assert!(world.is_empty());
}

#[test]
fn the_prompt_is_the_one_of_mininet() {
    let world = World::shop();
    world.file("script", "nodes\nred/web ping -c1 blue/h1\nexit\nnodes\n");
    let input = "nodes\nnet\nlinks\npingall\npingpair\niperf red/web blue/h1\niperfudp 5M red/web blue/h1\nlink s1 s2 down\ndpctl dump-flows\n\
                 red/web cd /tmp\nred/web ls blue/h1\nred/web\ns1 ls\ndance\npy 1+1\nsource script\nsh echo here\nexit\nnodes\n";
    insta::assert_snapshot!(world.run_with("cli", input));
    insta::assert_snapshot!(world.run("cli script"));
    let asked = world.asked.lock().unwrap();
    assert!(asked.iter().any(|command| matches!(command, Command::Exec { cwd: Some(cwd), argv, .. }
        if cwd == "/tmp" && argv[2] == "ls 10.0.0.1")));
}

#[test]
fn the_schema_is_json_and_knows_links() {
    let world = World::empty();
    let out = world.command("schema").output().unwrap();
    let schema: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(schema["properties"].get("links").is_some(), "{schema}");
}

#[test]
fn the_examples_are_lab_files() {
    let world = World::empty();
    let examples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut seen = 0;
    for entry in std::fs::read_dir(examples).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.ends_with(".loom.yml") {
            let text = world.run(&format!("lint {}", path.display()));
            assert!(text.contains("no errors"), "{text}");
            seen += 1;
        }
    }
    assert!(seen > 0);
}

#[test]
fn completions_and_man_pages_are_made() {
    let world = World::empty();
    for shell in ["bash", "zsh", "fish"] {
        assert!(world.run(&format!("completion {shell}")).contains("netloom"), "{shell}");
    }
    assert_eq!(world.run("man ."), "$ netloom man .\n");
    assert!(world.work().join("netloom-up.1").exists());
}
