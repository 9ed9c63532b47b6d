//! What a bridge does with fragments of IP datagrams.
//!
//! Source: `rule_dpif_lookup_from_table` of OVS: unless told otherwise, no flow sees ports of a fragment, as most of them
//! have none.

use netloom_flow::{FlowKey, FlowMask, word};

use super::{Translator, Visiting};
use crate::model::Fragments;

/// `nw_frag` of a fragment in [`word::IP`]; in whatever else lies there it is 0.
const FRAGMENT: u64 = 1 << 32;
/// Both ports.
const PORTS: u64 = 0xffff_ffff << 32;

impl<'a> Translator<'a> {
    /// What the bridge does with this packet as a fragment; `None`: it is none.
    fn fragments(&mut self, visiting: &Visiting<'a>) -> Option<Fragments> {
        self.look(&visiting.flow, word::IP, FRAGMENT);
        let is_fragment = visiting.flow.key.0[word::IP] & FRAGMENT != 0;
        is_fragment.then(|| {
            self.depend_on_bridge(visiting.bridge);
            visiting.bridge.fragments
        })
    }

    pub(super) fn drops_fragment(&mut self, visiting: &Visiting<'a>) -> bool {
        self.fragments(visiting) == Some(Fragments::Drop)
    }

    /// Hides the ports of a fragment from a lookup; whether it did.
    pub(super) fn hide_ports(&mut self, visiting: &Visiting<'a>, key: &mut FlowKey) -> bool {
        let hides = self.fragments(visiting) == Some(Fragments::Normal);
        if hides {
            key.0[word::L4] &= !PORTS;
        }
        hides
    }
}

/// What a lookup saw of ports that were hidden was nothing of the packet's.
pub(super) fn unseen(seen: &mut FlowMask) -> u64 {
    seen.0[word::L4] &= !PORTS;
    1 << word::L4
}
