//! Our text of flows held against the parser of `ovs-ofctl`, where that is installed.

#![expect(clippy::print_stderr, reason = "what is skipped is said aloud")]

use std::process::Command;

use netloom_flow::parse_flow;

const FLOWS: &str = include_str!("samples/flows.txt");

/// Parts of flows that OVS 3.1 does not know, and why we do.
const OURS: &[(&str, &str)] = &[
    ("copy_ttl_in", "OpenFlow 1.1 to 1.5 have it"),
    ("push_pbb", "OpenFlow 1.3 to 1.5 have it"),
    ("pbb_isid", "OpenFlow 1.3 to 1.5 have it"),
    ("ipv6_exthdr", "OpenFlow 1.3 to 1.5 have it"),
    ("in_phy_port", "OpenFlow 1.2 to 1.5 have it"),
    ("obs_domain_id=NXM", "OVS 3.4 has it"),
];

/// What OVS makes of a flow: in OpenFlow 1.0, which keeps most of how it was written, else in 1.3.
fn ovs(text: &str) -> Result<String, String> {
    let run = |version: &str| {
        let output =
            Command::new("ovs-ofctl").args(["-O", version, "parse-flow", text]).output().expect("started");
        let lines = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        // The message it becomes may differ with the names of fields; what stands in it may not.
        let message = |text: String| text.rsplit("): ").next().unwrap_or_default().to_owned();
        if output.status.success() { Ok(message(lines(output.stdout))) } else { Err(lines(output.stderr)) }
    };
    run("OpenFlow10").or_else(|_| run("OpenFlow13"))
}

fn is_installed() -> bool {
    let is_there = Command::new("ovs-ofctl").arg("--version").output().is_ok();
    if !is_there {
        eprintln!("skipped: there is no ovs-ofctl to compare with");
    }
    is_there
}

#[test]
fn ovs_reads_our_flows_and_what_we_print_of_them_alike() {
    if !is_installed() {
        return;
    }
    let theirs = FLOWS.lines().filter(|line| !OURS.iter().any(|(part, _)| line.contains(part)));
    for line in theirs {
        let printed = parse_flow(line).unwrap_or_else(|error| panic!("{line}: {error:?}")).to_string();
        let expected = ovs(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        // Statistics of a dump are nothing that `add-flow` of OVS takes.
        assert_eq!(ovs(&printed).as_ref(), Ok(&expected), "{line}\n{printed}");
    }
}

/// Lists that OVS refuses in OpenFlow 1.0 and in 1.3; we must not be more lenient.
const REFUSED: &[&str] = &[
    "actions=output:1,meter:5",
    "actions=write_metadata:1,output:1",
    "actions=clear_actions,output:1",
    "actions=clone(goto_table:2)",
    "actions=write_actions(write_actions(output:1))",
    "actions=conjunction(5,1/2),output:1",
    "actions=ct(commit)",
    "ip,actions=ct(force)",
    "ip,actions=ct(commit,alg=ftp)",
    "ip,actions=ct(commit,exec(output:1))",
    "ip,actions=ct(commit,exec(set_field:1->reg0))",
    "ip,actions=ct(commit,nat(random))",
    "ip,actions=ct(commit,nat(src=fe80::1))",
    "actions=set_field:1->ct_mark",
    "actions=resubmit(,2,ct)",
    "actions=learn(table=1,nw_src=10.0.0.1)",
    "actions=learn(reg0=reg1[0..3])",
    "actions=learn(table=255)",
    "actions=check_pkt_larger(1500)->reg0",
    "actions=push:tp_src",
    "actions=pop:ct_state",
    "actions=delete_field:reg0",
    "actions=output:none",
    "actions=multipath(eth_src,50,modulo_n,300,0,reg0[0..7])",
    "actions=sample(probability=0)",
    "actions=push_vlan:0x9100",
    "actions=set_field:10.0.0.1->nw_src",
];

#[test]
fn what_ovs_refuses_is_refused() {
    if !is_installed() {
        return;
    }
    for line in REFUSED {
        assert!(ovs(line).is_err(), "OVS takes {line}");
        assert!(parse_flow(line).is_err(), "we take {line}");
    }
}
