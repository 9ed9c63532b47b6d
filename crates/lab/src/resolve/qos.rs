//! Queues and policing: which port they are for.

use netloom_flow::{LinkSettings, Qos};

use super::Draft;
use crate::error::{Span, Spanned, did_you_mean};
use crate::file::{Gaps, PortQos, QosSpec};
use crate::lab::{End, Lab, Link, Switch, SwitchPort};
use crate::names::Pattern;

/// Gives ports what switches say of them.
pub(super) fn resolve(draft: &mut Draft<'_>, lab: &mut Lab) {
    let mut switches = std::mem::take(&mut lab.switches);
    let specs: Vec<_> = draft.switches.iter().map(|switch| std::rc::Rc::clone(&switch.spec)).collect();
    for (switch, spec) in switches.iter_mut().zip(specs) {
        for (ports, spec) in spec.qos.iter().flatten() {
            let Some(wanted) = look_up(draft, spec) else { continue };
            for at in find(draft, switch, ports) {
                if let Some(port) = switch.ports.get_mut(at) {
                    give(draft, port, &lab.links, &wanted, ports.span);
                }
            }
        }
    }
    lab.switches = switches;
}

fn look_up(draft: &mut Draft<'_>, spec: &QosSpec) -> Option<PortQos> {
    let name = match spec {
        QosSpec::Written(port) => return Some(port.clone()),
        QosSpec::Named(name) => name,
    };
    let file = draft.file;
    let found = file.qos.iter().find(|entry| entry.name.value == name.value);
    if found.is_none() {
        let hint = did_you_mean(&name.value, file.qos.iter().map(|entry| entry.name.value.as_str()));
        let hint =
            hint.unwrap_or_else(|| format!("declare it: `qos: {{ {}: {{ max-rate: .. }} }}`", name.value));
        draft.error_unless(Gaps::THINGS, name.span, format!("there is no qos `{}`", name.value), Some(&hint));
    }
    found.map(|entry| entry.port.clone())
}

/// The ports of these names, or that lead to things of these names.
fn find(draft: &mut Draft<'_>, switch: &Switch, ports: &Spanned<Pattern>) -> Vec<usize> {
    let mut found = Vec::new();
    if ports.value.count() > switch.ports.len() as u64 {
        let message = format!("`{}` has fewer ports than this range", switch.name);
        draft.error_unless(Gaps::THINGS | Gaps::LINKS, ports.span, message, None);
        return found;
    }
    for name in ports.value.expand_full() {
        let of = |it: &SwitchPort| if it.name == name { 2 } else { u8::from(leads_to(&it.peer) == name) };
        let best = switch.ports.iter().map(of).max().unwrap_or(0);
        let here: Vec<usize> =
            (0..).zip(&switch.ports).filter(|(_, it)| best > 0 && of(it) == best).map(|(at, _)| at).collect();
        let names = || switch.ports.iter().flat_map(|it| [it.name.as_str(), leads_to(&it.peer)]);
        match here[..] {
            [only] => found.push(only),
            [] => {
                let hint = did_you_mean(&name, names())
                    .unwrap_or_else(|| "name the port, or the node or switch that it leads to".to_owned());
                let message = format!("`{}` has no port `{name}`, and none that leads there", switch.name);
                draft.error_unless(Gaps::THINGS | Gaps::LINKS, ports.span, message, Some(&hint));
            }
            _ => {
                let several: Vec<_> =
                    here.iter().filter_map(|at| switch.ports.get(*at)).map(|it| it.name.as_str()).collect();
                let message = format!("several ports of `{}` lead to `{name}`", switch.name);
                draft.error_unless(
                    Gaps::THINGS | Gaps::LINKS,
                    ports.span,
                    message,
                    Some(&format!("name the port: {}", several.join(" or "))),
                );
            }
        }
    }
    found
}

fn leads_to(end: &End) -> &str {
    match end {
        End::Node { node, .. } => node,
        End::Switch { switch, .. } => switch,
        End::Tunnel { peer, .. } => peer,
    }
}

fn give(draft: &mut Draft<'_>, port: &mut SwitchPort, links: &[Link], wanted: &PortQos, span: Span) {
    if port.qos.is_some() || port.policing.is_some() {
        let message = format!("the port `{}` is given queues or policing twice", port.name);
        return draft.error(span, message, None);
    }
    if wanted.policing.is_some() && port.peer.is_switch() {
        let message = format!("the port `{}` leads to another switch and cannot be policed", port.name);
        return draft.error(span, message, Some("police the ports of nodes, where packets come in"));
    }
    let link = links.iter().find(|link| link.id == port.link);
    let away = link.map(|link| if port.left { &link.forth } else { &link.back });
    if let Some(qos) = wanted.qos.as_ref().filter(|qos| does_nothing(qos, away)) {
        let what =
            if qos.queues.values().any(|queue| queue.min_rate > 0) { "`min-rate`" } else { "`priority`" };
        let message =
            format!("nothing limits what leaves by `{}`, so that {what} would do nothing", port.name);
        return draft.error(span, message, Some("give a `max-rate` beside `queues`, or the link a `rate`"));
    }
    (port.qos, port.policing) = (wanted.qos.clone(), wanted.policing);
}

/// Whether queues that share out a rate have none to share out.
fn does_nothing(qos: &Qos, link: Option<&LinkSettings>) -> bool {
    let shares = qos.queues.values().any(|queue| queue.min_rate > 0 || queue.priority > 0);
    shares && qos.max_rate.is_none() && link.is_none_or(|link| link.rate.is_none())
}
