//! One thread that moves packets.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use netloom_datapath::{CachedFlow, Change, Handoff, Port, PortSpec, Quiet, Slowpath, Worker};
use netloom_flow::{Nanos, PortId, Translation};
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;
use netloom_sys::load::Runnable;
use netloom_sys::{HostError, affinity, clock};

use super::shared::{Held, Inject, Shared};
use super::spin::{Machine, Spin};
use super::standing::Promptness;
use super::vigil::Vigil;

/// A driver with a file descriptor to wait for.
pub(crate) trait Device: Port + AsFd {}

impl<T: Port + AsFd> Device for T {}

/// What a worker is told.
pub(crate) enum Mail {
    /// Change ports.
    Change(Change),
    /// Add a port with its device.
    Attach(PortSpec, Box<dyn Device>),
    /// Judge the timing of all links up to now, and let idle flows go.
    Judge,
    /// Judge the timing of all links up to now, and judge what comes next by itself.
    Cut,
    /// Carry out packets that no port received.
    Inject(Vec<Injected>),
    /// Say what is cached.
    Flows(mpsc::SyncSender<Vec<CachedFlow>>),
    /// Say when everything before this has been done.
    Barrier(mpsc::SyncSender<()>),
}

/// A packet that no port received: the port it is said to come by, its bytes, and what is to be done with it.
pub(crate) type Injected = (PortId, Vec<u8>, Arc<Translation>);

/// The control side of a worker's thread. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct WorkerHandle {
    shared: Arc<Shared<dyn Inject>>,
    mail: Option<mpsc::Sender<Mail>>,
    bell: Arc<EventFd>,
    thread: Option<JoinHandle<()>>,
}

/// Where packets for another worker's ports go.
struct Neighbour {
    ring: mpsc::SyncSender<Handoff>,
    bell: Arc<EventFd>,
}

impl WorkerHandle {
    /// Starts a thread for each worker; they know each other.
    ///
    /// # Errors
    /// No fd or thread left.
    pub(crate) fn start_all<S: Slowpath + Send + 'static>(
        workers: Vec<(Worker, S)>,
    ) -> Result<Vec<Self>, HostError> {
        let of = workers.len();
        let mut neighbours = Vec::new();
        let mut rings = Vec::new();
        for _ in 0..of {
            let (ring, received) = mpsc::sync_channel(RING);
            neighbours.push((ring, Arc::new(EventFd::new()?)));
            rings.push(received);
        }
        let mut handles = Vec::new();
        for (index, ((worker, slow), ring)) in workers.into_iter().zip(rings).enumerate() {
            let others = neighbours
                .iter()
                .map(|(ring, bell)| Neighbour { ring: ring.clone(), bell: Arc::clone(bell) });
            let bell = neighbours.get(index).map(|(_, bell)| Arc::clone(bell));
            let Some(bell) = bell else { break };
            let epoll = Epoll::new(EVENTS)?;
            epoll.add(&*bell, BELL, Interest::Read)?;
            let (mail, inbox) = mpsc::channel();
            let shared = Arc::new(Shared::new(Held::new(worker, slow)));
            let runner = Runner {
                shared: Arc::clone(&shared),
                epoll,
                bell: Arc::clone(&bell),
                inbox,
                ring,
                neighbours: others.collect(),
                spin: Spin::new(of),
                ready: Vec::new(),
                looked: 0,
                quiet: None,
                last: None,
                turned: false,
                // Without the file it looks as if nobody else wanted to run.
                machine: Host(Runnable::open().ok()),
                promptness: Promptness::new(),
                vigil: Vigil::new(),
            };
            let thread =
                std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || runner.run());
            let thread =
                thread.map_err(|e| HostError::from_io("start the thread", format!("worker-{index}"), &e))?;
            handles.push(Self { shared, mail: Some(mail), bell, thread: Some(thread) });
        }
        Ok(handles)
    }

    /// Somebody else who may send mail. It must be dropped before the handle is.
    pub(crate) fn caller(&self) -> Option<Caller> {
        Some(Caller {
            shared: Arc::clone(&self.shared),
            mail: self.mail.clone()?,
            bell: Arc::clone(&self.bell),
        })
    }

    /// Sends one piece of mail; the worker reads it within microseconds.
    pub(crate) fn send(&self, mail: Mail) {
        self.send_all([mail]);
    }

    /// Sends many pieces with one wake-up.
    pub(crate) fn send_all(&self, all: impl IntoIterator<Item = Mail>) {
        let Some(sender) = &self.mail else { return };
        for mail in all {
            self.shared.announce();
            // The thread ends only after this handle has let go of `mail`.
            let _ = sender.send(mail);
        }
        self.bell.signal();
    }

    /// What is cached.
    pub(crate) fn flows(&self) -> Vec<CachedFlow> {
        let (tell, told) = mpsc::sync_channel(1);
        self.send(Mail::Flows(tell));
        told.recv().unwrap_or_default()
    }

    /// Waits until everything sent before has been done.
    pub(crate) fn barrier(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        self.send(Mail::Barrier(done));
        // An error means that the thread is gone, and with it everything that was to be done.
        let _ = wait.recv();
    }
}

