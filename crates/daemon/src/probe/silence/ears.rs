//! Sniffers in the targets, and what they saw.

use std::collections::{BTreeMap, BTreeSet};

use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::sniffer::Sniffer;
use netloom_sys::{HostError, clock};

use crate::probe::frame::token_in;
use crate::probe::station::Station;

/// Frames read from one sniffer before the others have their turn.
const AT_ONCE: usize = 1_024;

/// One sniffer per target.
pub(super) struct Ears {
    run: u32,
    epoll: Epoll,
    sniffers: BTreeMap<u64, Sniffer>,
    /// Tokens: number of the probe, target, number of the packet.
    heard: BTreeSet<(usize, usize, u32)>,
}

impl Ears {
    pub(super) fn new(run: u32) -> Result<Self, HostError> {
        Ok(Self { run, epoll: Epoll::new(64)?, sniffers: BTreeMap::new(), heard: BTreeSet::new() })
    }

    /// Opens one in a station.
    pub(super) fn open(&mut self, at: usize, station: &Station) -> Result<(), HostError> {
        let sniffer = station.netns.run(Sniffer::open)??;
        self.epoll.add(&sniffer, at as u64, Interest::Read)?;
        self.sniffers.insert(at as u64, sniffer);
        Ok(())
    }

    /// Waits up to `wait` nanoseconds for something to come in, and reads it.
    pub(super) fn hear(&mut self, wait: u64) -> Result<(), HostError> {
        let mut ready = Vec::new();
        self.epoll.wait(Some(wait), |event| ready.push(event.token))?;
        let mut buffer = [0; 256];
        for at in ready {
            let Some(sniffer) = self.sniffers.get(&at) else { continue };
            for _ in 0..AT_ONCE {
                let Ok(len) = sniffer.receive(&mut buffer) else { break };
                let token = buffer.get(..len).and_then(token_in).filter(|token| token.run == self.run);
                if let (Some(token), Ok(at)) = (token, usize::try_from(at)) {
                    self.heard.insert((token.probe as usize, at, token.attempt));
                }
            }
        }
        Ok(())
    }

    /// Reads what comes in until a moment.
    pub(super) fn listen(&mut self, until: u64, goes_on: &dyn Fn() -> bool) -> Result<(), HostError> {
        loop {
            let now = clock::now();
            if now >= until || !goes_on() {
                return Ok(());
            }
            // In pieces, so that somebody who gives up need not wait.
            self.hear((until - now).min(100_000_000))?;
        }
    }

    /// Somebody else has seen this packet of a probe in a target.
    pub(super) fn add(&mut self, probe: usize, at: usize, attempt: u32) {
        self.heard.insert((probe, at, attempt));
    }

    /// Everything that was seen in a target: probes, and which packet of each.
    pub(super) fn all(&self, at: usize) -> Vec<(u32, u32)> {
        let here = self.heard.iter().filter(|(_, target, _)| *target == at);
        here.filter_map(|&(probe, _, attempt)| Some((u32::try_from(probe).ok()?, attempt))).collect()
    }

    /// How many packets of a probe were seen in a target.
    pub(super) fn heard(&self, probe: usize, at: usize) -> u32 {
        let of_probe = self.heard.range((probe, at, 0)..=(probe, at, u32::MAX));
        u32::try_from(of_probe.count()).unwrap_or(u32::MAX)
    }

    /// The targets whose sniffers did not see everything.
    pub(super) fn missed(&self) -> Vec<usize> {
        let missed = self.sniffers.iter().filter(|(_, sniffer)| sniffer.missed() != Ok(0));
        missed.filter_map(|(at, _)| usize::try_from(*at).ok()).collect()
    }
}
