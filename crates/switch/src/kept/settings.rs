//! What controllers have set for a bridge, its tables and its ports.

use std::collections::BTreeMap;
use std::fmt::Write;

use netloom_flow::{OfPort, TableId};
use netloom_openflow::msg::nicira::TlvMap;
use netloom_openflow::msg::{TableMiss, TableReason};

use super::word::{Escaped, Words};
use crate::model::{Bridge, Carried, Fragments, PortConfig, Table, TableLimit, Vacancy};

/// What controllers have set for a bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptSettings {
    pub(super) first_egress: Option<TableId>,
    pub(super) fragments: Fragments,
    pub(super) options: BTreeMap<u16, TlvMap>,
}

/// What controllers have set for a table, and its counters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTable {
    pub(super) id: TableId,
    pub(super) limit: TableLimit,
    pub(super) miss: TableMiss,
    pub(super) vacancy: Option<Vacancy>,
    pub(super) name: Option<String>,
    /// Packets looked up, and packets that a flow matched.
    pub(super) counters: (u64, u64),
}

/// What controllers have set for a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptPort {
    pub(super) number: OfPort,
    pub(super) config: PortConfig,
}

const FRAGMENTS: [(&str, Fragments); 2] = [("drop", Fragments::Drop), ("nx-match", Fragments::NxMatch)];
const MISSES: [(&str, TableMiss); 4] = [
    ("default", TableMiss::Default),
    ("controller", TableMiss::Controller),
    ("continue", TableMiss::Continue),
    ("drop", TableMiss::Drop),
];
const REASONS: [(&str, TableReason); 2] =
    [("down", TableReason::VacancyDown), ("up", TableReason::VacancyUp)];
/// In the order of the bits in a port's line.
const BITS: usize = 6;

fn named<T: Copy>(all: &[(&str, T)], word: &str, what: &str) -> Result<T, String> {
    all.iter().find(|(name, _)| *name == word).map(|(_, it)| *it).ok_or_else(|| format!("no such {what}"))
}

fn name_of<T: PartialEq>(all: &[(&'static str, T)], of: &T) -> &'static str {
    all.iter().find(|(_, it)| it == of).map_or("-", |(name, _)| *name)
}

impl KeptSettings {
    /// Nobody has set anything.
    pub(super) const NONE: Self =
        Self { first_egress: None, fragments: Fragments::Normal, options: BTreeMap::new() };

    pub(super) fn of(bridge: &Bridge) -> Self {
        Self {
            first_egress: bridge.first_egress,
            fragments: bridge.fragments,
            options: bridge.tlv_map.clone(),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        // Writing to a text cannot fail.
        if let Some(first) = self.first_egress {
            let _ = writeln!(out, "egress {first}");
        }
        if self.fragments != Fragments::Normal {
            let _ = writeln!(out, "fragments {}", name_of(&FRAGMENTS, &self.fragments));
        }
        for TlvMap { class, kind, len, index } in self.options.values() {
            let _ = writeln!(out, "option {index} {class} {kind} {len}");
        }
    }

    /// Reads a line. `false`: it is of something else.
    pub(super) fn read(&mut self, word: &str, mut words: Words<'_>) -> Result<bool, String> {
        match word {
            "egress" => self.first_egress = Some(TableId(words.number("the table")?)),
            "fragments" => self.fragments = named(&FRAGMENTS, words.next("what is done")?, "treatment")?,
            "option" => {
                let index = words.number("the field")?;
                let map = TlvMap {
                    index,
                    class: words.number("the class")?,
                    kind: words.number("the type")?,
                    len: words.number("the length")?,
                };
                self.options.insert(index, map);
            }
            _ => return Ok(false),
        }
        words.end()?;
        Ok(true)
    }
}

impl KeptTable {
    pub(super) fn of(id: TableId, table: &Table) -> Self {
        Self {
            id,
            limit: table.limit,
            miss: table.miss,
            vacancy: table.vacancy,
            name: table.name.clone(),
            counters: (table.lookups, table.matches),
        }
    }

    pub(super) fn write(&self, out: &mut String) {
        let Self { id, limit, counters: (lookups, matches), .. } = self;
        let evicts = if limit.evicts { "evicts" } else { "refuses" };
        let _ = write!(
            out,
            "table {id} {lookups} {matches} {} {evicts} {}",
            limit.max_flows,
            name_of(&MISSES, &self.miss)
        );
        let _ = match &self.vacancy {
            Some(vacancy) => {
                write!(out, " {}/{}/{}", vacancy.down, vacancy.up, name_of(&REASONS, &vacancy.next))
            }
            None => write!(out, " -"),
        };
        let _ = match &self.name {
            Some(name) => writeln!(out, " {}", Escaped(name)),
            None => writeln!(out),
        };
    }

    /// Reads what stands behind the first word of its line.
    pub(super) fn read(mut words: Words<'_>) -> Result<Self, String> {
        let id = TableId(words.number("the table")?);
        let Carried { packets, bytes } = words.carried()?;
        let max_flows = words.number("the number of flows")?;
        let evicts =
            named(&[("evicts", true), ("refuses", false)], words.next("what happens beyond")?, "way")?;
        let miss = named(&MISSES, words.next("what a miss does")?, "miss")?;
        let vacancy = vacancy(words.next("when to tell")?)?;
        let name = if words.rest().is_empty() { None } else { Some(words.text("the name")?) };
        words.end()?;
        let limit = TableLimit { max_flows, evicts };
        Ok(Self { id, limit, miss, vacancy, name, counters: (packets, bytes) })
    }
}

fn vacancy(word: &str) -> Result<Option<Vacancy>, String> {
    if word == "-" {
        return Ok(None);
    }
    let parts = || {
        let (down, rest) = word.split_once('/')?;
        let (up, next) = rest.split_once('/')?;
        let next = named(&REASONS, next, "reason").ok()?;
        Some(Vacancy { down: down.parse().ok()?, up: up.parse().ok()?, next })
    };
    parts().map(Some).ok_or_else(|| "this is not when to tell".to_owned())
}

impl KeptPort {
    const fn bits(&self) -> [bool; BITS] {
        let PortConfig { down, no_recv, no_fwd, no_flood, no_packet_in, no_stp } = self.config;
        [down, no_recv, no_fwd, no_flood, no_packet_in, no_stp]
    }

    pub(super) fn write(&self, out: &mut String) {
        let bits: String = self.bits().map(|is_set| if is_set { '1' } else { '0' }).iter().collect();
        let _ = writeln!(out, "port {} {bits}", self.number);
    }

    /// Reads what stands behind the first word of its line.
    pub(super) fn read(mut words: Words<'_>) -> Result<Self, String> {
        let number = OfPort(words.number("the port")?);
        let word = words.next("what is set")?;
        words.end()?;
        let bit = |byte: u8| match byte {
            b'0' => Some(false),
            b'1' => Some(true),
            _ => None,
        };
        let bits: Option<Vec<bool>> = word.bytes().map(bit).collect();
        let bits: Option<[bool; BITS]> = bits.and_then(|bits| bits.try_into().ok());
        let [down, no_recv, no_fwd, no_flood, no_packet_in, no_stp] = bits.ok_or("these are no settings")?;
        Ok(Self { number, config: PortConfig { down, no_recv, no_fwd, no_flood, no_packet_in, no_stp } })
    }
}
