//! How the controllers of all bridges stand: what is shown, and what fail modes go by.

use std::collections::BTreeMap;

use netloom_flow::{BridgeId, Nanos};
use netloom_openflow::msg::Role;
use netloom_openflow::remote::{Admission, FailOpen, Turn};
use netloom_openflow::{Message, Version, Versions};
use netloom_switch::Held;
use netloom_transport::Room;

use super::Remote;

/// Which controller of which bridge: its name, and its target among several of that name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) bridge: String,
    pub(crate) name: String,
    pub(crate) target: String,
}

/// What is going on with a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is being called.
    Calling,
    /// It did not answer, or left; it will be called again.
    Waiting,
    /// It is waited for.
    Listening,
    /// A version is agreed.
    Connected,
}

/// How a controller stands.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) key: Key,
    pub(crate) state: State,
    /// Since when.
    pub(crate) since: Nanos,
    pub(crate) version: Option<Version>,
    pub(crate) role: Option<Role>,
    /// Why the last call or connection ended.
    pub(crate) error: Option<String>,
    /// Messages it was not told, for want of room.
    pub(crate) dropped: u64,
    /// Connections, where it is waited for.
    pub(crate) peers: usize,
    /// What is kept for all of its connections.
    pub(crate) held: Held,
    /// What waits to be told to them.
    pub(crate) waiting: Room,
    passive: bool,
    admission: Admission,
}

impl Standing {
    /// Whether it is waited for.
    pub(super) const fn is_passive(&self) -> bool {
        self.passive
    }
}

/// How a bridge is controlled.
#[derive(Debug)]
struct Mode {
    bridge: BridgeId,
    versions: Versions,
    standalone: bool,
    /// The longest probe interval of its controllers.
    probe: Nanos,
    fail_open: FailOpen,
}

/// The controllers of all bridges.
#[derive(Debug, Default)]
pub(crate) struct Controllers {
    modes: BTreeMap<String, Mode>,
    standings: BTreeMap<Key, Standing>,
}

impl Controllers {
    pub(super) fn is_empty(&self) -> bool {
        self.standings.is_empty()
    }

    pub(super) fn versions(&self, bridge: BridgeId) -> Versions {
        self.modes.values().find(|mode| mode.bridge == bridge).map_or(Versions::ALL, |mode| mode.versions)
    }

    /// Notes how a bridge is controlled.
    pub(super) fn configure<'r>(
        &mut self,
        name: &str,
        bridge: BridgeId,
        versions: Versions,
        standalone: bool,
        remotes: impl Iterator<Item = &'r Remote>,
    ) {
        let probe = remotes.filter_map(|remote| remote.probe).max().unwrap_or(Nanos::from_secs(5));
        let fail_open = self.modes.get(name).filter(|mode| mode.bridge == bridge).map(|mode| mode.fail_open);
        let fail_open = fail_open.unwrap_or_default();
        self.modes.insert(name.to_owned(), Mode { bridge, versions, standalone, probe, fail_open });
    }

    /// A controller that has not been called yet.
    pub(super) fn begin(&mut self, name: &str, _: BridgeId, remote: &Remote, now: Nanos) {
        let key = remote.key(name);
        let passive = remote.way.is_passive();
        let state = if passive { State::Listening } else { State::Calling };
        let standing = Standing {
            key: key.clone(),
            state,
            since: now,
            version: None,
            role: None,
            error: None,
            dropped: 0,
            peers: 0,
            held: Held::default(),
            waiting: Room::default(),
            passive,
            admission: Admission::new(now),
        };
        self.standings.insert(key, standing);
    }

    /// It is no controller any more.
    pub(super) fn forget(&mut self, key: &Key) {
        self.standings.remove(key);
    }

    /// There is no such bridge any more.
    pub(super) fn close(&mut self, bridge: &str) {
        self.modes.remove(bridge);
    }

    /// What is going on with it, and why.
    pub(super) fn set(&mut self, key: &Key, state: State, error: Option<String>, now: Nanos) {
        let Some(standing) = self.standings.get_mut(key) else { return };
        if standing.state == State::Connected || standing.state == State::Listening {
            standing.since = now;
        }
        standing.state = state;
        if let Some(error) = error {
            if standing.error.as_ref() != Some(&error) {
                tracing::info!(bridge = key.bridge, controller = key.name, error, "not connected");
            }
            standing.error = Some(error);
        }
    }

    pub(super) fn handle_up(&mut self, key: &Key, now: Nanos) {
        let Some(standing) = self.standings.get_mut(key) else { return };
        tracing::info!(bridge = key.bridge, controller = key.name, target = key.target, "connected");
        (standing.state, standing.since, standing.error) = (State::Connected, now, None);
        standing.admission.handle_up(now);
    }

    pub(super) fn handle_message(&mut self, key: &Key, message: &Message) {
        if let Some(standing) = self.standings.get_mut(key) {
            standing.admission.handle_message(message);
        }
    }

    pub(super) fn handle_end(&mut self, key: &Key, dropped: u64, now: Nanos) {
        let Some(standing) = self.standings.get_mut(key) else { return };
        standing.admission.handle_end(now);
        standing.dropped += dropped;
        standing.state = if standing.passive { State::Listening } else { State::Waiting };
        standing.since = now;
    }

    /// Those of a bridge.
    pub(super) fn of(&self, bridge: &str) -> Vec<Standing> {
        self.standings.values().filter(|standing| standing.key.bridge == bridge).cloned().collect()
    }

    pub(super) fn is_on_its_own(&self, bridge: &str) -> bool {
        self.modes.get(bridge).is_some_and(|mode| mode.fail_open.is_open())
    }

    /// Which bridges are on their own from now on, and which no more.
    pub(super) fn turns(&mut self, now: Nanos) -> Vec<(BridgeId, Turn)> {
        let mut turns = Vec::new();
        for (name, mode) in &mut self.modes {
            let called = self.standings.values().filter(|it| it.key.bridge == *name && !it.passive);
            let missed: Vec<Option<Nanos>> = called.map(|it| it.admission.missed_since(now)).collect();
            // Without a controller to be missed, or with only flows to go by, it is never on its own.
            let missed = if missed.is_empty() || !mode.standalone {
                None
            } else {
                missed.into_iter().collect::<Option<Vec<_>>>().and_then(|since| since.into_iter().max())
            };
            turns.extend(mode.fail_open.poll(now, missed, mode.probe).map(|turn| (mode.bridge, turn)));
        }
        turns
    }
}
