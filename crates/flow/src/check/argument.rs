//! What each action is given.

use super::scope::{is_output, is_single};
use super::{ActionError, Checker};
use crate::action::{
    Bundle, Ct, CtAlg, Learn, LearnSpec, Multipath, Nat, NatRange, Sample, Spelling, Subfield,
};
use crate::{Action, FieldId, FlowMatch, OfPort, Operand, Prerequisite};

/// Groups and meters have numbers up to this one.
const MAX_GROUP: u32 = 0xffff_ff00;
const MAX_METER: u32 = 0xffff_0000;
/// Tables that flows can be in are below this one.
const TABLES: u8 = 254;

impl Checker {
    /// An error if the action was given what it cannot be.
    pub(super) fn argument(&self, action: &Action) -> Result<(), ActionError> {
        match action {
            Action::Output(port) | Action::OutputMax { port, .. } if !is_output(*port, self.scope) => {
                Err(ActionError::BadOutPort(*port))
            }
            Action::OutputTrunc { port, .. } | Action::Enqueue { port, .. } if !is_single(*port) => {
                Err(ActionError::BadOutPort(*port))
            }
            Action::OutputTrunc { max_len: ..14, .. } => {
                Err(ActionError::BadArgument("output", "sends at least the 14 bytes of an Ethernet header"))
            }
            Action::OutputReg { source, .. } | Action::StackPush(source) => self.source(*source),
            Action::Bundle(bundle) => self.bundle(bundle),
            Action::Group(group) if *group > MAX_GROUP => Err(ActionError::BadOutGroup(*group)),
            Action::Meter(meter) if !(1..=MAX_METER).contains(meter) => Err(ActionError::BadMeter(*meter)),
            Action::SetField { field, value, mask, spelling } => {
                self.set_field(*field, *value, *mask, *spelling)
            }
            Action::SetVlanVid(0x1000..) => Err(ActionError::BadValue(FieldId::DlVlan)),
            Action::SetVlanPcp(8..) => Err(ActionError::BadValue(FieldId::DlVlanPcp)),
            Action::Load { value, target } => {
                self.target(*target)?;
                fits(*value, *target)
            }
            Action::Move { source, target } => self.moved(*source, *target),
            Action::StackPop(target) => self.target(*target),
            Action::DeleteField(field) if !is_option(*field) => {
                Err(ActionError::BadArgument("delete_field", "can take away tunnel options only"))
            }
            Action::PushVlan { tpid } => one_of(*tpid, &[0x8100, 0x88a8]),
            Action::PushMpls { ethertype } => one_of(*ethertype, &[0x8847, 0x8848]),
            Action::CheckPktLarger { target, .. } => self.bit(action, *target),
            Action::Multipath(multipath) => self.multipath(multipath),
            Action::Resubmit { ct: true, .. } => self.demand(action, Prerequisite::Ct),
            Action::Learn(learn) => self.learn(learn),
            Action::Conjunction { clause, n_clauses, .. }
                if !(2..=64).contains(n_clauses) || clause >= n_clauses =>
            {
                Err(ActionError::BadArgument("conjunction", "has 2 to 64 clauses, and is one of them"))
            }
            Action::Ct(ct) => self.ct(action, ct),
            Action::Sample(sample) => self.sample(sample),
            Action::GotoTable(to) if to.0 >= TABLES || self.table.is_some_and(|from| *to <= from) => {
                Err(ActionError::BadGoto(*to))
            }
            _ => Ok(()),
        }
    }

    fn set_field(&self, id: FieldId, value: u128, mask: u128, spelling: Spelling) -> Result<(), ActionError> {
        self.writable(id)?;
        if spelling == Spelling::SetField {
            self.exists(id)?;
        }
        let field = id.field();
        if value & !mask != 0 || mask & !field.max() != 0 || (mask != field.max() && !field.maskable) {
            return Err(ActionError::BadValue(id));
        }
        Ok(())
    }

    fn moved(&self, source: Subfield, target: Subfield) -> Result<(), ActionError> {
        self.source(source)?;
        self.target(target)?;
        same_width(source, target)
    }

    /// A single bit that is written.
    fn bit(&self, action: &Action, target: Subfield) -> Result<(), ActionError> {
        self.target(target)?;
        match target.bits {
            1 => Ok(()),
            _ => Err(ActionError::BadArgument(action.name(), "writes a single bit")),
        }
    }

    fn bundle(&self, bundle: &Bundle) -> Result<(), ActionError> {
        let is_member = |port: &&OfPort| **port == OfPort::NONE || is_output(**port, self.scope);
        if let Some(port) = bundle.members.iter().find(|port| !is_member(port)) {
            return Err(ActionError::BadOutPort(*port));
        }
        bundle.target.map_or(Ok(()), |target| self.target(target))
    }

