//! The keys of a node that make it a virtual machine.

use super::keys;
use super::read::Reader;
use super::yaml::Node;
use crate::error::{Spanned, TextError};
use crate::lab::Virt;

/// What of a virtual machine was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VmSpec {
    pub(crate) kernel: Option<String>,
    pub(crate) initrd: Option<Spanned<String>>,
    pub(crate) append: Option<String>,
    pub(crate) image: Option<Spanned<String>>,
    pub(crate) disk: Option<Spanned<String>>,
    pub(crate) cloud_init: Option<Spanned<String>>,
    pub(crate) virt: Option<Spanned<Virt>>,
}

/// Reads `vm:`.
pub(super) fn read(reader: &mut Reader, node: &Node) -> Spanned<VmSpec> {
    let fields = reader.fields(node, keys::VM, "a virtual machine");
    let mut file = |name: &str| fields.take(name).and_then(|node| reader.parse(node, file_name));
    let (kernel, initrd, disk) = (file("kernel"), file("initrd"), file("disk"));
    let cloud_init = file("cloud-init");
    let image = fields.take("image").and_then(|node| reader.parse(node, super::container::image));
    let append = fields.take("append").and_then(|node| reader.parse(node, words));
    let virt = fields.take("virt").and_then(|node| {
        let index = reader.choice(node, keys::VIRTS)?;
        Some(Spanned::new(if index == 0 { Virt::Para } else { Virt::Full }, node.span))
    });
    let spec = VmSpec {
        kernel: kernel.map(|kernel| kernel.value),
        initrd,
        append: append.map(|append| append.value),
        image,
        disk,
        cloud_init,
        virt,
    };
    Spanned::new(spec, node.span)
}

/// A path, absolute or from the lab file on.
fn file_name(text: &str) -> Result<String, TextError> {
    if text.is_empty() || text.contains('\0') {
        return Err(TextError::new(format!("`{text}` names no file")));
    }
    if text.contains("://") {
        let error = TextError::new(format!("not yet supported: `{text}` (images of disks from the net)"));
        return Err(error.hint("fetch the file, and name it"));
    }
    Ok(text.to_owned())
}

/// Words of a command line. Source: Linux, `COMMAND_LINE_SIZE` of x86 is 2048.
fn words(text: &str) -> Result<String, TextError> {
    match text.len() {
        0..=1_024 if !text.contains(['\n', '\0']) => Ok(text.to_owned()),
        0..=1_024 => Err(TextError::new("a kernel's command line is one line")),
        _ => Err(TextError::new("longer than the 1,024 bytes that are left of a kernel's command line")),
    }
}
