//! Cards of a machine that come and go while it runs.
//!
//! Those that come are there before others go; what cannot be done is undone, by looking at what QEMU has. Netloom in the guest
//! gives them names, addresses and routes; a guest of its own asks the network.

use std::sync::{PoisonError, mpsc};
use std::time::Duration;

use netloom_lab::Lab;
use netloom_lab::lab::Node;
use netloom_sys::clock;
use netloom_vm::card;
use netloom_vm::guest::{GuestChange, GuestConfig};

use super::machine::Order;
use super::setup::{self, Seat};
use super::{Machine, Machines, Phase};
use crate::engine::containers::Containers;
use crate::engine::running::Nic as Card;
use crate::host::HostNet;

/// What netloom is told to be in the guest: `netloom guest cards`.
const WORD: &str = "cards";
/// How long a guest may take to let go of a card.
const PATIENCE_NS: u64 = 10_000_000_000;
/// How long it may take to find one and to set it up.
const TELL_NS: u64 = 20_000_000_000;
/// How often QEMU is asked whether it has.
const LOOK_NS: u64 = 20_000_000;
/// How long the machine's thread may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

impl Machines {
    /// Gives the machine of `node` the network that it has in `lab`: one that runs gets its cards now.
    ///
    /// # Errors
    /// In words: it stands still, QEMU refuses, or the guest does not go along. It has what it had then.
    pub(in crate::engine) fn rewire(
        &self,
        lab: &Lab,
        node: &Node,
        containers: &Containers,
        net: &HostNet,
        nics: &[Card],
    ) -> Result<(), String> {
        let (Some(machine), Some(vm)) = (self.of(&node.name), node.vm.as_deref()) else { return Ok(()) };
        let image = containers.of(&node.name).map(|one| one.image);
        let config = setup::config(lab, node, vm, image.as_deref(), None);
        machine.rewire(|before| setup::seats(net, nics, before), config)
    }
}

impl Machine {
    fn rewire(
        &self,
        wanted: impl FnOnce(&[Seat]) -> Vec<Seat>,
        mut config: GuestConfig,
    ) -> Result<(), String> {
        // Whoever saves it wants it to be one thing meanwhile.
        let _one_at_a_time = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut seated = self.seated.lock().unwrap_or_else(PoisonError::into_inner);
        // A virtual function stays the one it is.
        for card in &mut config.interfaces {
            let before = seated.1.interfaces.iter().find(|before| before.mac == card.mac);
            card.driver = before.and_then(|before| before.driver.clone());
        }
        let to = (wanted(&seated.0), config);
        if !self.seat(&to, true)? {
            self.change(&seated, &to)?;
            self.seat(&to, false)?;
        }
        *seated = to;
        Ok(())
    }

    /// As [`Order::Seat`] has it.
    fn seat(&self, (seats, config): &(Vec<Seat>, GuestConfig), fresh: bool) -> Result<bool, String> {
        let (tell, told) = mpsc::channel();
        let config = Box::new(config.clone());
        self.shared.order(Order::Seat { seats: seats.clone(), config, fresh, tell });
        told.recv_timeout(ANSWER).map_err(|_| "its thread does not answer".to_owned())
    }

    /// Changes one that runs, or leaves it as it was.
    fn change(&self, from: &(Vec<Seat>, GuestConfig), to: &(Vec<Seat>, GuestConfig)) -> Result<(), String> {
        if self.status().phase != Phase::Up {
            return Err("the guest is not up".to_owned());
        }
        let all: Vec<&Seat> = from.0.iter().chain(&to.0).collect();
        let done = self.plug(&all, &to.0).and_then(|()| self.tell(&from.1, &to.1));
        if let Err(why) = &done {
            let undone = self.plug(&all, &from.0).and_then(|()| self.tell(&to.1, &from.1));
            if let Err(more) = undone {
                tracing::error!(why, more, "the cards of a machine are not what they were");
            }
        }
        done
    }

    /// Of `all` cards that it may have it is to have these: by what QEMU says, which knows of what was done by half.
    fn plug(&self, all: &[&Seat], wanted: &[Seat]) -> Result<(), String> {
        let (command, arguments) = card::devices();
        let devices = self.ask(command, arguments)?;
        for seat in wanted.iter().filter(|seat| !card::is_there(&devices, seat.number)) {
            self.come(seat).map_err(|why| format!("{} cannot be plugged in: {why}", seat.name))?;
        }
        let is_wanted = |number: u32| wanted.iter().any(|seat| seat.number == number);
        for seat in all.iter().filter(|seat| !is_wanted(seat.number)) {
            if card::is_there(&devices, seat.number) {
                self.leave(seat)?;
            }
        }
        Ok(())
    }

    fn come(&self, seat: &Seat) -> Result<(), String> {
        // What is left of one that the guest gave back late is in the way.
        self.clear(seat.number);
        let is_served = matches!(seat.card, Card::Rings { .. });
        let (command, arguments) = card::give(seat.number, is_served);
        let given = self.give(seat.given()?, command, arguments)?;
        let fd = given["fd"].as_u64().and_then(|fd| u32::try_from(fd).ok());
        let socket = fd.filter(|_| is_served).map(setup::socket);
        let come = card::come(self.virt, seat.number, seat.mac, socket.as_deref());
        let done =
            come.into_iter().try_for_each(|(command, arguments)| self.ask(command, arguments).map(drop));
        if done.is_err() {
            self.clear(seat.number);
        }
        done
    }

    fn leave(&self, seat: &Seat) -> Result<(), String> {
        let (command, arguments) = card::leave(seat.number);
        if let Err(why) = self.ask(command, arguments) {
            // It was asked before, and is asked no more than once at a time.
            tracing::info!(card = seat.name, why, "a guest is asked for a card");
        }
        let until = clock::now() + PATIENCE_NS;
        loop {
            let (command, arguments) = card::devices();
            if !card::is_there(&self.ask(command, arguments)?, seat.number) {
                break;
            }
            if clock::now() > until {
                let seconds = PATIENCE_NS / 1_000_000_000;
                return Err(format!("the guest does not let go of {} in {seconds} s", seat.name));
            }
            clock::sleep(LOOK_NS);
        }
        self.clear(seat.number);
        Ok(())
    }

    /// Clears away what is behind a card that is not there.
    fn clear(&self, number: u32) {
        for (command, arguments) in card::clear(number) {
            if let Err(why) = self.ask(command, arguments) {
                tracing::debug!(command, why, "there is nothing to be cleared away");
            }
        }
    }

    /// Has the guest do its part.
    fn tell(&self, from: &GuestConfig, to: &GuestConfig) -> Result<(), String> {
        if !self.has_agent {
            return Ok(());
        }
        let change = GuestChange {
            from: from.network(),
            to: to.network(),
            hosts: to.hosts.clone(),
            resolver: to.resolver.clone(),
        };
        let text = serde_json::to_vec(&change).map_err(|error| error.to_string())?;
        self.run_own(WORD, &text, TELL_NS).map_err(|why| format!("the guest does not set it up: {why}"))
    }
}
