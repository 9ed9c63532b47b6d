//! The netlink socket: many requests in one send, errors matched by sequence number.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType};

use super::request::Message;
use super::{Address, Link, Neighbour, Netlink, Request, Route};
use crate::error::{Because, HostError};

/// A batch did not go through as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Some requests were refused; all others were carried out.
    #[error("{}", summary(failed))]
    Refused {
        /// The refused ones, in order.
        failed: Vec<Failed>,
    },
    /// The socket itself failed: what was carried out is unknown.
    #[error(transparent)]
    Socket(#[from] HostError),
}

impl From<BatchError> for HostError {
    /// The first failure, with the kernel's own words behind the object.
    fn from(error: BatchError) -> Self {
        match error {
            BatchError::Socket(error) => error,
            BatchError::Refused { failed } => {
                let first = failed.into_iter().next().map(|first| match first.message {
                    Some(words) => {
                        Self { object: format!("{} ({words})", first.error.object), ..first.error }
                    }
                    None => first.error,
                });
                first.unwrap_or_else(|| Self::new("send to", "a netlink socket", Errno::IO))
            }
        }
    }
}

/// A request the host refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// Which one of the batch.
    pub position: usize,
    /// What and why.
    pub error: HostError,
    /// The kernel's own words, when it has any.
    pub message: Option<String>,
}

impl std::fmt::Display for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.error)?;
        self.message.as_ref().map_or(Ok(()), |message| write!(f, ": {message}"))
    }
}

fn summary(failed: &[Failed]) -> String {
    let first = failed.first().map_or_else(String::new, ToString::to_string);
    match failed.len() {
        0 | 1 => first,
        more => format!("{first} (and {} more)", more - 1),
    }
}

/// A socket bound to the network namespace of the thread that opened it; usable from any thread afterwards.
#[derive(Debug)]
pub struct NetlinkSocket {
    pub(super) fd: OwnedFd,
    pub(super) sequence: u32,
    pub(super) out: Vec<u8>,
}

thread_local! {
    /// Where answers are read to: one for all sockets of a thread, as there may be thousands.
    static ANSWER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// An answer being read, in the thread's buffer.
pub(super) struct Answer(Vec<u8>);

impl Answer {
    pub(super) fn new() -> Self {
        let mut buffer = ANSWER.take();
        buffer.resize(LONGEST, 0);
        Self(buffer)
    }

    /// Where to read to.
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.0.as_mut_slice()
    }

    pub(super) fn get(&self, received: usize) -> &[u8] {
        self.0.get(..received).unwrap_or_default()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        ANSWER.set(std::mem::take(&mut self.0));
    }
}

