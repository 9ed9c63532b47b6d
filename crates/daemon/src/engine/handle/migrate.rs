//! Virtual machines that go to another lab, and come from there.

use std::net::IpAddr;
use std::path::Path;

use netloom_api::{ApiError, Command, ErrorKind, MigrationRow};

use crate::engine::Running;
use crate::engine::moving::{Coming, Target};
use crate::{Conn, Sink};

impl Running {
    /// Has a machine go on in the lab whose `api.sock` is at `socket`.
    ///
    /// # Errors
    /// As [`Running::leave`]; there is no such machine.
    pub(super) fn migrate(
        &self,
        node: &str,
        (host, socket): (&str, &str),
        via: Option<IpAddr>,
        tls: bool,
        sink: &Sink,
    ) -> Result<MigrationRow, ApiError> {
        let machine = self.machine(node)?;
        let socket = Path::new(socket);
        if same(socket, &self.home.socket()) {
            return Err(ApiError::new(ErrorKind::Usage, format!("{node} is in that lab already.")));
        }
        self.leave(node, &machine, &Target { host, socket, via, tls }, sink)
    }

    /// Takes a machine from another lab.
    ///
    /// # Errors
    /// As [`Running::arrive`]; there is no such machine.
    pub(super) fn receive(&self, command: Command, conn: &mut Conn) -> Result<(), ApiError> {
        let Command::Receive { node, made_of, memory, processors, session, tls } = command else {
            return Err(super::not_yet(&command));
        };
        let machine = self.machine(&node)?;
        self.arrive(&node, &machine, &Coming { made_of, memory, processors, session, tls }, conn)
    }
}

/// Whether two paths are one file.
fn same(a: &Path, b: &Path) -> bool {
    let known = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    known(a) == known(b)
}
