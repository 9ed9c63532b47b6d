//! Topologies by a rule: what nodes, switches and links they have. Names and order are Mininet's where it has
//! the same topology, so that ports get the numbers its users expect.

/// A topology by a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topology {
    /// One switch `s1` with hosts `h1` ...
    Single {
        /// Hosts.
        hosts: u64,
    },
    /// Switches `s1` ... in a row. Hosts are `h1` ... with one per switch, else `h1s1`, `h2s1` ...
    Linear {
        /// Switches.
        switches: u64,
        /// Hosts per switch.
        hosts: u64,
    },
    /// A tree of switches with hosts below the lowest.
    Tree {
        /// Levels of switches.
        depth: u64,
        /// Children of each switch.
        fanout: u64,
    },
    /// A grid `s1x1` ... whose edges are joined. Hosts are `h1x1`, or `h1x1x1` ... with several.
    Torus {
        /// Columns.
        x: u64,
        /// Rows.
        y: u64,
        /// Hosts per switch.
        hosts: u64,
    },
    /// Pods of k/2 edge (`p1e1`) and k/2 aggregation switches (`p1a1`) under (k/2)^2 cores (`c1`).
    ///
    /// Source: Al-Fares, Loukissas, Vahdat, "A scalable, commodity data center network architecture" (2008).
    FatTree {
        /// Ports per switch, even.
        k: u64,
        /// Hosts per edge switch.
        hosts: u64,
    },
    /// Leaves `leaf1` ... joined to every spine `spine1` ...
    Clos {
        /// Spines.
        spines: u64,
        /// Leaves.
        leaves: u64,
        /// Hosts per leaf.
        hosts: u64,
    },
}

/// What a topology consists of: names, in the order in which they are made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Parts {
    /// Hosts.
    pub hosts: Vec<String>,
    /// Switches.
    pub switches: Vec<String>,
    /// Links, by the names of both ends.
    pub links: Vec<(String, String)>,
}

impl Topology {
    /// How many (nodes and switches, links) it has; saturates.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        match *self {
            Self::Single { hosts } => (hosts.saturating_add(1), hosts),
            Self::Linear { switches, hosts } => {
                let all = switches.saturating_mul(hosts);
                (all.saturating_add(switches), all.saturating_add(switches))
            }
            Self::Tree { depth, fanout } => {
                let (mut level, mut all) = (1u64, 1u64);
                for _ in 0..depth {
                    level = level.saturating_mul(fanout);
                    all = all.saturating_add(level);
                }
                (all, all)
            }
            Self::Torus { x, y, hosts } => {
                let switches = x.saturating_mul(y);
                let all = switches.saturating_mul(hosts);
                (all.saturating_add(switches), all.saturating_add(switches.saturating_mul(2)))
            }
            Self::FatTree { k, hosts } => {
                let edges = k.saturating_mul(k / 2);
                let all = edges.saturating_mul(hosts);
                let switches = edges.saturating_mul(2).saturating_add((k / 2).saturating_mul(k / 2));
                (all.saturating_add(switches), all.saturating_add(edges.saturating_mul(k)))
            }
            Self::Clos { spines, leaves, hosts } => {
                let all = leaves.saturating_mul(hosts);
                let links = leaves.saturating_mul(spines);
                (all.saturating_add(spines).saturating_add(leaves), all.saturating_add(links))
            }
        }
    }

    /// Makes the parts. The caller has bounded [`Self::size`].
    #[must_use]
    pub fn parts(&self) -> Parts {
        let mut parts = Parts::default();
        match *self {
            Self::Single { hosts } => {
                parts.switches.push("s1".into());
                (1..=hosts).for_each(|h| parts.host(format!("h{h}"), "s1"));
            }
            Self::Linear { switches, hosts } => linear(&mut parts, switches, hosts),
            Self::Tree { depth, fanout } => {
                tree(&mut parts, depth, fanout);
            }
            Self::Torus { x, y, hosts } => torus(&mut parts, x, y, hosts),
            Self::FatTree { k, hosts } => fat_tree(&mut parts, k, hosts),
            Self::Clos { spines, leaves, hosts } => {
                parts.switches.extend((1..=spines).map(|s| format!("spine{s}")));
                for l in 1..=leaves {
                    let leaf = format!("leaf{l}");
                    parts.switches.push(leaf.clone());
                    (1..=hosts).for_each(|h| parts.host(format!("h{}", (l - 1) * hosts + h), &leaf));
                    (1..=spines).for_each(|s| parts.link(&leaf, &format!("spine{s}")));
                }
            }
        }
        parts
    }
}

impl Parts {
    fn host(&mut self, name: String, switch: &str) {
        self.link(&name, switch);
        self.hosts.push(name);
    }

    fn link(&mut self, a: &str, b: &str) {
        self.links.push((a.to_owned(), b.to_owned()));
    }
}