impl NetlinkSocket {
    /// Opens a socket in the namespace of the calling thread.
    ///
    /// # Errors
    /// No fd left.
    pub fn open() -> Result<Self, HostError> {
        let fd = rustix::net::socket_with(
            rustix::net::AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            None,
        )
        .because("open", || "a netlink socket")?;
        // Both only make answers shorter and clearer; old kernels do without.
        let _ = crate::sockopt::set_int(&fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, 1);
        let _ = crate::sockopt::set_int(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
        Ok(Self { fd, sequence: 0, out: Vec::new() })
    }

    /// The index of the interface `name`.
    ///
    /// # Errors
    /// `ENODEV` when there is none.
    pub fn index_of(&self, name: &str) -> Result<u32, HostError> {
        rustix::net::netdevice::name_to_index(&self.fd, name).because("find the interface", || name)
    }

    /// Sends a chunk of requests and collects what failed.
    fn chunk(
        &mut self,
        first: usize,
        requests: &[Request],
        failed: &mut Vec<Failed>,
    ) -> Result<(), HostError> {
        self.out.clear();
        let base = self.sequence;
        // The nth message of the chunk belongs to the request with the number owners[n].
        let mut owners = Vec::with_capacity(requests.len() + 8);
        let mut last = 0;
        for (number, request) in requests.iter().enumerate() {
            request.messages(&mut |(message, flags): Message| {
                owners.push(number);
                last = self.out.len();
                self.sequence = self.sequence.wrapping_add(1);
                append(&mut self.out, message, flags, self.sequence);
            });
        }
        if owners.is_empty() {
            return Ok(());
        }
        if let Some(flags) = self.out.get_mut(last + 6..last + 8) {
            let with_ack = u16::from_ne_bytes([flags[0], flags[1]]) | NLM_F_ACK;
            flags.copy_from_slice(&with_ack.to_ne_bytes());
        }
        rustix::net::send(&self.fd, &self.out, SendFlags::empty())
            .because("send to", || "a netlink socket")?;
        let end = self.sequence;
        let mut answer = Answer::new();
        loop {
            let received = self.receive(&mut answer)?;
            let mut rest = answer.get(received);
            let mut finished = false;
            while let Some((ack, tail)) = Ack::next(rest) {
                rest = tail;
                let Some(ack) = ack else { continue };
                let nth = ack.sequence.wrapping_sub(base).wrapping_sub(1);
                let Some(&number) = owners.get(nth as usize) else { continue };
                if let (Some(errno), Some(request)) = (ack.errno, requests.get(number)) {
                    let position = first + number;
                    if failed.last().is_none_or(|failed| failed.position != position) {
                        let (operation, object) = request.describe();
                        let error = HostError::new(operation, object, errno);
                        failed.push(Failed { position, error, message: ack.message });
                    }
                }
                finished |= ack.sequence == end;
            }
            if finished {
                return Ok(());
            }
        }
    }

    pub(super) fn receive(&self, answer: &mut Answer) -> Result<usize, HostError> {
        loop {
            match rustix::net::recv(&self.fd, answer.0.as_mut_slice(), RecvFlags::empty()) {
                Ok((received, _)) => return Ok(received),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(HostError::new("receive from", "a netlink socket", errno)),
            }
        }
    }

    /// Asks for a table and returns every entry that `read` makes something of.
    ///
    /// An entry in a form too new for us is left out rather than failing the whole. A table that changed while it was read is
    /// read again.
    fn dump<T>(
        &mut self,
        request: &RouteNetlinkMessage,
        what: &'static str,
        read: impl Fn(RouteNetlinkMessage) -> Option<T>,
    ) -> Result<Vec<T>, HostError> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut entries = Vec::new();
            if self.dump_once(request, what, &mut |message| entries.extend(read(message)))? {
                return Ok(entries);
            }
        }
        Err(HostError::new("list", what, Errno::AGAIN))
    }

    /// `false` when the table changed meanwhile.
    fn dump_once(
        &mut self,
        request: &RouteNetlinkMessage,
        what: &'static str,
        each: &mut dyn FnMut(RouteNetlinkMessage),
    ) -> Result<bool, HostError> {
        self.sequence = self.sequence.wrapping_add(1);
        self.out.clear();
        append(&mut self.out, request.clone(), NLM_F_DUMP, self.sequence);
        rustix::net::send(&self.fd, &self.out, SendFlags::empty()).because("list", || what)?;
        let mut consistent = true;
        let mut answer = Answer::new();
        loop {
            let received = self.receive(&mut answer)?;
            let mut rest = answer.get(received);
            while let Some((header, body, tail)) = split(rest) {
                rest = tail;
                if header.sequence_number != self.sequence {
                    continue; // what a broken batch left behind
                }
                consistent &= header.flags & NLM_F_DUMP_INTR == 0;
                match header.message_type {
                    NLMSG_DONE | NLMSG_ERROR => match error_code(body) {
                        None => return Ok(consistent),
                        Some(Errno::INTR) => return Ok(false),
                        Some(errno) => return Err(HostError::new("list", what, errno)),
                    },
                    _ => RouteNetlinkMessage::deserialize(&header, body).map_or((), &mut *each),
                }
            }
            if received == 0 {
                return Err(HostError::new("list", what, Errno::BADMSG));
            }
        }
    }
}

impl Netlink for NetlinkSocket {
    fn batch(&mut self, requests: &[Request]) -> Result<(), BatchError> {
        let mut failed = Vec::new();
        for (number, chunk) in requests.chunks(CHUNK).enumerate() {
            self.chunk(number * CHUNK, chunk, &mut failed)?;
        }
        if failed.is_empty() { Ok(()) } else { Err(BatchError::Refused { failed }) }
    }

