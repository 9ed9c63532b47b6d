//! A tunnel of the lab in the words of its driver.

use netloom_lab::tunnel::{Tunnel, TunnelField, TunnelKeyOut, TunnelLocal, TunnelType, VxlanExtension};
use netloom_netdev::{InKey, OutKey, TunnelKind, TunnelSettings};
use netloom_packet::tunnel::inherit::Source;
use netloom_packet::tunnel::vxlan::Extension;

/// The settings of a tunnel's driver.
pub(crate) fn tunnel_settings(tunnel: &Tunnel) -> TunnelSettings {
    let kind = match tunnel.kind {
        TunnelType::Vxlan => TunnelKind::Vxlan(match tunnel.exts {
            None => Extension::None,
            Some(VxlanExtension::Gbp) => Extension::Gbp,
            Some(VxlanExtension::Gpe) => Extension::Gpe,
        }),
        TunnelType::Geneve => TunnelKind::Geneve,
        TunnelType::Gre => TunnelKind::Gre { sequence: tunnel.seq },
        TunnelType::Erspan => TunnelKind::Erspan {
            version: tunnel.erspan_ver,
            index: tunnel.erspan_idx,
            direction: tunnel.erspan_dir,
            hardware: tunnel.erspan_hwid,
        },
        TunnelType::Stt => TunnelKind::Stt,
    };
    let source = |field: TunnelField| {
        if field.inherit { Source::Inherit(field.value) } else { Source::Fixed(field.value) }
    };
    TunnelSettings {
        kind,
        remote: tunnel.remote,
        local: if let TunnelLocal::Address(ip) = tunnel.local { Some(ip) } else { None },
        local_flow: tunnel.local == TunnelLocal::Flow,
        v6: tunnel.v6,
        in_key: tunnel.in_key.map_or(InKey::Any, InKey::Exactly),
        out_key: match tunnel.out_key {
            TunnelKeyOut::None => OutKey::None,
            TunnelKeyOut::Fixed(key) => OutKey::Fixed(key),
            TunnelKeyOut::Flow => OutKey::Flow,
        },
        tos: source(tunnel.tos),
        ttl: source(tunnel.ttl),
        df: tunnel.df,
        csum: tunnel.csum,
        dst_port: tunnel.dst_port,
        underlay_mtu: tunnel.underlay_mtu,
        clamp: tunnel.mss_clamp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wiring::{PortMap, door_worker, port_specs};

    const FILE: &str = "netloom: 1
nodes: { h1: {} }
switches: { s1: {} }
links: [h1 -- s1]
tunnels:
  - { link: s1 -- 192.0.2.2, type: vxlan, key: 1 }
  - { link: s1 -- 2001:db8::2, type: vxlan, key: 1 }
  - { link: s1 -- 192.0.2.2, type: geneve, key: 1 }
  - { link: s1 -- 192.0.2.3, type: gre }
  - { link: s1 -- 192.0.2.4, type: gre, key: 1, csum: true, seq: true }
  - { link: s1 -- 192.0.2.5, type: erspan, key: 1 }
  - { link: s1 -- 192.0.2.6, type: erspan, key: 1, erspan_ver: 2 }
  - { link: s1 -- 192.0.2.7, type: erspan, erspan_ver: 0 }
  - { link: s1 -- 192.0.2.2, type: stt, key: 18446744073709551615 }
  - { link: s1 -- 2001:db8::2, type: stt, key: 1 }
";

    #[test]
    fn doors_are_dealt_out_and_a_tunnel_belongs_to_the_worker_of_its_own() {
        let file = FILE.replace("netloom: 1\n", "netloom: 1\nworkers: 2\n");
        let file = netloom_lab::load(&file, "t.loom.yml".as_ref(), &[]).unwrap();
        let lab = netloom_lab::resolve(&file).unwrap();
        let mut ports = PortMap::default();
        ports.update(&lab);
        let specs = port_specs(&lab, &ports);
        let mut workers = Vec::new();
        for link in &lab.links {
            let Some(tunnel) = &link.tunnel else { continue };
            let [port, _] = ports.link(&link.id).unwrap();
            let spec = specs.iter().find(|spec| spec.id == port).unwrap();
            assert_eq!(spec.worker, door_worker(&tunnel_settings(tunnel).door(), 2));
            workers.push(spec.worker);
        }
        // VXLAN over either family, Geneve, GRE and ERSPAN (one door), STT over either family.
        assert_eq!(workers, [0, 1, 1, 0, 0, 0, 0, 0, 1, 0]);
    }

    /// The lab hands out an MTU without knowing the wire formats; it must be theirs.
    #[test]
    fn the_lab_and_the_driver_agree_on_the_overhead() {
        let file = netloom_lab::load(FILE, "t.loom.yml".as_ref(), &[]).unwrap();
        let lab = netloom_lab::resolve(&file).unwrap();
        let mut count = 0;
        for tunnel in lab.links.iter().filter_map(|link| link.tunnel.as_ref()) {
            assert_eq!(u32::from(tunnel_settings(tunnel).inner_mtu()), tunnel.mtu(), "{}", tunnel.words());
            assert_eq!(tunnel_settings(tunnel).is_flow_based(), tunnel.is_flow_based());
            count += 1;
        }
        assert_eq!(count, 10);
    }
}
