//! Controllers: those that switches name, looked up.

use std::collections::BTreeMap;

use crate::error::{Span, Spanned, TextError, did_you_mean};
use crate::file::{ControllerSpec, Gaps, LabFile, Place, Reader};
use crate::lab::{Controller, ControllerPlace, Lab, TlsFiles};
use crate::target::Target;

/// Fills in the controllers that switches have.
pub(super) fn resolve(reader: &mut Reader, file: &LabFile, lab: &mut Lab) {
    for entry in &file.controllers {
        let name = &entry.name;
        if lab.node(&name.value).is_some() || lab.switch(&name.value).is_some() {
            let message =
                format!("the name `{}` is taken: there is a node or switch of that name", name.value);
            reader.error(name.span, message, Some("`netloom logs` and `show` must know which is meant"));
        }
        if let Some(place) = place(reader, lab, &entry.spec) {
            let line = file.line(name.span);
            lab.controllers.push(controller(name.value.clone(), place, &entry.spec, line));
        }
    }
    let specs = file.switches.iter().map(|s| &s.spec).chain([&file.switch_defaults]);
    for word in specs.flat_map(|spec| spec.controllers.iter().flatten()) {
        written_here(reader, file, lab, word);
    }
    let used: Vec<&String> = lab.switches.iter().flat_map(|switch| &switch.controllers).collect();
    let mut kept = std::mem::take(&mut lab.controllers);
    // A command is started though no switch has it: it may be there for something else.
    kept.retain(|it| used.contains(&&it.name) || matches!(it.place, ControllerPlace::Run(_)));
    lab.controllers = kept;
    one_place_one_switch(reader, file, lab);
}

fn controller(name: String, place: ControllerPlace, spec: &ControllerSpec, line: u32) -> Controller {
    let tls = spec.tls.as_ref().map(|tls| TlsFiles {
        key: tls.key.value.clone(),
        certificate: tls.certificate.value.clone(),
        ca: tls.ca.value.clone(),
    });
    let ControllerSpec { probe, backoff, auxiliary, in_band, .. } = *spec;
    Controller { name, place, probe, backoff, auxiliary, in_band, tls, line }
}

fn place(reader: &mut Reader, lab: &Lab, spec: &ControllerSpec) -> Option<ControllerPlace> {
    Some(match &spec.place {
        Place::Targets(targets) => {
            ControllerPlace::Targets(targets.iter().map(|target| target.value.to_string()).collect())
        }
        Place::Run(command) => ControllerPlace::Run(command.clone()),
        Place::Learn => ControllerPlace::Learn,
        Place::Node { node, port } => {
            let Some(found) = lab.node(&node.value) else {
                let hint = did_you_mean(&node.value, lab.nodes.iter().map(|n| n.name.as_str()));
                reader.error_unless(
                    Gaps::THINGS,
                    node.span,
                    format!("there is no node `{}`", node.value),
                    hint.as_deref(),
                );
                return None;
            };
            if found.is_nic() {
                let TextError { message, hint, .. } = found.nobody_inside();
                reader.error(node.span, message, hint.as_deref());
                return None;
            }
            let addresses = found.addresses().map(|address| address.ip).collect();
            ControllerPlace::Node { node: found.name.clone(), port: *port, addresses }
        }
    })
}

/// A word at a switch that is no name of `controllers:` is a target, or `learn`.
fn written_here(reader: &mut Reader, file: &LabFile, lab: &mut Lab, word: &Spanned<String>) {
    if file.controllers.iter().any(|entry| entry.name.value == word.value)
        || lab.controller(&word.value).is_some()
    {
        return;
    }
    let place = match Target::parse(&word.value) {
        _ if word.value == "learn" => Place::Learn,
        Ok(target) if target.is_tls() => {
            let hint = "put it under `controllers:` with `key`, `certificate` and `ca`";
            return reader.error(
                word.span,
                "TLS needs a key, a certificate and the authority of the peer",
                Some(hint),
            );
        }
        Ok(target) => Place::Targets(vec![Spanned::new(target, word.span)]),
        Err(error) if word.value.contains(':') => {
            return reader.text_error(word.span, word.value.len(), error);
        }
        Err(_) => return unknown(reader, file, word),
    };
    let spec = ControllerSpec::at(place);
    if let Some(place) = self::place(reader, lab, &spec) {
        lab.controllers.push(controller(word.value.clone(), place, &spec, file.line(word.span)));
    }
}

fn unknown(reader: &mut Reader, file: &LabFile, word: &Spanned<String>) {
    let names = file.controllers.iter().map(|entry| entry.name.value.as_str());
    let hint = did_you_mean(&word.value, names.chain(["learn", "none"]));
    let hint = hint
        .unwrap_or_else(|| format!("declare it: `controllers: {{ {}: tcp:127.0.0.1:6653 }}`", word.value));
    reader.error_unless(
        Gaps::THINGS,
        word.span,
        format!("there is no controller `{}`", word.value),
        Some(&hint),
    );
}

/// Two switches cannot wait at one place.
fn one_place_one_switch(reader: &mut Reader, file: &LabFile, lab: &Lab) {
    let span = |name: &str| {
        let specs = file.switches.iter().map(|s| &s.spec).chain([&file.switch_defaults]);
        let mut words = specs.flat_map(|spec| spec.controllers.iter().flatten());
        words.find(|word| word.value == name).map_or(Span::default(), |word| word.span)
    };
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for switch in &lab.switches {
        for controller in crate::config::controllers(lab, switch) {
            for target in controller.targets() {
                let is_passive = Target::parse(&target).is_ok_and(|target| target.is_passive());
                if !is_passive {
                    continue;
                }
                if let Some(other) = seen.insert(target.clone(), &switch.name) {
                    let message = format!("`{other}` and `{}` cannot both wait at {target}", switch.name);
                    reader.error(span(&controller.name), message, Some("give each switch a port of its own"));
                    return;
                }
            }
        }
    }
}
