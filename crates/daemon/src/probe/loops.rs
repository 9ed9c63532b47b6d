//! Whether frames go round: everybody cries once, and nobody may hear a cry twice or hear its own.

use std::collections::BTreeMap;

use netloom_sys::epoll::{Epoll, Interest};
use netloom_sys::sniffer::Sniffer;
use netloom_sys::{HostError, clock};

use super::echo::Token;
use super::frame;
use super::run_number;
use super::station::{Interface, Station};

/// Stations that take part; of more, every nth one.
const MOST: usize = 64;
/// Frames looked at: a storm has more than anybody wants to read.
const ENOUGH: usize = 100_000;

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Rounds {
    /// Frames sent.
    pub(crate) sent: u64,
    /// Where one came round: the station, and who had sent it.
    pub(crate) found: Option<(String, String)>,
}

struct Crier {
    at: usize,
    sniffer: Sniffer,
    interfaces: Vec<Interface>,
}

/// Sends a broadcast out of every interface of the stations and listens for `wait` nanoseconds.
///
/// # Errors
/// When sockets cannot be opened.
pub(crate) fn loops(
    stations: &[Station],
    wait: u64,
    goes_on: &dyn Fn() -> bool,
) -> Result<Rounds, HostError> {
    let run = run_number();
    let mut epoll = Epoll::new(64)?;
    let mut criers = Vec::new();
    let step = stations.len().div_ceil(MOST).max(1);
    for (at, station) in
        stations.iter().enumerate().step_by(step).filter(|(_, s)| s.down.is_none() && s.is_here())
    {
        let open = || -> Result<_, HostError> { Ok((Sniffer::open()?, Interface::all()?)) };
        let (sniffer, interfaces) = station.netns.run(open)??;
        epoll.add(&sniffer, criers.len() as u64, Interest::Read)?;
        criers.push(Crier { at, sniffer, interfaces });
    }
    let mut rounds = Rounds::default();
    for crier in &criers {
        for (number, interface) in (0..).zip(&crier.interfaces).filter(|(_, i)| i.running) {
            let probe = u32::try_from(crier.at).unwrap_or(u32::MAX);
            let cry = frame::broadcast(interface.mac, Token { run, probe, attempt: number });
            let sent = cry.is_some_and(|cry| crier.sniffer.send(interface.index, &cry).is_ok());
            rounds.sent += u64::from(sent);
        }
    }
    // (crier, number of the interface, hearer): how often.
    let mut heard: BTreeMap<(u32, u32, usize), u32> = BTreeMap::new();
    let until = clock::now() + wait;
    let (mut ready, mut frames, mut buffer) = (Vec::new(), 0, [0; 256]);
    loop {
        let now = clock::now();
        if now >= until || frames >= ENOUGH || !goes_on() {
            return Ok(rounds);
        }
        epoll.wait(Some((until - now).min(100_000_000)), |event| ready.push(event.token))?;
        for hearer in ready.drain(..) {
            let Some(crier) = usize::try_from(hearer).ok().and_then(|hearer| criers.get(hearer)) else {
                continue;
            };
            while let Ok(len) = crier.sniffer.receive(&mut buffer) {
                frames += 1;
                let token = buffer.get(..len).and_then(frame::token_in).filter(|token| token.run == run);
                if let Some(token) = token {
                    let count = heard.entry((token.probe, token.attempt, crier.at)).or_default();
                    *count += 1;
                    if *count > 1 || token.probe as usize == crier.at && crier.interfaces.len() == 1 {
                        rounds.found = found(stations, crier.at, token);
                    }
                }
                if frames >= ENOUGH {
                    break;
                }
            }
        }
    }
}

fn found(stations: &[Station], at: usize, token: Token) -> Option<(String, String)> {
    Some((stations.get(at)?.name.clone(), stations.get(token.probe as usize)?.name.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::testing::{join, namespaces, settle, station, wire};

    #[test]
    fn a_wire_has_no_loop() {
        let Some(stations) = wire() else { return };
        let rounds = loops(&stations, 100_000_000, &|| true).unwrap();
        assert_eq!(rounds, Rounds { sent: 2, found: None });
    }

    #[test]
    fn two_wires_between_two_nodes_hear_twice() {
        // What a loop looks like from a node: the same cry over two ways. Here the second is sent by hand.
        let Some([a, b]) = namespaces() else { return };
        join(0, (&a, "eth0", 1), (&b, "eth0", 2));
        let stations = [station("a", &a, 0, 1), station("b", &b, 0, 2)];
        settle(&stations, (0, 1));
        let again = a.run(|| {
            let sniffer = Sniffer::open().unwrap();
            let interface = Interface::all().unwrap().remove(0);
            (sniffer, interface)
        });
        let (sniffer, interface) = again.unwrap();
        // Sends back every cry it hears.
        let over = std::sync::atomic::AtomicBool::new(false);
        let rounds = std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut buffer = [0; 256];
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    if let Ok(len) = sniffer.receive(&mut buffer)
                        && frame::token_in(&buffer[..len]).is_some()
                    {
                        let _ = sniffer.send(interface.index, &buffer[..len]);
                    }
                    std::thread::yield_now();
                }
            });
            let rounds = loops(&stations, 200_000_000, &|| true).unwrap();
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            rounds
        });
        assert_eq!(rounds.found, Some(("b".to_owned(), "b".to_owned())));
    }
}
