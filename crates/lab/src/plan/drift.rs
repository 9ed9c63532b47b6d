//! What others changed since the lab was applied: listed and kept, or reset.

use netloom_flow::LinkSettings;
use serde::{Deserialize, Serialize};

use super::{Action, BothSettings, PresentControl, PresentVlan, Step};
use crate::lab::{Link, Node};
use crate::limits::Limits;
use crate::settings::{SettingsPatch, describe, written};

/// What is not as the lab was applied.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Present {
    /// Links whose settings were changed by hand, with those they have now.
    pub links: Vec<PresentLink>,
    /// Nodes whose limits were changed by hand, with those they have now.
    #[serde(default)]
    pub limits: Vec<(String, Limits)>,
    /// Switch ports whose VLANs were changed by hand, with what they do now.
    #[serde(default)]
    pub vlans: Vec<PresentVlan>,
    /// Switches whose controllers or fail mode were changed by hand, as they are now.
    #[serde(default)]
    pub controls: Vec<PresentControl>,
    /// Switches whose flows were changed by hand: name, and what about them.
    pub flows: Vec<(String, String)>,
}

/// A link as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PresentLink {
    /// [`Link::id`].
    pub link: String,
    /// From the left end to the right.
    #[serde(with = "written")]
    pub forth: LinkSettings,
    /// From the right end to the left.
    #[serde(with = "written")]
    pub back: LinkSettings,
}

/// What becomes of drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Drifted {
    /// It stays, where the file did not change the same setting.
    #[default]
    Keep,
    /// The file's state is restored.
    Reset,
}

/// One thing that others changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// `link`, `limits`, `port`, `switch` or `flows`.
    pub kind: String,
    /// Of what.
    pub name: String,
    /// What it is now.
    pub detail: String,
}

/// What becomes of a link, of the limits of a node, of the VLAN of a port or of who controls a switch, that stays.
pub(super) struct Shape {
    pub(super) drift: Option<Drift>,
    pub(super) step: Option<Step>,
}

/// Compares a link as applied, as wanted and as it is.
pub(super) fn shape(old: &Link, new: &Link, present: Option<&PresentLink>, drifted: Drifted) -> Shape {
    let now = present.map_or((&old.forth, &old.back), |p| (&p.forth, &p.back));
    let drift = (now != (&old.forth, &old.back)).then(|| Drift {
        kind: "link".to_owned(),
        name: old.id.clone(),
        detail: both(now.0, now.1),
    });
    let target = |old: &LinkSettings, new: &LinkSettings, now: &LinkSettings| match drifted {
        Drifted::Reset => new.clone(),
        Drifted::Keep => merge(old, new, now),
    };
    let (forth, back) = (target(&old.forth, &new.forth, now.0), target(&old.back, &new.back, now.1));
    let step = (now != (&forth, &back)).then(|| Step {
        detail: format!("{} -> {}", both(now.0, now.1), both(&forth, &back)),
        action: Action::ShapeLink {
            link: new.id.clone(),
            from: Box::new(BothSettings { forth: now.0.clone(), back: now.1.clone() }),
            to: Box::new(BothSettings { forth, back }),
        },
    });
    Shape { drift, step }
}

/// Compares the limits of a node as applied, as wanted and as they are.
pub(super) fn limits(old: &Node, new: &Node, present: Option<&Limits>, drifted: Drifted) -> Shape {
    let now = present.unwrap_or(&old.limits);
    let drift = (*now != old.limits).then(|| Drift {
        kind: "limits".to_owned(),
        name: old.name.clone(),
        detail: now.words(),
    });
    let to = match drifted {
        Drifted::Reset => new.limits.clone(),
        Drifted::Keep => Limits::merge(&old.limits, &new.limits, now),
    };
    let step = (*now != to).then(|| Step {
        detail: format!("{} -> {}", now.words(), to.words()),
        action: Action::Limit { node: new.name.clone(), from: Box::new(now.clone()), to: Box::new(to) },
    });
    Shape { drift, step }
}

/// What is now, with the settings that differ between `old` and `new` as in `new`.
fn merge(old: &LinkSettings, new: &LinkSettings, now: &LinkSettings) -> LinkSettings {
    fn pick<T: PartialEq + Clone>(old: &T, new: &T, now: &T) -> T {
        if old == new { now.clone() } else { new.clone() }
    }
    LinkSettings {
        rate: pick(&old.rate, &new.rate, &now.rate),
        delay: pick(&old.delay, &new.delay, &now.delay),
        jitter: pick(&old.jitter, &new.jitter, &now.jitter),
        distribution: pick(&old.distribution, &new.distribution, &now.distribution),
        loss: pick(&old.loss, &new.loss, &now.loss),
        duplicate: pick(&old.duplicate, &new.duplicate, &now.duplicate),
        reorder: pick(&old.reorder, &new.reorder, &now.reorder),
        corrupt: pick(&old.corrupt, &new.corrupt, &now.corrupt),
        queue: pick(&old.queue, &new.queue, &now.queue),
        mtu: pick(&old.mtu, &new.mtu, &now.mtu),
        up: pick(&old.up, &new.up, &now.up),
    }
}

/// Settings of both directions in the words of a lab file; once if they are equal.
pub(super) fn both(forth: &LinkSettings, back: &LinkSettings) -> String {
    let words = |settings: &LinkSettings| match describe(&SettingsPatch::from(settings)) {
        text if text.is_empty() => "plain".to_owned(),
        text => text,
    };
    if forth == back { words(forth) } else { format!("{} / back {}", words(forth), words(back)) }
}
