//! `<bridge>.mgmt` in the lab's directory, one for each switch; and `<bridge>.snoop` for those with controllers.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use netloom_lab::Lab;
use netloom_lab::journal::Kind;

use super::core::Core;
use super::journal::Ledger;
use crate::Home;

/// The sockets that are there, by bridge. A socket that looks at controllers stays when they go.
#[derive(Debug, Default)]
pub(crate) struct Doors(Mutex<BTreeMap<String, Vec<PathBuf>>>);

impl Doors {
    /// Opens those of new switches, and closes those of switches that are gone. What could not be opened, for the user.
    pub(super) fn update(&self, core: &Core, home: &Home, ledger: &Ledger, lab: &Lab) -> Vec<String> {
        let mut doors = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        doors.retain(|bridge, paths| {
            let stays = lab.switch(bridge).is_some();
            if !stays {
                core.openflow().close(bridge);
                paths.iter().for_each(|path| remove(ledger, path));
            }
            stays
        });
        let mut notes = Vec::new();
        for switch in &lab.switches {
            let there = doors.entry(switch.name.clone()).or_default();
            let path = |end| home.dir().join(format!("{}.{end}", switch.name.replace('/', ".")));
            let mut open = |path: PathBuf, serve: &dyn Fn(UnixListener)| {
                if there.contains(&path) {
                    return;
                }
                match listen(ledger, &path) {
                    Ok(listener) => {
                        serve(listener);
                        there.push(path);
                    }
                    Err(error) => {
                        notes.push(format!("{}: no OpenFlow at {}: {error}", switch.name, path.display()))
                    }
                }
            };
            open(path("mgmt"), &|listener| core.openflow().open(&switch.name, listener));
            if !switch.controllers.is_empty() {
                open(path("snoop"), &|listener| core.openflow().show(&switch.name, listener));
            }
        }
        notes
    }

    /// Closes all.
    pub(super) fn close_all(&self, core: &Core, ledger: &Ledger) {
        let doors = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (bridge, paths) in doors {
            core.openflow().close(&bridge);
            paths.iter().for_each(|path| remove(ledger, path));
        }
    }
}

/// A socket for its owner, noted before it is made.
fn listen(ledger: &Ledger, path: &Path) -> io::Result<UnixListener> {
    ledger.intend(Kind::File, path)?;
    let made = UnixListener::bind(path).and_then(|listener| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        ledger.made(path)?;
        Ok(listener)
    });
    if made.is_err() {
        remove(ledger, path);
    }
    made
}

fn remove(ledger: &Ledger, path: &Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "an OpenFlow socket stays")
        }
        _ => ledger.gone(Kind::File, path),
    }
}
