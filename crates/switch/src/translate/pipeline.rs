//! Table after table, action after action.

use std::sync::Arc;

use netloom_flow::{Action, Dependency, DropReason, Effect, FlowMask, OfPort, TableId, word};

use super::{Translator, Visiting};
use crate::model::Rule;
use crate::recorder::Event;

/// Resubmits nested in each other, and in all, in one bridge. Source: `MAX_DEPTH` and `MAX_RESUBMITS` of OVS.
const MAX_DEPTH: u32 = 64;
const MAX_RESUBMITS: u32 = 4096;

/// What comes after an action list.
enum Next {
    /// Nothing.
    Done,
    /// Another table, instead of what was left.
    Goto(TableId),
}

impl<'a> Translator<'a> {
    pub(super) fn start_pipeline(&mut self, visiting: &mut Visiting<'a>) {
        let in_port = visiting.flow.in_port();
        self.pipeline(visiting, in_port, TableId(0));
    }

    /// Looks up in a table and carries out what it says, until no `goto_table` leads on.
    fn pipeline(&mut self, visiting: &mut Visiting<'a>, in_port: OfPort, mut table: TableId) {
        let mut in_port = in_port;
        while let Some(rule) = self.lookup(visiting, in_port, table) {
            let rule: &'a Rule = rule;
            match self.carry_out(visiting, &rule.flow.actions, table) {
                Next::Goto(next) if next > table => table = next,
                Next::Goto(_) | Next::Done => return,
            }
            in_port = visiting.flow.in_port();
        }
    }

    fn lookup(
        &mut self,
        visiting: &mut Visiting<'a>,
        in_port: OfPort,
        table: TableId,
    ) -> Option<&'a Arc<Rule>> {
        let bridge = visiting.bridge;
        let mut seen = FlowMask::default();
        let mut key = visiting.flow.key;
        key.0[word::IN_PORT] = u64::from(in_port.0) << 32;
        let rule = bridge.tables.get(&table).and_then(|table| table.lookup(&key, &mut seen));
        self.look_at(&visiting.flow, &seen);
        let rewritten = visiting.flow.rewritten();
        self.depend(Dependency::Table { bridge: bridge.id, table, in_port, rewritten });
        let (bridge, extra) = (bridge.id, self.extra(&visiting.flow));
        self.effects.push(match rule {
            Some(rule) => Effect::Match { bridge, table, rule: rule.id, extra },
            None => Effect::Miss { bridge, table },
        });
        self.recorder.record(Event::Table { table, rule: rule.map(Arc::as_ref) });
        visiting.missed = rule.is_none();
        rule
    }

    fn carry_out(&mut self, visiting: &mut Visiting<'a>, actions: &'a [Action], table: TableId) -> Next {
        for action in actions {
            self.recorder.record(Event::Action(action));
            match action {
                Action::Output(port) => self.output(visiting, *port),
                Action::OutputReg { source, .. } => {
                    let port = self.read(visiting, *source);
                    self.output(visiting, OfPort(u32::try_from(port).unwrap_or(u32::MAX)));
                }
                Action::Resubmit { port, table: next, .. } => {
                    let port = port.unwrap_or(visiting.flow.in_port());
                    self.resubmit(visiting, port, next.unwrap_or(table));
                }
                Action::GotoTable(next) => return Next::Goto(*next),
                Action::DecTtl { .. } if !self.dec_ttl(visiting) => return Next::Done,
                Action::Exit => visiting.done = true,
                edit => self.edit(visiting, edit),
            }
            if visiting.done {
                return Next::Done;
            }
        }
        Next::Done
    }

    fn resubmit(&mut self, visiting: &mut Visiting<'a>, in_port: OfPort, table: TableId) {
        visiting.resubmits += 1;
        if visiting.depth >= MAX_DEPTH || visiting.resubmits > MAX_RESUBMITS {
            visiting.done = true;
            let port = visiting.flow.in_port();
            return self.drop(visiting, DropReason::ResubmitLimit, port);
        }
        visiting.depth += 1;
        self.pipeline(visiting, in_port, table);
        visiting.depth -= 1;
    }
}