    fn links(&mut self) -> Result<Vec<Link>, HostError> {
        let request = RouteNetlinkMessage::GetLink(Default::default());
        self.dump(&request, "the interfaces", |message| match message {
            RouteNetlinkMessage::NewLink(message) => Some(Link::read(message)),
            _ => None,
        })
    }

    fn addresses(&mut self) -> Result<Vec<Address>, HostError> {
        let request = RouteNetlinkMessage::GetAddress(Default::default());
        self.dump(&request, "the addresses", |message| match message {
            RouteNetlinkMessage::NewAddress(message) => Address::read(&message),
            _ => None,
        })
    }

    fn routes(&mut self) -> Result<Vec<Route>, HostError> {
        let request = RouteNetlinkMessage::GetRoute(Default::default());
        self.dump(&request, "the routes", |message| match message {
            RouteNetlinkMessage::NewRoute(message) => Route::read(&message),
            _ => None,
        })
    }

    fn neighbours(&mut self) -> Result<Vec<Neighbour>, HostError> {
        let mut neighbours = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut request = netlink_packet_route::neighbour::NeighbourMessage::default();
            request.header.family = family;
            let request = RouteNetlinkMessage::GetNeighbour(request);
            neighbours.extend(self.dump(&request, "the neighbours", |message| match message {
                RouteNetlinkMessage::NewNeighbour(message) => Neighbour::read(&message),
                _ => None,
            })?);
        }
        Ok(neighbours)
    }
}

impl AsFd for NetlinkSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Appends one message; `flags` beyond REQUEST.
pub(super) fn append(out: &mut Vec<u8>, message: RouteNetlinkMessage, flags: u16, sequence: u32) {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | flags;
    header.sequence_number = sequence;
    header.message_type = message.message_type();
    let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    message.finalize();
    let start = out.len();
    out.resize(start + message.buffer_len().next_multiple_of(4), 0);
    if let Some(room) = out.get_mut(start..) {
        message.serialize(room);
    }
}

/// The kernel's word on one message.
struct Ack {
    sequence: u32,
    errno: Option<Errno>,
    message: Option<String>,
}

impl Ack {
    /// Splits the next message off `bytes`; `None` inside when it is no ACK.
    fn next(bytes: &[u8]) -> Option<(Option<Self>, &[u8])> {
        let (header, body, tail) = split(bytes)?;
        if header.message_type != NLMSG_ERROR {
            return Some((None, tail));
        }
        let message = if header.flags & NLM_F_ACK_TLVS == 0 { None } else { words(body, header.flags) };
        Some((Some(Self { sequence: header.sequence_number, errno: error_code(body), message }), tail))
    }
}

/// The errno at the front of an error message, `EBADMSG` for what is none; nothing for an ACK.
pub(super) fn error_code(body: &[u8]) -> Option<Errno> {
    let code = i32::from_ne_bytes(body.get(..4)?.try_into().ok()?);
    match code {
        0 => None,
        -4_095..0 => Some(Errno::from_raw_os_error(-code)),
        _ => Some(Errno::BADMSG),
    }
}

