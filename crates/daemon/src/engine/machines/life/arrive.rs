//! A machine that comes from another lab, and one that has gone there.

use serde_json::{Value, json};

use super::super::machine::{Phase, Receive};
use super::super::setup::DEVICES;
use super::{Life, SIGKILL};
use netloom_vm::moving;

impl Life {
    /// Has QEMU wait for what the machine is elsewhere.
    pub(super) fn receive(&mut self, Receive { resumed, watch, tell }: Receive) {
        let started = match self.live {
            Some(_) => Err("it runs here already".to_owned()),
            None => self.start(Some(resumed)),
        };
        let mut live = match started {
            Ok(live) => live,
            Err(why) => return drop(tell.send(Err(why))),
        };
        let key = live.key.take();
        for (command, arguments) in moving::receive(&format!("fd:{DEVICES}"), key.as_deref()) {
            live.session.command(command, arguments);
        }
        live.watch = Some(watch);
        self.live = Some(live);
        self.shared.set(|status| {
            status.phase = Phase::Arriving;
            status.reason = None;
            status.restarts = 0;
        });
        let _ = tell.send(Ok(()));
    }

    /// What it was elsewhere it is here: its processors go on, at once or as soon as all has come.
    pub(super) fn go(&mut self) {
        if self.shared.status().phase != Phase::Arriving {
            return;
        }
        let Some(live) = &mut self.live else { return };
        live.session.command("cont", Value::Null);
        live.watch = None;
        let (now, [_, most]) = (self.shared.memory(), self.setup.memory);
        if now < most {
            live.session.command("balloon", json!({ "value": now }));
        }
        self.shared.set(|status| status.phase = Phase::Up);
    }

    /// Ends QEMU at once.
    pub(super) fn discard(&mut self) {
        match &mut self.live {
            Some(live) => {
                live.off = Some(u64::MAX);
                let _ = self.spawner.signal(live.process, SIGKILL, false);
            }
            None => self.shared.set(|status| {
                status.phase = Phase::Off;
                status.reason = None;
            }),
        }
    }
}
