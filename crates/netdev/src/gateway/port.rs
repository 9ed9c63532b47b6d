//! The port in front of a gateway's device.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};

use netloom_datapath::{Budget, Flushed, Frame, HEADROOM, OffloadCaps, Port, Received, Refused};
use netloom_sys::HostError;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;

use super::counters::GatewayCounters;
use super::engine::{Engine, Released, Verdict};
use super::settings::GatewaySettings;
use super::share::GatewayShare;
use super::words::{Ask, Tell};

/// A gateway's device, with addresses changed on the way.
pub struct GatewayPort<D> {
    device: D,
    engine: Engine,
    ask: Box<dyn FnMut(Ask) -> bool + Send>,
    orders: mpsc::Receiver<Order>,
    /// There may be orders: asking the bell costs a system call.
    rung: Arc<AtomicBool>,
    bell: Arc<EventFd>,
    /// Device and bell in one, since who waits for a port waits for one descriptor.
    ready: Epoll,
}

impl<D: std::fmt::Debug> std::fmt::Debug for GatewayPort<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayPort")
            .field("device", &self.device)
            .field("engine", &self.engine)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
enum Order {
    Told(Tell),
    SetUp(GatewaySettings),
}

/// Where a gateway's port is told things, from any thread.
#[derive(Debug, Clone)]
pub struct GatewayControl {
    orders: mpsc::Sender<Order>,
    rung: Arc<AtomicBool>,
    bell: Arc<EventFd>,
}

impl GatewayControl {
    /// Tells what became of a flow.
    pub fn tell(&self, tell: Tell) {
        self.send(Order::Told(tell));
    }

    /// Says how the gateway is set up from now on.
    pub fn set_up(&self, settings: GatewaySettings) {
        self.send(Order::SetUp(settings));
    }

    fn send(&self, order: Order) {
        // A port that is gone has no flows.
        let _ = self.orders.send(order);
        // In this order: whoever sees the sign finds what it is about.
        self.rung.store(true, Ordering::Release);
        self.bell.signal();
    }
}

impl<D: Port + AsFd> GatewayPort<D> {
    /// Puts a gateway in front of `device`. What it wants done outside goes to `ask`, which must not wait; `false` says
    /// that there is no room.
    ///
    /// # Errors
    /// No fd left.
    pub fn new(
        device: D,
        settings: GatewaySettings,
        counters: Arc<GatewayCounters>,
        share: Arc<GatewayShare>,
        ask: impl FnMut(Ask) -> bool + Send + 'static,
    ) -> Result<(Self, GatewayControl), HostError> {
        let bell = Arc::new(EventFd::new()?);
        let ready = Epoll::new(1)?;
        ready.add(&device, 0, Interest::Read)?;
        ready.add(&*bell, 1, Interest::Read)?;
        let (orders, received) = mpsc::channel();
        let rung = Arc::<AtomicBool>::default();
        let control = GatewayControl { orders, rung: Arc::clone(&rung), bell: Arc::clone(&bell) };
        let engine = Engine::new(settings, counters, share);
        Ok((Self { device, engine, ask: Box::new(ask), orders: received, rung, bell, ready }, control))
    }

    /// Does what it was told, and lets in what waited for it.
    fn obey(&mut self) {
        if !self.rung.swap(false, Ordering::Acquire) {
            return;
        }
        self.bell.clear();
        let mut released = false;
        while let Ok(order) = self.orders.try_recv() {
            match order {
                Order::SetUp(settings) => self.engine.set_up(settings),
                Order::Told(tell) => {
                    if let Some(frame) = self.engine.told(tell) {
                        self.release(frame);
                        released = true;
                    }
                }
            }
        }
        if released {
            self.device.flush();
        }
    }

    fn release(&mut self, (frame, offload): Released) {
        let mut buffer = vec![0; HEADROOM];
        buffer.extend_from_slice(&frame);
        let range = HEADROOM..buffer.len();
        if let Some(mut frame) = Frame::new(&mut buffer, range, offload) {
            // A device that is full loses it, as it would any other packet: the node says it again.
            let _ = self.device.transmit(&mut frame);
        }
    }
}

impl<D> AsFd for GatewayPort<D> {
    /// Readable when the device is, or when there is something to be told.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }
}

impl<D: Port + AsFd> Port for GatewayPort<D> {
    fn receive(&mut self, budget: Budget, sink: &mut dyn FnMut(&mut Frame<'_>)) -> Received {
        self.obey();
        let engine = &mut self.engine;
        self.device.receive(budget, &mut |frame| {
            let offload = frame.offload;
            if engine.homeward(frame.data_mut(), &offload) == Verdict::Pass {
                sink(frame);
            }
        })
    }

    fn transmit(&mut self, frame: &mut Frame<'_>) -> Result<(), Refused> {
        let offload = frame.offload;
        match self.engine.outward(frame.data_mut(), &offload, &mut *self.ask) {
            Verdict::Pass => self.device.transmit(frame),
            Verdict::Keep => Ok(()),
        }
    }

    fn flush(&mut self) -> Flushed {
        self.device.flush()
    }

    fn offloads(&self) -> OffloadCaps {
        self.device.offloads()
    }
}
