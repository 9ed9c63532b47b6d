//! A virtual machine that goes from one lab to another while it runs.
//!
//! ```text
//!  netloom migrate vm1 east          lab "west"                                  lab "east"
//!        │ Migrate               leave.rs ──── api.sock: Receive{..} ───────► arrive.rs
//!        └──────────────────────►  │ ◄──── offer: a port, a token ───────────── │ listens on the underlay
//!                                  │ ───── TCP: token ───────────────────────► │ ──► QEMU, -incoming
//!                    QEMU ◄─ fd ── │ ◄──── ready ────────────────────────────── │
//!                    memory, round by round, then devices ───────────────────► QEMU
//!                    stopped: frames are kept (netdev: Hold)
//!                                  │ ◄──── emulated: sums of pages; those that differ ──► │
//!                                  │ ───── go ───────────────────────────────► │ processors go on, port is the one
//!                                  │ ◄──── running ──────────────────────────── │ ARP, NA, reverse ARP sent for it
//!                                  │ ───── frames that were kept ────────────► │ given to it, in order
//!                                  └ its QEMU ends
//! ```
//! Until `go` the guest is here and what there is elsewhere is thrown away whatever happens; from `running` on it is there. In
//! between only who hears nothing does not know, and asks ([`leave`]). Nothing is written down for it: a QEMU dies with its lab's
//! spawner, so a lab that ends, in whatever way, takes along what is of it and nothing else.
//!
//! Who can open the other lab's `api.sock` may do all there anyway; that is what is asked of whoever moves a machine. What comes
//! over the network is told apart by a token that went over that socket, and with `--tls` encrypted by a key that did.

mod arrive;
mod cards;
mod key;
mod leave;
mod pages;
mod parley;

pub(in crate::engine) use arrive::Coming;
pub(in crate::engine) use leave::Target;

use netloom_flow::PortId;
use netloom_lab::Lab;
use netloom_lab::config::owners;
use netloom_switch::Owners;
use serde::{Deserialize, Serialize};

use super::Running;
use super::core::Core;
use super::running::State;
use crate::slowpath;

/// What two labs say to each other, beside frames of packets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Word {
    /// Memory is taken at this TCP port from whoever says the token, 64 hexadecimal digits, first.
    Offer {
        port: u16,
        token: String,
        /// The key that encrypts it, in hexadecimal digits.
        key: Option<String>,
    },
    /// QEMU waits for it.
    Ready {},
    /// The sums of its pages are asked for.
    Sum {},
    /// All of it has been sent: it goes on there.
    Go {},
    /// It goes on, and its cards are served.
    Running {},
}

/// Bytes of a token and of a key.
const SECRET: usize = 32;
/// How long a lab may take to listen, to be called, and to start QEMU.
const PREPARE_NS: u64 = 20_000_000_000;
/// How long a guest of which all is there may take until its cards are served.
const GO_NS: u64 = 10_000_000_000;

/// Who owns which address behind a switch port, but for machines that are elsewhere: who asks for one of those is led by what the
/// switches learn.
pub(super) fn owners_here(
    lab: &Lab,
    ids: &dyn Fn(&str, bool) -> Option<PortId>,
    is_away: impl Fn(&str) -> bool,
) -> Owners {
    let mut all = owners(lab, ids);
    let away = lab.nodes.iter().filter(|node| node.vm.is_some() && is_away(&node.name));
    let away: Vec<[u8; 6]> = away.flat_map(|node| &node.interfaces).map(|it| it.mac.0).collect();
    all.owners.retain(|owner| !away.contains(&owner.mac));
    all
}

/// Ports of machines that are elsewhere take and give nothing.
pub(super) fn take_down(core: &Core, state: &mut State) {
    let lab = state.lab.clone();
    let is_away = |name: &String| state.nodes.get(name).is_some_and(|made| made.away);
    let away = lab.nodes.iter().filter(|node| is_away(&node.name));
    let ports = away.flat_map(|node| node.interfaces.iter().map(|it| (&node.name, &it.name)));
    let ports: Vec<PortId> = ports.filter_map(|(node, name)| state.ports.interface(node, name)).collect();
    for port in ports {
        if let Some(spec) = state.specs.get_mut(&port) {
            spec.up = false;
            core.set_port(spec);
        }
    }
}

impl Running {
    /// Whether a machine is elsewhere.
    pub(super) fn is_away(&self, node: &str) -> bool {
        self.state().nodes.get(node).is_some_and(|made| made.away)
    }

    /// A machine is here from now on, or elsewhere.
    pub(super) fn set_away(&self, node: &str, away: bool) {
        let mut state = self.state();
        if let Some(made) = state.nodes.get_mut(node) {
            made.away = away;
        }
        self.tell_owners(&state);
    }

    fn tell_owners(&self, state: &State) {
        let Some(core) = self.core() else { return };
        let id = |link: &str, left: bool| state.ports.link(link).map(|[a, b]| if left { a } else { b });
        let is_away = |name: &str| state.nodes.get(name).is_some_and(|made| made.away);
        slowpath::write(core.switch()).set_owners(&owners_here(&state.lab, &id, is_away));
    }
}
