//! Processors of a guest, given and taken away while it runs: by ACPI, as on a board with sockets.

use std::sync::PoisonError;

use netloom_sys::clock;
use netloom_vm::command::{processor, processor_id};
use serde_json::{Value, json};

use super::Machine;

/// What netloom is told to be in the guest: `netloom guest processors`.
const WORD: &str = "processors";
/// How long a guest may take to let go of a processor, and to have one work.
const PATIENCE_NS: u64 = 20_000_000_000;
/// How often QEMU is asked whether it has.
const LOOK_NS: u64 = 50_000_000;

impl Machine {
    /// Gives the guest processors or takes them away, as far as it goes along; one that is off gets them when it is on.
    ///
    /// # Errors
    /// In words: QEMU refuses, or the guest does not let go of one. Then it has those that it has got so far.
    pub(in crate::engine) fn set_processors(&self, wanted: u32) -> Result<(), String> {
        let _one_at_a_time = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let has = self.shared.processors();
        if self.status().pid.is_none() {
            self.shared.set_processors(wanted);
            return Ok(());
        }
        for core in has..wanted {
            let properties = processor(self.accel, core).map(|(key, value)| match value.parse::<u32>() {
                Ok(number) => (key.to_owned(), json!(number)),
                Err(_) => (key.to_owned(), json!(value)),
            });
            self.ask("device_add", Value::Object(properties.into_iter().collect()))?;
            self.shared.set_processors(core + 1);
        }
        if wanted > has && self.has_agent {
            return self.bring_up();
        }
        for core in (wanted..has).rev() {
            self.shared.set_took_one(true);
            self.unplug(core)?;
            self.shared.set_processors(core);
        }
        Ok(())
    }

    /// Has the guest use what it was given. One that still boots may have counted them before.
    fn bring_up(&self) -> Result<(), String> {
        self.await_agent(|| true)?;
        let done = self.run_own(WORD, &[], PATIENCE_NS);
        done.map_err(|why| format!("the guest does not use them: {why}"))
    }

    fn unplug(&self, core: u32) -> Result<(), String> {
        self.ask("device_del", json!({ "id": processor_id(core) }))?;
        let until = clock::now() + PATIENCE_NS;
        while has_core(&self.ask("query-hotpluggable-cpus", Value::Null)?, core) {
            if clock::now() > until {
                return Err(format!("the guest does not let go of processor {core}"));
            }
            clock::sleep(LOOK_NS);
        }
        Ok(())
    }
}

/// Whether QEMU's list of places for processors has one in that place.
fn has_core(places: &Value, core: u32) -> bool {
    let places = places.as_array().map_or(&[][..], Vec::as_slice);
    places.iter().any(|place| place["props"]["core-id"] == core && place.get("qom-path").is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_without_a_processor_is_no_processor() {
        let places = json!([
            { "props": { "core-id": 2, "socket-id": 0 }, "type": "max-x86_64-cpu", "vcpus-count": 1 },
            { "props": { "core-id": 1, "socket-id": 0 }, "qom-path": "/machine/peripheral/cpu1", "vcpus-count": 1 },
        ]);
        assert!(has_core(&places, 1));
        assert!(!has_core(&places, 2) && !has_core(&places, 3) && !has_core(&Value::Null, 1));
    }
}
