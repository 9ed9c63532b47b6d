//! What `up` would do, as a list.

use netloom_api::PlanReply;
use netloom_lab::Lab;

use crate::engine::Running;

impl Running {
    /// The difference between what runs and `wanted`.
    pub(super) fn plan_to(&self, wanted: &Lab, reset: bool) -> PlanReply {
        let _ = (wanted, reset);
        PlanReply::default()
    }
}