/// A second way to send mail to a worker.
#[derive(Debug)]
pub(crate) struct Caller {
    shared: Arc<Shared<dyn Inject>>,
    mail: mpsc::Sender<Mail>,
    bell: Arc<EventFd>,
}

impl Caller {
    /// Sends one piece of mail.
    pub(crate) fn send(&self, mail: Mail) {
        self.shared.announce();
        // A worker that has ended has nothing left to be told.
        let _ = self.mail.send(mail);
        self.bell.signal();
    }

    /// Carries out packets that no port received: here, if the worker has nothing else to do, else it is told to.
    /// `true`: it has been done.
    pub(crate) fn inject(&self, packets: Vec<Injected>) -> bool {
        match self.shared.try_inject(&packets) {
            Some(is_to_look) => {
                if is_to_look {
                    self.bell.signal();
                }
                true
            }
            None => {
                self.send(Mail::Inject(packets));
                false
            }
        }
    }

    /// Waits until everything sent before has been done.
    pub(crate) fn barrier(&self) {
        let (done, wait) = mpsc::sync_channel(1);
        self.send(Mail::Barrier(done));
        // As for [`WorkerHandle::barrier`].
        let _ = wait.recv();
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        self.mail = None;
        self.bell.signal();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Ready descriptors taken from the kernel at a time.
const EVENTS: usize = 256;
/// Packets on their way from one worker to another.
const RING: usize = 4096;
/// Cached flows that carried nothing for this long are let go.
const IDLE: Nanos = Nanos::from_secs(10);
/// A wait of at least this long was a rest. In a flood there are none: there, waking up for each packet would cost more
/// than it is worth, and packets are better taken by the handful.
const REST_NS: u64 = 30_000;
/// The token of the bell; ports have their numbers, which are 32 bits wide.
const BELL: u64 = u64::MAX;

struct Runner<S> {
    shared: Arc<Shared<Held<S>>>,
    epoll: Epoll,
    bell: Arc<EventFd>,
    inbox: mpsc::Receiver<Mail>,
    ring: mpsc::Receiver<Handoff>,
    neighbours: Vec<Neighbour>,
    spin: Spin,
    ready: Vec<PortId>,
    /// When the ports were last looked at.
    looked: u64,
    /// When none was ready, since the last round.
    quiet: Option<u64>,
    /// The only port that brought some in the round before.
    last: Option<PortId>,
    /// Not all of the last round came by it.
    turned: bool,
    machine: Host,
    promptness: Promptness,
    vigil: Vigil,
}

/// The machine, as far as [`Spin`] asks.
struct Host(Option<Runnable>);

impl Machine for Host {
    fn processors(&self) -> usize {
        affinity::count()
    }

    fn runnable(&self) -> usize {
        self.0.as_ref().and_then(Runnable::count).unwrap_or(0)
    }
}

impl<S: Slowpath + Send> Runner<S> {
    fn run(mut self) {
        // Failing to sharpen timers only makes departures some 50 us later; fidelity will say so.
        let _ = netloom_sys::process::set_timer_slack(1);
        let mut rung = true;
        let shared = Arc::clone(&self.shared);
        loop {
            let mut held = shared.hold();
            if rung {
                self.bell.clear();
                if !self.read_mail(&mut held) {
                    return;
                }
                self.take_over(&mut held);
            }
            let now = clock::now();
            let served = std::mem::take(&mut held.served);
            let answered = std::mem::take(&mut held.answered);
            if served > 0 {
                let turns = if answered { served } else { u32::from(self.turned) };
                self.spin.traffic(now, served, turns, &self.machine);
            }
            let Held { worker, slow, .. } = &mut *held;
            worker.poll(Nanos(now), slow);
            self.hand_over(worker);
            let timeout = self.timeout(now, worker.deadline());
            // Meanwhile others may send.
            drop(held);
            rung = self.wait(timeout);
            let is_idle = self.ready.is_empty() && !rung;
            let mut held = shared.hold();
            self.serve(&mut held, now, timeout);
            let deadline = held.worker.deadline();
            drop(held);
            if is_idle {
                self.nap(now, deadline);
            }
        }
    }

    /// Sleeps a moment while packets gather, if so many come that this is worth it.
    fn nap(&self, now: u64, deadline: Option<Nanos>) {
        if let Some(nap) = self.spin.nap(now, deadline.map(|due| due.0)) {
            clock::sleep(nap);
        }
    }

    /// How long to wait for devices, in nanoseconds.
    fn timeout(&mut self, now: u64, deadline: Option<Nanos>) -> Option<u64> {
        if clock::is_stopped() {
            // Nothing comes due by waiting, and whoever moves the clock rings the bell.
            return None;
        }
        let deadline = deadline.map(|due| due.0);
        let vigil = match deadline {
            Some(_) => {
                self.vigil.appointment(now);
                self.spin.appointment(now);
                None
            }
            // Whoever is to answer sleeps on a processor that would have to be woken.
            None if self.spin.converses(now) => {
                self.vigil.appointment(now);
                None
            }
            None => self.vigil.nothing(now),
        };
        self.spin.timeout(now, deadline, self.vigil.is_kept()).or(vigil)
    }

    /// Carries out what was sent; `false` when the control side is gone.
    fn read_mail(&mut self, held: &mut Held<S>) -> bool {
        loop {
            let worker = &mut held.worker;
            match self.inbox.try_recv() {
                Ok(Mail::Change(change)) => worker.apply(change, Nanos(clock::now())),
                Ok(Mail::Attach(spec, device)) => self.attach(worker, spec, device),
                Ok(Mail::Judge) => {
                    let now = Nanos(clock::now());
                    worker.judge(now);
                    worker.expire(now.since(IDLE));
                }
                Ok(Mail::Cut) => worker.cut(),
                // What has come of it is looked at next.
                Ok(Mail::Inject(packets)) => drop(held.inject(&packets)),
                Ok(Mail::Flows(asked)) => {
                    // Who asked may have gone.
                    let _ = asked.send(worker.flows().collect());
                }
                Ok(Mail::Barrier(done)) => {
                    let _ = done.send(());
                }
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
            self.shared.read();
        }
    }

    fn attach(&self, worker: &mut Worker, spec: PortSpec, device: Box<dyn Device>) {
        let id = spec.id;
        if let Err(error) = self.epoll.add(&device, u64::from(id.0), Interest::Read) {
            tracing::error!(port = id.0, %error, "a port cannot be waited for");
        }
        worker.apply(Change::AddPort(spec, Some(device)), Nanos(clock::now()));
    }

    /// Takes the packets that other workers handed over.
    fn take_over(&self, held: &mut Held<S>) {
        let now = Nanos(clock::now());
        while let Ok(handoff) = self.ring.try_recv() {
            held.worker.accept(handoff, now, &mut held.slow);
        }
        held.worker.flush();
    }

    /// Hands packets for others' ports over, and wakes who got any.
    fn hand_over(&self, worker: &mut Worker) {
        for (index, neighbour) in self.neighbours.iter().enumerate() {
            let list = worker.handoffs(u16::try_from(index).unwrap_or(u16::MAX));
            if list.is_empty() {
                continue;
            }
            let mut lost = Vec::new();
            for handoff in list.drain(..) {
                if let Err(mpsc::TrySendError::Full(handoff) | mpsc::TrySendError::Disconnected(handoff)) =
                    neighbour.ring.try_send(handoff)
                {
                    lost.push(handoff);
                }
            }
            neighbour.bell.signal();
            lost.into_iter().for_each(|handoff| worker.count_lost_handoff(handoff));
        }
    }

    /// Waits, and notes the ports that are ready; whether the bell rang.
    fn wait(&mut self, timeout: Option<u64>) -> bool {
        let (ready, mut rung) = (&mut self.ready, false);
        let waited = self.epoll.wait(timeout, |event| match u32::try_from(event.token) {
            Ok(port) => ready.push(PortId(port)),
            Err(_) => rung = true,
        });
        if let Err(error) = waited {
            tracing::error!(%error, "waiting for ports failed");
        }
        rung
    }

    /// One round at every port that is ready, with a look at due links in between.
    fn serve(&mut self, held: &mut Held<S>, waiting: u64, timeout: Option<u64>) {
        let Held { worker, slow, served: packets, .. } = held;
        let woken = clock::now();
        if let Some(timeout) = timeout.filter(|timeout| *timeout > 0) {
            self.spin.slept(woken, waiting + timeout);
        }
        let slept = timeout != Some(0) && woken.saturating_sub(waiting) > REST_NS;
        if slept {
            let others = self.spin.leaves_processors() || worker.deadline().is_some();
            let worth = others && !self.spin.storm();
            self.promptness.rested(woken, worth);
        } else {
            self.promptness.busy(woken);
        }
        let looked = std::mem::replace(&mut self.looked, woken);
        if self.ready.is_empty() {
            self.quiet = Some(if slept { woken } else { waiting });
            return;
        }
        // A wait so short that it was no sleep may have found something that had lain there since the last look.
        let quiet = match std::mem::take(&mut self.quiet) {
            _ if slept => Quiet::Everywhere(Nanos(woken)),
            Some(at) => Quiet::Everywhere(Nanos(at)),
            None => Quiet::Elsewhere(Nanos(looked)),
        };
        worker.begin_round(Nanos(woken), quiet);
        let only = if let [port] = self.ready[..] { Some(port) } else { None };
        self.turned = only.is_none() || only != self.last;
        self.last = only;
        for index in 0..self.ready.len() {
            let Some(&port) = self.ready.get(index) else { break };
            let now = if index == 0 { woken } else { clock::now() };
            if worker.deadline().is_some_and(|due| due.0 <= now) {
                worker.poll(Nanos(now), slow);
            }
            let served = worker.service(port, Nanos(now), slow);
            *packets = packets.saturating_add(served.packets);
            if let Some(errno) = served.error {
                // Its device is gone or broken: waiting for it any longer would only spin.
                tracing::warn!(port = port.0, errno, "a port's device failed and is let go");
                worker.apply(Change::RemovePort(port), Nanos(now));
            }
        }
        self.ready.clear();
    }
}
