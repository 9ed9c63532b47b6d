//! Being told that interfaces of a namespace have changed.
//!
//! The kernel queues what it has to tell before the change is done: whoever looks after somebody made an interface
//! finds it. Where the queue was too short, that is told, and all interfaces have to be asked for.
//!
//! Source: rtnetlink(7), group `RTMGRP_LINK`.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use netlink_packet_core::NetlinkDeserializable;
use netlink_packet_route::{AddressFamily as Family, RouteNetlinkMessage};
use rustix::io::Errno;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SocketFlags, SocketType};

use super::Link;
use super::socket::{Answer, split};
use crate::error::{Because, HostError};

/// Links: `RTMGRP_LINK`.
const LINKS: u32 = 1;
/// Bytes of what may wait to be read.
const QUEUE: usize = 4 << 20;

/// What became of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkNews {
    /// It came, or it is different now.
    Is(Link),
    /// The one with this index is gone.
    Gone(u32),
}

/// How much was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing has changed.
    Nothing,
    /// Everything that has changed.
    All,
    /// Not everything: there was no room.
    Lost,
}

/// A socket that is told when an interface of its namespace comes, goes or changes; readable while there is news.
#[derive(Debug)]
pub struct LinkWatch(OwnedFd);

impl LinkWatch {
    /// Watches the interfaces of the namespace of the calling thread.
    ///
    /// # Errors
    /// No fd left.
    pub fn open() -> Result<Self, HostError> {
        let fd = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )
        .because("open", || "a netlink socket")?;
        if rustix::net::sockopt::set_socket_recv_buffer_size_force(&fd, QUEUE).is_err() {
            // Only less room.
            let _ = rustix::net::sockopt::set_socket_recv_buffer_size(&fd, QUEUE);
        }
        rustix::net::bind(&fd, &SocketAddrNetlink::new(0, LINKS)).because("bind", || "a netlink socket")?;
        Ok(Self(fd))
    }

    /// Tells what has changed since the last call, the oldest first.
    pub fn take(&self, each: &mut dyn FnMut(LinkNews)) -> Told {
        let mut answer = Answer::new();
        let mut told = Told::Nothing;
        loop {
            match rustix::net::recv(&self.0, answer.room(), RecvFlags::DONTWAIT) {
                Ok((received, _)) => {
                    if told == Told::Nothing {
                        told = Told::All;
                    }
                    read(answer.get(received), each);
                }
                Err(Errno::INTR) => {}
                Err(Errno::NOBUFS) => told = Told::Lost,
                Err(_) => return told,
            }
        }
    }
}

/// A message in a form too new for us is left out, as in a list of all.
fn read(mut rest: &[u8], each: &mut dyn FnMut(LinkNews)) {
    while let Some((header, body, tail)) = split(rest) {
        rest = tail;
        match RouteNetlinkMessage::deserialize(&header, body) {
            // Other families tell of a bridge's ports, and only that.
            Ok(RouteNetlinkMessage::NewLink(link)) if link.header.interface_family == Family::Unspec => {
                each(LinkNews::Is(Link::read(link)));
            }
            Ok(RouteNetlinkMessage::DelLink(link)) if link.header.interface_family == Family::Unspec => {
                each(LinkNews::Gone(link.header.index));
            }
            _ => {}
        }
    }
}

impl AsFd for LinkWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for LinkWatch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{LinkChange, Netlink, NetlinkSocket, NewLink, Request};
    use crate::netns::NetNs;
    use crate::testing::can_make_namespaces;

    #[test]
    fn interfaces_that_come_change_and_go_are_told() {
        if !can_make_namespaces() {
            return;
        }
        let ns = NetNs::create().unwrap();
        ns.run(|| {
            let watch = LinkWatch::open().unwrap();
            assert_eq!(watch.take(&mut |news| panic!("{news:?}")), Told::Nothing);
            let mut socket = NetlinkSocket::open().unwrap();
            let mut known = std::collections::BTreeMap::new();
            let mut look = || {
                let told = watch.take(&mut |news| match news {
                    LinkNews::Is(link) => drop(known.insert(link.index, link)),
                    LinkNews::Gone(index) => drop(known.remove(&index)),
                });
                assert_eq!(told, Told::All);
                known.clone()
            };
            let end =
                |name: &str, index| NewLink { name: name.into(), index: Some(index), ..NewLink::default() };
            socket.batch(&[Request::AddVeth { end: end("a", 7), peer: end("b", 8) }]).unwrap();
            let links = look();
            assert_eq!((links[&7].name.as_str(), links[&8].name.as_str(), links[&7].up), ("a", "b", false));
            socket.batch(&[Request::SetLink { index: 7, change: LinkChange::up() }]).unwrap();
            let links = look();
            assert!(links[&7].up && !links[&8].up);
            let all = socket.links().unwrap();
            assert_eq!(all.iter().find(|link| link.index == 7), links.get(&7), "as in a list of all");
            socket.batch(&[Request::DeleteLink { index: 7 }]).unwrap();
            assert!(look().is_empty(), "a pair goes as a whole");
        })
        .unwrap();
    }
}