    fn multipath(&self, multipath: &Multipath) -> Result<(), ActionError> {
        self.target(multipath.target)?;
        fits(u128::from(multipath.max_link), multipath.target)
            .map_err(|_| ActionError::BadArgument("multipath", "has more links than its field has values"))
    }

    fn sample(&self, sample: &Sample) -> Result<(), ActionError> {
        if sample.probability == 0 {
            return Err(ActionError::BadArgument("sample", "needs a probability above 0"));
        }
        for id in [sample.obs_domain_id, sample.obs_point_id] {
            if let Operand::Field(part) = id {
                self.source(part)?;
                if part.bits > 32 {
                    return Err(ActionError::BadArgument("sample", "has ids of at most 32 bits"));
                }
            }
        }
        Ok(())
    }

    fn ct(&self, action: &Action, ct: &Ct) -> Result<(), ActionError> {
        self.demand(action, Prerequisite::Ip)?;
        match ct.alg {
            Some(CtAlg::Ftp) => self.demand(action, Prerequisite::Tcp)?,
            Some(CtAlg::Tftp) => self.demand(action, Prerequisite::Udp)?,
            None => {}
        }
        if ct.force && !ct.commit {
            return Err(ActionError::BadArgument("ct", "takes force only with commit"));
        }
        if !ct.exec.is_empty() && !ct.commit {
            return Err(ActionError::BadArgument("ct", "takes exec only with commit"));
        }
        if let Operand::Field(zone) = ct.zone {
            self.source(zone)?;
            if zone.bits != 16 {
                return Err(ActionError::BadArgument("ct", "takes a zone of 16 bits"));
            }
        }
        match &ct.nat {
            Some(Nat::Source(range) | Nat::Destination(range)) => self.nat(action, range),
            Some(Nat::Existing) | None => Ok(()),
        }
    }

    fn nat(&self, action: &Action, range: &NatRange) -> Result<(), ActionError> {
        if let Some((first, last)) = range.addresses {
            if first.is_ipv4() != last.is_ipv4() || first > last {
                return Err(ActionError::BadArgument("ct", "takes a range of addresses from low to high"));
            }
            self.demand(action, if first.is_ipv4() { Prerequisite::Ipv4 } else { Prerequisite::Ipv6 })?;
        }
        match range.ports {
            Some((first, last)) if first > last || first == 0 || range.addresses.is_none() => {
                Err(ActionError::BadArgument("ct", "takes a range of ports from low to high, with addresses"))
            }
            _ => Ok(()),
        }
    }

    /// Sources are fields of this packet, targets are fields of the packets of the learned flow.
    fn learn(&self, learn: &Learn) -> Result<(), ActionError> {
        if learn.table.0 >= TABLES {
            return Err(ActionError::BadArgument("learn", "has no such table to learn in"));
        }
        if let Some(result) = learn.result {
            self.target(result)?;
            if result.bits != 1 {
                return Err(ActionError::BadArgument("learn", "writes its result to a single bit"));
            }
        }
        let mut learned = self.clone();
        learned.seen = FlowMatch::any();
        for spec in &learn.specs {
            match *spec {
                LearnSpec::Output(source) => self.source(source)?,
                LearnSpec::Match { target, source } => {
                    learned.source(target)?;
                    self.learned(target, source)?;
                    if let Operand::Value(value) = source {
                        learned.know(target, value);
                    }
                }
                LearnSpec::Load { target, source } => {
                    learned.target(target)?;
                    self.learned(target, source)?;
                }
            }
        }
        Ok(())
    }

    /// What goes into a target of a learned flow.
    fn learned(&self, target: Subfield, source: Operand<u128>) -> Result<(), ActionError> {
        match source {
            Operand::Field(source) => {
                self.source(source)?;
                same_width(source, target)
            }
            Operand::Value(value) if target.is_whole() && value & !target.field.field().max() == 0 => Ok(()),
            Operand::Value(value) => fits(value, target),
        }
    }
}

fn one_of(ethertype: u16, known: &[u16]) -> Result<(), ActionError> {
    if known.contains(&ethertype) { Ok(()) } else { Err(ActionError::BadEthertype(ethertype)) }
}

fn fits(value: u128, target: Subfield) -> Result<(), ActionError> {
    if value & !(target.mask() >> target.offset.min(127)) == 0 {
        return Ok(());
    }
    Err(ActionError::BadValue(target.field))
}

const fn same_width(source: Subfield, target: Subfield) -> Result<(), ActionError> {
    let (source_bits, target_bits) = (source.bits, target.bits);
    if source_bits == target_bits {
        Ok(())
    } else {
        Err(ActionError::WidthsDiffer { source_bits, target_bits })
    }
}

/// Whether it is a tunnel option.
fn is_option(field: FieldId) -> bool {
    field.option().is_some()
}
