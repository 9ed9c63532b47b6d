//! Mininet's topologies, with its names and its numbering of ports.

use super::spec::Spec;
use crate::exit::Failure;

/// More hosts than this is a slip of the keyboard.
const MOST: u64 = 20_000;

/// Hosts, switches and links, in the order in which Mininet adds them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Topo {
    pub(super) hosts: Vec<String>,
    pub(super) switches: Vec<String>,
    pub(super) links: Vec<(String, String)>,
}

impl Topo {
    /// What `--topo` says.
    pub(super) fn of(text: &str) -> Result<Self, Failure> {
        let mut spec = Spec::parse(text)?;
        let mut topo = Self::default();
        let known = match spec.name {
            "minimal" => {
                topo.single(2, false);
                "none"
            }
            "single" | "reversed" => {
                let k = spec.number("k", 2)?;
                small(u64::from(k), text)?;
                topo.single(k, spec.name == "reversed");
                "k"
            }
            "linear" => {
                let (k, n) = (spec.number("k", 2)?, spec.number("n", 1)?);
                small(u64::from(k).saturating_mul(n.into()), text)?;
                topo.linear(k, n);
                "k, n"
            }
            "tree" => {
                let (depth, fanout) = (spec.number("depth", 1)?, spec.number("fanout", 2)?);
                small(u64::from(fanout).saturating_pow(depth).max(depth.into()), text)?;
                topo.tree(depth, fanout);
                "depth, fanout"
            }
            "torus" => {
                let (x, y, n) = (spec.number("x", 3)?, spec.number("y", 3)?, spec.number("n", 1)?);
                if x < 3 || y < 3 {
                    return Err(Failure::usage("A torus is at least 3 by 3.").hint("--topo torus,3,3"));
                }
                small(u64::from(x).saturating_mul(y.into()).saturating_mul(n.into()), text)?;
                topo.torus(x, y, n);
                "x, y, n"
            }
            name => {
                return Err(Failure::usage(format!("--topo {name} is not known."))
                    .hint("minimal, single, reversed, linear, tree or torus; `topology:` in a lab file also knows fat-tree and clos"));
            }
        };
        spec.end(known)?;
        Ok(topo)
    }

    fn host(&mut self, name: String, switch: &str) {
        self.links.push((name.clone(), switch.to_owned()));
        self.hosts.push(name);
    }

    fn join(&mut self, a: &str, b: &str) {
        self.links.push((a.to_owned(), b.to_owned()));
    }

    fn single(&mut self, k: u32, reversed: bool) {
        self.switches.push("s1".into());
        for n in 1..=k {
            self.host(format!("h{n}"), "s1");
        }
        if reversed {
            // The last host on port 1: ports count in the order of links.
            self.links.reverse();
        }
    }

    fn linear(&mut self, k: u32, n: u32) {
        let mut before: Option<String> = None;
        for i in 1..=k {
            let switch = format!("s{i}");
            for j in 1..=n {
                self.host(if n == 1 { format!("h{i}") } else { format!("h{j}s{i}") }, &switch);
            }
            if let Some(before) = &before {
                self.join(&switch, before);
            }
            self.switches.push(switch.clone());
            before = Some(switch);
        }
    }

    fn tree(&mut self, depth: u32, fanout: u32) {
        self.subtree(depth, fanout);
    }

    /// Adds a switch and what hangs below it; its name. Depth is bounded by [`MOST`].
    fn subtree(&mut self, depth: u32, fanout: u32) -> String {
        if depth == 0 {
            let host = format!("h{}", self.hosts.len() + 1);
            self.hosts.push(host.clone());
            return host;
        }
        let switch = format!("s{}", self.switches.len() + 1);
        self.switches.push(switch.clone());
        for _ in 0..fanout {
            let child = self.subtree(depth - 1, fanout);
            self.join(&switch, &child);
        }
        switch
    }

    fn torus(&mut self, x: u32, y: u32, n: u32) {
        for i in 1..=x {
            for j in 1..=y {
                let switch = format!("s{i}x{j}");
                for k in 1..=n {
                    let host = if n == 1 { format!("h{i}x{j}") } else { format!("h{i}x{j}x{k}") };
                    self.host(host, &switch);
                }
                self.switches.push(switch);
            }
        }
        for i in 1..=x {
            for j in 1..=y {
                let switch = format!("s{i}x{j}");
                self.join(&switch, &format!("s{i}x{}", j % y + 1));
                self.join(&switch, &format!("s{}x{j}", i % x + 1));
            }
        }
    }
}

fn small(hosts: u64, text: &str) -> Result<(), Failure> {
    if hosts > MOST {
        return Err(Failure::usage(format!("--topo {text} is too large: more than {MOST} hosts.")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(text: &str) -> String {
        let topo = Topo::of(text).unwrap();
        topo.links.iter().map(|(a, b)| format!("{a}-{b}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn names_and_order_are_those_of_mininet() {
        assert_eq!(links("minimal"), "h1-s1 h2-s1");
        assert_eq!(links("single,3"), "h1-s1 h2-s1 h3-s1");
        assert_eq!(links("reversed,k=3"), "h3-s1 h2-s1 h1-s1");
        assert_eq!(links("linear,3"), "h1-s1 h2-s2 s2-s1 h3-s3 s3-s2");
        assert_eq!(links("linear,2,2"), "h1s1-s1 h2s1-s1 h1s2-s2 h2s2-s2 s2-s1");
        assert_eq!(links("tree,2,2"), "s2-h1 s2-h2 s1-s2 s3-h3 s3-h4 s1-s3");
        assert_eq!(links("tree,depth=1,fanout=2"), "s1-h1 s1-h2");
    }

    #[test]
    fn a_torus_joins_every_switch_to_four() {
        let topo = Topo::of("torus,3,4,2").unwrap();
        assert_eq!((topo.hosts.len(), topo.switches.len(), topo.links.len()), (24, 12, 48));
        for switch in &topo.switches {
            let degree = topo.links.iter().filter(|(a, b)| a == switch || b == switch).count();
            assert_eq!(degree, 6, "{switch}");
        }
    }

    #[test]
    fn a_chain_as_deep_as_allowed_is_built() {
        assert!(Topo::of("tree,depth=200,fanout=1").is_ok());
        assert!(Topo::of("tree,depth=4000000,fanout=1").is_err());
    }
}
