//! The tables that are read.

use netloom_ovsdb::replica::{RowView, TableView};
use netloom_ovsdb::{Replica, Uuid};

/// Views of the tables.
pub(super) struct Rows<'a> {
    replica: &'a Replica,
}

impl<'a> Rows<'a> {
    pub(super) const fn new(replica: &'a Replica) -> Self {
        Self { replica }
    }

    /// The only row of the table Open_vSwitch.
    pub(super) fn root(&self) -> Option<RowView<'a>> {
        self.table("Open_vSwitch")?.rows().next()
    }

    pub(super) fn bridge(&self, uuid: Uuid) -> Option<RowView<'a>> {
        self.table("Bridge")?.row(uuid)
    }

    pub(super) fn port(&self, uuid: Uuid) -> Option<RowView<'a>> {
        self.table("Port")?.row(uuid)
    }

    pub(super) fn interface(&self, uuid: Uuid) -> Option<RowView<'a>> {
        self.table("Interface")?.row(uuid)
    }

    pub(super) fn controller(&self, uuid: Uuid) -> Option<RowView<'a>> {
        self.table("Controller")?.row(uuid)
    }

    pub(super) fn mirror(&self, uuid: Uuid) -> Option<RowView<'a>> {
        self.table("Mirror")?.row(uuid)
    }

    pub(super) fn qos(&self, uuid: Uuid) -> Option<RowView<'a>> {
        self.table("QoS")?.row(uuid)
    }

    pub(super) fn queue(&self, uuid: Uuid) -> Option<RowView<'a>> {
        self.table("Queue")?.row(uuid)
    }

    /// The files that the row of the table SSL names, if all of them are named.
    pub(super) fn ssl(&self, root: RowView<'a>) -> Option<[String; 3]> {
        let row = self.table("SSL")?.row(root.references("ssl").next()?)?;
        let text = |column| row.text(column).filter(|text| !text.is_empty()).map(str::to_owned);
        Some([text("private_key")?, text("certificate")?, text("ca_cert")?])
    }

    fn table(&self, name: &str) -> Option<TableView<'a>> {
        self.replica.rows_of(name)
    }
}
