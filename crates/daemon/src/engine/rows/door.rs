//! The socket, and the thread behind it.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use netloom_lab::Lab;
use netloom_lab::journal::Kind;
use netloom_switch::PortCounts;
use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::eventfd::EventFd;
use tokio::task::JoinSet;

use super::asked::Asked;
use super::shown::{self, PortSeen, Seen};
use super::written::Written;
use crate::Home;
use crate::core::Core;
use crate::engine::Running;
use crate::engine::journal::Ledger;
use crate::openflow::Hub;
use crate::ovsdb_server::View;
use crate::slowpath::{self, SharedSwitch};

/// How often rows are looked at while somebody is there.
const LOOK: Duration = Duration::from_secs(1);
/// Clients at once.
const MOST: usize = 64;
/// The socket's name, which `ovs-vsctl` looks for.
const NAME: &str = "db.sock";

/// The socket, if it is there.
#[derive(Debug, Default)]
pub(in crate::engine) struct Rows {
    open: Mutex<Option<Open>>,
    /// Whom changes are asked of.
    running: Weak<Running>,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    lab: Arc<Mutex<Arc<Lab>>>,
    end: Arc<End>,
    thread: Option<JoinHandle<()>>,
}

/// Tells the thread to end.
#[derive(Debug, Default)]
pub(super) struct End {
    pub(super) is_over: AtomicBool,
    bell: Option<EventFd>,
}

/// What the thread looks at.
struct Sources {
    running: Weak<Running>,
    lab: Arc<Mutex<Arc<Lab>>>,
    switch: SharedSwitch,
    hub: Arc<Hub>,
}

impl Rows {
    /// Of a lab that is changed by `running`.
    pub(in crate::engine) fn of(running: Weak<Running>) -> Self {
        Self { running, ..Self::default() }
    }

    /// Shows this lab from now on; a lab without switches has no socket. What could not be opened, for the user.
    pub(in crate::engine) fn update(
        &self,
        core: &Core,
        home: &Home,
        ledger: &Ledger,
        lab: &Arc<Lab>,
    ) -> Option<String> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if lab.switches.is_empty() {
            open.take().into_iter().for_each(|open| open.close(ledger));
            return None;
        }
        if let Some(open) = &*open {
            *open.lab.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(lab);
            return None;
        }
        let path = home.dir().join(NAME);
        match Open::begin(core, &self.running, path.clone(), ledger, Arc::clone(lab)) {
            Ok(new) => {
                *open = Some(new);
                None
            }
            Err(error) => {
                remove(ledger, &path);
                Some(format!("no OVSDB at {}: {error}", path.display()))
            }
        }
    }

    /// Closes it.
    pub(in crate::engine) fn close(&self, ledger: &Ledger) {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        open.into_iter().for_each(|open| open.close(ledger));
    }
}

impl Open {
    fn begin(
        core: &Core,
        running: &Weak<Running>,
        path: PathBuf,
        ledger: &Ledger,
        lab: Arc<Lab>,
    ) -> io::Result<Self> {
        let other = |error: netloom_sys::HostError| io::Error::other(error);
        ledger.intend(Kind::File, &path)?;
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        ledger.made(&path)?;
        let end =
            Arc::new(End { is_over: AtomicBool::new(false), bell: Some(EventFd::new().map_err(other)?) });
        let lab = Arc::new(Mutex::new(lab));
        let hub = core.openflow().shared_hub();
        let running = Weak::clone(running);
        let sources = Sources { running, lab: Arc::clone(&lab), switch: Arc::clone(core.switch()), hub };
        let ended = Arc::clone(&end);
        let work = move || {
            if let Err(error) = attend(&listener, &sources, &ended) {
                tracing::error!(%error, "the lab is not shown as rows any more");
            }
        };
        let thread = std::thread::Builder::new().name("rows".to_owned()).spawn(work)?;
        Ok(Self { path, lab, end, thread: Some(thread) })
    }

    fn close(mut self, ledger: &Ledger) {
        self.end.is_over.store(true, Ordering::Relaxed);
        self.end.bell.iter().for_each(EventFd::signal);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        remove(ledger, &self.path);
    }
}

fn remove(ledger: &Ledger, path: &std::path::Path) {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "an OVSDB socket stays");
        }
        _ => ledger.gone(Kind::File, path),
    }
}

