//! `sample(probability=1000,collector_set_id=1,obs_domain_id=2,obs_point_id=3,sampling_port=4,egress)`

use std::fmt;

use super::super::port;
use crate::action::{Sample, SampleDirection};

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
