//! Before `up` changes anything: whether the limits of a lab can be kept, and the groups of those that come.

use netloom_api::{ApiError, ErrorKind};
use netloom_container::limits::SetError;
use netloom_lab::Lab;
use netloom_lab::limits::{Amount, Limits};

use super::{Groups, Held, kept};
use crate::engine::hints::refused;

/// Groups that were made for a lab that is not there yet. Dropped, they go, and tenants have what they had.
#[derive(Debug)]
pub(in crate::engine) struct Prepared<'g> {
    groups: &'g Groups,
    fresh: Vec<String>,
    former: Vec<(String, Limits)>,
}

impl Prepared<'_> {
    /// The lab is there.
    pub(in crate::engine) fn keep(mut self) {
        self.fresh.clear();
        self.former.clear();
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        self.groups.forget(&std::mem::take(&mut self.fresh));
        for (tenant, limits) in std::mem::take(&mut self.former) {
            if let Err(error) = self.groups.set_tenant(&tenant, &limits) {
                tracing::warn!(tenant, %error, "a quota could not be put back");
            }
        }
    }
}

impl Groups {
    /// Has everything ready that the limits of `lab` need and `before` did not have. Quotas are the wider of both until the
    /// plan is carried out.
    ///
    /// # Errors
    /// A limit cannot be kept and the file does not say that it may be so. Nothing has changed then.
    pub(in crate::engine) fn prepare(&self, lab: &Lab, before: &Lab) -> Result<Prepared<'_>, ApiError> {
        let mut prepared = Prepared { groups: self, fresh: Vec::new(), former: Vec::new() };
        self.check(lab)?;
        for tenant in &lab.tenants {
            let old = before.tenant(&tenant.name).map(|old| old.quota.limits()).unwrap_or_default();
            let new = tenant.quota.limits();
            if old != new {
                prepared.former.push((tenant.name.clone(), old.clone()));
                let wide = wider(&old, &new);
                self.set_tenant(&tenant.name, &wide)
                    .map_err(|error| set_failed(&format!("The quota of {}", tenant.name), &new, &error))?;
            }
        }
        let limited = lab.nodes.iter().filter(|node| !node.limits.is_unlimited());
        for node in limited.filter(|node| before.node(&node.name).is_none()) {
            prepared.fresh.push(node.name.clone());
            self.set(node, None, &node.limits).map_err(|error| {
                set_failed(&format!("The limits of {}", node.name), &node.limits, &error)
                    .hint(format!("line {} of the lab file has them", node.line))
            })?;
        }
        Ok(prepared)
    }

    /// Whether all that must be kept can be.
    fn check(&self, lab: &Lab) -> Result<(), ApiError> {
        let tenants = lab.tenants.iter().map(|tenant| (&tenant.name, tenant.quota.limits(), 0));
        let nodes = lab.nodes.iter().map(|node| (&node.name, node.limits.clone(), node.line));
        let strict = tenants.chain(nodes).filter(|(_, it, _)| !it.is_unlimited() && !it.best_effort);
        let mut held = self.held();
        for (name, limits, line) in strict {
            self.root(&mut held).map_err(|error| {
                refused(ErrorKind::Failed, "Cannot make the lab's control group.", &error)
            })?;
            let Held { root: Some(root), .. } = &*held else { continue };
            let lacking = root.lacking(&limits, &kept(&limits));
            if lacking.is_empty() {
                continue;
            }
            let what =
                if line == 0 { format!("the quota of {name}") } else { format!("the limits of {name}") };
            let said = format!("This machine cannot keep {what}: {}.", lacking.join("; "));
            let place = if line == 0 { String::new() } else { format!(" (line {line})") };
            return Err(ApiError::new(ErrorKind::Machine, said).hint(format!(
                "`limits: best-effort`{place} goes on without; an ordinary user of a machine with systemd can be given \
                 a part of its control groups: `systemd-run --user --scope netloom up ..`"
            )));
        }
        Ok(())
    }
}

/// The wider of two limits in each respect.
fn wider(a: &Limits, b: &Limits) -> Limits {
    let wider =
        |a: Option<Amount>, b: Option<Amount>| a.zip(b).map(|(a, b)| if a.start >= b.start { a } else { b });
    Limits { cpu: wider(a.cpu, b.cpu), memory: wider(a.memory, b.memory), ..b.clone() }
}

/// Limits could not be set.
pub(in crate::engine) fn set_failed(what: &str, limits: &Limits, error: &SetError) -> ApiError {
    match error {
        SetError::InUse { used, asked } => {
            let size = netloom_lab::quantity::show_size;
            ApiError::new(
                ErrorKind::Failed,
                format!(
                    "{what} cannot be {}: {} of memory are in use and cannot be freed.",
                    size(*asked),
                    about(*used)
                ),
            )
            .hint("ask for more than that, or end something there first")
        }
        SetError::Above { part } => {
            let words = limits.words();
            ApiError::new(
                ErrorKind::Machine,
                format!("{what} cannot be {words}: the control group above has less {}.", part.word()),
            )
            .hint("netloom itself runs in a control group with limits, or the tenant has a quota")
        }
        SetError::Refused { .. } => refused(ErrorKind::Failed, format!("{what} could not be set."), error),
    }
}

/// Bytes, to the nearest unit a person reads.
pub(in crate::engine) fn about(bytes: u64) -> String {
    let (unit, factor) = match bytes {
        0..0x10_0000 => ("KiB", 10),
        0x10_0000..0x4000_0000 => ("MiB", 20),
        _ => ("GiB", 30),
    };
    let tenths = (bytes.saturating_mul(10)) >> factor;
    format!("{}.{}{unit}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_the_plan_is_done_a_tenant_has_the_wider_of_two_quotas() {
        let limits = |cpu: Option<u64>| Limits { cpu: cpu.map(Amount::of), ..Limits::default() };
        assert_eq!(wider(&limits(Some(1)), &limits(Some(2))), limits(Some(2)));
        assert_eq!(wider(&limits(Some(3)), &limits(Some(2))), limits(Some(3)));
        assert_eq!(wider(&limits(Some(3)), &limits(None)), limits(None));
    }

    #[test]
    fn sizes_are_for_reading() {
        assert_eq!(
            (about(512), about(3 << 19), about(5 << 30)),
            ("0.5KiB".into(), "1.5MiB".into(), "5.0GiB".into())
        );
    }
}
