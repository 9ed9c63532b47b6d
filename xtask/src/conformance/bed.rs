//! Pairs of switches, target and tester, that call a port each pair has to itself.
//!
//! ```text
//!            tcp:127.0.0.1:PORT, os-ken
//!               |            |
//!            target -- 1 -- tester
//!               |  --- 2 ---  |
//!               |  --- 3 ---  |
//! ```

use std::fmt::Write as _;
use std::net::TcpListener;
use std::process::Command;

use super::Peer;
use crate::bench::peer::{Lab, ovs};
use crate::bench::shell::{self, Netns};
use crate::run::Failed;

/// Links of a pair.
const LINKS: usize = 3;

/// Switches that run; everything goes when it is dropped.
#[derive(Debug)]
pub(super) struct Bed {
    peer: Peer,
    pairs: Vec<Pair>,
    /// Where the switches look for their controller, if not here.
    netns: Option<Netns>,
    #[expect(dead_code, reason = "held so that it goes with the bed")]
    rest: Rest,
}

#[expect(dead_code, reason = "held so that it goes with the bed")]
#[derive(Debug)]
enum Rest {
    Lab(Lab),
    Ovs(ovs::Daemons),
}

/// A pair's datapath ids and its controller's port.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) target: u64,
    pub(super) tester: u64,
    pub(super) port: u16,
}

impl Pair {
    fn new(n: usize) -> Result<Self, Failed> {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.map_err(|source| Failed::File { path: "127.0.0.1:0".to_owned(), source })?.port();
        let n = u64::try_from(n).unwrap_or(0) + 1;
        Ok(Self { target: 0x100 + n, tester: 0x200 + n, port })
    }

    fn switches(self) -> [(String, u64); 2] {
        [("t", self.target), ("v", self.tester)].map(|(kind, dpid)| (format!("{kind}{}", dpid & 0xff), dpid))
    }
}

impl Bed {
    /// Brings up `count` pairs.
    ///
    /// # Errors
    /// [`Failed`] with the command that failed.
    pub(super) fn up(peer: Peer, count: usize) -> Result<Self, Failed> {
        let pairs = (0..count).map(Pair::new).collect::<Result<Vec<_>, _>>()?;
        if peer == Peer::Netloom { netloom(pairs) } else { open_vswitch(pairs) }
    }

    pub(super) fn peer(&self) -> Peer {
        self.peer
    }

    pub(super) fn pairs(&self) -> &[Pair] {
        &self.pairs
    }

    /// A command that runs where the switches look for their controller.
    pub(super) fn command(&self, program: &str) -> Command {
        self.netns.as_ref().map_or_else(|| Command::new(program), |netns| netns.command(program))
    }
}

fn netloom(pairs: Vec<Pair>) -> Result<Bed, Failed> {
    let lab = Lab::up("conformance", &lab_file(&pairs))?;
    Ok(Bed { peer: Peer::Netloom, pairs, netns: None, rest: Rest::Lab(lab) })
}

fn lab_file(pairs: &[Pair]) -> String {
    let mut text = "netloom: 1\nname: conformance\nloops: allow\nswitches:\n".to_owned();
    for pair in pairs {
        for (name, dpid) in pair.switches() {
            let port = pair.port;
            let _ = writeln!(
                text,
                "  {name}: {{ fail_mode: secure, controller: 'tcp:127.0.0.1:{port}', dpid: '{dpid:016x}' }}"
            );
        }
    }
    text += "links:\n";
    for pair in pairs {
        let [(target, _), (tester, _)] = pair.switches();
        for link in 1..=LINKS {
            let _ = writeln!(text, "  - {{ link: {target} -- {tester}, name: {target}-{link} }}");
        }
    }
    text
}

fn open_vswitch(pairs: Vec<Pair>) -> Result<Bed, Failed> {
    let netns = Netns::make("of")?;
    // Or the links carry router solicitations of the kernel's own between the packets of the cases.
    for scope in ["all", "default"] {
        let setting = format!("net.ipv6.conf.{scope}.disable_ipv6=1");
        shell::finish("sysctl", netns.command("sysctl").args(["-q", "-w", &setting]))?;
    }
    let daemons = ovs::Daemons::start(&netns, false)?;
    for pair in &pairs {
        for (name, dpid) in pair.switches() {
            let bridge = format!(
                "add-br {name} -- set bridge {name} datapath_type=netdev fail_mode=secure \
                 protocols=OpenFlow10,OpenFlow13,OpenFlow14 other_config:datapath-id={dpid:016x} \
                 other_config:disable-in-band=true -- set-controller {name} tcp:127.0.0.1:{port} \
                 -- set controller {name} connection_mode=out-of-band max_backoff=1000",
                port = pair.port
            );
            daemons.vsctl(&netns, &bridge)?;
        }
        let [(target, _), (tester, _)] = pair.switches();
        for link in 1..=LINKS {
            let ends = [format!("{target}-{link}"), format!("{tester}-{link}")];
            netns.ip(&format!("link add {} type veth peer name {}", ends[0], ends[1]))?;
            for (end, bridge) in ends.iter().zip([&target, &tester]) {
                netns.ip(&format!("link set {end} up"))?;
                shell::finish(
                    "ethtool",
                    netns.command("ethtool").args(["-K", end, "tx", "off", "rx", "off"]),
                )?;
                let port = format!("add-port {bridge} {end} -- set interface {end} ofport_request={link}");
                daemons.vsctl(&netns, &port)?;
            }
        }
    }
    Ok(Bed { peer: Peer::Ovs, pairs, netns: Some(netns), rest: Rest::Ovs(daemons) })
}
