//! A flow table: a classifier of rules and two counters.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_flow::{Action, Classifier, FlowKey, FlowMask, FlowMatch, Nanos, OptionLayout, word};
use netloom_openflow::msg::{TableMiss, TableReason};

use super::due::Due;
use super::rule::Rule;

/// A flow table.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// All rules. Those that are clauses of conjunctions are in `clauses`, too.
    pub(crate) rules: Rulebook,
    /// Wire packets looked up here.
    pub(crate) lookups: u64,
    /// Wire packets that matched a rule.
    pub(crate) matches: u64,
    /// How many flows there may be, and what happens beyond.
    pub(crate) limit: TableLimit,
    /// The rules that may be evicted, by importance and end. Made when the first has to go.
    pub(crate) evictable: Option<Due<(u16, Nanos)>>,
    /// What a packet meets that no flow matches.
    pub(crate) miss: TableMiss,
    /// The name a controller gave it.
    pub(crate) name: Option<String>,
    /// When somebody is to be told that it fills up.
    pub(crate) vacancy: Option<Vacancy>,
}

/// When somebody is told that a table fills up, and that it has room again; in per cent of free space.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Vacancy {
    /// Less is told.
    pub(crate) down: u8,
    /// Then, more is told.
    pub(crate) up: u8,
    /// Which of them is next.
    pub(crate) next: TableReason,
}

/// What happens to a flow for which there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableLimit {
    /// How many flows there may be.
    pub max_flows: u32,
    /// Whether an old flow makes room: the one of least importance, of those the one that would go first. Else the
    /// new one is refused.
    pub evicts: bool,
}

impl Default for TableLimit {
    /// A million, and no more.
    fn default() -> Self {
        Self { max_flows: 1_000_000, evicts: false }
    }
}

/// The rules of a table. A rule that is a clause of conjunctions matches nothing by itself.
#[derive(Debug, Default)]
pub(crate) struct Rulebook {
    /// Where the bridge keeps tunnel options.
    layout: Arc<OptionLayout>,
    whole: Classifier<Arc<Rule>>,
    /// The clauses, by priority.
    clauses: BTreeMap<u16, Classifier<Arc<Rule>>>,
    /// How many there are.
    n_clauses: usize,
}

/// Whether a rule only says that it is a clause.
fn is_clause(rule: &Rule) -> bool {
    rule.flow.actions.iter().any(|action| matches!(action, Action::Conjunction { .. }))
}

impl Rulebook {
    pub(crate) fn len(&self) -> usize {
        self.whole.len() + self.n_clauses
    }

    /// Says where the bridge keeps tunnel options. Rules about some that it did not know move there.
    pub(crate) fn set_layout(&mut self, layout: &Arc<OptionLayout>) {
        if Arc::ptr_eq(&self.layout, layout) {
            return;
        }
        let concerned: Vec<Arc<Rule>> =
            self.rules().filter(|rule| !rule.flow.matches.has_no_options()).map(Arc::clone).collect();
        for rule in &concerned {
            self.remove(&rule.flow.matches, rule.priority());
        }
        self.layout = Arc::clone(layout);
        for rule in concerned {
            self.insert(&rule.flow.matches, rule.priority(), Arc::clone(&rule));
        }
    }

    pub(crate) fn get(&self, matches: &FlowMatch, priority: u32) -> Option<&Arc<Rule>> {
        let matches = &*self.layout.place(matches);
        let clauses = || self.clauses.get(&short(priority))?.get(matches, priority);
        self.whole.get(matches, priority).or_else(clauses)
    }

    /// Adds a rule, and returns the one with the same match and priority.
    pub(crate) fn insert(
        &mut self,
        matches: &FlowMatch,
        priority: u32,
        rule: Arc<Rule>,
    ) -> Option<Arc<Rule>> {
        let matches = &*self.layout.place(matches);
        if is_clause(&rule) {
            let old = self.remove_placed(matches, priority);
            self.clauses.entry(short(priority)).or_default().insert(matches, priority, rule);
            self.n_clauses += 1;
            return old;
        }
        let old = self.whole.insert(matches, priority, rule);
        if old.is_some() || self.n_clauses == 0 { old } else { self.remove_clause(matches, priority) }
    }

