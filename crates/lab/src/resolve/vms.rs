//! Virtual machines: what they are, and what of a node they cannot have yet.

use super::Draft;
use crate::error::Span;
use crate::file::NodeSpec;
use crate::lab::vm::{LEAST_MEMORY, MEMORY, MOST_CPUS};
use crate::lab::{Board, Firmware, Virt, Vm};
use crate::quantity::show_size;

/// What makes a node a virtual machine.
pub(super) fn vm(spec: &NodeSpec) -> Option<Box<Vm>> {
    let written = &spec.vm.as_ref()?.value;
    let text = |text: &Option<crate::error::Spanned<String>>| text.as_ref().map(|it| it.value.clone());
    let processors = |thousandths: u64| u32::try_from(thousandths / 1_000).unwrap_or(MOST_CPUS).max(1);
    let [cpus, most_cpus] = spec
        .limits
        .cpu
        .as_ref()
        .map_or([1, 1], |cpu| [cpu.value.start, cpu.value.reserved()].map(processors));
    Some(Box::new(Vm {
        kernel: written.kernel.clone(),
        initrd: text(&written.initrd),
        append: written.append.clone(),
        disk: text(&written.disk),
        url: text(&written.url),
        sha256: text(&written.sha256),
        firmware: written.firmware.as_ref().map_or(Firmware::Bios, |firmware| firmware.value),
        cloud_init: text(&written.cloud_init),
        image: text(&written.image),
        virt: written.virt.as_ref().map_or(Virt::Para, |virt| virt.value),
        board: written.board.as_ref().map_or(Board::Q35, |board| board.value),
        memory: spec.limits.memory.as_ref().map_or(MEMORY, |memory| memory.value.start),
        most_memory: spec.limits.memory.as_ref().map_or(MEMORY, |memory| memory.value.reserved()),
        cpus,
        most_cpus,
        standby: written.standby.unwrap_or(false),
    }))
}

/// Refuses what virtual machines do not have, by name.
pub(super) fn check(draft: &mut Draft<'_>) {
    let mut errors: Vec<(Span, String, Option<&str>)> = Vec::new();
    for node in draft.nodes.iter().filter(|node| node.spec.vm.is_some()) {
        contradictions(&node.spec, &mut errors);
        amounts(&node.spec, &mut errors);
        board(&node.spec, &mut errors);
        for key in unsupported(&node.spec) {
            let message = format!("not yet supported: `{key}` of a virtual machine");
            errors.push((node.span, message, Some("this version refuses the key rather than ignore it")));
        }
    }
    // Several nodes of one range say the same.
    errors.sort_by(|a, b| (a.0.start, &a.1).cmp(&(b.0.start, &b.1)));
    errors.dedup();
    for (span, message, hint) in errors {
        draft.error(span, message, hint);
    }
}

fn contradictions(spec: &NodeSpec, errors: &mut Vec<(Span, String, Option<&str>)>) {
    let Some(written) = &spec.vm else { return };
    let (span, vm) = (written.span, &written.value);
    if let Some(image) = &spec.container.image {
        let hint = "the files of an image for a virtual machine: `vm: { image: .. }`";
        errors.push((
            image.span,
            "a node is a container or a virtual machine, not both".to_owned(),
            Some(hint),
        ));
    }
    if let (Some(initrd), Some(_)) = (&vm.initrd, &vm.image) {
        let hint = "netloom makes the initial file system of an image itself";
        errors.push((
            initrd.span,
            "`initrd` and `image` are two initial file systems".to_owned(),
            Some(hint),
        ));
    }
    let has_disk = vm.disk.is_some() || vm.url.is_some();
    let disk_only = has_disk && vm.kernel.is_none() && vm.initrd.is_none() && vm.image.is_none();
    let is_ours = vm.initrd.is_none() && !disk_only;
    if let Some(seed) = vm.cloud_init.as_ref().filter(|_| is_ours) {
        let said = "`cloud-init` is for a guest of your own: netloom's init needs none".to_owned();
        errors.push((seed.span, said, Some("`env`, `files` and `sysctl` say what it is to have")));
    }
    if let (Some(url), Some(_)) = (&vm.url, &vm.disk) {
        errors.push((url.span, "`disk` and `url` are two images of one disk".to_owned(), None));
    }
    if let (Some(url), None) = (&vm.url, &vm.sha256) {
        let hint =
            "without `sha256: ..` nobody knows whether what comes is what you mean; sha256sum FILE prints it";
        errors.push((url.span, "`url` needs a `sha256`".to_owned(), Some(hint)));
    }
    if let (Some(digest), None) = (&vm.sha256, &vm.url) {
        errors.push((
            digest.span,
            "`sha256` is what the file at a `url` must be, and there is none".to_owned(),
            None,
        ));
    }
    if let Some(firmware) = vm.firmware.as_ref().filter(|_| !disk_only) {
        let said = "`firmware` is for a disk that boots by itself: a kernel is started at once".to_owned();
        errors.push((firmware.span, said, None));
    }
    if let (true, Some(_)) = (disk_only, &vm.append) {
        let said = "`append` is for a kernel, and the disk boots its own".to_owned();
        errors.push((span, said, None));
    }
}

