//! `sample(probability=1000,collector_set_id=1,obs_domain_id=2,obs_point_id=3,sampling_port=4,egress)`

use std::fmt;

use super::super::error::FlowTextError;
use super::super::piece::{Items, Piece};
use super::super::{port, value};
use super::place::Place;
use crate::action::{Sample, SampleDirection};
use crate::{Action, Operand};

/// Reads what stands behind the name.
pub(super) fn parse(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let mut sample = Sample {
        probability: 0,
        collector_set_id: 0,
        obs_domain_id: Operand::default(),
        obs_point_id: Operand::default(),
        sampling_port: None,
        direction: SampleDirection::Default,
    };
    for item in Items::new(text.in_parentheses().unwrap_or(text)) {
        match (item.key.text, item.value) {
            ("probability", Some(value)) => sample.probability = value::small(value)?,
            ("collector_set_id", Some(value)) => sample.collector_set_id = value::small(value)?,
            ("obs_domain_id", Some(value)) => sample.obs_domain_id = id(value, place)?,
            ("obs_point_id", Some(value)) => sample.obs_point_id = id(value, place)?,
            ("sampling_port", Some(value)) => sample.sampling_port = Some(place.port(value)?),
            ("ingress", None) => sample.direction = SampleDirection::Ingress,
            ("egress", None) => sample.direction = SampleDirection::Egress,
            _ => {
                return Err(FlowTextError::new(item.whole, "'sample' does not take this").hint(
                    "it takes probability, collector_set_id, obs_domain_id, obs_point_id, sampling_port, \
                     ingress and egress",
                ));
            }
        }
    }
    if sample.probability == 0 {
        return Err(FlowTextError::new(text, "'sample' needs a probability from 1 to 65535")
            .hint("as in sample(probability=1000)"));
    }
    Ok(Action::Sample(Box::new(sample)))
}

/// A number, or a part of a field with at most as many bits.
fn id(text: Piece<'_>, place: &Place<'_>) -> Result<Operand<u32>, FlowTextError> {
    if text.text.starts_with(|c: char| c.is_ascii_digit()) {
        return Ok(Operand::Value(value::small(text)?));
    }
    let part = place.source(text)?;
    if part.bits > 32 {
        return Err(FlowTextError::new(text, "At most 32 bits fit here"));
    }
    Ok(Operand::Field(part))
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={}",
            self.probability, self.collector_set_id, self.obs_domain_id, self.obs_point_id
        )?;
        if let Some(port) = self.sampling_port {
            write!(f, ",sampling_port={}", port::Shown(port))?;
        }
        f.write_str(match self.direction {
            SampleDirection::Default => "",
            SampleDirection::Ingress => ",ingress",
            SampleDirection::Egress => ",egress",
        })?;
        f.write_str(")")
    }
}
