//! The connections that switches track.

use std::collections::BTreeMap;
use std::net::IpAddr;

use netloom_api::ConnectionRow;
use netloom_flow::action::CtAlg;
use netloom_flow::{BridgeId, ConnectionFilter, ConnectionRow as Tracked, TupleRow};

use crate::engine::Running;
use crate::engine::running::State;
use crate::slowpath;

impl Running {
    pub(super) fn connection_rows(&self, state: &State) -> Vec<ConnectionRow> {
        let Some(core) = self.core() else { return Vec::new() };
        let names: BTreeMap<BridgeId, String> = {
            let model = slowpath::read(core.switch());
            model.bridges().map(|(id, name)| (id, name.to_owned())).collect()
        };
        let rows = core.tracker().rows(&ConnectionFilter::default(), slowpath::now());
        let mut rows: Vec<ConnectionRow> = rows
            .iter()
            .map(|row| {
                let tenant = state.lab.tenants.iter().find(|tenant| tenant.id == row.tenant.0);
                ConnectionRow {
                    switch: names.get(&row.bridge).cloned().unwrap_or_default(),
                    tenant: tenant.map(|tenant| tenant.name.clone()).unwrap_or_default(),
                    ..shown(row)
                }
            })
            .collect();
        rows.sort_by(|a, b| (&a.switch, a.zone).cmp(&(&b.switch, b.zone)));
        rows
    }
}

fn shown(row: &Tracked) -> ConnectionRow {
    ConnectionRow {
        zone: row.zone,
        protocol: match row.protocol {
            1 => "icmp".into(),
            6 => "tcp".into(),
            17 => "udp".into(),
            58 => "icmp6".into(),
            132 => "sctp".into(),
            other => other.to_string(),
        },
        original: direction(&row.original),
        reply: direction(&row.reply),
        state: row.state.into(),
        answered: row.is_answered,
        mark: row.mark,
        label: format!("{:#x}", row.label),
        helper: match row.helper {
            Some(CtAlg::Ftp) => "ftp".into(),
            Some(CtAlg::Tftp) => "tftp".into(),
            None => String::new(),
        },
        timeout: row.timeout,
        packets: row.packets[0],
        reply_packets: row.packets[1],
        ..ConnectionRow::default()
    }
}

/// `10.0.0.1:5000 > 10.0.0.2:80`; a query of ICMP has an id and no ports.
fn direction(row: &TupleRow) -> String {
    let end = |address: IpAddr, port: u16| match address {
        IpAddr::V6(address) if port != 0 => format!("[{address}]:{port}"),
        address if port != 0 => format!("{address}:{port}"),
        address => address.to_string(),
    };
    match row.icmp {
        Some((kind, _)) => format!("{} > {} type {kind} id {}", row.src, row.dst, row.src_port),
        None => format!("{} > {}", end(row.src, row.src_port), end(row.dst, row.dst_port)),
    }
}
