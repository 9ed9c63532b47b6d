//! Snapshots of running machines: what a guest has in memory, in its devices and on its disk, at one moment.
//!
//! ```text
//! save     stop ─► QEMU says what its devices are ─► memory is copied ─► disk is copied ─► go on
//! restore  memory is copied ─► QEMU ends, another begins with that memory ─► reads what its devices were ─► goes on
//! ```
//! Memory is a file that this process has made and QEMU only maps (`x-ignore-shared`), so QEMU carries none of it. Source: QEMU,
//! `docs/devel/migration`.

use std::io::{Read, Write};
use std::sync::{PoisonError, mpsc};
use std::time::Duration;

use netloom_sys::clock;
use serde_json::{Value, json};

use super::life::capabilities;
use super::setup::Resumed;
use super::shelf::{About, Draft, MOST_DEVICES, Shelf};
use super::{Machine, Machines, Phase};

/// The name by which QEMU knows where it writes.
const GIVEN: &str = "snapshot";
/// How long QEMU may take to say what its devices are.
const PATIENCE: Duration = Duration::from_secs(30);

impl Machines {
    /// The snapshots of a node; `None`: this user has no directory for them.
    pub(in crate::engine) fn shelf(&self, lab: &str, node: &str) -> Option<Shelf> {
        Some(Shelf::new(&crate::engine::containers::snapshots(lab)?, node))
    }
}

impl Machine {
    /// Keeps what it is; it stands still meanwhile, and goes on unless it was `paused`.
    ///
    /// # Errors
    /// In words: it is not up, programs are carried whose streams cannot be kept, QEMU or the disk refuses.
    pub(in crate::engine) fn save(&self, shelf: &Shelf, name: &str, paused: bool) -> Result<(), String> {
        if self.status().phase != Phase::Up {
            return Err("the guest is not up".to_owned());
        }
        match self.streams() {
            0 => {}
            1 => return Err("a program is run in it from outside, whose streams cannot be kept".to_owned()),
            many => {
                return Err(format!(
                    "{many} programs are run in it from outside, whose streams cannot be kept"
                ));
            }
        }
        if self.shared.took_one() {
            // Seen with QEMU 7.2: it aborts.
            return Err("a processor was taken away since it was started, and QEMU ends when it is to tell of such a \
                        machine; `stop` and `start` it first"
                .to_owned());
        }
        // Processors that come or go meanwhile would be in one half of it only.
        let _still = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let draft = shelf.begin(name)?;
        self.pause(true)?;
        let kept = self.keep(&draft);
        let goes_on = if paused { Ok(()) } else { self.pause(false) };
        let memory = kept?;
        goes_on?;
        let made_of = self.made_of();
        let (taken, processors) = (clock::wall() / 1_000_000_000, self.processors());
        draft.finish(&About { taken, memory, processors, made_of })
    }

    /// Bytes of memory that were kept.
    fn keep(&self, draft: &Draft) -> Result<u64, String> {
        let ram = self.ram().ok_or("it does not run")?;
        draft.devices(&self.devices()?)?;
        draft.ram(&*ram)?;
        if let Some(disk) = self.disk() {
            draft.disk(disk)?;
        }
        let length = rustix::fs::fstat(&*ram).map_err(|errno| errno.to_string())?.st_size;
        Ok(u64::try_from(length).unwrap_or(0))
    }

    /// What QEMU says of the devices of a machine that stands still.
    fn devices(&self) -> Result<Vec<u8>, String> {
        let (reader, writer) = std::io::pipe().map_err(|error| error.to_string())?;
        self.ask("migrate-set-capabilities", capabilities())?;
        self.give(writer.into(), "getfd", json!({ "fdname": GIVEN }))?;
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            let read = reader.take(MOST_DEVICES + 1).read_to_end(&mut bytes);
            // Who gave up waiting does not want to know.
            let _ = tell.send(read.map(|_| bytes).map_err(|error| error.to_string()));
        });
        if let Err(why) = self.ask("migrate", json!({ "uri": format!("fd:{GIVEN}") })) {
            // It holds what nobody reads.
            let _ = self.ask("closefd", json!({ "fdname": GIVEN }));
            return Err(why);
        }
        let bytes = told.recv_timeout(PATIENCE).unwrap_or_else(|_| Err("QEMU does not finish".to_owned()))?;
        self.await_moved()?;
        if bytes.len() as u64 > MOST_DEVICES {
            return Err("QEMU says too much of its devices".to_owned());
        }
        Ok(bytes)
    }

    fn await_moved(&self) -> Result<(), String> {
        let until = clock::now() + u64::try_from(PATIENCE.as_nanos()).unwrap_or(u64::MAX);
        loop {
            let said = self.ask("query-migrate", Value::Null)?;
            match said["status"].as_str() {
                Some("completed") => return Ok(()),
                Some("failed" | "cancelled") => {
                    let why = said["error-desc"].as_str().unwrap_or("it says not why");
                    return Err(format!("QEMU: {why}"));
                }
                _ if clock::now() > until => return Err("QEMU does not finish".to_owned()),
                _ => clock::sleep(2_000_000),
            }
        }
    }

    /// Goes on from where it was; what it is now is lost.
    ///
    /// # Errors
    /// In words: there is no such snapshot, or it is of a machine that was made of something else; then it goes on as it
    /// is. Or QEMU does not take it up.
    pub(in crate::engine) fn restore(&self, shelf: &Shelf, name: &str) -> Result<(), String> {
        let kept = shelf.open(name)?;
        if kept.about.made_of != self.made_of() {
            return Err(format!(
                "the node is not what it was when {name} was saved: kernel, devices, addresses or QEMU differ"
            ));
        }
        let ((ram, fill), devices) = (kept.ram()?, kept.devices()?);
        let disk = match self.disk() {
            Some(to) => kept.disk(to)?.map(|from| [from, to.to_owned()]),
            None => None,
        };
        let (reader, mut writer) = std::io::pipe().map_err(|error| error.to_string())?;
        std::thread::spawn(move || {
            // One that does not read it says so by other means.
            let _ = writer.write_all(&devices);
        });
        let (tell, filled) = mpsc::channel();
        // While QEMU comes up.
        std::thread::spawn(move || drop(tell.send(fill())));
        let processors = kept.about.processors;
        self.resume_from(
            Resumed { ram: Some(ram), devices: reader.into(), processors, key: None },
            filled,
            disk,
        )
    }
}