fn linear(parts: &mut Parts, switches: u64, hosts: u64) {
    for s in 1..=switches {
        let switch = format!("s{s}");
        parts.switches.push(switch.clone());
        for h in 1..=hosts {
            parts.host(if hosts == 1 { format!("h{s}") } else { format!("h{h}s{s}") }, &switch);
        }
        if s > 1 {
            parts.link(&switch, &format!("s{}", s - 1));
        }
    }
}

/// Numbers run depth first, as in Mininet. An own stack: `depth` comes from a file.
fn tree(parts: &mut Parts, depth: u64, fanout: u64) {
    let (mut switches, mut hosts) = (1u64, 0u64);
    parts.switches.push("s1".into());
    // Each entry: the switch, its levels below, and how many children it has so far.
    let mut stack = vec![("s1".to_owned(), depth, 0u64)];
    while let Some((switch, levels, children)) = stack.last_mut() {
        if *children == fanout {
            let (child, ..) = stack.pop().unwrap_or_default();
            if let Some((parent, ..)) = stack.last() {
                let parent = parent.clone();
                parts.link(&parent, &child);
            }
            continue;
        }
        *children += 1;
        if *levels == 1 {
            hosts += 1;
            let (name, switch) = (format!("h{hosts}"), switch.clone());
            parts.link(&switch, &name);
            parts.hosts.push(name);
        } else {
            switches += 1;
            let (name, below) = (format!("s{switches}"), *levels - 1);
            parts.switches.push(name.clone());
            stack.push((name, below, 0));
        }
    }
}

fn torus(parts: &mut Parts, x: u64, y: u64, hosts: u64) {
    for i in 1..=x {
        for j in 1..=y {
            let switch = format!("s{i}x{j}");
            parts.switches.push(switch.clone());
            for h in 1..=hosts {
                parts.host(if hosts == 1 { format!("h{i}x{j}") } else { format!("h{i}x{j}x{h}") }, &switch);
            }
        }
    }
    for i in 1..=x {
        for j in 1..=y {
            let here = format!("s{i}x{j}");
            parts.link(&here, &format!("s{}x{j}", i % x + 1));
            parts.link(&here, &format!("s{i}x{}", j % y + 1));
        }
    }
}

fn fat_tree(parts: &mut Parts, k: u64, hosts: u64) {
    let half = k / 2;
    parts.switches.extend((1..=half * half).map(|c| format!("c{c}")));
    let mut host = 0;
    for pod in 1..=k {
        for a in 1..=half {
            let aggregation = format!("p{pod}a{a}");
            parts.switches.push(aggregation.clone());
            (1..=half).for_each(|c| parts.link(&aggregation, &format!("c{}", (a - 1) * half + c)));
        }
        for e in 1..=half {
            let edge = format!("p{pod}e{e}");
            parts.switches.push(edge.clone());
            for _ in 0..hosts {
                host += 1;
                parts.host(format!("h{host}"), &edge);
            }
            (1..=half).for_each(|a| parts.link(&edge, &format!("p{pod}a{a}")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sizes_are_those_of_the_parts_and_names_are_unique() {
        for topology in [
            Topology::Single { hosts: 4 },
            Topology::Linear { switches: 4, hosts: 1 },
            Topology::Linear { switches: 3, hosts: 2 },
            Topology::Tree { depth: 2, fanout: 3 },
            Topology::Tree { depth: 3, fanout: 2 },
            Topology::Tree { depth: 4, fanout: 1 },
            Topology::Torus { x: 3, y: 4, hosts: 1 },
            Topology::Torus { x: 3, y: 3, hosts: 2 },
            Topology::FatTree { k: 4, hosts: 2 },
            Topology::Clos { spines: 2, leaves: 3, hosts: 2 },
        ] {
            let parts = topology.parts();
            let (things, links) = topology.size();
            let names: BTreeSet<_> = parts.hosts.iter().chain(&parts.switches).collect();
            assert_eq!(names.len(), parts.hosts.len() + parts.switches.len(), "{topology:?}");
            assert_eq!(names.len() as u64, things, "{topology:?}");
            assert!(parts.links.len() as u64 <= links, "{topology:?}: {} of {links}", parts.links.len());
            assert!(parts.links.iter().all(|(a, b)| names.contains(a) && names.contains(b)));
        }
    }

    #[test]
    fn a_tree_counts_depth_first() {
        let parts = Topology::Tree { depth: 2, fanout: 2 }.parts();
        assert_eq!(parts.switches, ["s1", "s2", "s3"]);
        assert_eq!(parts.hosts, ["h1", "h2", "h3", "h4"]);
        let links: Vec<_> = parts.links.iter().map(|(a, b)| format!("{a}-{b}")).collect();
        assert_eq!(links, ["s2-h1", "s2-h2", "s1-s2", "s3-h3", "s3-h4", "s1-s3"]);
    }

    #[test]
    fn a_fat_tree_of_4_is_the_one_of_the_paper() {
        let parts = Topology::FatTree { k: 4, hosts: 2 }.parts();
        assert_eq!((parts.hosts.len(), parts.switches.len(), parts.links.len()), (16, 20, 48));
    }
}
