//! Reading a line of the prompt.

use netloom_api::Graph;

/// A line, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// Nothing to do.
    Empty,
    /// A command of the prompt, and the rest of the line.
    Command(&'a str, &'a str),
    /// A node and what to run there, names replaced by addresses.
    Node(&'a str, String),
    /// A switch and what to run there.
    Switch(&'a str),
    /// Neither.
    Unknown(&'a str),
}

/// Commands and what they do, as `help` says it.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("nodes", "list all nodes"),
    ("net", "list what is connected to what"),
    ("links", "list links and their state"),
    ("ports", "list ports of switches"),
    ("intfs", "list interfaces"),
    ("dump", "list nodes with their addresses"),
    ("pingall", "ping between all hosts"),
    ("pingallfull", "ping between all hosts, with times"),
    ("pingpair", "ping between the first two hosts"),
    ("pingpairfull", "ping between the first two hosts, with times"),
    ("iperf", "iperf [h1 h2]: TCP throughput"),
    ("iperfudp", "iperfudp [bw] [h1 h2]: UDP throughput"),
    ("link", "link A B up|down"),
    ("switch", "switch s1 start|stop"),
    ("dpctl", "dpctl dump-flows|add-flow|mod-flows|del-flows|dump-ports|show [args], on every switch"),
    ("xterm", "xterm h1 [h2 ...]"),
    ("x", "x h1 CMD: an X program in h1"),
    ("gterm", "gterm h1 [h2 ...]"),
    ("sh", "sh CMD: run a program on this machine"),
    ("source", "source FILE: run its lines"),
    ("time", "time COMMAND: how long it takes"),
    ("noecho", "noecho h1 CMD: without a terminal"),
    ("wait", "wait until all switches are connected"),
    ("py", "Python: not here, and what to use instead"),
    ("px", "Python: not here, and what to use instead"),
    ("help", "this list"),
    ("exit", "leave"),
    ("quit", "leave"),
    ("EOF", "leave"),
];

/// Whether the line leaves the prompt.
pub(super) fn is_end(line: &str) -> bool {
    matches!(line.trim(), "exit" | "quit" | "EOF")
}

/// Understands a line.
pub(super) fn parse<'a>(line: &'a str, graph: &Graph) -> Line<'a> {
    let line = line.trim();
    let (first, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match first {
        "" => Line::Empty,
        comment if comment.starts_with('#') => Line::Empty,
        "?" => Line::Command("help", rest),
        _ if first.starts_with('!') => Line::Command("sh", line.trim_start_matches('!').trim()),
        _ if COMMANDS.iter().any(|(word, _)| *word == first) => Line::Command(first, rest),
        _ if graph.nodes.iter().any(|node| node.name == first) => Line::Node(first, addressed(rest, graph)),
        _ if graph.switches.iter().any(|switch| switch.name == first) => Line::Switch(first),
        _ => Line::Unknown(first),
    }
}

/// Replaces words that are nodes by their addresses, and leaves everything between words as it is.
fn addressed(text: &str, graph: &Graph) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive(char::is_whitespace) {
        let word = part.trim_end();
        let node = graph.nodes.iter().find(|node| node.name == word);
        match node.and_then(|node| node.ipv4().or_else(|| node.ipv6())) {
            Some(address) => {
                out.push_str(address);
                out.push_str(part.get(word.len()..).unwrap_or_default());
            }
            None => out.push_str(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prompt::render::tests::lab;

    #[test]
    fn names_after_the_node_become_addresses() {
        let lab = lab();
        let node = |line| match parse(line, &lab) {
            Line::Node(node, text) => (node, text),
            other => panic!("{other:?}"),
        };
        assert_eq!(node("h1 ping -c1  h2"), ("h1", "ping -c1  10.0.0.2".into()));
        assert_eq!(node(" h1  echo h22 'h2' h2 "), ("h1", "echo h22 'h2' 10.0.0.2".into()));
        assert_eq!(node("h1"), ("h1", String::new()));
        assert_eq!(node("h1 ping h3"), ("h1", "ping fd00::3".into()), "no IPv4: IPv6");
        assert_eq!(node("h1 iperf -c h1\ts1"), ("h1", "iperf -c 10.0.0.1\ts1".into()));
    }

    #[test]
    fn lines_are_told_apart() {
        let lab = lab();
        assert_eq!(parse("", &lab), Line::Empty);
        assert_eq!(parse("  # a comment", &lab), Line::Empty);
        assert_eq!(parse("pingall", &lab), Line::Command("pingall", ""));
        assert_eq!(parse("link s1  h1 down ", &lab), Line::Command("link", "s1  h1 down"));
        assert_eq!(parse("!ls -l", &lab), Line::Command("sh", "ls -l"));
        assert_eq!(parse("s1 ls", &lab), Line::Switch("s1"));
        assert_eq!(parse("dance", &lab), Line::Unknown("dance"));
        assert!(is_end(" quit ") && is_end("EOF") && !is_end("exit now"));
    }
}
