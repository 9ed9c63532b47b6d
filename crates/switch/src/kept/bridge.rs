//! A bridge that is kept, as a value and as text.
//!
//! A line is of one thing, which its first word tells: `bridge` with name, identity and whose flows it has; `clock`, the
//! moment of writing; what controllers have set; then meters, groups and flows, in the words of `ovs-ofctl`, behind
//! their ages (in nanoseconds) and counters. The last line is `end`.
//!
//! ```text
//! bridge br0 0b1c7a0e-... alone
//! clock 51234567890
//! meter 900000000 12 1200 2/200 meter=1,pktps,bands=type=drop,rate=10
//! group 900000000 3 300 3/300 group_id=1,type=all,bucket=actions=output:2
//! flow 900000000 900000000 3 300 command cookie=0x0, in_port=1 actions=group:1
//! end
//! ```

use std::fmt::Write;

use netloom_flow::Nanos;

use super::word::{Escaped, Words};
use super::{KeptError, KeptFlow, KeptGroup, KeptMeter, KeptPort, KeptSettings, KeptTable, Unwritable};
use crate::config::Uuid;

/// What a bridge keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub name: String,
    /// Which of that name.
    pub uuid: Uuid,
    /// Whether it has controllers.
    pub is_controlled: bool,
    /// When this was so, on the clock of the machine.
    pub clock: Nanos,
    /// What controllers have set.
    pub settings: KeptSettings,
    /// The same for tables, by number.
    pub tables: Vec<KeptTable>,
    /// The same for ports, by number; those without any are left out.
    pub ports: Vec<KeptPort>,
    /// Its meters, by number.
    pub meters: Vec<KeptMeter>,
    /// Its groups, by number.
    pub groups: Vec<KeptGroup>,
    /// Its flows, the oldest first.
    pub flows: Vec<KeptFlow>,
}

const HANDS: [(&str, bool); 2] = [("alone", false), ("controlled", true)];

impl Kept {
    pub(super) const fn new(name: String, uuid: Uuid, is_controlled: bool, clock: Nanos) -> Self {
        Self {
            name,
            uuid,
            is_controlled,
            clock,
            settings: KeptSettings::NONE,
            tables: Vec::new(),
            ports: Vec::new(),
            meters: Vec::new(),
            groups: Vec::new(),
            flows: Vec::new(),
        }
    }

    /// As text, which ends with a line break.
    ///
    /// # Errors
    /// It would be read back as something else.
    pub fn text(&self) -> Result<String, Unwritable> {
        let mut out = String::new();
        let hands = if self.is_controlled { "controlled" } else { "alone" };
        let _ = writeln!(out, "bridge {} {} {hands}", Escaped(&self.name), self.uuid);
        let _ = writeln!(out, "clock {}", self.clock.0);
        self.settings.write(&mut out);
        self.tables.iter().for_each(|table| table.write(&mut out));
        self.ports.iter().for_each(|port| port.write(&mut out));
        let meters = self.meters.iter().map(KeptMeter::line);
        let groups = self.groups.iter().map(KeptGroup::line);
        for line in meters.chain(groups).chain(self.flows.iter().map(KeptFlow::line)) {
            out += &line?;
            out.push('\n');
        }
        out += "end\n";
        Ok(out)
    }

    /// Reads what [`Self::text`] has written. Nothing is believed of it but its form: what it asks for is looked at when
    /// it is restored.
    ///
    /// # Errors
    /// The first line that is not as it is written, or the missing end.
    pub fn read(text: &str) -> Result<Self, KeptError> {
        let mut lines = (1..).zip(text.lines());
        let wrong = |line| move |what: String| KeptError { line, what };
        let mut first = |word: &str| match lines.next() {
            Some((line, text)) => behind(text, word).map_err(wrong(line)),
            None => Err(wrong(1)(format!("there is no {word}"))),
        };
        let (bridge, clock) = (first("bridge")?, first("clock")?);
        let mut kept = Self::begin(bridge).map_err(wrong(1))?;
        kept.clock = moment(clock).map_err(wrong(2))?;
        for (line, text) in lines.by_ref() {
            if text == "end" {
                return match lines.next() {
                    None => Ok(kept),
                    Some((line, _)) => Err(wrong(line)("it goes on behind its end".to_owned())),
                };
            }
            kept.take(text).map_err(wrong(line))?;
        }
        Err(wrong(text.lines().count())("it has no end".to_owned()))
    }

    fn begin(mut bridge: Words<'_>) -> Result<Self, String> {
        let name = bridge.text("the name")?;
        let uuid = bridge.next("which bridge")?.parse().map_err(|error| format!("{error}"))?;
        let word = bridge.next("whose flows it has")?;
        let hands = HANDS.iter().find(|(name, _)| *name == word).ok_or("nobody has such flows")?;
        bridge.end()?;
        Ok(Self::new(name, uuid, hands.1, Nanos::ZERO))
    }

    /// Takes in a line.
    fn take(&mut self, line: &str) -> Result<(), String> {
        let mut words = Words::new(line);
        match words.next("what it is of")? {
            "flow" => {
                let place = self.flows.len() as u64;
                self.flows.push(KeptFlow::read(words, place)?);
            }
            "group" => self.groups.push(KeptGroup::read(words)?),
            "meter" => self.meters.push(KeptMeter::read(words)?),
            "table" => self.tables.push(KeptTable::read(words)?),
            "port" => self.ports.push(KeptPort::read(words)?),
            word => {
                if !self.settings.read(word, words)? {
                    return Err("nothing known begins so".to_owned());
                }
            }
        }
        Ok(())
    }
}

fn moment(mut clock: Words<'_>) -> Result<Nanos, String> {
    let now = clock.span("the moment")?;
    clock.end()?;
    Ok(now)
}

/// What stands behind the first word of a line, which is to be `word`.
fn behind<'t>(line: &'t str, word: &str) -> Result<Words<'t>, String> {
    let mut words = Words::new(line);
    if words.next("the first word")? == word { Ok(words) } else { Err(format!("there is no {word}")) }
}
