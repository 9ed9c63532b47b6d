//! Errors of the model as errors of OpenFlow.

use netloom_flow::check::{ActionError, Scope};
use netloom_openflow::{OfError, Version};

use crate::flow_mod::FlowError;
use crate::group_mod::GroupError;
use crate::meter_mod::MeterError;

/// The error a version has for a change of flows that was refused.
pub(super) fn of_flow(error: &FlowError, version: Version) -> OfError {
    match error {
        FlowError::NoBridge(_) => OfError::BrcEperm,
        FlowError::Text(_) => OfError::FmfcUnknown,
        // As the features of the table say.
        FlowError::Unsupported(_) | FlowError::EgressOutput(_) => OfError::BacBadType,
        FlowError::Hidden(_) => OfError::BrcEperm,
        FlowError::Overlap(_) => OfError::FmfcOverlap,
        FlowError::BadGoto(_) | FlowError::GotoEgress(_) => OfError::BicBadTableId,
        FlowError::UnknownGroup(_) => OfError::BacBadOutGroup,
        FlowError::UnknownMeter(_) if version >= Version::V15 => OfError::BacBadMeter,
        FlowError::UnknownMeter(_) => OfError::MmfcInvalidMeter,
        FlowError::BadPort(_) => OfError::BacBadOutPort,
        FlowError::TableFull(_) => OfError::FmfcTableFull,
        // It is there, but not for controllers.
        FlowError::BadTable(254) => OfError::BrcEperm,
        FlowError::BadTable(_) if version >= Version::V11 => OfError::FmfcBadTableId,
        FlowError::BadTable(_) => OfError::BrcBadTableId,
    }
}

/// The error for an action that cannot stand where it does. What a version has no number for, the wire replaces.
///
/// Source: `ofpacts_check`, `ofpacts_verify` of OVS.
pub(super) const fn of_action(error: &ActionError) -> OfError {
    match error {
        ActionError::BadOutPort(_) => OfError::BacBadOutPort,
        ActionError::BadOutGroup(_) => OfError::BacBadOutGroup,
        ActionError::BadMeter(_) => OfError::MmfcInvalidMeter,
        ActionError::NoField(..) | ActionError::Inconsistent(..) => OfError::BacMatchInconsistent,
        ActionError::BadSubfield(_) | ActionError::WidthsDiffer { .. } => OfError::BacBadSetLen,
        ActionError::ReadOnly(_) | ActionError::BadValue(_) | ActionError::OutsideCt(_) => {
            OfError::BacBadSetArgument
        }
        ActionError::TooManyVlans => OfError::BacBadTag,
        ActionError::BadGoto(_) => OfError::BicBadTableId,
        ActionError::NotAllowed(_, Scope::ActionSet) => OfError::BacBadType,
        ActionError::Duplicate(_) => OfError::BicDupInst,
        ActionError::Order { .. } => OfError::BacUnsupportedOrder,
        ActionError::BadConjunction(_) => OfError::NxbacBadConjunction,
        _ => OfError::BacBadArgument,
    }
}

/// The error a version has for a change of groups that was refused.
pub(super) fn of_group(error: &GroupError, version: Version) -> OfError {
    match error {
        GroupError::NoBridge(_) => OfError::BrcEperm,
        GroupError::Exists(_) => OfError::GmfcGroupExists,
        GroupError::Unknown(_) => OfError::GmfcUnknownGroup,
        GroupError::Invalid(_) | GroupError::BadBuckets => OfError::GmfcInvalidGroup,
        GroupError::Loop(_) => OfError::GmfcLoop,
        GroupError::BucketExists(_) => OfError::GmfcBucketExists,
        GroupError::UnknownBucket(_) => OfError::GmfcUnknownBucket,
        GroupError::TooManyBuckets => OfError::GmfcOutOfBuckets,
        GroupError::BadWatch(_) => OfError::GmfcBadWatch,
        GroupError::Actions(error) => of_flow(error, version),
    }
}

/// The error for a change of meters that was refused.
pub(super) const fn of_meter(error: &MeterError) -> OfError {
    match error {
        MeterError::NoBridge(_) => OfError::BrcEperm,
        MeterError::Exists(_) => OfError::MmfcMeterExists,
        MeterError::Unknown(_) => OfError::MmfcUnknownMeter,
        MeterError::Invalid(_) => OfError::MmfcInvalidMeter,
        MeterError::TooManyBands => OfError::MmfcOutOfBands,
        MeterError::BadRate => OfError::MmfcBadRate,
        MeterError::BadBand => OfError::MmfcBadBand,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_has_a_number_in_the_versions_that_can_meet_it() {
        for version in Version::ALL {
            let flows = [
                FlowError::Unsupported("x"),
                FlowError::Overlap(String::new()),
                FlowError::BadPort(0),
                FlowError::TableFull(1),
                FlowError::BadTable(254),
                FlowError::UnknownGroup(1),
            ];
            for error in flows {
                assert!(of_flow(&error, version).number(version).is_some(), "{error:?} in {version:?}");
            }
            if version >= Version::V13 {
                assert!(of_flow(&FlowError::UnknownMeter(1), version).number(version).is_some());
                assert!(of_meter(&MeterError::Exists(1)).number(version).is_some());
            }
            assert!(of_group(&GroupError::Loop(1), version).number(version).is_some());
        }
    }
}
