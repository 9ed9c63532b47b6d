//! What docs/conformance.md says of a run that is not kept any more, so that it can stay as it is while others are run
//! again.

use super::cases::Which;
use super::{Peer, Set};

/// Its rows of the table, and its failures, as they stand there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) rows: String,
    pub(super) failures: String,
}

impl Told {
    /// Finds a run in an earlier text; `None` if it is not there.
    pub(super) fn read(text: &str, peer: Peer, set: Set, which: Which) -> Option<Self> {
        let (peer, set, which) = (peer.name(), set.name(), which.name());
        let is_it = |line: &&str| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            matches!(cells[..], ["", of, cases, by, _, ..] if of == set && by == peer && kind(cases) == which)
        };
        let rows: String = text.lines().filter(is_it).map(|row| format!("{row}\n")).collect();
        let head = format!("## Failed: {peer}, {set}, {which}");
        let mut lines = text.lines().skip_while(|line| *line != head);
        let failures = lines.next().map_or_else(String::new, |head| {
            let rest = lines.take_while(|line| !line.starts_with("## "));
            let all: Vec<&str> = std::iter::once(head).chain(rest).collect();
            format!("\n{}\n", all.join("\n").trim_end())
        });
        (!rows.is_empty()).then_some(Self { rows, failures })
    }
}

/// `throughput` of `throughput, 12 s`.
fn kind(cases: &str) -> &str {
    cases.split(',').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# Title

## Scores

| set | cases | peer | group | passed | failed | skipped | of |
|---|---|---|---|--:|--:|--:|--:|
| of13 | packets | netloom | **all** | 940 | 0 | 6 | 946 |
| of13 | packets | ovs | action | 1 | 2 | 0 | 3 |
| of13 | packets | ovs | **all** | 1 | 2 | 0 | 3 |
| of13 | throughput, 12 s | ovs | **all** | 9 | 42 | 0 | 51 |

## Failed: ovs, of13, packets

- `a.json` 0: something
- `b.json` 1: another

## Failed: ovs, of13, throughput

- `c.json` 0: slow
";

    #[test]
    fn rows_and_failures_of_one_run_are_found() {
        let told = Told::read(TEXT, Peer::Ovs, Set::Of13, Which::Packets).unwrap();
        assert_eq!(told.rows.lines().count(), 2);
        assert_eq!(
            told.failures,
            "\n## Failed: ovs, of13, packets\n\n- `a.json` 0: something\n- `b.json` 1: another\n"
        );
        let slow = Told::read(TEXT, Peer::Ovs, Set::Of13, Which::Throughput).unwrap();
        assert_eq!((slow.rows.lines().count(), slow.failures.ends_with("slow\n")), (1, true));
        let good = Told::read(TEXT, Peer::Netloom, Set::Of13, Which::Packets).unwrap();
        assert_eq!(good.failures, "");
        assert_eq!(Told::read(TEXT, Peer::Ovs, Set::Of14, Which::Packets), None);
    }
}
