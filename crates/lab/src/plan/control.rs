//! Controllers and fail modes of switches that others changed.

use std::collections::BTreeSet;

use netloom_flow::Nanos;
use serde::{Deserialize, Serialize};

use super::drift::Shape;
use super::{Action, Drift, Drifted, PresentVlan, Step, kept_vlans};
use crate::lab::{Controller, ControllerPlace, FailMode, Lab, Switch};

/// The defaults of a controller that no file knows. Source: ovs-vswitchd.conf.db(5), table Controller.
const PROBE: Nanos = Nanos::from_secs(5);
const BACKOFF: Nanos = Nanos::from_secs(8);

/// Who controls a switch now, and what it does without a controller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentControl {
    /// [`Switch::name`].
    pub switch: String,
    /// In the words of OVS, or names of controllers of the file that have no others: [`Controller::targets`].
    pub targets: BTreeSet<String>,
    /// Without a controller.
    pub fail_mode: FailMode,
}

impl PresentControl {
    /// A switch of a lab, as that has it.
    #[must_use]
    pub fn of(lab: &Lab, switch: &Switch) -> Self {
        let targets = crate::config::controllers(lab, switch).flat_map(Controller::targets).collect();
        Self { switch: switch.name.clone(), targets, fail_mode: switch.fail_mode }
    }

    fn in_lab(&self, lab: &Lab) -> Option<Self> {
        lab.switch(&self.switch).map(|switch| Self::of(lab, switch))
    }

    /// Whether the switch is otherwise in a lab that has it.
    #[must_use]
    pub fn differs_in(&self, lab: &Lab) -> bool {
        self.in_lab(lab).is_some_and(|there| there != *self)
    }

    /// `controller tcp:127.0.0.1:6653, fail_mode secure`.
    fn words(&self) -> String {
        let fail_mode = match self.fail_mode {
            FailMode::Secure => "secure",
            FailMode::Standalone => "standalone",
        };
        match self.targets.is_empty() {
            true => format!("no controller, fail_mode {fail_mode}"),
            false => {
                let targets: Vec<&str> = self.targets.iter().map(String::as_str).collect();
                format!("controller {}, fail_mode {fail_mode}", targets.join(" "))
            }
        }
    }

    /// The names of its controllers. Those of the lab are found again by their targets; others are made.
    fn names(&self, lab: &mut Lab) -> Vec<String> {
        let mut left = self.targets.clone();
        let mut names = Vec::new();
        for known in &lab.controllers {
            let targets = known.targets();
            if !targets.is_empty() && targets.iter().all(|target| left.contains(target)) {
                left.retain(|target| !targets.contains(target));
                names.push(known.name.clone());
            }
        }
        for target in left {
            names.push(target.clone());
            if lab.controller(&target).is_none() {
                lab.controllers.push(Controller {
                    name: target.clone(),
                    place: ControllerPlace::Targets(vec![target]),
                    probe: PROBE,
                    backoff: BACKOFF,
                    auxiliary: 0,
                    in_band: false,
                    tls: None,
                    line: 0,
                });
            }
        }
        names
    }
}

/// What of switches is not as the lab was applied, while nothing of it is of a link, a node or a flow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ByHand {
    /// Of ports.
    pub vlans: Vec<PresentVlan>,
    /// Of switches.
    pub controls: Vec<PresentControl>,
}

impl ByHand {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.vlans.is_empty() && self.controls.is_empty()
    }

    /// What is drift still when the lab is `to`: of what stays, and about which the file says what it said.
    #[must_use]
    pub fn kept(&self, from: &Lab, to: &Lab, drifted: Drifted) -> Self {
        let stays = |now: &&PresentControl| now.in_lab(from) == now.in_lab(to) && now.differs_in(to);
        let controls = match drifted {
            Drifted::Keep => self.controls.iter().filter(stays).cloned().collect(),
            Drifted::Reset => Vec::new(),
        };
        Self { vlans: kept_vlans(from, to, &self.vlans, drifted), controls }
    }
}

impl Lab {
    /// The lab with ports and switches as they are.
    #[must_use]
    pub fn with(&self, by_hand: &ByHand) -> Self {
        let mut lab = self.with_vlans(&by_hand.vlans);
        for now in &by_hand.controls {
            let names = now.names(&mut lab);
            if let Some(switch) = lab.switches.iter_mut().find(|switch| switch.name == now.switch) {
                (switch.controllers, switch.fail_mode) = (names, now.fail_mode);
            }
        }
        lab
    }
}

/// Compares a switch as applied, as wanted and as it is. Where the file has it otherwise than before, it changes anyway.
pub(super) fn shape(from: &Lab, to: &Lab, now: &PresentControl, drifted: Drifted) -> Shape {
    let drift = now.differs_in(from).then(|| Drift {
        kind: "switch".to_owned(),
        name: now.switch.clone(),
        detail: now.words(),
    });
    let back = now.in_lab(to).filter(|new| drift.is_some() && drifted == Drifted::Reset && new != now);
    let step = back.map(|new| Step {
        detail: format!("{} -> {}", now.words(), new.words()),
        action: Action::ResetControl(now.switch.clone()),
    });
    Shape { drift, step }
}
