//! Action after action, with what is known of the packet at each.

use super::scope::{is_of_connection, rank};
use super::{ActionError, Consistency, Scope};
use crate::action::{Encap, MAX_NESTING, Spelling, Subfield};
use crate::{Action, FieldId, FlowMatch, Prerequisite, TableId};

/// VLAN headers a packet may have.
const MAX_VLANS: u8 = 2;

/// Checks a whole list.
///
/// `matches` is what the flow matches; `table` its table, if it has one.
///
/// # Errors
/// What is wrong with the first action that is.
pub fn check_actions(
    actions: &[Action],
    matches: &FlowMatch,
    table: Option<TableId>,
    scope: Scope,
    consistency: Consistency,
) -> Result<(), ActionError> {
    let mut checker = Checker::new(matches, table, scope, consistency);
    actions.iter().try_for_each(|action| checker.check(action))
}

/// Checks a list, one action after the other.
#[derive(Debug, Clone)]
pub struct Checker {
    pub(super) seen: FlowMatch,
    pub(super) table: Option<TableId>,
    pub(super) scope: Scope,
    consistency: Consistency,
    /// How many VLAN headers the packet has at least.
    vlans: u8,
    /// The last instruction, and its place in the order of instructions.
    last: Option<(u8, &'static str)>,
    /// The first action that is no note, and whether it is a conjunction.
    first: Option<(&'static str, bool)>,
    depth: usize,
}

impl Checker {
    /// Begins a list.
    #[must_use]
    pub fn new(matches: &FlowMatch, table: Option<TableId>, scope: Scope, consistency: Consistency) -> Self {
        let vlans = u8::from(Prerequisite::Vlan.met_by(matches));
        Self { seen: matches.clone(), table, scope, consistency, vlans, last: None, first: None, depth: 0 }
    }

    /// What every packet is known to be after the actions checked so far.
    #[must_use]
    pub const fn seen(&self) -> &FlowMatch {
        &self.seen
    }

    /// Checks the next action.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&mut self, action: &Action) -> Result<(), ActionError> {
        if !self.scope.allows(action) {
            return Err(ActionError::NotAllowed(action.name(), self.scope));
        }
        self.order(action)?;
        self.conjunction(action)?;
        if self.scope != Scope::Connection
            && let Some(field) = action.writes().filter(|field| is_of_connection(*field))
        {
            return Err(ActionError::OutsideCt(field));
        }
        self.prerequisite(action)?;
        self.argument(action)?;
        self.nested(action)?;
        self.follow(action)
    }

    /// Instructions stand in their order, each once.
    fn order(&mut self, action: &Action) -> Result<(), ActionError> {
        let (place, name) = (rank(action), action.name());
        if let Some((last, earlier)) = self.last {
            if last == place && place != 1 {
                return Err(ActionError::Duplicate(name));
            }
            if last > place {
                return Err(ActionError::Order { first: name, second: earlier });
            }
        }
        self.last = Some((place, name));
        Ok(())
    }

    /// Conjunctions stand alone, but for notes.
    fn conjunction(&mut self, action: &Action) -> Result<(), ActionError> {
        if matches!(action, Action::Note(_)) {
            return Ok(());
        }
        let is_one = matches!(action, Action::Conjunction { .. });
        match *self.first.get_or_insert((action.name(), is_one)) {
            (_, first) if first == is_one => Ok(()),
            (other, false) => Err(ActionError::BadConjunction(other)),
            (_, true) => Err(ActionError::BadConjunction(action.name())),
        }
    }

    /// What a packet must have for an action that does nothing to others.
    fn prerequisite(&self, action: &Action) -> Result<(), ActionError> {
        let needs = match action {
            Action::SetField {
                field: FieldId::VlanVid | FieldId::VlanPcp, spelling: Spelling::Mod, ..
            }
            | Action::PopVlan => Prerequisite::Vlan,
            Action::SetField { field, spelling: Spelling::Mod, .. } => field.field().prerequisite,
            Action::DecTtl { .. } => Prerequisite::Ip,
            Action::DecMplsTtl | Action::PopMpls { .. } => Prerequisite::Mpls,
            Action::DecNshTtl => Prerequisite::Nsh,
            Action::PopPbb => Prerequisite::Pbb,
            Action::FinTimeout { .. } => Prerequisite::Tcp,
            _ => return Ok(()),
        };
        let is_demanded = self.consistency == Consistency::Strict
            && matches!(self.scope, Scope::Flow | Scope::PacketOut | Scope::Clone);
        if !is_demanded || needs.met_by(&self.seen) {
            return Ok(());
        }
        Err(ActionError::Inconsistent(action.name(), needs))
    }

    /// A list within the list begins with what is known here.
    fn nested(&self, action: &Action) -> Result<(), ActionError> {
        let scope = match action {
            Action::Clone(_) => Scope::Clone,
            Action::WriteActions(_) => Scope::ActionSet,
            Action::Ct(_) => Scope::Connection,
            _ => return Ok(()),
        };
        if self.depth >= MAX_NESTING {
            return Err(ActionError::TooDeep);
        }
        let mut inner = Self { scope, last: None, first: None, depth: self.depth + 1, ..self.clone() };
        action.nested().iter().try_for_each(|action| inner.check(action))
    }

    /// Part of a field that is read.
    pub(super) fn source(&self, part: Subfield) -> Result<(), ActionError> {
        let field = part.field.field();
        if part.bits == 0 || u16::from(part.offset) + u16::from(part.bits) > u16::from(field.bits) {
            return Err(ActionError::BadSubfield(part));
        }
        self.exists(part.field)
    }

    /// Part of a field that is written.
    pub(super) fn target(&self, part: Subfield) -> Result<(), ActionError> {
        self.source(part)?;
        self.writable(part.field)
    }

    pub(super) fn writable(&self, id: FieldId) -> Result<(), ActionError> {
        if id.field().writable { Ok(()) } else { Err(ActionError::ReadOnly(id)) }
    }

    /// The field is there, in every packet.
    pub(super) fn exists(&self, id: FieldId) -> Result<(), ActionError> {
        let needs = match id {
            FieldId::VlanVid => Prerequisite::Vlan,
            _ => id.field().prerequisite,
        };
        if self.scope == Scope::Bucket || needs.met_by(&self.seen) {
            return Ok(());
        }
        Err(ActionError::NoField(id, needs))
    }

    /// An error unless packets are known to be what `action` is for.
    pub(super) fn demand(&self, action: &Action, needs: Prerequisite) -> Result<(), ActionError> {
        if self.scope == Scope::Bucket || needs.met_by(&self.seen) {
            return Ok(());
        }
        Err(ActionError::Inconsistent(action.name(), needs))
    }

    /// Keeps track of what later actions may depend on.
    fn follow(&mut self, action: &Action) -> Result<(), ActionError> {
        match action {
            Action::PushVlan { .. } if self.vlans >= MAX_VLANS => return Err(ActionError::TooManyVlans),
            Action::PushVlan { .. } => self.set_vlans(self.vlans + 1),
            Action::SetVlanVid(_) | Action::SetVlanPcp(_) => self.set_vlans(self.vlans.max(1)),
            Action::PopVlan => self.set_vlans(self.vlans.saturating_sub(1)),
            Action::SetField { field: FieldId::EthType, value, .. } => {
                self.become_type(u16::try_from(*value).unwrap_or(0));
            }
            Action::SetField { field: FieldId::NwProto, value, .. } => {
                self.become_protocol();
                self.seen.set(FieldId::NwProto, *value);
            }
            Action::SetField { field: FieldId::VlanTci, value, mask, .. } => self.write_tci(*value, *mask),
            Action::Load { value, target } if target.field == FieldId::VlanTci => {
                self.write_tci(value << target.offset.min(127), target.mask());
            }
            Action::Load { target, .. } | Action::Move { target, .. } | Action::StackPop(target)
                if target.field == FieldId::EthType =>
            {
                self.become_unknown();
            }
            Action::Load { target, .. } | Action::Move { target, .. } | Action::StackPop(target)
                if target.field == FieldId::NwProto =>
            {
                self.become_protocol();
            }
            Action::PushMpls { ethertype } | Action::PopMpls { ethertype } => self.become_type(*ethertype),
            Action::PushPbb => self.become_type(0x88e7),
            Action::PopPbb => self.become_unknown(),
            Action::Encap(encap) => self.encap(encap),
            Action::Decap { .. } => self.decap(),
            _ => {}
        }
        Ok(())
    }

    /// A flow that is learned matches this.
    pub(super) fn know(&mut self, target: Subfield, value: u128) {
        match target.is_whole() {
            true => self.seen.set(target.field, value),
            false => self.seen.set_masked(target.field, value << target.offset.min(127), target.mask()),
        }
    }

    fn set_vlans(&mut self, vlans: u8) {
        self.vlans = vlans;
        self.seen.clear(FieldId::VlanTci);
        if vlans > 0 {
            self.seen.set_masked(FieldId::VlanTci, 0x1000, 0x1000);
        }
    }

    fn write_tci(&mut self, value: u128, mask: u128) {
        self.seen.set_masked(FieldId::VlanTci, value, mask);
        if mask & 0x1000 != 0 {
            self.vlans = if value & 0x1000 == 0 { 0 } else { self.vlans.max(1) };
        }
    }

    /// The Ethernet type is another, and what follows is not known.
    fn become_type(&mut self, ethertype: u16) {
        self.become_unknown();
        self.seen.set(FieldId::EthType, u128::from(ethertype));
    }

    /// The IP protocol is another.
    fn become_protocol(&mut self) {
        [FieldId::NwProto, FieldId::TpSrc, FieldId::TpDst]
            .into_iter()
            .for_each(|field| self.seen.clear(field));
    }

    fn become_unknown(&mut self) {
        for field in [FieldId::EthType, FieldId::NwProto, FieldId::NwFrag, FieldId::TpSrc, FieldId::TpDst] {
            self.seen.clear(field);
        }
    }

    fn encap(&mut self, encap: &Encap) {
        if !matches!(encap, Encap::Ethernet) {
            self.become_type(u16::try_from(encap.packet_type() & 0xffff).unwrap_or(0));
        }
        self.seen.set(FieldId::PacketType, u128::from(encap.packet_type()));
    }

    /// Without its Ethernet header a packet is still what the type said; without another, it is anything.
    fn decap(&mut self) {
        let is_ethernet = self.seen.exact(FieldId::PacketType).unwrap_or(0) == 0;
        match self.seen.exact(FieldId::EthType) {
            Some(ethertype) if is_ethernet => self.seen.set(FieldId::PacketType, 1 << 16 | ethertype),
            _ => {
                self.become_unknown();
                self.seen.clear(FieldId::PacketType);
            }
        }
    }
}
