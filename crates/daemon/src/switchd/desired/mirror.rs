//! Rows of the table Mirror.

use netloom_ovsdb::replica::RowView;
use netloom_switch::config::{Mirror, Uuid};

use super::rows::Rows;

/// A mirror, with the names of its ports. A port of another bridge is no port of this one: it has no effect.
pub(super) fn read(rows: &Rows<'_>, row: RowView<'_>) -> Mirror {
    let names = |column: &str| {
        let ports = row.references(column).filter_map(|uuid| rows.port(uuid));
        let mut names: Vec<String> = ports.filter_map(|port| Some(port.text("name")?.to_owned())).collect();
        names.sort();
        names
    };
    let small = |column: &str| row.integer(column).and_then(|number| u16::try_from(number).ok());
    let name = row.text("name").unwrap_or_default().to_owned();
    Mirror {
        // The same 128 bits.
        uuid: row.uuid().to_string().parse().unwrap_or_else(|_| Uuid::named(&[&name])),
        select_all: row.boolean("select_all") == Some(true),
        select_src_port: names("select_src_port"),
        select_dst_port: names("select_dst_port"),
        select_vlan: row.integers("select_vlan").filter_map(|vlan| u16::try_from(vlan).ok()).collect(),
        output_port: names("output_port").pop(),
        output_vlan: small("output_vlan"),
        snaplen: small("snaplen"),
        name,
    }
}
