//! The switch model and the threads that move packets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use netloom_datapath::qos::{SharedCounters, SharedPolicer};
use netloom_datapath::{
    CachedFlow, CaptureSink, Change, Counters, Direction, PoolLimit, PortSpec, Tracker, TrackerConfig,
    Worker, WorkerConfig,
};
use netloom_flow::{Epoch, LinkSettings, OptionSets, Policing, PortId, Qos, TenantId};
use netloom_switch::{LinkState, Settings, Switch};
use netloom_sys::HostError;

use crate::engine::carriers::Carriers;
use crate::keeper::{self, Keeper, Kept};
use crate::openflow::{Hub, Service};
use crate::punts::Punts;
use crate::services::Services;
use crate::slowpath::{self, Misses, SharedSwitch};
use crate::switchd::keep::Sources;
use crate::trace::Watch;
use crate::tracked::Tracked;
use crate::worker::{Device, Mail, WorkerHandle};

/// Packet memory of a lab: what waits in queues and on links.
const POOL_BYTES: usize = 1 << 30;
/// Connections tracked in a lab. Source: OVS has 3,000,000; one of ours takes some 400 bytes.
pub(crate) const CONNECTIONS: usize = 1_000_000;
/// Flows that end under one hold of the model.
const TICKS: usize = 64;
/// Cached flows of a worker.
const CACHE_BYTES: usize = 256 << 20;

/// The switch model and the threads that move packets.
#[derive(Debug)]
pub(crate) struct Core {
    switch: SharedSwitch,
    options: Arc<OptionSets>,
    tracked: Arc<Tracked>,
    workers: Vec<WorkerHandle>,
    counters: Vec<Arc<Counters>>,
    tracker: Arc<Tracker>,
    carriers: Carriers,
    /// Ports where somebody captures: packets must pass them one by one.
    captured: Mutex<BTreeSet<PortId>>,
    /// What tenants may send.
    shared: Mutex<BTreeMap<TenantId, Arc<SharedPolicer>>>,
    keeper: Keeper,
    openflow: Service,
    services: Services,
    watch: Arc<Watch>,
}

impl Core {
    /// Starts `workers` workers around an empty switch model.
    ///
    /// # Errors
    /// No thread or fd left.
    pub(super) fn start(seed: u64, workers: usize) -> Result<Self, HostError> {
        let epoch = Epoch::new();
        let settings = Settings { seed, ..Settings::default() };
        let switch = Switch::new(settings, epoch.clone());
        let options = switch.tunnel_options();
        let switch: SharedSwitch = Arc::new(RwLock::new(switch));
        let tracked = Arc::new(Tracked::new()?);
        let (punts, served) = (Arc::<Punts>::default(), Arc::<Punts>::default());
        let watch = Arc::<Watch>::default();
        let pool = PoolLimit::new(POOL_BYTES);
        let tracker = Arc::new(Tracker::new(TrackerConfig { seed, limit: CONNECTIONS }));
        let of = u16::try_from(workers).unwrap_or(1);
        let mut threads = Vec::new();
        let mut counters = Vec::new();
        for index in 0..of {
            let config = WorkerConfig {
                seed,
                pool: pool.clone(),
                cache_limit: CACHE_BYTES,
                epoch: epoch.clone(),
                worker: index,
                workers: of,
                tracker: Arc::clone(&tracker),
            };
            let worker = Worker::new(config);
            counters.push(worker.counters());
            let (model, queues) = (Arc::clone(&switch), [&punts, &served].map(Arc::clone));
            let misses = Misses::new(model, Arc::clone(&tracked), queues, Arc::clone(&watch), seed);
            threads.push((worker, misses));
        }
        let threads = WorkerHandle::start_all(threads)?;
        let callers = threads.iter().filter_map(WorkerHandle::caller).collect();
        let keeper = Keeper::start(Kept {
            switch: Arc::clone(&switch),
            tracked: Arc::clone(&tracked),
            counters: counters.clone(),
            tracker: Arc::clone(&tracker),
            callers,
        })?;
        let first = || threads.first().and_then(WorkerHandle::caller);
        let services = Services::new(Arc::clone(&switch), Arc::clone(&tracked), served, first());
        let worker = first();
        let hub = Hub::new(
            Arc::clone(&switch),
            Arc::clone(&tracked),
            punts,
            counters.clone(),
            worker,
            Arc::clone(&tracker),
        );
        let openflow =
            Service::start(hub).map_err(|e| HostError::from_io("start the thread", "openflow", &e))?;
        let captured = Mutex::default();
        let carriers = Carriers::new(Arc::clone(&switch))?;
        Ok(Self {
            switch,
            options,
            tracked,
            workers: threads,
            counters,
            tracker,
            carriers,
            captured,
            shared: Mutex::default(),
            keeper,
            openflow,
            services,
            watch,
        })
    }

    /// The switch model.
    pub(super) fn switch(&self) -> &SharedSwitch {
        &self.switch
    }

    /// The options of tunnel packets.
    pub(super) fn tunnel_options(&self) -> Arc<OptionSets> {
        Arc::clone(&self.options)
    }

    /// Who waits for packets.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Who serves OpenFlow.
    pub(super) fn openflow(&self) -> &Service {
        &self.openflow
    }

    /// What networks answer by themselves.
    pub(super) fn services(&self) -> &Services {
        &self.services
    }

    /// The model's counters brought up to date, and then the model for reading.
    pub(super) fn fresh(&self) -> std::sync::RwLockReadGuard<'_, Switch> {
        self.tracked.credit(&self.switch);
        slowpath::read(&self.switch)
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> usize {
        self.workers.len()
    }

