//! Cards whose switch shows a representor for each VF (switchdev): the machine's network device at which a VF's frames come and go,
//! and so a port of a lab's switch like any other.
//!
//! Which switch: that of `fallback`, at whose port the node has an ordinary card where there is no VF. The mode is the
//! machine's own: it is read, and never set.

use std::collections::BTreeSet;

use netloom_api::{ApiError, ErrorKind};
use netloom_lab::Lab;
use netloom_lab::lab::{Node, Vf};
use netloom_sriov::{PhysicalFunction, Sysfs};
use netloom_sys::netlink::{self, EswitchMode};

/// What the switch inside a card does with VFs. Who may not ask, or has a driver that does not say, has a card that switches by
/// itself.
pub(super) fn mode(pf: &PhysicalFunction) -> Option<EswitchMode> {
    netlink::eswitch_mode("pci", &pf.address.to_string()).ok().flatten()
}

/// Refuses a node that would reach nobody: its frames come out at a representor that no switch of the lab has.
///
/// # Errors
/// The first such node.
pub(super) fn check(
    machine: &[PhysicalFunction],
    wanting: &[(&Node, &Vf)],
    absent: &BTreeSet<String>,
    mode: &dyn Fn(&PhysicalFunction) -> Option<EswitchMode>,
) -> Result<(), ApiError> {
    for (node, vf) in wanting {
        let pf = machine.iter().find(|pf| pf.is_called(&vf.pf));
        let Some(pf) = pf.filter(|_| vf.fallback.is_none() && !absent.contains(&node.name)) else { continue };
        if mode(pf) == Some(EswitchMode::Switchdev) {
            let said = format!(
                "{} would reach nobody: {} is in switchdev mode, where a VF's frames come out at its representor (line {} of the \
                 lab file).",
                node.name, vf.pf, node.line
            );
            let hint = format!(
                "`fallback: SWITCH` joins the representor to that switch; or `devlink dev eswitch set pci/{} mode legacy`",
                pf.address
            );
            return Err(ApiError::new(ErrorKind::Machine, said).hint(hint));
        }
    }
    Ok(())
}

/// What `plan` says of the nodes of this machine's cards: whether what they send passes a switch of the lab.
pub(in crate::engine) fn said_here(lab: &Lab) -> Vec<String> {
    let wanting: Vec<(&Node, &Vf)> = lab.nodes.iter().filter_map(|n| Some((n, n.vf.as_deref()?))).collect();
    if wanting.is_empty() {
        return Vec::new();
    }
    // A machine that shows no cards is `up`'s to complain of.
    let machine = Sysfs::of_machine().physical_functions().unwrap_or_default();
    let one = |(node, vf): &(&Node, &Vf)| {
        let pf = machine.iter().find(|pf| pf.is_called(&vf.pf))?;
        Some(words(&node.name, vf, mode(pf)))
    };
    wanting.iter().filter_map(one).collect()
}

fn words(node: &str, vf: &Vf, mode: Option<EswitchMode>) -> String {
    let pf = &vf.pf;
    match (mode, &vf.fallback) {
        (Some(EswitchMode::Switchdev), Some(switch)) => format!(
            "{node} is at {switch} by its representor ({pf} is in switchdev mode): rules, counters and captures apply"
        ),
        (Some(EswitchMode::Switchdev), None) => {
            format!(
                "`up` refuses {node}: {pf} is in switchdev mode, and no `fallback` says which switch its representor joins"
            )
        }
        _ => format!(
            "{node}'s frames pass the switch of the lab by: {pf} shows no representors (switchdev), so that no rule, counter or \
             capture applies"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lab(node: &str) -> Lab {
        let text = format!("netloom: 1\nname: shop\nswitches: {{ s1: {{}} }}\nnodes: {{ {node} }}\n");
        netloom_lab::resolve(&netloom_lab::load(&text, "shop.loom.yml".as_ref(), &[]).unwrap()).unwrap()
    }

    fn checked(lab: &Lab, absent: &[&str], mode: Option<EswitchMode>) -> Result<(), ApiError> {
        let pf = PhysicalFunction {
            address: "0000:01:00.0".parse().unwrap(),
            netdevs: vec!["eth0".to_owned()],
            ids: (0, 0),
            driver: None,
            iommu_group: None,
            numa_node: None,
            up: true,
            total: 7,
            vfs: Vec::new(),
        };
        let wanting: Vec<_> = lab.nodes.iter().filter_map(|n| Some((n, n.vf.as_deref()?))).collect();
        let absent = absent.iter().map(|name| (*name).to_owned()).collect();
        check(&[pf], &wanting, &absent, &|_| mode)
    }

    #[test]
    fn who_would_reach_nobody_is_refused_and_told_how_it_would() {
        let alone = lab("a: { vf: { pf: eth0 } }");
        let error = checked(&alone, &[], Some(EswitchMode::Switchdev)).unwrap_err();
        assert!(error.message.contains("a would reach nobody: eth0 is in switchdev mode"), "{error:?}");
        assert!(error.hint.is_some_and(|hint| hint.contains("pci/0000:01:00.0 mode legacy")));
        assert!(
            checked(&alone, &[], Some(EswitchMode::Legacy)).is_ok() && checked(&alone, &[], None).is_ok()
        );
        assert!(checked(&alone, &["a"], Some(EswitchMode::Switchdev)).is_ok(), "it has an ordinary card");
        let joined = lab("a: { vf: { pf: eth0, fallback: s1 } }");
        assert!(checked(&joined, &[], Some(EswitchMode::Switchdev)).is_ok());
    }

    #[test]
    fn a_plan_says_whether_frames_pass_the_switch() {
        let lab = lab("a: { vf: { pf: eth0, fallback: s1 } }");
        let vf = lab.node("a").and_then(|node| node.vf.as_deref()).unwrap();
        let alone = Vf { fallback: None, ..vf.clone() };
        let switchdev = Some(EswitchMode::Switchdev);
        assert!(words("a", vf, switchdev).starts_with("a is at s1 by its representor"));
        assert!(words("a", &alone, switchdev).starts_with("`up` refuses a"));
        assert!(words("a", vf, None).contains("no rule, counter or capture applies"));
        assert_eq!(words("a", vf, None), words("a", &alone, Some(EswitchMode::Legacy)));
    }
}
