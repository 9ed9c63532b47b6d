//! Links, changed in place.

use std::collections::BTreeMap;

use netloom_api::{ApiError, Direction as Which, ErrorKind, LinkRow};
use netloom_datapath::Direction;
use netloom_lab::settings::SettingsPatch;

use crate::engine::Running;
use crate::engine::execute::set_links;
use crate::engine::running::State;

impl Running {
    /// Changes a link, and answers how it is now.
    pub(super) fn link(
        &self,
        name: &str,
        which: Which,
        settings: &BTreeMap<String, String>,
        up: Option<bool>,
    ) -> Result<LinkRow, ApiError> {
        let mut patch = netloom_lab::setting_words::parse(settings).map_err(|e| {
            let error = ApiError::new(ErrorKind::Usage, format!("{}.", e.message));
            match e.hint {
                Some(hint) => error.hint(hint),
                None => error,
            }
        })?;
        patch.up = up.or(patch.up);
        let mut state = self.state();
        let id = find(&state, name)?;
        if !patch.is_empty() {
            let both = SettingsPatch::default();
            let (forth, back) = match which {
                Which::Both => (&patch, &patch),
                Which::Forth => (&patch, &both),
                Which::Back => (&both, &patch),
            };
            self.patch_link(&mut state, &id, forth, back);
        }
        let link = state.lab.links.iter().find(|link| link.id == id);
        let model = self.modelled(&state);
        link.and_then(|link| self.link_row(&state, link, &model))
            .ok_or_else(|| super::not_found("link", name, &[]))
    }

    /// Changes both directions of a link; what is queued stays queued. It is drift from now on, unless it is as the
    /// file has it.
    pub(in crate::engine) fn patch_link(
        &self,
        state: &mut State,
        id: &str,
        forth: &SettingsPatch,
        back: &SettingsPatch,
    ) {
        let Some(core) = self.core() else { return };
        let lab = state.lab.clone();
        let Some(link) = lab.links.iter().find(|link| link.id == id) else { return };
        let Some([a, b]) = state.ports.link(id) else { return };
        let (out, home) = super::rows::directions(link, a, b);
        let mut now = [link.forth.clone(), link.back.clone()];
        for (((port, direction), patch), settings) in [(out, forth), (home, back)].into_iter().zip(&mut now) {
            let Some(spec) = state.specs.get_mut(&port) else { continue };
            let before = spec.clone();
            let side =
                if direction == Direction::ToSwitch { &mut spec.to_switch } else { &mut spec.from_switch };
            patch.apply(side);
            settings.clone_from(side);
            set_links(core, &before, spec);
        }
        if now == [link.forth.clone(), link.back.clone()] {
            state.drift.remove(id);
        } else {
            state.drift.insert(id.to_owned(), now);
        }
        core.settle();
    }
}

/// The id of the link that `name` means.
fn find(state: &State, name: &str) -> Result<String, ApiError> {
    match &state.lab.links_named(name)[..] {
        [one] => Ok(one.id.clone()),
        [] => {
            let all: Vec<&str> = state.lab.links.iter().map(|link| link.id.as_str()).collect();
            Err(super::not_found("link", name, &all))
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|link| link.id.as_str()).collect();
            Err(ApiError::new(ErrorKind::Usage, format!("There are {} links {name}.", several.len()))
                .hint(format!("name one of {}", ids.join(", "))))
        }
    }
}
