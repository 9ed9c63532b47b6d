//! Whether anybody is behind a port: a virtual machine's card is unplugged until its guest's driver runs, and again when the
//! machine is gone; an interface of the machine is while it is down or not there. The switch model hears of it from a thread
//! that sleeps until then.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use netloom_flow::PortId;
use netloom_netdev::GuestStatus;
use netloom_switch::LinkState;
use netloom_sys::HostError;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;

use crate::slowpath::{self, SharedSwitch};

/// See the module.
#[derive(Debug)]
pub(crate) struct Carriers {
    known: Arc<Known>,
    bell: Arc<EventFd>,
    over: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Known {
    switch: SharedSwitch,
    ports: Mutex<BTreeMap<PortId, Carrier>>,
}

/// What can be behind a port, or not.
pub(crate) trait Presence: std::fmt::Debug + Send + Sync {
    /// Whether it is. Who changes it rings the bell.
    fn is_there(&self) -> bool;
}

impl Presence for GuestStatus {
    fn is_there(&self) -> bool {
        // Of one that moves, nobody is to notice that it is away for a moment.
        self.is_ready() || self.hold().is_on()
    }
}

#[derive(Debug)]
struct Carrier {
    status: Arc<dyn Presence>,
    /// How the link is, as far as the lab says.
    link: LinkState,
    is_ready: bool,
}

impl Carrier {
    /// What of it the switch is told.
    const fn state(&self) -> LinkState {
        LinkState { up: self.link.up && self.is_ready, ..self.link }
    }
}

impl Carriers {
    /// Of the ports of this switch model.
    ///
    /// # Errors
    /// No fd left.
    pub(crate) fn new(switch: SharedSwitch) -> Result<Self, HostError> {
        let known = Known { switch, ports: Mutex::default() };
        Ok(Self {
            known: Arc::new(known),
            bell: Arc::new(EventFd::new()?),
            over: Arc::default(),
            thread: Mutex::default(),
        })
    }

    /// What a port rings when its status has changed.
    pub(crate) fn bell(&self) -> Arc<EventFd> {
        Arc::clone(&self.bell)
    }

    /// From now on the port is up only while this is there.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(crate) fn watch(&self, port: PortId, status: Arc<dyn Presence>) -> Result<(), HostError> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if thread.is_none() {
            *thread = Some(self.start()?);
        }
        let is_ready = status.is_there();
        self.known.ports().insert(port, Carrier { status, link: LinkState::default(), is_ready });
        Ok(())
    }

    /// The port is as any other again.
    pub(crate) fn forget(&self, port: PortId) {
        self.known.ports().remove(&port);
    }

    /// Whether the switch knows that somebody is behind a port; `true` of one that is as any other.
    pub(crate) fn is_plugged(&self, port: PortId) -> bool {
        self.known.ports().get(&port).is_none_or(|carrier| carrier.is_ready && carrier.status.is_there())
    }

    /// Says to the switch model how the link behind a port is, as far as the lab says.
    pub(crate) fn set_link(&self, port: PortId, link: LinkState) {
        let mut ports = self.known.ports();
        let state = match ports.get_mut(&port) {
            Some(carrier) => {
                carrier.link = link;
                carrier.state()
            }
            None => link,
        };
        slowpath::write(&self.known.switch).set_link(port, state, slowpath::now());
    }

    fn start(&self) -> Result<JoinHandle<()>, HostError> {
        let mut epoll = Epoll::new(1)?;
        epoll.add(&*self.bell, 0, Interest::Read)?;
        let (known, bell, over) = (Arc::clone(&self.known), Arc::clone(&self.bell), Arc::clone(&self.over));
        let work = move || {
            while !over.load(Ordering::Relaxed) {
                if let Err(error) = epoll.wait(None, |_| ()) {
                    tracing::error!(%error, "nobody hears of what is behind ports");
                    return;
                }
                bell.clear();
                known.look();
            }
        };
        let thread = std::thread::Builder::new().name("carriers".to_owned()).spawn(work);
        thread.map_err(|error| HostError::from_io("start the thread", "carriers", &error))
    }

    /// Ends the thread.
    pub(crate) fn stop(&self) {
        self.over.store(true, Ordering::Relaxed);
        self.bell.signal();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Known {
    fn ports(&self) -> MutexGuard<'_, BTreeMap<PortId, Carrier>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the switch model of every port that is not as it was.
    fn look(&self) {
        for (port, carrier) in self.ports().iter_mut() {
            let is_ready = carrier.status.is_there();
            if std::mem::replace(&mut carrier.is_ready, is_ready) != is_ready {
                tracing::info!(port = port.0, is_ready, "what is behind a port");
                slowpath::write(&self.switch).set_link(*port, carrier.state(), slowpath::now());
            }
        }
    }
}
