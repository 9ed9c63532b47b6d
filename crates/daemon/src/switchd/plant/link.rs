//! The links of ports: up or down.

use super::Plant;

impl Plant {
    pub(super) fn look(&mut self) {
        if let Err(error) = self.links.look() {
            tracing::error!(target: "bridge", %error, "the machine's interfaces are as they were known");
        }
    }

    /// Takes ports up and down as their devices are.
    pub(in crate::switchd) fn look_at_links(&mut self) {
        for (id, standing) in &mut self.standing {
            let Some(link) = standing.index.and_then(|index| self.links.at(index)) else { continue };
            let up = link.up && link.carrier;
            if standing.spec.up != up {
                self.news.add(*id);
                standing.spec.up = up;
                standing.resets += 1;
                self.core.set_port(&standing.spec);
            }
        }
    }

    /// Takes a dummy device up or down, or all of them. `false`: there is none of this name.
    pub(in crate::switchd) fn set_dummy(&mut self, name: Option<&str>, up: bool) -> bool {
        let mut found = false;
        for (id, standing) in &mut self.standing {
            if !self.dummies.has(&standing.name) || name.is_some_and(|name| name != standing.name) {
                continue;
            }
            found = true;
            if standing.spec.up != up {
                self.news.add(*id);
                standing.spec.up = up;
                standing.resets += 1;
                self.core.set_port(&standing.spec);
            }
        }
        found
    }
}