/// The text attribute behind an error message: code 4 bytes, the header of the request 16 (and the rest of the request unless
/// capped), attributes.
fn words(body: &[u8], flags: u16) -> Option<String> {
    let echoed = body.get(4..8)?;
    let echoed = u32::from_ne_bytes(echoed.try_into().ok()?) as usize;
    let start = if flags & NLM_F_CAPPED == 0 { 4 + echoed.next_multiple_of(4) } else { 20 };
    let mut rest = body.get(start..)?;
    loop {
        let length = usize::from(u16::from_ne_bytes(rest.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(rest.get(2..4)?.try_into().ok()?);
        let value = rest.get(4..length)?;
        if kind == NLMSGERR_ATTR_MSG {
            let text = value.split(|byte| *byte == 0).next()?;
            return Some(String::from_utf8_lossy(text).into_owned());
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

/// Header, body and what follows of the message at the front.
pub(super) fn split(bytes: &[u8]) -> Option<(NetlinkHeader, &[u8], &[u8])> {
    let word = |at: usize| Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let half = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let mut header = NetlinkHeader::default();
    header.length = word(0)?;
    header.message_type = half(4)?;
    header.flags = half(6)?;
    header.sequence_number = word(8)?;
    header.port_number = word(12)?;
    let length = header.length as usize;
    let body = bytes.get(16..length)?;
    Some((header, body, bytes.get(length.next_multiple_of(4)..).unwrap_or_default()))
}

/// Requests per send: their errors must fit the receive buffer (212,992 bytes by default, about 800 a message).
const CHUNK: usize = 96;
/// The kernel never answers more in one datagram.
const LONGEST: usize = 64 * 1024;
pub(super) const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
/// How often to read a table that keeps changing.
const DUMP_ATTEMPTS: usize = 8;
const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;
const NLMSGERR_ATTR_MSG: u16 = 1;

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::super::{LinkChange, NeighbourState, NewLink, RouteSpec};
    use super::*;
    use crate::netns::NetNs;
    use crate::testing::can_make_namespaces;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn veth_pair_across_namespaces_in_one_batch() {
        if !can_make_namespaces() {
            return;
        }
        let (near, far) = (NetNs::create().unwrap(), NetNs::create().unwrap());
        let mut socket = near.run(NetlinkSocket::open).unwrap().unwrap();
        let end = NewLink {
            name: "port1".into(),
            index: Some(77),
            netns: None,
            with: LinkChange {
                mtu: Some(9000),
                mac: Some([2, 0, 0, 0, 0, 1]),
                alias: Some("netloom:test".into()),
                tx_queue_len: Some(5000),
                no_ipv6_autoconf: true,
                ..LinkChange::up()
            },
        };
        let peer = NewLink { name: "eth0".into(), netns: Some(far.raw()), ..NewLink::default() };
        let batch = [
            Request::SetLink { index: 1, change: LinkChange::up() },
            Request::AddVeth { end, peer },
            Request::AddAltName { index: 77, name: "a-name-longer-than-fifteen-bytes".into() },
            Request::AddAddress { index: 77, address: ip("10.0.0.1"), prefix: 24 },
            Request::AddAddress { index: 77, address: ip("fd00::1"), prefix: 64 },
            Request::SetRoute(RouteSpec::default_via(ip("10.0.0.254"))),
            Request::SetRoute(RouteSpec { metric: Some(5), ..RouteSpec::default_via(ip("fd00::ff")) }),
            Request::SetRoute(RouteSpec {
                destination: ip("192.0.2.0"),
                prefix: 24,
                gateway: None,
                index: Some(77),
                metric: None,
            }),
            Request::SetNeighbour { index: 77, address: ip("10.0.0.9"), mac: [2, 0, 0, 0, 0, 9] },
            Request::SetNeighbour { index: 77, address: ip("fd00::9"), mac: [2, 0, 0, 0, 0, 9] },
            Request::DropIngress { index: 77 },
            Request::NoQueue { index: 77 },
        ];
        socket.batch(&batch).unwrap();

        let links = socket.links().unwrap();
        let port = links.iter().find(|link| link.name == "port1").unwrap();
        assert_eq!((port.index, port.mtu, port.tx_queue_len, port.up), (77, 9000, 5000, true));
        assert_eq!((port.mac, port.kind.as_str()), (Some([2, 0, 0, 0, 0, 1]), "veth"));
        assert_eq!(port.alias.as_deref(), Some("netloom:test"));
        assert_eq!(port.alt_names, ["a-name-longer-than-fifteen-bytes"]);
        assert_eq!(socket.index_of("port1").unwrap(), 77);
        let far_links = far.run(|| NetlinkSocket::open().unwrap().links().unwrap()).unwrap();
        assert!(far_links.iter().any(|link| link.name == "eth0" && link.kind == "veth"), "{far_links:?}");

        let addresses = socket.addresses().unwrap();
        let has = |text, prefix| addresses.contains(&Address { index: 77, address: ip(text), prefix });
        assert!(has("10.0.0.1", 24) && has("fd00::1", 64), "{addresses:?}");
        assert!(!addresses.iter().any(|a| a.address.to_string().starts_with("fe80")), "{addresses:?}");

        let routes = socket.routes().unwrap();
        let via: Vec<_> =
            routes.iter().filter_map(|route| route.gateway.map(|gateway| (gateway, route.metric))).collect();
        assert_eq!(via, [(ip("10.0.0.254"), 0), (ip("fd00::ff"), 5)]);
        assert!(routes.iter().any(|route| route.destination == ip("192.0.2.0") && route.prefix == 24));

        let neighbours = socket.neighbours().unwrap();
        for text in ["10.0.0.9", "fd00::9"] {
            assert!(
                neighbours.iter().any(|n| n.address == ip(text)
                    && n.mac == Some([2, 0, 0, 0, 0, 9])
                    && n.state == NeighbourState::Permanent),
                "{text} in {neighbours:?}"
            );
        }
        let undo = [
            Request::DeleteNeighbour { index: 77, address: ip("10.0.0.9") },
            Request::DeleteRoute(RouteSpec::default_via(ip("10.0.0.254"))),
            Request::DeleteAddress { index: 77, address: ip("10.0.0.1"), prefix: 24 },
            Request::DeleteLink { index: 77 },
        ];
        socket.batch(&undo).unwrap();
        assert!(socket.links().unwrap().iter().all(|link| link.index != 77));
    }

    #[test]
    fn every_failure_is_matched_to_its_request() {
        if !can_make_namespaces() {
            return;
        }
        let ns = NetNs::create().unwrap();
        let mut socket = ns.run(NetlinkSocket::open).unwrap().unwrap();
        let end = NewLink { name: "a".into(), index: Some(9), ..NewLink::default() };
        let peer = NewLink { name: "b".into(), with: LinkChange::up(), ..NewLink::default() };
        socket.batch(&[Request::AddVeth { end, peer }]).unwrap();
        let mut batch: Vec<_> = (0..=1_u8)
            .flat_map(|high| (0..96).map(move |low| [10, 0, high, low]))
            .map(|address| Request::SetNeighbour {
                index: 9,
                address: IpAddr::from(address),
                mac: [2, 0, 0, 0, 0, 1],
            })
            .collect();
        assert!(batch.len() > CHUNK, "more than one chunk");
        batch[3] = Request::DeleteLink { index: 4711 };
        let tail = batch.len();
        batch.push(Request::AddAddress { index: 4711, address: ip("10.0.0.1"), prefix: 24 });
        let BatchError::Refused { failed } = socket.batch(&batch).unwrap_err() else {
            panic!("a refusal, not a broken socket")
        };
        let seen: Vec<_> = failed.iter().map(|failed| (failed.position, failed.error.errno)).collect();
        assert_eq!(seen, [(3, Errno::NODEV), (tail, Errno::NODEV)]);
        let first = HostError::from(BatchError::Refused { failed });
        assert_eq!(
            first.to_string(),
            "Cannot delete the interface with index 4711: No such device (os error 19)"
        );
        let permanent = |n: &&Neighbour| n.state == NeighbourState::Permanent;
        assert_eq!(socket.neighbours().unwrap().iter().filter(permanent).count(), tail - 1);
    }

    #[test]
    fn cut_answers_are_not_read() {
        let whole = {
            let mut bytes = Vec::new();
            append(&mut bytes, RouteNetlinkMessage::GetLink(Default::default()), 0, 9);
            bytes
        };
        assert_eq!(split(&whole).unwrap().0.sequence_number, 9);
        for length in 0..whole.len() {
            assert!(split(&whole[..length]).is_none(), "{length}");
        }
        assert_eq!(words(&[0; 24], NLM_F_CAPPED), None);
        assert_eq!(error_code(&[0; 3]), None);
        for (code, errno) in [(-19, Errno::NODEV), (19, Errno::BADMSG), (i32::MIN, Errno::BADMSG)] {
            assert_eq!(error_code(&code.to_ne_bytes()), Some(errno));
        }
    }
}
