//! The links of ports: up or down.

use super::Plant;
use crate::switchd::links::Changed;

impl Plant {
    pub(super) fn look(&mut self) {
        if let Err(error) = self.links.look() {
            tracing::error!(target: "bridge", %error, "the machine's interfaces are as they were known");
        }
    }

    /// Takes all ports up and down as their devices are.
    pub(super) fn look_at_links(&mut self) {
        self.look_at_some(&Changed::All);
    }

    /// The same of those whose devices have changed.
    pub(super) fn look_at_some(&mut self, changed: &Changed) {
        if changed.is_none() {
            return;
        }
        for id in self.standing.of(changed) {
            let Some(standing) = self.standing.get_mut(id) else { continue };
            let Some(link) = standing.index.and_then(|index| self.links.at(index)) else { continue };
            let up = link.up && link.carrier;
            if standing.spec.up != up {
                self.news.add(id);
                standing.spec.up = up;
                standing.resets += 1;
                self.core.set_port(&standing.spec);
            }
        }
    }

    /// Takes a dummy device up or down, or all of them. `false`: there is none of this name.
    pub(in crate::switchd) fn set_dummy(&mut self, name: Option<&str>, up: bool) -> bool {
        let mut found = false;
        for (id, standing) in self.standing.iter_mut() {
            if !self.dummies.has(&standing.name) || name.is_some_and(|name| name != standing.name) {
                continue;
            }
            found = true;
            if standing.spec.up != up {
                self.news.add(id);
                standing.spec.up = up;
                standing.resets += 1;
                self.core.set_port(&standing.spec);
            }
        }
        found
    }
}
