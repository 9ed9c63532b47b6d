//! Dummy devices, and a clock that goes when it is told to: for tests of what a switch does with packets, which say
//! themselves what comes and when.
//!
//! The clock is that of packets: flows, addresses, connections, meters, links, statistics. Connections to databases and
//! controllers keep the machine's.
//!
//! Source: the dummy devices of Open vSwitch's own tests (`netdev-dummy/*`, `time/*` of ovs-appctl).

mod commands;
mod flow;

use std::collections::BTreeMap;

use netloom_netdev::{DummyControl, DummyFiles, DummyPort};
use netloom_sys::HostError;

use super::desired::Kind;

pub(super) use commands::register;

/// Which devices are dummies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dummy {
    /// None: the type is unknown.
    #[default]
    Off,
    /// Those of type dummy, and the bridges' own where the datapath's type is dummy.
    ByType,
    /// The machine's devices, too.
    System,
    /// All but links to other bridges and tunnels.
    Override,
}

/// The dummies that there are.
#[derive(Debug)]
pub(super) struct Dummies {
    which: Dummy,
    open: BTreeMap<String, DummyControl>,
}

impl Dummies {
    pub(super) const fn new(which: Dummy) -> Self {
        Self { which, open: BTreeMap::new() }
    }

    /// The files of the dummy that an interface is to be, on a datapath of this type; `None`: it is something else.
    pub(super) fn stands_for(&self, kind: &Kind, datapath: &str) -> Option<DummyFiles> {
        match (self.which, kind) {
            (Dummy::Off, _) => None,
            (_, Kind::Dummy(files)) => Some(files.clone()),
            (_, Kind::Internal { .. }) if datapath == "dummy" => Some(DummyFiles::default()),
            (Dummy::System | Dummy::Override, Kind::System)
            | (Dummy::Override, Kind::Internal { .. } | Kind::Tap) => Some(DummyFiles::default()),
            _ => None,
        }
    }

    /// Makes one.
    ///
    /// # Errors
    /// As [`DummyPort::new`].
    pub(super) fn open(&mut self, name: &str, files: &DummyFiles) -> Result<DummyPort, HostError> {
        self.open.retain(|_, control| control.is_there());
        let (port, control) = DummyPort::new(files)?;
        self.open.insert(name.to_owned(), control);
        Ok(port)
    }

    /// The way to one.
    pub(super) fn named(&self, name: &str) -> Option<DummyControl> {
        self.open.get(name).filter(|control| control.is_there()).cloned()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_devices_are_dummies_is_as_it_was_asked_for() {
        let dummy = Kind::Dummy(DummyFiles::default());
        let local = Kind::Internal { local: true };
        let is = |which, kind: &Kind, datapath| Dummies::new(which).stands_for(kind, datapath).is_some();
        for (which, expected) in [
            (Dummy::Off, [false, false, false, false]),
            (Dummy::ByType, [true, true, false, false]),
            (Dummy::System, [true, true, false, true]),
            (Dummy::Override, [true, true, true, true]),
        ] {
            let found = [
                is(which, &dummy, ""),
                is(which, &local, "dummy"),
                is(which, &local, ""),
                is(which, &Kind::System, ""),
            ];
            assert_eq!(found, expected, "{which:?}");
            assert!(!is(which, &Kind::Patch { peer: "p".to_owned() }, "dummy"));
        }
    }
}
