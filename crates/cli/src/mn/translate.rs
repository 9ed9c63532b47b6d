//! From flags to a lab file.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::Mn;
use super::link::Settings;
use super::switch::Switches;
use super::topo::Topo;
use crate::exit::Failure;

/// The lab that the flags mean.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) name: String,
    pub(super) topo: Topo,
    pub(super) settings: Settings,
    pub(super) controller: bool,
    loops: &'static str,
    switch_keys: Vec<(&'static str, String)>,
    remote: Vec<(String, String)>,
    subnet: String,
    mac: bool,
    arp: bool,
    nat: bool,
}

impl Lab {
    /// What the flags mean.
    pub(super) fn of(mn: &Mn) -> Result<Self, Failure> {
        let switches = Switches::of(&mn.switch, &mn.controller)?;
        Ok(Self {
            name: "mn".into(),
            topo: Topo::of(&mn.topo)?,
            settings: Settings::of(&mn.link)?,
            controller: switches.controller,
            loops: switches.loops,
            switch_keys: switches.keys,
            remote: switches.remote,
            subnet: mn.ipbase.clone(),
            mac: mn.mac,
            arp: mn.arp,
            nat: mn.nat.is_some(),
        })
    }

    /// The lab file.
    pub(super) fn file(&self) -> String {
        let mut out = format!(
            "netloom: 1\nname: {}\nsubnet: {}\narp: {}\nfilesystem: shared\n{}nodes:\n",
            self.name,
            quote(&self.subnet),
            if self.arp { "static" } else { "flood" },
            if self.loops == "tree" { String::new() } else { format!("loops: {}\n", self.loops) }
        );
        if !self.remote.is_empty() {
            out = out.replace("nodes:\n", "controllers:\n");
            for (name, target) in &self.remote {
                let _ = writeln!(out, "  {name}: {target:?}");
            }
            out.push_str("nodes:\n");
        }
        for (n, host) in self.topo.hosts.iter().enumerate() {
            let keys = if self.mac { format!("mac: \"{}\"", mac(n + 1)) } else { String::new() };
            let _ = writeln!(out, "  {host}: {{ {keys} }}");
        }
        if self.nat {
            let _ = writeln!(out, "networks:\n  {NAT}: {{ internet: true }}");
        }
        out.push_str("switches:\n");
        for switch in &self.topo.switches {
            let mut keys = self.switch_keys.clone();
            // Whom controllers know as the switch.
            keys.extend(dpid(switch).filter(|_| !self.remote.is_empty()).map(|id| ("dpid", id)));
            let _ = writeln!(out, "  {switch}: {{ {} }}", map(&keys));
        }
        out.push_str("links:\n");
        let settings = map(&self.settings.keys);
        for (a, b) in self.ends() {
            let _ = match settings.as_str() {
                "" => writeln!(out, "  - {a} -- {b}"),
                settings => writeln!(out, "  - {{ link: {a} -- {b}, {settings} }}"),
            };
        }
        // Behind the others, whose ports keep the numbers they have without it.
        if let (true, Some(first)) = (self.nat, self.topo.switches.first()) {
            let _ = writeln!(out, "  - {first} -- {NAT}");
        }
        out.replace("{  }", "{}")
    }

    /// Both ends of each link with their interfaces: `h1:h1-eth0`, `s1:s1-eth1`.
    fn ends(&self) -> impl Iterator<Item = (String, String)> {
        let mut next: BTreeMap<&str, u32> =
            self.topo.switches.iter().map(|name| (name.as_str(), 1)).collect();
        let end = |name: &str, next: &mut BTreeMap<&str, u32>| match next.get_mut(name) {
            Some(port) => {
                let end = format!("{name}:{name}-eth{port}");
                *port += 1;
                end
            }
            // A host has one link in every topology of Mininet.
            None => format!("{name}:{name}-eth0"),
        };
        self.topo.links.iter().map(move |(a, b)| (end(a, &mut next), end(b, &mut next)))
    }
}

/// The network whose gateway leads out, after Mininet's node.
const NAT: &str = "nat0";

/// `00:00:00:00:00:01` for the first host.
fn mac(n: usize) -> String {
    let bytes = (n as u64).to_be_bytes();
    bytes.iter().skip(2).map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// The first number in a switch's name, as Mininet has it.
fn dpid(switch: &str) -> Option<String> {
    let digits: String =
        switch.chars().skip_while(|c| !c.is_ascii_digit()).take_while(char::is_ascii_digit).collect();
    digits.parse::<u64>().ok().filter(|number| *number > 0).map(|number| format!("\"{number:016x}\""))
}

fn map(keys: &[(&str, String)]) -> String {
    keys.iter().map(|(key, value)| format!("{key}: {value}")).collect::<Vec<_>>().join(", ")
}

/// A plain word stays plain; what YAML could read otherwise is quoted.
fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("{text:?}") }
}
