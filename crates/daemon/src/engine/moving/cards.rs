//! The cards of a machine that moves, as its switch sees them: one port each, of which the guest is behind at one lab at a time.

use std::net::IpAddr;
use std::sync::Arc;

use netloom_lab::lab::{Interface, Node};
use netloom_netdev::{GuestStatus, Hold, HoldCount};
use netloom_packet::Mac;
use netloom_packet::build::Frame;

use super::super::Running;

/// A card.
#[derive(Debug)]
pub(super) struct Card {
    pub(super) mac: [u8; 6],
    status: Arc<GuestStatus>,
    /// Tells everybody where it is.
    announcements: Vec<Vec<u8>>,
}

impl Card {
    pub(super) fn hold(&self) -> &Hold {
        self.status.hold()
    }

    pub(super) fn is_served(&self) -> bool {
        self.status.is_ready()
    }

    /// The guest is to come here: its link is up from now on.
    pub(super) fn expect(&self) {
        self.hold().expect(self.mac);
        self.status.ring();
    }

    /// Packets for it are kept while it stands still.
    pub(super) fn keep(&self) {
        self.hold().keep(self.mac);
        self.status.ring();
    }

    /// Once it is served, everybody is told where it is.
    pub(super) fn announce(&self) {
        self.hold().announce(self.announcements.clone());
    }

    /// A port as any other from now on.
    pub(super) fn end(&self) -> HoldCount {
        let count = self.hold().end();
        self.status.ring();
        count
    }
}

/// Ports as any other from now on; how many packets were kept in all, and how many were lost.
pub(super) fn end_all(cards: &[Card]) -> (u64, u64) {
    let counts = cards.iter().map(Card::end);
    counts.fold((0, 0), |(kept, lost), count| (kept + count.kept, lost + count.lost))
}

impl Running {
    /// The cards of a node, in the order of its interfaces; `None`: one of them is served by QEMU itself.
    pub(super) fn moving_cards(&self, node: &Node) -> Option<Vec<Card>> {
        let state = self.state();
        let card = |interface: &Interface| {
            let port = state.ports.interface(&node.name, &interface.name)?;
            let (mac, status) = (interface.mac.0, self.guests.status(port)?);
            Some(Card { mac, status, announcements: announcements(interface) })
        };
        node.interfaces.iter().map(card).collect()
    }
}

/// A gratuitous ARP request for each IPv4 address (RFC 5227 §3), an unsolicited advertisement for each of IPv6 (RFC 4861 §7.2.6), and
/// for a card without any address a request of its own for nobody, which tells switches as much.
fn announcements(interface: &Interface) -> Vec<Vec<u8>> {
    let mac = Mac(interface.mac.0);
    let mut all = Vec::new();
    let addresses = interface.addresses.iter().map(|address| address.ip);
    for address in addresses.chain([interface.mac.link_local().into()]) {
        let frame = match address {
            IpAddr::V4(ip) => Frame::arp_request(mac, ip, ip).to_vec(),
            // It overrides, and nobody asked.
            IpAddr::V6(ip) => Frame::nd_announcement(mac, ip).to_vec(),
        };
        all.extend(frame);
    }
    all
}

#[cfg(test)]
mod tests {
    use netloom_lab::{load, resolve};

    use super::*;

    #[test]
    fn every_address_is_announced() {
        let text = "netloom: 1\nnodes: { v: { vm: {}, ip: [10.0.0.7/24, fd00::7/64] } }\nswitches: { s: {} }\nlinks: [v -- s]\n";
        let file = load(text, std::path::Path::new("/l/x.loom.yml"), &[]).unwrap();
        let lab = resolve(&file).unwrap();
        let interface = &lab.nodes[0].interfaces[0];
        let mac = interface.mac.0;
        let all = announcements(interface);
        assert_eq!(all.len(), 3, "two addresses and the link-local one");
        assert_eq!((&all[0][..6], &all[0][6..12], &all[0][12..14]), (&[0xff; 6][..], &mac[..], &[8, 6][..]));
        assert_eq!((&all[0][28..32], &all[0][38..42]), (&[10, 0, 0, 7][..], &[10, 0, 0, 7][..]));
        assert_eq!(all[1][..6], [0x33, 0x33, 0, 0, 0, 1], "all nodes");
        assert_eq!(
            (all[1][54], all[1][58] & 0x60),
            (136, 0x20),
            "an advertisement that nobody asked for, and overrides"
        );
    }
}
