//! What a node may use of the machine, changed while its programs go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use netloom_api::{ApiError, ErrorKind, NodeRow};
use netloom_lab::Lab;
use netloom_lab::TextError;
use netloom_lab::lab::{Node, Virt, Vm};
use netloom_lab::limits::{Limits, Resize};
use netloom_lab::quantity::show_size;
use netloom_lab::quota::overdrafts;

use crate::engine::Running;
use crate::engine::limits::prepare::set_failed;

impl Running {
    /// Changes limits of a node, and answers how it is now. It is drift from now on, unless it is as the file has it.
    ///
    /// # Errors
    /// There is no such node; the file or the tenant's quota allows less; the memory is in use; the machine cannot keep it.
    pub(super) fn resize(&self, name: &str, words: &BTreeMap<String, String>) -> Result<NodeRow, ApiError> {
        let change = Resize::parse(words).map_err(|error| refused(ErrorKind::Usage, error))?;
        if change == Resize::default() {
            return Err(ApiError::new(ErrorKind::Usage, "Nothing is to be changed.")
                .hint("say `--cpu`, `--memory`, `--swap` or `--pids`"));
        }
        let lab = Arc::clone(&self.state().lab);
        let Some(node) = lab.node(name) else {
            let all: Vec<&str> = lab.nodes.iter().map(|node| node.name.as_str()).collect();
            return Err(super::not_found("node", name, &all));
        };
        if node.is_nic() {
            return Err(super::nobody_inside(node));
        }
        if let Some(vm) = &node.vm {
            self.resize_machine(node, vm, &change)?;
            return self.row_of(name);
        }
        let groups = self.programs.groups();
        let now = groups.now(name).unwrap_or_else(|| node.limits.clone());
        let to = change.apply(&now, &node.limits).map_err(|error| {
            let line = format!("line {} of the lab file", node.line);
            let said = refused(ErrorKind::Failed, error);
            if said.hint.is_some() { said } else { said.hint(line) }
        })?;
        self.within_quota(&lab, node, &to)?;
        let what = format!("The limits of {name}");
        let netns = self.state().nodes.get(name).map(|made| Arc::clone(&made.netns));
        groups.set(node, netns.as_deref(), &to).map_err(|error| set_failed(&what, &to, &error))?;
        let lacking = groups.lacking(name);
        if !lacking.is_empty() && !to.best_effort {
            // Nothing is kept that was asked for: so nothing is changed.
            groups.set(node, None, &now).map_err(|error| set_failed(&what, &now, &error))?;
            let said = format!("This machine cannot keep the limits of {name}: {}.", lacking.join("; "));
            return Err(ApiError::new(ErrorKind::Machine, said).hint("`netloom check` says what it has"));
        }
        self.programs.regroup(node);
        self.row_of(name)
    }

    /// Changes processors and memory of a virtual machine, as far as it was made for it and its guest goes along.
    fn resize_machine(&self, node: &Node, vm: &Vm, change: &Resize) -> Result<(), ApiError> {
        let name = &node.name;
        let Resize { cpu, memory, swap: None, pids: None } = *change else {
            let said = format!(
                "Of the virtual machine {name}, only `--cpu` and `--memory` can be changed while it runs."
            );
            return Err(ApiError::new(ErrorKind::Unsupported, said)
                .hint("change the others in the lab file; `netloom up` boots it anew"));
        };
        let cpus = cpu.map(|cpu| processors(node, vm, cpu)).transpose()?;
        let memory = memory.map(|memory| memory_of(node, vm, memory)).transpose()?;
        let Some(machine) = self.guest(name)? else {
            return Err(ApiError::new(ErrorKind::Failed, format!("{name} was not started.")));
        };
        let failed = |said: String| ApiError::new(ErrorKind::Failed, said);
        if let Some(cpus) = cpus {
            machine
                .set_processors(cpus)
                .map_err(|why| failed(format!("{name} has {} processors: {why}.", machine.processors())))?;
        }
        if let Some(memory) = memory {
            machine
                .set_memory(memory)
                .map_err(|why| failed(format!("The memory of {name} stays as it was: {why}.")))?;
        }
        Ok(())
    }

    fn row_of(&self, name: &str) -> Result<NodeRow, ApiError> {
        let state = self.state();
        self.node_rows(&state)
            .into_iter()
            .find(|row| row.name == name)
            .ok_or_else(|| super::not_found("node", name, &[]))
    }

    /// Whether the tenant's quota has room for it, beside what its other nodes have now.
    fn within_quota(&self, lab: &Lab, node: &Node, to: &Limits) -> Result<(), ApiError> {
        if lab.tenant(&node.tenant).is_none_or(|tenant| tenant.quota.is_unlimited()) {
            return Ok(());
        }
        let mut wanted = lab.clone();
        for other in &mut wanted.nodes {
            if other.name == node.name {
                other.limits = to.clone();
            } else if let Some(now) = self.programs.groups().now(&other.name) {
                other.limits = now;
            }
        }
        match overdrafts(&wanted, &node.tenant).into_iter().next() {
            None => Ok(()),
            Some(found) => {
                let message = format!("Not within the quota: {}.", found.message);
                let error = ApiError::new(ErrorKind::Failed, message);
                Err(found.hint.map_or_else(|| error.clone(), |hint| error.clone().hint(hint)))
            }
        }
    }
}

/// Processors, of those that the board has room for; `cpu` is in thousandths, `None` no limit.
fn processors(node: &Node, vm: &Vm, cpu: Option<u64>) -> Result<u32, ApiError> {
    let count = cpu.filter(|cpu| cpu.is_multiple_of(1_000)).and_then(|cpu| u32::try_from(cpu / 1_000).ok());
    count.filter(|count| (vm.cpus..=vm.most_cpus).contains(count)).ok_or_else(|| {
        let said = match vm.most_cpus - vm.cpus {
            0 => format!("The virtual machine {} has {} processors for good.", node.name, vm.cpus),
            _ => format!(
                "The virtual machine {} can have {} to {} processors.",
                node.name, vm.cpus, vm.most_cpus
            ),
        };
        ApiError::new(ErrorKind::Failed, said)
            .hint(format!("line {} of the lab file: `cpu: START..MOST`, whole numbers", node.line))
    })
}

/// Bytes of memory, within what the machine was made with.
fn memory_of(node: &Node, vm: &Vm, memory: Option<u64>) -> Result<u64, ApiError> {
    let name = &node.name;
    let range = Vm::LEAST_MEMORY..=vm.most_memory;
    let Some(memory) = memory.filter(|memory| range.contains(memory)) else {
        let [least, most] = [Vm::LEAST_MEMORY, vm.most_memory].map(show_size);
        let said = format!("The virtual machine {name} can have {least} to {most}.");
        let hint = format!("line {} of the lab file: `memory: START..MOST`", node.line);
        return Err(ApiError::new(ErrorKind::Failed, said).hint(hint));
    };
    if vm.virt == Virt::Full {
        let said = format!("{name} is fully virtualized, and has no balloon to take memory with.");
        return Err(ApiError::new(ErrorKind::Failed, said).hint("`virt: para`"));
    }
    Ok(memory)
}

fn refused(kind: ErrorKind, error: TextError) -> ApiError {
    let mut letters = error.message.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let said = ApiError::new(kind, format!("{first}{}.", letters.as_str()));
    match error.hint {
        Some(hint) => said.hint(hint),
        None => said,
    }
}
