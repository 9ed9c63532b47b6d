//! Configurations for tests: bridge n has datapath ports 1000n + port.

use netloom_flow::{PortId, TenantId};
use netloom_switch::config::{
    Arp, Bridge, Config, Flow, Inner, Interface, InterfaceType, Loops, Origin, Port, Service, Uuid, VlanMode,
};

use super::mac;

/// The datapath port of a port of a bridge.
pub(crate) fn dp(bridge: usize, port: u16) -> PortId {
    PortId(u32::try_from(bridge * 1000).unwrap() + u32::from(port))
}

/// A configuration in the making. Bridges are `s1`, `s2` ... in the order of their indices from 0.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    pub(crate) config: Config,
}

impl Plan {
    pub(crate) fn new(bridges: usize) -> Self {
        let bridge = |n: usize| {
            let name = format!("s{}", n + 1);
            Bridge { uuid: Uuid::named(&[&name]), name, ..Bridge::default() }
        };
        Self { config: Config { bridges: (0..bridges).map(bridge).collect(), ..Config::default() } }
    }

    pub(crate) fn loops(mut self, loops: Loops) -> Self {
        self.config.loops = loops;
        self
    }

    pub(crate) fn arp_local(mut self) -> Self {
        self.config.bridges.iter_mut().for_each(|bridge| bridge.arp = Arp::Local);
        self
    }

    fn port(&mut self, bridge: usize, number: u16) -> &mut Port {
        let interface = Interface {
            name: format!("s{}-eth{number}", bridge + 1),
            ofport_request: Some(number),
            dp_port: dp(bridge, number),
            ..Interface::default()
        };
        let port = Port { name: interface.name.clone(), interfaces: vec![interface], ..Port::default() };
        let ports = &mut self.config.bridges[bridge].ports;
        ports.push(port);
        ports.last_mut().unwrap()
    }

    /// A port to a host of a tenant.
    pub(crate) fn host(mut self, bridge: usize, number: u16, tenant: u16) -> Self {
        self.port(bridge, number).tenant = Some(TenantId(tenant));
        self
    }

    /// The same in a VLAN.
    pub(crate) fn access(mut self, bridge: usize, number: u16, vlan: u16) -> Self {
        let port = self.port(bridge, number);
        (port.tenant, port.tag) = (Some(TenantId(0)), Some(vlan));
        self
    }

    /// A trunk of some VLANs to a host.
    pub(crate) fn trunk(
        mut self,
        bridge: usize,
        number: u16,
        mode: VlanMode,
        tag: Option<u16>,
        trunks: &[u16],
    ) -> Self {
        let port = self.port(bridge, number);
        port.tenant = Some(TenantId(0));
        (port.vlan_mode, port.tag, port.trunks) = (Some(mode), tag, trunks.to_vec());
        self
    }

    /// A link between two bridges.
    pub(crate) fn link(mut self, a: (usize, u16), b: (usize, u16)) -> Self {
        for (near, far) in [(a, b), (b, a)] {
            let interface = &mut self.port(near.0, near.1).interfaces[0];
            interface.kind = InterfaceType::Patch;
            interface.peer = Some(dp(far.0, far.1));
        }
        self
    }

    /// The link behind a port is a tunnel, of which it is one end.
    pub(crate) fn inner(mut self, bridge: usize, number: u16, inner: Inner) -> Self {
        let interfaces = self.config.bridges[bridge].ports.iter_mut().flat_map(|port| &mut port.interfaces);
        for interface in interfaces.filter(|interface| interface.dp_port == dp(bridge, number)) {
            interface.inner = Some(inner.clone());
        }
        self
    }

    /// A bridge is a network of a tenant, and answers as a host would.
    pub(crate) fn served(mut self, bridge: usize, tenant: u16, host: u8) -> Self {
        self.config.bridges[bridge].service = Some(Service {
            tenant: TenantId(tenant),
            mac: mac(host),
            v4: Some([10, 0, 0, host].into()),
            v6: vec![[0xfd00, 0, 0, 0, 0, 0, 0, u16::from(host)].into()],
            dhcp: true,
        });
        self
    }

    pub(crate) fn flow(mut self, bridge: usize, text: &str) -> Self {
        let flow = Flow { text: text.to_owned(), origin: Origin::Command };
        self.config.bridges[bridge].flows.push(flow);
        self
    }
}
