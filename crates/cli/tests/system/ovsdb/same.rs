//! The same commands at Open vSwitch's server and at ours, and whether they were told the same.

use std::collections::BTreeMap;

use super::server::{Done, Server, Whose};

const COMMANDS: &str = include_str!("commands.txt");

#[test]
fn commands_are_answered_as_by_open_vswitch() {
    let (Some(theirs), Some(ours)) = (Server::start(Whose::Theirs), Server::start(Whose::Ours)) else {
        return;
    };
    let mut names = [Names::default(), Names::default()];
    let (mut asked, mut wrong) = (0, Vec::new());
    for line in COMMANDS.lines().filter(|line| !line.starts_with('#')) {
        let (may_differ, line) = match line.strip_prefix("differs ").and_then(|rest| rest.split_once(": ")) {
            Some((_, command)) => (true, command),
            None => (false, line),
        };
        let (sorted, line) = line.strip_prefix("sort ").map_or((false, line), |line| (true, line));
        let [theirs, ours] = [&theirs, &ours].map(|server| (server, server.run(line)));
        let [theirs, ours] = [theirs, ours]
            .iter()
            .zip(&mut names)
            .map(|((server, done), names)| told(server, done, names, sorted))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        asked += 1;
        if !may_differ && theirs != ours {
            wrong.push(format!("{line}\n  theirs {theirs:?}\n  ours   {ours:?}"));
        }
    }
    assert!(asked > 100, "{asked}");
    assert!(wrong.is_empty(), "{} of {asked} answers differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Numbers of rows that came up, by their UUIDs.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

/// What was printed, without what is random: UUIDs are numbered as they come up, folders and numbers of processes have
/// no names.
fn told(server: &Server, done: &Done, names: &mut Names, sorted: bool) -> (i32, Vec<String>) {
    let folder = server.path("").display().to_string();
    let text = done.text.replace(folder.trim_end_matches('/'), "<folder>");
    let pid = server.pid().map(|pid| format!(".{pid}.")).unwrap_or_default();
    let text = if pid.is_empty() { text } else { text.replace(&pid, ".<pid>.") };
    let mut lines: Vec<String> = text.lines().map(|line| names.without_uuids(&without_dates(line))).collect();
    if sorted {
        lines.sort();
    }
    (done.code, lines)
}

impl Names {
    fn without_uuids(&mut self, line: &str) -> String {
        let mut out = String::new();
        let mut rest = line;
        while let Some(at) =
            (0..rest.len().saturating_sub(35)).find(|&at| rest.get(at..at + 36).is_some_and(is_uuid))
        {
            let next = self.0.len();
            let number = *self.0.entry(rest[at..at + 36].to_owned()).or_insert(next);
            out.push_str(&rest[..at]);
            out.push_str(&format!("<uuid {number}>"));
            rest = &rest[at + 36..];
        }
        out + rest
    }
}

fn is_uuid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

/// Lines of logs begin with a date.
fn without_dates(line: &str) -> String {
    match line.split_once("Z|") {
        Some((date, rest)) if date.len() >= 19 && date.as_bytes().get(10) == Some(&b'T') => {
            format!("<date>|{rest}")
        }
        _ => line.to_owned(),
    }
}
