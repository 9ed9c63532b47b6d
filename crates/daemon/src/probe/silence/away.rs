//! Envoys in virtual machines: they say which interfaces they have, send what they are told to, and tell what arrived.
//!
//! A guest may say anything. That it heard what was not sent to it is not believed; that it heard nothing has to be, as it has to
//! be of whoever looks into a network from its inside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use netloom_lab::expect::ProbeKind;
use netloom_sys::netns::NetNs;
use netloom_sys::sniffer::Sniffer;
use netloom_sys::{Errno, HostError, clock};

use super::ears::Ears;
use super::routed::Routed;
use super::{BURST, PATIENCE, PAUSE, Way, fire};
use crate::probe::echo::Token;
use crate::probe::envoy::{Answer, Envoy, Errand, START, Volley};
use crate::probe::inside::Lines;
use crate::probe::station::{Interface, Place, Station};

/// Packets that a guest is told at a time.
pub(super) const VOLLEY: usize = 256;
/// Interfaces that are taken from a guest.
const MOST_INTERFACES: usize = 256;
/// Nanoseconds of listening between two looks.
const LOOK: u64 = 1_000_000;
/// What is said of one that does not keep to the protocol.
const ODD: &str = "netloom in the guest says what nobody asked for";

/// Envoys, by station.
#[derive(Debug, Default)]
pub(super) struct Away {
    envoys: BTreeMap<usize, Envoy>,
}

impl Away {
    /// Sends one into a guest, to listen there, too, if it `listens`; its interfaces.
    ///
    /// # Errors
    /// In words: why there is nobody to send or to listen.
    pub(super) fn send(
        &mut self,
        at: usize,
        station: &Station,
        run: u32,
        listens: bool,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Vec<Interface>, String> {
        let Place::Guest(guest) = &station.place else { return Err(super::CLOSED.to_owned()) };
        let mut envoy = Envoy::send(&**guest, &Errand::Silence { run, listens }, goes_on)?;
        match envoy.hear(START, goes_on)? {
            Answer::Interfaces(interfaces) if interfaces.len() <= MOST_INTERFACES => {
                self.envoys.insert(at, envoy);
                Ok(interfaces)
            }
            _ => Err(ODD.to_owned()),
        }
    }

    /// Whether a station is a guest with an envoy.
    pub(super) fn is_in(&self, at: usize) -> bool {
        self.envoys.contains_key(&at)
    }

    /// All of them.
    pub(super) fn all(&self) -> Vec<usize> {
        self.envoys.keys().copied().collect()
    }

    /// Has one send packets, while everybody here listens; an error of each that could not be sent. The inner error: in words.
    pub(super) fn fire(
        &mut self,
        at: usize,
        probes: Vec<(ProbeKind, Token, Way)>,
        ears: &mut Ears,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Result<Vec<Option<Errno>>, String>, HostError> {
        let Some(envoy) = self.envoys.get_mut(&at) else { return Ok(Err(ODD.to_owned())) };
        let count = probes.len();
        envoy.tell(&Volley(probes));
        let until = clock::now().saturating_add(START);
        loop {
            ears.hear(LOOK)?;
            match envoy.poll() {
                Ok(Some(Answer::Fired(errors))) if errors.len() == count => {
                    return Ok(Ok(errors
                        .into_iter()
                        .map(|error| error.map(Errno::from_raw_os_error))
                        .collect()));
                }
                Ok(Some(_)) => return Ok(Err(ODD.to_owned())),
                Err(why) => return Ok(Err(why)),
                Ok(None) if clock::now() >= until => {
                    return Ok(Err("netloom in the guest does not answer".to_owned()));
                }
                Ok(None) if !goes_on() => return Ok(Err("it was given up".to_owned())),
                Ok(None) => {}
            }
        }
    }

    /// All tell what they have heard, of what was `made` of each probe; who may have missed something.
    ///
    /// # Errors
    /// The first that does not tell, and why.
    pub(super) fn finish(self, ears: &mut Ears, made: &[u32]) -> Result<Vec<usize>, (usize, String)> {
        self.envoys.values().for_each(Envoy::finish);
        let mut all = Vec::new();
        for (at, mut envoy) in self.envoys {
            let (seen, missed) = match envoy.hear(START, &|| true) {
                Ok(Answer::Heard { seen, missed }) => (seen, missed),
                Ok(_) => return Err((at, ODD.to_owned())),
                Err(why) => return Err((at, why)),
            };
            all.extend(missed.then_some(at));
            for (probe, attempt) in seen {
                let probe = usize::try_from(probe).unwrap_or(usize::MAX);
                if made.get(probe).is_some_and(|made| attempt < *made) {
                    ears.add(probe, at, attempt);
                }
            }
        }
        Ok(all)
    }
}

/// Carries a part out, inside a guest.
///
/// # Errors
/// In words: sockets that cannot be opened, or nobody listens any more.
pub(in crate::probe) fn part(
    run: u32,
    listens: bool,
    lines: &mut Lines,
    say: &mut dyn FnMut(&Answer) -> Result<(), String>,
) -> Result<(), String> {
    let text = |error: HostError| error.to_string();
    let netns = Arc::new(NetNs::current().map_err(text)?);
    let me = Station {
        name: String::new(),
        netns,
        place: Place::Here,
        v4: None,
        v6: None,
        addresses: Vec::new(),
        down: None,
        may_listen: false,
    };
    let mut ears = Ears::new(run).map_err(text)?;
    if listens {
        ears.open(0, &me).map_err(text)?;
    }
    let (sender, mut routed) = (Sniffer::deaf().map_err(text)?, Routed::default());
    say(&Answer::Interfaces(Interface::all().map_err(text)?))?;
    while let Some(volley) = lines.said::<Volley>(Duration::ZERO) {
        if let Some(Volley(probes)) = volley {
            let mut errors = Vec::with_capacity(probes.len());
            for (number, probe) in probes.into_iter().enumerate() {
                errors.push(one(&sender, &mut routed, &me, probe, &mut ears).map_err(text)?.err());
                if number % BURST == BURST - 1 {
                    ears.hear(PAUSE).map_err(text)?;
                }
            }
            say(&Answer::Fired(errors.into_iter().map(|error| error.map(Errno::raw_os_error)).collect()))?;
        }
        ears.hear(LOOK).map_err(text)?;
    }
    // What came in while the last word was said.
    ears.hear(0).map_err(text)?;
    say(&Answer::Heard { seen: ears.all(0), missed: !ears.missed().is_empty() })
}

/// One packet, again while its queue is full.
fn one(
    sender: &Sniffer,
    routed: &mut Routed,
    me: &Station,
    probe: (ProbeKind, Token, Way),
    ears: &mut Ears,
) -> Result<Result<(), Errno>, HostError> {
    let mut done = Err(Errno::NOBUFS);
    for _ in 0..PATIENCE {
        done = fire(sender, routed, me, probe)?;
        if !matches!(done, Err(Errno::NOBUFS | Errno::AGAIN)) {
            break;
        }
        ears.hear(LOOK)?;
    }
    Ok(done)
}
