//! In-band control: what controllers and switches say to each other crosses the very switches they control, and must do
//! so whatever the flows say.
//!
//! Such a packet is forwarded by NORMAL before the first table is asked. No flow stands for that, so nobody can see,
//! count or remove one by mistake.
//!
//! ```text
//! ARP requests from a controller, replies to it     TCP to its address and port, and from them
//! ```
//!
//! Source: rules (f) to (i) at the top of `in-band.c` of OVS. Its rules (a) to (e) are for the switch's own address and
//! next hop; switches here have none, as they call from the machine or from a node.

use netloom_flow::{FieldId, FlowMask, Subfield, word};

use super::{Translator, Visiting};

const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const REQUEST: u128 = 1;
const REPLY: u128 = 2;
const TCP: u128 = 6;

impl<'a> Translator<'a> {
    /// Whether a packet that comes in is between a controller and its switches.
    pub(super) fn is_in_band(&mut self, visiting: &Visiting<'a>) -> bool {
        let remotes = &visiting.bridge.config.in_band;
        if remotes.is_empty() {
            return false;
        }
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        match visiting.flow.eth_type() {
            ARP => {
                let [op, from, to] = [FieldId::ArpOp, FieldId::ArpSpa, FieldId::ArpTpa];
                let wanted = match self.value(visiting, op) {
                    REQUEST => self.value(visiting, from),
                    REPLY => self.value(visiting, to),
                    _ => return false,
                };
                remotes.iter().any(|remote| u128::from(remote.ip().to_bits()) == wanted)
            }
            IPV4 if self.value(visiting, FieldId::NwProto) == TCP => {
                let later = self.value(visiting, FieldId::NwFrag) & 2 != 0;
                let [src, dst] = [(FieldId::Ipv4Src, FieldId::TcpSrc), (FieldId::Ipv4Dst, FieldId::TcpDst)]
                    .map(|(address, port)| (self.value(visiting, address), self.value(visiting, port)));
                let is = |remote: &std::net::SocketAddrV4, end: (u128, u128)| {
                    (u128::from(remote.ip().to_bits()), u128::from(remote.port())) == end
                };
                !later && remotes.iter().any(|remote| is(remote, src) || is(remote, dst))
            }
            _ => false,
        }
    }

    fn value(&mut self, visiting: &Visiting<'a>, field: FieldId) -> u128 {
        let mut seen = FlowMask::default();
        Subfield::whole(field).unwildcard(&mut seen);
        self.look_at(&visiting.flow, &seen);
        Subfield::whole(field).read(&visiting.flow.key)
    }
}