    /// The counters of every worker.
    pub(super) fn counters(&self) -> &[Arc<Counters>] {
        &self.counters
    }

    /// All connections that are tracked.
    pub(super) fn tracker(&self) -> &Arc<Tracker> {
        &self.tracker
    }

    /// What is looked at by who writes down what flows and connections there are.
    pub(super) fn sources(&self) -> Sources {
        Sources {
            switch: Arc::clone(&self.switch),
            tracked: Arc::clone(&self.tracked),
            counters: self.counters.clone(),
            tracker: Arc::clone(&self.tracker),
        }
    }

    /// Whether anybody is behind ports.
    pub(super) fn carriers(&self) -> &Carriers {
        &self.carriers
    }

    /// Tells every worker of a port, and its owner of the device.
    pub(super) fn add_port(&self, spec: &PortSpec, mut device: Option<Box<dyn Device>>) {
        for (index, worker) in self.workers.iter().enumerate() {
            let owner = index == usize::from(spec.worker);
            worker.send(match device.take_if(|_| owner) {
                Some(device) => Mail::Attach(spec.clone(), device),
                None => Mail::Change(Change::AddPort(spec.clone(), None)),
            });
        }
        self.set_state(spec);
    }

    /// Has a worker read a port that is none of a switch's.
    pub(super) fn add_door(&self, spec: &PortSpec, device: Box<dyn Device>) {
        if let Some(worker) = self.workers.get(usize::from(spec.worker)) {
            worker.send(Mail::Attach(spec.clone(), device));
        }
    }

    /// Tells every worker that a port is gone.
    pub(super) fn remove_port(&self, port: PortId) {
        self.tell(|| Change::RemovePort(port));
    }

    /// Sets one direction of a port's link in place.
    pub(super) fn set_link(&self, port: PortId, direction: Direction, settings: &LinkSettings) {
        self.tell(|| Change::SetLink { port, direction, settings: settings.clone() });
    }

    /// Sets the queues of a port, and what may come in by it.
    pub(super) fn set_qos(&self, port: PortId, (qos, policing): &(Option<Qos>, Option<Policing>)) {
        self.tell(|| Change::SetQos { port, qos: qos.clone().map(Box::new) });
        self.tell(|| Change::SetPolicing { port, policing: *policing });
    }

    /// Counts what comes in by a port as sent by a tenant, which may send so many bits a second; `None`: not counted.
    pub(super) fn set_share(&self, port: PortId, of: Option<(TenantId, u64)>) {
        let policer = of.map(|(tenant, rate)| {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let policer = shared.entry(tenant).or_insert_with(|| Arc::new(SharedPolicer::new(rate)));
            policer.set_rate(rate);
            Arc::clone(policer)
        });
        self.tell(|| Change::SetShared { port, policer: policer.clone() });
    }

    /// What a tenant with a quota of bandwidth has sent.
    pub(super) fn shared(&self, tenant: TenantId) -> Option<SharedCounters> {
        let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.get(&tenant).map(|policer| policer.counters())
    }

    /// Says to the switch model how the link behind a port is.
    pub(super) fn set_state(&self, spec: &PortSpec) {
        let captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner).contains(&spec.id);
        let state =
            LinkState { up: spec.up && spec.from_switch.up, plain: spec.from_switch.is_plain(), captured };
        self.carriers.set_link(spec.id, state);
    }

    /// Takes a port up or down, as `spec` says.
    pub(super) fn set_port(&self, spec: &PortSpec) {
        self.tell(|| Change::SetPort { port: spec.id, up: spec.up });
        self.set_state(spec);
    }

    /// Starts a capture at a port, or ends it. Every worker gets a sink: any of them may move packets past the port.
    pub(super) fn set_capture(&self, spec: &PortSpec, sink: Option<&dyn Fn() -> Box<dyn CaptureSink>>) {
        let mut captured = self.captured.lock().unwrap_or_else(PoisonError::into_inner);
        if sink.is_some() {
            captured.insert(spec.id);
        } else {
            captured.remove(&spec.id);
        }
        drop(captured);
        self.tell(|| Change::SetCapture { port: spec.id, sink: sink.map(|sink| sink()) });
        self.set_state(spec);
    }

    /// Sends a change to every worker.
    pub(super) fn tell(&self, change: impl Fn() -> Change) {
        for worker in &self.workers {
            worker.send(Mail::Change(change()));
        }
    }

    /// Has the timing of all links judged up to now.
    pub(super) fn judge(&self) {
        self.workers.iter().for_each(|worker| worker.send(Mail::Cut));
        self.settle();
    }

    /// Packets received so far at all ports.
    pub(super) fn received(&self) -> u64 {
        keeper::received(&self.counters)
    }

    /// Does at once what is due, after the clock has been put forward.
    pub(super) fn catch_up(&self) {
        self.workers.iter().for_each(|worker| worker.send(Mail::Judge));
        self.settle();
        self.tracked.credit(&self.switch);
        let now = slowpath::now();
        // Links may have let packets go, and flows have ended.
        while slowpath::write(&self.switch).tick_some(now, TICKS) {
            self.tracked.give_way();
        }
        self.settle();
    }

    /// What each worker has cached.
    pub(super) fn cached(&self) -> Vec<Vec<CachedFlow>> {
        self.workers.iter().map(WorkerHandle::flows).collect()
    }

    /// Has every worker forget what it has cached.
    pub(super) fn forget_cached(&self) {
        self.tell(|| Change::Flush);
        self.settle();
    }

    /// Waits until every worker has done what it was told.
    pub(super) fn settle(&self) {
        self.workers.iter().for_each(WorkerHandle::barrier);
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.openflow.stop();
        self.services.stop();
        self.carriers.stop();
        self.keeper.stop();
    }
}