    /// Asks for the memory that a change of a rule is going to need.
    pub(crate) fn touch(&self, matches: &FlowMatch) {
        self.whole.touch(&self.layout.place(matches));
    }

    pub(crate) fn remove(&mut self, matches: &FlowMatch, priority: u32) -> Option<Arc<Rule>> {
        self.remove_placed(&self.layout.place(matches), priority)
    }

    fn remove_placed(&mut self, matches: &FlowMatch, priority: u32) -> Option<Arc<Rule>> {
        self.whole.remove(matches, priority).or_else(|| self.remove_clause(matches, priority))
    }

    fn remove_clause(&mut self, matches: &FlowMatch, priority: u32) -> Option<Arc<Rule>> {
        let clauses = self.clauses.get_mut(&short(priority))?;
        let rule = clauses.remove(matches, priority)?;
        self.n_clauses -= 1;
        if clauses.is_empty() {
            self.clauses.remove(&short(priority));
        }
        Some(rule)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, FlowMatch, &Arc<Rule>)> {
        self.whole.iter().chain(self.clauses.values().flat_map(Classifier::iter))
    }

    /// All rules alone.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Arc<Rule>> {
        self.whole.rules().chain(self.clauses.values().flat_map(Classifier::rules))
    }

    /// A rule that has some packets in common with this match.
    pub(crate) fn overlapping(&self, matches: &FlowMatch, priority: u32) -> Option<&Arc<Rule>> {
        let matches = &*self.layout.place(matches);
        let clauses = self.clauses.get(&short(priority)).into_iter();
        let all = [&self.whole].into_iter().chain(clauses);
        all.flat_map(|rules| rules.overlapping(matches, priority)).next().map(|(_, rule)| rule)
    }

    /// The rule for a packet, and the conjunction that led to it.
    fn lookup(&self, key: &FlowKey, mask: &mut FlowMask) -> Option<(&Arc<Rule>, Option<u32>)> {
        let plain = self.whole.lookup(key, Some(mask));
        let floor = plain.map(|rule| rule.priority());
        for (priority, clauses) in self.clauses.iter().rev() {
            if floor.is_some_and(|floor| floor > u32::from(*priority)) {
                break;
            }
            for id in complete(clauses, key, mask) {
                let mut key = *key;
                key.0[word::CONJ] = key.0[word::CONJ] & 0xffff_ffff | u64::from(id) << 32;
                if let Some(rule) = self.whole.lookup(&key, Some(mask))
                    && rule.flow.matches.word(word::CONJ).1 >> 32 != 0
                {
                    return Some((rule, Some(id)));
                }
            }
        }
        plain.map(|rule| (rule, None))
    }
}

/// The conjunctions of which a packet matches every clause, by number.
fn complete(clauses: &Classifier<Arc<Rule>>, key: &FlowKey, mask: &mut FlowMask) -> Vec<u32> {
    let mut met: BTreeMap<u32, (u64, u8)> = BTreeMap::new();
    for rule in clauses.each_match(key, mask) {
        for action in &rule.flow.actions {
            if let Action::Conjunction { id, clause, n_clauses } = action {
                let (bits, n) = met.entry(*id).or_default();
                *bits |= 1_u64.checked_shl(u32::from(*clause)).unwrap_or(0);
                *n = *n_clauses;
            }
        }
    }
    let all = |n: u8| u64::MAX.checked_shr(64 - u32::from(n.min(64))).unwrap_or(0);
    met.into_iter().filter(|(_, (bits, n))| *n > 0 && bits & all(*n) == all(*n)).map(|(id, _)| id).collect()
}

fn short(priority: u32) -> u16 {
    u16::try_from(priority).unwrap_or(u16::MAX)
}

impl Table {
    /// Free space in per cent.
    pub(crate) fn free(&self) -> u8 {
        let most = u64::from(self.limit.max_flows);
        let free = most.saturating_sub(self.rules.len() as u64);
        u8::try_from((100 * free).checked_div(most).unwrap_or(0)).unwrap_or(100)
    }

    /// The rule for a packet, and the conjunction that led to it; the bits that decided it are added to `mask`.
    pub(crate) fn lookup(&self, key: &FlowKey, mask: &mut FlowMask) -> Option<(&Arc<Rule>, Option<u32>)> {
        self.rules.lookup(key, mask)
    }
}