/// Sleeps until somebody calls, and then has a database until the last one has left.
fn attend(listener: &UnixListener, sources: &Sources, end: &Arc<End>) -> io::Result<()> {
    let other = |error: netloom_sys::HostError| io::Error::other(error);
    let mut epoll = Epoll::new(2).map_err(other)?;
    epoll.add(listener, 0, Interest::Read).map_err(other)?;
    if let Some(bell) = &end.bell {
        epoll.add(bell, 1, Interest::Read).map_err(other)?;
    }
    listener.set_nonblocking(true)?;
    loop {
        epoll.wait(None, |_| ()).map_err(other)?;
        if end.is_over.load(Ordering::Relaxed) {
            return Ok(());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = listener.try_clone()?;
        runtime.block_on(receive(listener, sources, end))?;
    }
}

/// Serves who comes, until nobody is left.
async fn receive(listener: UnixListener, sources: &Sources, end: &Arc<End>) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let now = netloom_sys::clock::now();
    let asked = Asked::new(Weak::clone(&sources.running), Arc::clone(&sources.lab), Arc::clone(end));
    let seed = [now, u64::from(std::process::id())];
    let view = Arc::new(View::new(seed, Box::new(asked.clone())).map_err(io::Error::other)?);
    let mut written = Written::default();
    show(&view, sources, &asked, &mut written);
    let mut clients = JoinSet::new();
    let mut look = tokio::time::interval(LOOK);
    let mut over = tokio::time::interval(Duration::from_millis(50));
    let living = view.live();
    tokio::pin!(living);
    let mut is_new = true;
    while is_new || !clients.is_empty() {
        tokio::select! {
            accepted = listener.accept() => {
                is_new = false;
                let (stream, _) = accepted?;
                if clients.len() < MOST {
                    let view = Arc::clone(&view);
                    clients.spawn(async move { view.serve(stream).await });
                }
            }
            Some(_) = clients.join_next() => {}
            _ = look.tick() => show(&view, sources, &asked, &mut written),
            () = asked.bell.notified() => show(&view, sources, &asked, &mut written),
            // While somebody is there, the end is looked for; else it rings.
            _ = over.tick() => if end.is_over.load(Ordering::Relaxed) { return Ok(()) },
            () = &mut living => {}
        }
    }
    Ok(())
}

/// Brings the database up to date.
fn show(view: &View, sources: &Sources, asked: &Asked, written: &mut Written) {
    let others = asked.written();
    written.doubt("Port", &others.ports, &["tag", "trunks", "vlan_mode"]);
    written.doubt("Bridge", &others.bridges, &["controller", "fail_mode"]);
    written.forget(&others.removed);
    let lab = Arc::clone(&sources.lab.lock().unwrap_or_else(PoisonError::into_inner));
    let mut rows = shown::rows(&lab, &sources.look(&lab));
    if let Some((number, root)) = asked.number().zip(rows.last_mut()) {
        root.set("cur_cfg", number);
    }
    let operations = written.change(rows);
    if operations.is_empty() {
        return;
    }
    if let Err(error) = view.write(operations) {
        tracing::error!(error, "rows of the lab are not as the lab is");
    }
}

impl Sources {
    /// How everything stands.
    fn look(&self, lab: &Lab) -> Seen {
        let mut seen = Seen::default();
        for switch in &lab.switches {
            let name = &switch.name;
            let model = slowpath::read(&self.switch);
            let id = model.bridge_id(name).and_then(|id| model.datapath_id(id));
            let ports = model.ports(name);
            drop(model);
            seen.datapath_ids.extend(id.map(|id| (name.clone(), id)));
            for port in ports {
                let (outside, inside) = (self.hub.traffic(port.dp_port), port.crossed);
                let standing = PortSeen {
                    is_up: port.link.up,
                    received: (outside.rx_packets + inside.rx_packets, outside.rx_bytes + inside.rx_bytes),
                    sent: (outside.tx_packets + inside.tx_packets, outside.tx_bytes + inside.tx_bytes),
                    dropped: outside.dropped,
                };
                seen.ports.insert((name.clone(), port.number.0), standing);
            }
            let connected = self.hub.standings(name).into_iter().filter(|it| it.version.is_some());
            seen.connected.extend(connected.map(|it| (name.clone(), it.key.target)));
        }
        seen
    }
}
