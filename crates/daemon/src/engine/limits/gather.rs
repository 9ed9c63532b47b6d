//! Bringing the programs of a node into a group that it gets while they run.
//!
//! They are known by the node's network namespace, and by being two PID namespaces down: the spawner's, and the node's. A
//! program of somebody else's who entered the network by its name is not, and stays where it is.

use std::fs;

use netloom_sys::HostError;
use netloom_sys::cgroup::Cgroup;
use netloom_sys::netns::NetNs;

/// How often it is looked for children that were born meanwhile.
const ROUNDS: usize = 20;

/// Moves the programs of a node, all but its first process, into a group. One that ends meanwhile is none.
///
/// # Errors
/// When they cannot be known or moved.
pub(super) fn gather(netns: &NetNs, group: &Cgroup) -> Result<(), HostError> {
    let network = format!("net:[{}]", netns.inode()?);
    for _ in 0..ROUNDS {
        let inside = group.processes();
        let outside: Vec<i32> =
            members(&network).into_iter().filter(|pid| inside.binary_search(pid).is_err()).collect();
        if outside.is_empty() {
            break;
        }
        outside.into_iter().try_for_each(|pid| group.take_in(pid))?;
    }
    Ok(())
}

/// The programs in a network.
fn members(network: &str) -> Vec<i32> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_member = |pid: &i32| {
        let there = fs::read_link(format!("/proc/{pid}/ns/net"));
        there.is_ok_and(|there| there.as_os_str() == network)
            && fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|status| is_program(&status))
    };
    numbers.filter(is_member).collect()
}

/// Whether this is a program of a node: it has numbers in two PID namespaces more than ours, and in the node's not the first.
fn is_program(status: &str) -> bool {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
    let numbers: Vec<&str> = numbers.split_whitespace().collect();
    numbers.len() >= 3 && numbers.get(2) != Some(&"1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_programs_of_a_node_are_taken() {
        assert!(is_program("Name:\tsh\nNSpid:\t900\t7\t2\nNStgid:\t900\n"));
        assert!(is_program("NSpid:\t900\t7\t2\t1\n"), "one that made a namespace of its own");
        assert!(!is_program("NSpid:\t900\t7\t1\n"), "the first process of the node");
        for other in ["NSpid:\t900\n", "NSpid:\t900\t7\n", "Name:\tsh\n", ""] {
            assert!(!is_program(other), "{other}");
        }
    }
}