fn amounts(spec: &NodeSpec, errors: &mut Vec<(Span, String, Option<&str>)>) {
    if let Some(memory) = &spec.limits.memory {
        let full =
            spec.vm.as_ref().and_then(|vm| vm.value.virt.as_ref()).is_some_and(|v| v.value == Virt::Full);
        if memory.value.most.is_some() && full {
            let said =
                "memory cannot be taken from a fully virtualized machine: it has no balloon".to_owned();
            errors.push((memory.span, said, Some("one size, such as 512MiB; or `virt: para`")));
        } else if memory.value.start < LEAST_MEMORY {
            let said = format!("no kernel starts with less than {}", show_size(LEAST_MEMORY));
            errors.push((memory.span, said, None));
        }
    }
    if let Some(cpu) = &spec.limits.cpu {
        let bounds = [cpu.value.start, cpu.value.reserved()];
        let whole = bounds.iter().all(|bound| bound.is_multiple_of(1_000) && *bound > 0);
        if !whole || bounds[1] / 1_000 > u64::from(MOST_CPUS) {
            let said = format!("a virtual machine has 1 to {MOST_CPUS} whole processors");
            errors.push((cpu.span, said, None));
        }
    }
}

/// What takes more of a board than a microvm has.
fn board(spec: &NodeSpec, errors: &mut Vec<(Span, String, Option<&str>)>) {
    let Some(vm) = spec.vm.as_ref().map(|vm| &vm.value) else { return };
    let Some(machine) = vm.board.as_ref().filter(|board| board.value == Board::Microvm) else { return };
    let has_disk = vm.disk.is_some() || vm.url.is_some();
    let kernel = vm.kernel.is_some() || vm.initrd.is_some() || vm.image.is_some();
    let mut refuse = |wrong: bool, span: Span, said: &str, hint: &'static str| {
        if wrong {
            errors.push((span, said.to_owned(), Some(hint)));
        }
    };
    let full = vm.virt.as_ref().filter(|virt| virt.value == Virt::Full);
    refuse(
        full.is_some(),
        full.map_or(machine.span, |virt| virt.span),
        "a microvm has no hardware that every guest knows: its devices are virtio",
        "`virt: para`, or leave out `machine: microvm`",
    );
    refuse(
        has_disk && !kernel,
        machine.span,
        "a microvm starts a kernel: it has no firmware that boots a disk",
        "give it a `kernel`, or leave out `machine: microvm`",
    );
    refuse(
        spec.vf.is_some(),
        spec.vf.as_ref().map_or(machine.span, |vf| vf.span),
        "not yet supported: `vf` of a microvm",
        "leave out `machine: microvm`",
    );
    let range = spec.limits.cpu.as_ref().filter(|cpu| cpu.value.most.is_some());
    refuse(
        range.is_some(),
        range.map_or(machine.span, |cpu| cpu.span),
        "processors of a microvm are there for good",
        "one number, such as `cpu: 2`; or leave out `machine: microvm`",
    );
}

/// Keys of a node that a virtual machine does not have yet.
fn unsupported(spec: &NodeSpec) -> Vec<&'static str> {
    let limits = &spec.limits;
    let all = [
        ("run", spec.run.as_ref().is_some_and(|run| !run.is_empty())),
        ("restart", spec.restart.is_some()),
        ("privileged", spec.privileged == Some(true)),
        ("netns", spec.netns.is_some()),
        ("port", spec.port.is_some()),
        ("health", spec.health.is_some()),
        ("after", spec.after.is_some()),
        ("ports", spec.ports.is_some()),
        ("swap", limits.swap.is_some()),
        ("pids", limits.pids.is_some()),
        ("io", limits.io.is_some()),
        ("cpuset", limits.cpuset.is_some()),
    ];
    all.into_iter().filter(|(_, written)| *written).map(|(key, _)| key).collect()
}
