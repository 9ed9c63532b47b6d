//! A meter that is kept.

use netloom_flow::text::{MeterText, parse_meter_filter};
use netloom_flow::{MeterRead, MeterSettings, Nanos};

use super::Unwritable;
use super::word::{List, Words};
use crate::meter_mod::MeterRow;
use crate::meter_text::settings;
use crate::model::{Carried, MeterEntry};

/// A meter with its counters and its age. Its buckets are not kept: they are full again, as those of a new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptMeter {
    /// Its number.
    pub id: u32,
    /// Its settings.
    pub settings: MeterSettings,
    /// Its counters.
    pub read: MeterRead,
    /// How long ago it was added.
    pub age: Nanos,
}

impl KeptMeter {
    pub(super) fn of(id: u32, entry: &MeterEntry, now: Nanos) -> Self {
        let (settings, read) = (entry.meter.settings().clone(), entry.meter.read());
        Self { id, settings, read, age: now.since(entry.created) }
    }

    fn text(&self) -> MeterText {
        let (read, flows, created) = Default::default();
        MeterText::from(&MeterRow { id: self.id, settings: self.settings.clone(), read, flows, created })
    }

    /// Its line.
    ///
    /// # Errors
    /// It would be read as another meter.
    pub(super) fn line(&self) -> Result<String, Unwritable> {
        let text = self.text().to_string();
        let read = parse_meter_filter(&text);
        if read.as_ref().map(|text| (text.meter, settings(text))) != Ok((self.id, self.settings.clone())) {
            return Err(Unwritable(format!("the meter {text}")));
        }
        let pair = |&(packets, bytes)| Carried { packets, bytes };
        let bands: Vec<Carried> = self.read.bands.iter().map(pair).collect();
        let (packets, bytes) = self.read.input;
        Ok(format!("meter {} {packets} {bytes} {} {text}", self.age.0, List(&bands)))
    }

    /// Reads what stands behind the first word of its line.
    pub(super) fn read(mut words: Words<'_>) -> Result<Self, String> {
        let (age, input, bands) = (words.span("the age")?, words.carried()?, words.all_carried()?);
        let text = parse_meter_filter(words.rest()).map_err(|error| error.message)?;
        if bands.len() != text.bands.len() {
            return Err("there are not as many counters as bands".to_owned());
        }
        let bands = bands.iter().map(|it| (it.packets, it.bytes)).collect();
        let read = MeterRead { input: (input.packets, input.bytes), bands };
        Ok(Self { id: text.meter, settings: settings(&text), read, age })
    }
}
