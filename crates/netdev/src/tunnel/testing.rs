//! A tunnel to test with.

use netloom_packet::tunnel::inherit::Source;
use netloom_packet::tunnel::vxlan::Extension;

use super::{InKey, OutKey, TunnelKind, TunnelSettings};

/// VXLAN 77 between 192.0.2.9 and 192.0.2.1.
pub(super) fn settings() -> TunnelSettings {
    TunnelSettings {
        kind: TunnelKind::Vxlan(Extension::None),
        remote: Some([192, 0, 2, 1].into()),
        local: None,
        local_flow: false,
        v6: false,
        in_key: InKey::Exactly(77),
        out_key: OutKey::Fixed(77),
        tos: Source::Fixed(0),
        ttl: Source::Fixed(64),
        df: true,
        csum: false,
        dst_port: 4789,
        underlay_mtu: 1500,
        clamp: false,
    }
}
