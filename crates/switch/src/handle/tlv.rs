//! Which tunnel options the fields `tun_metadata0` and on stand for: the TLV map of a bridge.
//!
//! Source: `tun_metadata_table_mod` and `vl_mff_map_mod_from_tun_metadata` of OVS.

use std::collections::BTreeMap;

use netloom_flow::action::LearnSpec;
use netloom_flow::{Action, BridgeId, FieldId, Operand, OptionLayout, word};
use netloom_openflow::OfError;
use netloom_openflow::msg::nicira::{TlvMap, TlvTable};
use netloom_openflow::msg::{FlowMod, TlvCommand, TlvTableMod};

use crate::model::{Bridge, each_action};
use crate::switch::Switch;

/// The map of a bridge, by the number of the field.
pub(crate) type Map = BTreeMap<u16, TlvMap>;

impl Switch {
    pub(super) fn tlv_table(bridge: &Bridge) -> TlvTable {
        TlvTable {
            max_space: u32::try_from(OptionLayout::SPACE).unwrap_or(u32::MAX),
            max_fields: u16::try_from(word::OPTION_FIELDS).unwrap_or(u16::MAX),
            maps: bridge.tlv_map.values().copied().collect(),
        }
    }

    /// Changes the map of a bridge, wholly or not at all.
    pub(super) fn handle_tlv_mod(&mut self, id: BridgeId, request: &TlvTableMod) -> Result<(), OfError> {
        let Some(bridge) = self.bridges.get(id) else { return Err(OfError::BrcEperm) };
        let mut options = (bridge.tlv_map.clone(), bridge.options().clone());
        match request.command {
            TlvCommand::Add => request.maps.iter().try_for_each(|it| add(&mut options, it))?,
            TlvCommand::Delete => {
                request.maps.iter().try_for_each(|it| delete(bridge, &mut options, it.index))?
            }
            TlvCommand::Clear => {
                let known: Vec<u16> = options.0.keys().copied().collect();
                known.into_iter().try_for_each(|index| delete(bridge, &mut options, index))?;
            }
        }
        let version = self.next_version();
        if let Some(bridge) = self.bridges.get_mut(id) {
            bridge.set_options(options.0, options.1);
            bridge.version = version;
        }
        self.tell_known_options();
        self.advance();
        Ok(())
    }

    /// Says which options packets are to be asked for: those of all bridges.
    pub(crate) fn tell_known_options(&self) {
        let maps = self.bridges.values().flat_map(|bridge| bridge.tlv_map.values());
        self.options.set_known(maps.map(|map| (map.class, map.kind)).collect());
    }

    /// Refuses a flow with a field that stands for nothing, or of a value that is too long for it.
    pub(super) fn check_tlv(&self, id: BridgeId, request: &FlowMod) -> Result<(), OfError> {
        if !may_use(request) {
            return Ok(());
        }
        let Some(bridge) = self.bridges.get(id) else { return Ok(()) };
        let is_known = |number: usize| bridge.options().fits(number, 0);
        if request.matches.options().any(|(number, ..)| !is_known(number)) {
            return Err(OfError::NxfmfcInvalidTlvField);
        }
        if request.matches.options().any(|(number, _, value)| !bridge.options().fits(number, value)) {
            return Err(OfError::BmcBadValue);
        }
        let mut found = Ok(());
        each_option(&request.actions, &mut |number| {
            if !is_known(number) {
                found = Err(OfError::NxfmfcInvalidTlvField);
            }
        });
        found
    }
}

/// Whether a flow may say something of options. Most do not, which shows at first sight.
fn may_use(request: &FlowMod) -> bool {
    let is_plain = |action: &Action| matches!(action, Action::Output(_) | Action::OutputMax { .. });
    !request.matches.has_no_options() || !request.actions.iter().all(is_plain)
}

/// The map of a bridge, and where its options lie.
type Options = (Map, OptionLayout);

fn add((map, layout): &mut Options, new: &TlvMap) -> Result<(), OfError> {
    if map.contains_key(&new.index) {
        return Err(OfError::NxttmfcAlreadyMapped);
    }
    if map.values().any(|known| (known.class, known.kind) == (new.class, new.kind)) {
        return Err(OfError::NxttmfcDupEntry);
    }
    if !layout.add(usize::from(new.index), new.len) {
        return Err(OfError::NxttmfcTableFull);
    }
    map.insert(new.index, *new);
    Ok(())
}

/// The map with those of `maps` that can be, and where its options lie.
pub(crate) fn sound<'m>(maps: impl Iterator<Item = &'m TlvMap>) -> Options {
    let mut options = Options::default();
    maps.for_each(|new| _ = add(&mut options, new));
    options
}

/// Not while a flow uses the field. To delete what is not there is no mistake.
fn delete(bridge: &Bridge, (map, layout): &mut Options, index: u16) -> Result<(), OfError> {
    if map.remove(&index).is_none() {
        return Ok(());
    }
    let number = usize::from(index);
    layout.remove(number);
    let mut rules = bridge.tables.values().flat_map(|table| table.rules.rules());
    let is_used = rules.any(|rule| {
        rule.flow.matches.options().any(|(other, ..)| other == number) || uses(&rule.flow.actions, number)
    });
    if is_used { Err(OfError::NxttmfcInvalidTlvDel) } else { Ok(()) }
}

/// Whether an action reads or writes an option.
fn uses(actions: &[Action], number: usize) -> bool {
    let mut found = false;
    each_option(actions, &mut |other| found |= other == number);
    found
}

/// Tells each option that actions read or write.
fn each_option(actions: &[Action], tell: &mut impl FnMut(usize)) {
    each_action(actions, &mut |action| {
        let mut tell = |field: FieldId| field.option().into_iter().for_each(&mut *tell);
        match action {
            Action::Move { source, .. } | Action::StackPush(source) => tell(source.field),
            Action::Learn(learn) => learn.specs.iter().for_each(|spec| learns(spec, &mut tell)),
            _ => {}
        }
        action.writes().into_iter().for_each(tell);
    });
}

fn learns(spec: &LearnSpec, tell: &mut impl FnMut(FieldId)) {
    match spec {
        LearnSpec::Match { target, source } | LearnSpec::Load { target, source } => {
            tell(target.field);
            if let Operand::Field(part) = source {
                tell(part.field);
            }
        }
        LearnSpec::Output(source) => tell(source.field),
    }
}
