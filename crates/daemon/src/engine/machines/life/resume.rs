//! A machine that goes on from a snapshot, in place of what runs.

use serde_json::Value;

use super::super::machine::{Phase, Resume};
use super::super::setup::DEVICES;
use super::{Life, SIGKILL};

impl Life {
    /// Ends what runs, and goes on from elsewhere once it has ended.
    pub(super) fn resume(&mut self, resume: Box<Resume>) {
        let Some(live) = &mut self.live else { return self.go_on(*resume) };
        live.off = Some(u64::MAX);
        live.next = Some(resume);
        let _ = self.spawner.signal(live.process, SIGKILL, false);
    }

    pub(super) fn go_on(&mut self, Resume { resumed, filled, disk, tell }: Resume) {
        let placed = disk.map_or(Ok(()), |[from, to]| {
            std::fs::rename(&from, &to).map_err(|error| format!("{}: {error}", to.display()))
        });
        let started = placed.and_then(|()| self.start(Some(resumed)));
        // There is nobody else to serve meanwhile.
        let filled = filled.recv().unwrap_or_else(|_| Err("its memory was not copied".to_owned()));
        let mut live = match (started, filled) {
            (Ok(live), Ok(())) => live,
            (started, filled) => {
                let why = started.as_ref().err().or(filled.as_ref().err()).cloned().unwrap_or_default();
                if let Ok(live) = started {
                    let _ = self.spawner.signal(live.process, SIGKILL, false);
                }
                let _ = tell.send(Err(why.clone()));
                return self.shared.set(|status| {
                    status.phase = Phase::Failed;
                    status.reason = Some(why);
                });
            }
        };
        live.session.command("migrate-set-capabilities", capabilities());
        live.session.command("migrate-incoming", serde_json::json!({ "uri": format!("fd:{DEVICES}") }));
        live.resuming = Some(tell);
        self.live = Some(live);
        self.shared.set(|status| {
            status.phase = Phase::Booting;
            status.reason = None;
            status.restarts = 0;
        });
    }

    /// What QEMU has read is there: its processors go on.
    pub(super) fn arrived(&mut self) {
        let Some(live) = &mut self.live else { return };
        let Some(told) = live.moved.take() else { return };
        let Some(tell) = live.resuming.take() else { return };
        if told != "completed" {
            live.complaint.extend_from_slice(b"what it was cannot be taken up\n");
            live.resuming = Some(tell);
            let _ = self.spawner.signal(live.process, SIGKILL, false);
            return;
        }
        live.session.command("cont", Value::Null);
        let (now, [_, most]) = (self.shared.memory(), self.setup.memory);
        if now < most {
            live.session.command("balloon", serde_json::json!({ "value": now }));
        }
        self.shared.set(|status| {
            status.phase = Phase::Up;
            status.reason = None;
        });
        let _ = tell.send(Ok(()));
    }
}

/// What QEMU is to say of its moves, and that the guest's memory is not its to carry.
pub(in super::super) fn capabilities() -> Value {
    let on = |name: &str| serde_json::json!({ "capability": name, "state": true });
    serde_json::json!({ "capabilities": [on("events"), on("x-ignore-shared")] })
}
