//! The action `learn`: what a packet says becomes a flow. The flow is an effect; translating adds none.

use std::sync::Arc;

use netloom_flow::action::{Learn, LearnSpec};
use netloom_flow::text::FlowFlags;
use netloom_flow::{Action, Dependency, Effect, FlowMatch, FlowText, OfPort, Operand, Subfield, word};

use super::frame::Place;
use super::{Translator, Visiting};
use crate::recorder::Event;

/// FIN and RST in [`word::L4`].
const FIN_RST: u64 = 0x5 << 16;

impl<'a> Translator<'a> {
    pub(super) fn learn_flow(&mut self, visiting: &mut Visiting<'a>, learn: &Learn, place: Place) {
        let Some(by) = place.rule else { return };
        let (mut matches, mut actions) = (FlowMatch::any(), Vec::new());
        for spec in &learn.specs {
            match *spec {
                LearnSpec::Match { target, source } => {
                    let value = self.operand(visiting, source);
                    let shift = target.offset.min(127);
                    matches.set_masked(target.field, (value << shift) & target.mask(), target.mask());
                }
                LearnSpec::Load { target, source } => {
                    actions.push(Action::Load { value: self.operand(visiting, source), target });
                }
                LearnSpec::Output(source) => {
                    let port = self.read(visiting, source);
                    actions.push(Action::Output(OfPort(u32::try_from(port).unwrap_or(u32::MAX))));
                }
            }
        }
        if learn.fin_idle_timeout != 0 || learn.fin_hard_timeout != 0 {
            actions.push(Action::FinTimeout { idle: learn.fin_idle_timeout, hard: learn.fin_hard_timeout });
        }
        let flow = FlowText {
            table: learn.table,
            priority: learn.priority,
            cookie: learn.cookie,
            idle_timeout: learn.idle_timeout,
            hard_timeout: learn.hard_timeout,
            flags: FlowFlags { send_flow_rem: learn.send_flow_rem, ..FlowFlags::default() },
            matches,
            actions: actions.into(),
            ..FlowText::default()
        };
        let (bridge, limit) = (visiting.bridge, learn.limit);
        let is_learned = bridge.may_learn(&flow, limit);
        if limit != 0 {
            // Whatever changes in that table may change the answer.
            let (table, rewritten) = (learn.table, u64::MAX);
            self.depend(Dependency::Table { bridge: bridge.id, table, in_port: OfPort::NONE, rewritten });
        }
        if is_learned {
            self.recorder.record(Event::LearnFlow(&flow));
            self.effects.push(Effect::LearnFlow { bridge: bridge.id, by, flow: Arc::new(flow), limit });
        }
        if let Some(result) = learn.result {
            self.write(visiting, result, u128::from(is_learned));
        }
    }

    fn operand(&mut self, visiting: &Visiting<'a>, operand: Operand<u128>) -> u128 {
        match operand {
            Operand::Value(value) => value,
            Operand::Field(source) => self.read(visiting, Subfield { ..source }),
        }
    }

    pub(super) fn fin_timeout(&mut self, visiting: &Visiting<'a>, idle: u16, hard: u16, place: Place) {
        let Some(rule) = place.rule else { return };
        self.look(&visiting.flow, word::ETH_DST, 0xffff);
        self.look(&visiting.flow, word::IP, 0xff << 56);
        let is_tcp =
            matches!(visiting.flow.eth_type(), 0x0800 | 0x86dd) && visiting.flow.key.0[word::IP] >> 56 == 6;
        if is_tcp {
            self.look(&visiting.flow, word::L4, FIN_RST);
            if visiting.flow.key.0[word::L4] & FIN_RST != 0 {
                self.effects.push(Effect::FinTimeout { rule, idle, hard });
            }
        }
    }
}
