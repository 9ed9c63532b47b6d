//! Which tunnel options the fields `tun_metadata0` and on stand for: the TLV map of a bridge.
//!
//! Source: `tun_metadata_table_mod` and `vl_mff_map_mod_from_tun_metadata` of OVS. It lays options of up to 124 bytes
//! out in 256 bytes; here each of the fields there are has 8 bytes of its own, and what asks for more finds no room.

use std::collections::BTreeMap;

use netloom_flow::action::LearnSpec;
use netloom_flow::{Action, BridgeId, FieldId, FlowMatch, Operand, word};
use netloom_openflow::OfError;
use netloom_openflow::msg::nicira::{TlvMap, TlvTable};
use netloom_openflow::msg::{FlowMod, TlvCommand, TlvTableMod};

use crate::model::{Bridge, each_action};
use crate::switch::Switch;

/// The fields that options have.
const FIELDS: [FieldId; 8] = [
    FieldId::TunMetadata0,
    FieldId::TunMetadata1,
    FieldId::TunMetadata2,
    FieldId::TunMetadata3,
    FieldId::TunMetadata4,
    FieldId::TunMetadata5,
    FieldId::TunMetadata6,
    FieldId::TunMetadata7,
];
/// Bytes of each.
const BYTES: u8 = 8;

/// The map of a bridge, by the number of the field.
pub(crate) type Map = BTreeMap<u16, TlvMap>;

impl Switch {
    pub(super) fn tlv_table(bridge: &Bridge) -> TlvTable {
        TlvTable {
            max_space: u32::from(BYTES) * 8,
            max_fields: 8,
            maps: bridge.tlv_map.values().copied().collect(),
        }
    }

    /// Changes the map of a bridge, wholly or not at all.
    pub(super) fn handle_tlv_mod(&mut self, id: BridgeId, request: &TlvTableMod) -> Result<(), OfError> {
        let Some(bridge) = self.bridges.get(id) else { return Err(OfError::BrcEperm) };
        let mut map = bridge.tlv_map.clone();
        match request.command {
            TlvCommand::Add => request.maps.iter().try_for_each(|it| add(&mut map, it))?,
            TlvCommand::Delete => {
                request.maps.iter().try_for_each(|it| delete(bridge, &mut map, it.index))?
            }
            TlvCommand::Clear => {
                let known: Vec<u16> = map.keys().copied().collect();
                known.into_iter().try_for_each(|index| delete(bridge, &mut map, index))?;
            }
        }
        let version = self.next_version();
        if let Some(bridge) = self.bridges.get_mut(id) {
            (bridge.tlv_map, bridge.version) = (map, version);
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

    /// Refuses a flow with a field that stands for nothing.
    pub(super) fn check_tlv(&self, id: BridgeId, request: &FlowMod) -> Result<(), OfError> {
        if !may_use(request) {
            return Ok(());
        }
        let Some(bridge) = self.bridges.get(id) else { return Ok(()) };
        let is_known = |(index, _): &(u16, FieldId)| bridge.tlv_map.contains_key(index);
        let unknown = fields().filter(|it| !is_known(it));
        match unknown
            .into_iter()
            .find(|(_, it)| matches(&request.matches, *it) || uses(&request.actions, *it))
        {
            Some(_) => Err(OfError::NxfmfcInvalidTlvField),
            None => Ok(()),
        }
    }
}

/// Whether a flow may say something of options. Most do not, which shows at first sight.
fn may_use(request: &FlowMod) -> bool {
    let is_plain = |action: &Action| matches!(action, Action::Output(_) | Action::OutputMax { .. });
    request.matches.present() >> word::TUN_METADATA != 0 || !request.actions.iter().all(is_plain)
}

fn fields() -> impl Iterator<Item = (u16, FieldId)> {
    (0..).zip(FIELDS)
}

fn add(map: &mut Map, new: &TlvMap) -> Result<(), OfError> {
    if map.contains_key(&new.index) {
        return Err(OfError::NxttmfcAlreadyMapped);
    }
    if map.values().any(|known| (known.class, known.kind) == (new.class, new.kind)) {
        return Err(OfError::NxttmfcDupEntry);
    }
    if usize::from(new.index) >= FIELDS.len() || new.len > BYTES {
        return Err(OfError::NxttmfcTableFull);
    }
    map.insert(new.index, *new);
    Ok(())
}

/// The map with those of `maps` that can be.
pub(crate) fn sound<'m>(maps: impl Iterator<Item = &'m TlvMap>) -> Map {
    let mut map = Map::new();
    maps.for_each(|new| _ = add(&mut map, new));
    map
}

/// Not while an action uses the field. To delete what is not there is no mistake.
fn delete(bridge: &Bridge, map: &mut Map, index: u16) -> Result<(), OfError> {
    if map.remove(&index).is_none() {
        return Ok(());
    }
    let Some(field) = FIELDS.get(usize::from(index)) else { return Ok(()) };
    let mut rules = bridge.tables.values().flat_map(|table| table.rules.rules());
    let is_used = rules.any(|rule| uses(&rule.flow.actions, *field));
    if is_used { Err(OfError::NxttmfcInvalidTlvDel) } else { Ok(()) }
}

fn matches(matches: &FlowMatch, field: FieldId) -> bool {
    matches.field(field).1 != 0
}

/// Whether an action reads or writes a field.
fn uses(actions: &[Action], field: FieldId) -> bool {
    let mut found = false;
    each_action(actions, &mut |action| {
        let reads = match action {
            Action::Move { source, .. } | Action::StackPush(source) => source.field == field,
            Action::Learn(learn) => learn.specs.iter().any(|spec| learns(spec, field)),
            _ => false,
        };
        found |= reads || action.writes() == Some(field);
    });
    found
}

fn learns(spec: &LearnSpec, field: FieldId) -> bool {
    let reads = |source: &Operand<u128>| matches!(source, Operand::Field(part) if part.field == field);
    match spec {
        LearnSpec::Match { target, source } | LearnSpec::Load { target, source } => {
            target.field == field || reads(source)
        }
        LearnSpec::Output(source) => source.field == field,
    }
}
