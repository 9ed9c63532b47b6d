//! An interface of the machine as a port that outlives it: when the interface is gone the port has nothing behind it, and
//! when it is there again its new socket is given to the port, which stays where it is.
//!
//! ```text
//! InterfaceControl::plug_in ──► inbox ──► InterfacePort::receive (takes the socket) ──► PacketPort
//!              └── rings an eventfd ──► epoll set ──► worker, which waits for the set
//! ```

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use netloom_datapath::{Budget, Flushed, Frame, OffloadCaps, Port, Received, Refused};
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;
use netloom_sys::packet_socket::PacketSocket;
use netloom_sys::{Errno, HostError};

use crate::PacketPort;

const BELL: u64 = 0;
const SOCKET: u64 = 1;

/// The port.
#[derive(Debug)]
pub struct InterfacePort {
    shared: Arc<Shared>,
    /// What is waited for: the bell, and the socket.
    epoll: Epoll,
    port: Option<PacketPort>,
}

/// The other side of the port.
#[derive(Debug, Clone)]
pub struct InterfaceControl(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    bell: EventFd,
    /// Something is in the inbox.
    has_news: AtomicBool,
    /// What the port is to have from now on.
    inbox: Mutex<Option<PacketSocket>>,
}

impl InterfaceControl {
    /// From now on this is what the port receives and sends by; `None`: nothing.
    pub fn plug_in(&self, socket: Option<PacketSocket>) {
        *self.0.inbox.lock().unwrap_or_else(PoisonError::into_inner) = socket;
        self.0.has_news.store(true, Ordering::Release);
        self.0.bell.signal();
    }
}

impl InterfacePort {
    /// A port with this socket, and the way to it.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn new(socket: PacketSocket) -> Result<(Self, InterfaceControl), HostError> {
        let bell = EventFd::new()?;
        let epoll = Epoll::new(2)?;
        epoll.add(&bell, BELL, Interest::Read)?;
        epoll.add(&socket, SOCKET, Interest::Read)?;
        let shared = Arc::new(Shared { bell, has_news: AtomicBool::new(false), inbox: Mutex::default() });
        let port = Some(PacketPort::new(socket));
        Ok((Self { shared: Arc::clone(&shared), epoll, port }, InterfaceControl(shared)))
    }

    /// Takes over what is in the inbox, if anything is.
    fn exchange(&mut self) {
        if !self.shared.has_news.swap(false, Ordering::Acquire) {
            return;
        }
        self.shared.bell.clear();
        // Closed first: closing takes it out of the epoll set.
        self.port = None;
        let socket = self.shared.inbox.lock().unwrap_or_else(PoisonError::into_inner).take();
        // A set that takes no more descriptors leaves the port as one whose interface is gone.
        self.port = socket
            .filter(|socket| self.epoll.add(socket, SOCKET, Interest::Read).is_ok())
            .map(PacketPort::new);
    }
}

impl AsFd for InterfacePort {
    /// What there is to wait for.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}

impl Port for InterfacePort {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        self.exchange();
        let Some(port) = &mut self.port else { return Received::default() };
        let mut received = port.receive(budget, sink);
        if received.error.take().is_some() {
            // The interface is gone for good; who watches it gives the port another one.
            self.port = None;
        }
        received
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        match &mut self.port {
            Some(port) => port.transmit(frame),
            None => Err(Refused::Error(Errno::NODEV.raw_os_error())),
        }
    }

    fn flush(&mut self) -> Flushed {
        self.port.as_mut().map_or_else(Flushed::default, Port::flush)
    }

    fn offloads(&self) -> OffloadCaps {
        OffloadCaps::ALL
    }
}
