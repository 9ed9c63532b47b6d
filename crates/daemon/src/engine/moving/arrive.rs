//! A machine that comes: what is done in the lab where it goes on.

use std::sync::mpsc::{Receiver, TryRecvError};

use netloom_api::{ApiError, ErrorKind};
use netloom_sys::clock;

use super::super::Running;
use super::super::machines::{Arrival, Machine, Moved, Phase};
use super::cards::{Card, end_all};
use super::parley::{Heard, answer, hear, listen, say, secret};
use super::{GO_NS, PREPARE_NS, Word, pages};
use crate::Conn;

/// How long QEMU may say nothing while nothing comes, before it is looked at.
const LOOK_NS: u64 = 50_000_000;
/// How long a guest may take until it has what was kept for it.
const GIVE_NS: u64 = 2_000_000_000;

/// A machine as it is elsewhere.
#[derive(Debug)]
pub(in crate::engine) struct Coming {
    pub(in crate::engine) made_of: String,
    pub(in crate::engine) memory: u64,
    pub(in crate::engine) processors: u32,
    pub(in crate::engine) session: u32,
    pub(in crate::engine) tls: bool,
}

impl Running {
    /// Takes a machine from another lab, whose daemon is at the other end.
    ///
    /// # Errors
    /// There is no place for it, or it did not get here; nothing is left of it then.
    pub(in crate::engine) fn arrive(
        &self,
        node: &str,
        machine: &Machine,
        coming: &Coming,
        conn: &mut Conn,
    ) -> Result<(), ApiError> {
        let refused = |why: &str| ApiError::new(ErrorKind::Failed, format!("{why}."));
        let cards = self.room_for(node, machine, coming)?;
        let io = |error: std::io::Error| refused(&format!("It cannot listen: {error}"));
        let (listener, port) = listen().map_err(io)?;
        let token = secret().map_err(io)?;
        let secret = if coming.tls { Some(secret().map_err(io)?) } else { None };
        let key = secret.as_ref().map(|secret| self.key(node, secret)).transpose().map_err(io)?;
        let handle = key.as_ref().map(super::key::Key::handle).transpose().map_err(io)?;
        let offer = Word::Offer { port, token: token.clone(), key: secret };
        say(conn, &offer).map_err(io)?;
        let stream = answer(&listener, conn, &token, PREPARE_NS)
            .map_err(|why| refused(&format!("Its memory does not come: {why}")))?;
        drop(listener);
        self.set_node(node, false);
        cards.iter().for_each(Card::expect);
        let before = (machine.memory(), machine.processors());
        let arrival = Arrival {
            stream: stream.into(),
            key: handle,
            memory: coming.memory,
            processors: coming.processors,
            session: coming.session,
        };
        let came = machine
            .arrive(arrival)
            .and_then(|watch| {
                say(conn, &Word::Ready {}).map_err(|error| error.to_string())?;
                await_go(conn, &watch, machine)
            })
            .map_err(|why| said_by(machine, why));
        drop(key);
        if let Err(why) = came {
            machine.discard();
            machine.set_back(before);
            end_all(&cards);
            self.set_node(node, true);
            self.set_away(node, true);
            tracing::info!(node, why, "a machine did not come");
            return Err(refused(&why));
        }
        cards.iter().for_each(|card| {
            card.keep();
            card.announce();
        });
        machine.go();
        self.set_away(node, false);
        serve(conn, &cards);
        tracing::info!(node, "a machine has come");
        Ok(())
    }

    /// The cards that a machine of another lab has here.
    fn room_for(&self, node: &str, machine: &Machine, coming: &Coming) -> Result<Vec<Card>, ApiError> {
        let refused = |why: String| ApiError::new(ErrorKind::Failed, why);
        let lab = self.state().lab.clone();
        let found = lab.node(node).ok_or_else(|| refused(format!("There is no {node} here.")))?;
        if machine.status().pid.is_some()
            || !matches!(machine.status().phase, Phase::Off | Phase::Ended | Phase::Failed)
        {
            return Err(refused("It runs here already.".to_owned())
                .hint(format!("netloom -l {} stop {node}", lab.name)));
        }
        if coming.made_of != machine.made_of() {
            let why = "It is made of something else here: kernel, devices, memory, addresses or QEMU differ.";
            return Err(
                refused(why.to_owned()).hint("both lab files have to say the same of it, `seed` included")
            );
        }
        self.moving_cards(found).ok_or_else(|| refused("Its cards are not served by the switch.".to_owned()))
    }
}

/// Waits until all of it is there; in words why it is not.
fn await_go(conn: &mut Conn, watch: &Receiver<Moved>, machine: &Machine) -> Result<(), String> {
    loop {
        match hear(conn, LOOK_NS) {
            Heard::Word(Word::Go {}) => return Ok(()),
            Heard::Word(Word::Sum {}) => {
                let ram = machine.ram().ok_or("QEMU has ended")?;
                let sums = pages::sums(&*ram).map_err(|error| error.to_string())?;
                conn.send_bytes(1, &sums).map_err(|error| error.to_string())?;
                continue;
            }
            Heard::Page(packet) => {
                let ram = machine.ram().ok_or("QEMU has ended")?;
                pages::write(&*ram, &packet).map_err(|error| format!("a page does not fit: {error}"))?;
                continue;
            }
            // Nothing is kept for one that is elsewhere.
            Heard::Nothing | Heard::Packet(..) => {}
            Heard::Error(error) => return Err(error.message.trim_end_matches('.').to_owned()),
            Heard::Word(_) | Heard::Sums(_) | Heard::Gone => {
                return Err("the other lab has given up".to_owned());
            }
        }
        match watch.try_recv() {
            Ok(Moved::Status(status)) if status == "failed" => {
                return Err("its memory does not come".to_owned());
            }
            Ok(_) | Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => return Err("QEMU has ended".to_owned()),
        }
    }
}

/// What QEMU itself said of its end, or this.
fn said_by(machine: &Machine, why: String) -> String {
    // Its thread may still be reading its last words.
    clock::sleep(20_000_000);
    machine.status().reason.unwrap_or(why)
}

/// Says when its cards are served, and gives it what comes after it, until the other lab has nothing more.
fn serve(conn: &mut Conn, cards: &[Card]) {
    let until = clock::now() + GO_NS;
    let mut said = false;
    loop {
        let patience = if said { LOOK_NS } else { 200_000 };
        match hear(conn, patience) {
            Heard::Packet(number, packet) => {
                if let Some(card) = cards.get(number) {
                    card.hold().add(packet);
                }
                continue;
            }
            Heard::Nothing => {}
            _ => break,
        }
        if !said && cards.iter().all(Card::is_served) {
            // Who does not hear it finds out.
            said = say(conn, &Word::Running {}).is_ok();
        }
        if !said && clock::now() > until {
            break;
        }
    }
    let until = clock::now() + GIVE_NS;
    while cards.iter().any(|card| !card.is_served() || !card.hold().is_empty()) && clock::now() < until {
        clock::sleep(1_000_000);
    }
    end_all(cards);
}
