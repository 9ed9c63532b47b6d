//! The interfaces of the machine, as a switch sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};

use netloom_sys::HostError;
use netloom_sys::netlink::{
    Address, Link, LinkChange, LinkNews, LinkWatch, Neighbour, Netlink, NetlinkSocket, Request, Route, Told,
};

/// What the kernel has said of all interfaces.
#[derive(Debug)]
pub(crate) struct Links {
    socket: NetlinkSocket,
    watch: LinkWatch,
    by_index: BTreeMap<u32, Link>,
    by_name: BTreeMap<String, u32>,
    changed: Changed,
}

/// Interfaces that may be otherwise than they were, by their indexes.
#[derive(Debug)]
pub(super) enum Changed {
    All,
    Of(BTreeSet<u32>),
}

impl Changed {
    /// Whether there is none.
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::Of(indexes) if indexes.is_empty())
    }

    fn add(&mut self, index: u32) {
        if let Self::Of(indexes) = self {
            indexes.insert(index);
        }
    }
}

/// What the kernel knows of ways to others.
#[derive(Debug)]
pub(super) struct Routing {
    pub(super) addresses: Vec<Address>,
    pub(super) routes: Vec<Route>,
    pub(super) neighbours: Vec<Neighbour>,
}

impl Links {
    /// The kernel's addresses, routes of its main table, and neighbours, as they are now.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub(super) fn routing(&mut self) -> Result<Routing, HostError> {
        // Names of devices are wanted with them.
        self.look()?;
        Ok(Routing {
            addresses: self.socket.addresses()?,
            routes: self.socket.routes()?,
            neighbours: self.socket.neighbours()?,
        })
    }

    /// Asks for the first time.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub(crate) fn open() -> Result<Self, HostError> {
        let (by_index, by_name) = Default::default();
        // Watched first: what comes while all are asked for is told twice.
        let watch = LinkWatch::open()?;
        let changed = Changed::All;
        let mut links = Self { watch, socket: NetlinkSocket::open()?, by_index, by_name, changed };
        links.ask()?;
        Ok(links)
    }

    /// Takes in what has changed.
    ///
    /// # Errors
    /// Much has, and the kernel does not answer; what was known stays.
    pub(crate) fn look(&mut self) -> Result<(), HostError> {
        let Self { watch, by_index, by_name, changed, .. } = self;
        let told = watch.take(&mut |news| {
            let (index, link) = match news {
                LinkNews::Is(link) => (link.index, Some(link)),
                LinkNews::Gone(index) => (index, None),
            };
            changed.add(index);
            if let Some(old) = by_index.remove(&index) {
                // Another one may have its name by now.
                if by_name.get(&old.name) == Some(&index) {
                    by_name.remove(&old.name);
                }
            }
            if let Some(link) = link {
                by_name.insert(link.name.clone(), index);
                by_index.insert(index, link);
            }
        });
        if told == Told::Lost { self.ask() } else { Ok(()) }
    }

    fn ask(&mut self) -> Result<(), HostError> {
        let links = self.socket.links()?;
        self.changed = Changed::All;
        self.by_name = links.iter().map(|link| (link.name.clone(), link.index)).collect();
        self.by_index = links.into_iter().map(|link| (link.index, link)).collect();
        Ok(())
    }

    /// What has changed since it was asked for last.
    pub(super) fn take_changed(&mut self) -> Changed {
        std::mem::replace(&mut self.changed, Changed::Of(BTreeSet::new()))
    }

    /// It is to be told of this again.
    pub(super) fn put_back(&mut self, changed: Changed) {
        self.changed = changed;
    }

    pub(crate) fn at(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }

    pub(crate) fn named(&self, name: &str) -> Option<&Link> {
        self.at(*self.by_name.get(name)?)
    }

    /// Gives an interface an address or an MTU, if it has another one.
    pub(super) fn change(&mut self, index: u32, mac: Option<[u8; 6]>, mtu: Option<u32>) {
        let Some(link) = self.by_index.get_mut(&index) else { return };
        let mac = mac.filter(|mac| link.mac != Some(*mac));
        let mtu = mtu.filter(|mtu| link.mtu != *mtu);
        if mac.is_none() && mtu.is_none() {
            return;
        }
        let change = LinkChange { mac, mtu, ..LinkChange::default() };
        match self.socket.batch(&[Request::SetLink { index, change }]) {
            Ok(()) => {
                link.mac = mac.or(link.mac);
                link.mtu = mtu.unwrap_or(link.mtu);
            }
            Err(error) => tracing::warn!(device = link.name, %error, "a device stays as it is"),
        }
    }
}

impl AsFd for Links {
    /// Readable while there is news.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.watch.as_fd()
    }
}
