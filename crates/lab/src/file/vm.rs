//! The keys of a node that make it a virtual machine.

use super::keys;
use super::read::Reader;
use super::yaml::Node;
use crate::error::{Spanned, TextError};
use crate::lab::{Board, Firmware, Virt};

/// What of a virtual machine was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VmSpec {
    pub(crate) kernel: Option<String>,
    pub(crate) initrd: Option<Spanned<String>>,
    pub(crate) append: Option<String>,
    pub(crate) image: Option<Spanned<String>>,
    pub(crate) disk: Option<Spanned<String>>,
    pub(crate) url: Option<Spanned<String>>,
    pub(crate) sha256: Option<Spanned<String>>,
    pub(crate) firmware: Option<Spanned<Firmware>>,
    pub(crate) cloud_init: Option<Spanned<String>>,
    pub(crate) virt: Option<Spanned<Virt>>,
    pub(crate) board: Option<Spanned<Board>>,
    pub(crate) standby: Option<bool>,
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
    let firmware = fields.take("firmware").and_then(|node| {
        let index = reader.choice(node, keys::FIRMWARES)?;
        Some(Spanned::new(if index == 0 { Firmware::Bios } else { Firmware::Uefi }, node.span))
    });
    let board = fields.take("machine").and_then(|node| {
        let index = reader.choice(node, keys::BOARDS)?;
        Some(Spanned::new(if index == 0 { Board::Q35 } else { Board::Microvm }, node.span))
    });
    let standby = fields.take("standby").and_then(|node| reader.flag(node));
    let url = fields.take("url").and_then(|node| reader.parse(node, url));
    let sha256 = fields.take("sha256").and_then(|node| reader.parse(node, digest));
    let spec = VmSpec {
        kernel: kernel.map(|kernel| kernel.value),
        initrd,
        url,
        sha256,
        firmware,
        append: append.map(|append| append.value),
        image,
        disk,
        cloud_init,
        virt,
        board,
        standby,
    };
    Spanned::new(spec, node.span)
}

/// A path, absolute or from the lab file on.
fn file_name(text: &str) -> Result<String, TextError> {
    if text.is_empty() || text.contains('\0') {
        return Err(TextError::new(format!("`{text}` names no file")));
    }
    if text.contains("://") {
        let error = TextError::new(format!("`{text}` is no file of this machine"));
        return Err(error.hint("the image of a disk can be fetched: `url: ..` and `sha256: ..`"));
    }
    Ok(text.to_owned())
}

/// Where a file is, for everybody to fetch.
fn url(text: &str) -> Result<String, TextError> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_plain = text.len() <= MOST_URL && text.bytes().all(|byte| byte.is_ascii_graphic());
    match rest {
        Some(rest) if is_plain && rest.split('/').next().is_some_and(|host| !host.is_empty()) => {
            Ok(text.to_owned())
        }
        _ => Err(TextError::new(format!("`{text}` is no address of a file")).hint("https://HOST/PATH")),
    }
}

/// 64 hexadecimal digits, in whatever letters.
fn digest(text: &str) -> Result<String, TextError> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text).to_ascii_lowercase();
    if digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Ok(digits);
    }
    Err(TextError::new(format!("`{text}` is no SHA-256: it has 64 hexadecimal digits"))
        .hint("sha256sum FILE prints it"))
}

/// Bytes of the longest address.
const MOST_URL: usize = 2_048;

/// Words of a command line. Source: Linux, `COMMAND_LINE_SIZE` of x86 is 2048.
fn words(text: &str) -> Result<String, TextError> {
    match text.len() {
        0..=1_024 if !text.contains(['\n', '\0']) => Ok(text.to_owned()),
        0..=1_024 => Err(TextError::new("a kernel's command line is one line")),
        _ => Err(TextError::new("longer than the 1,024 bytes that are left of a kernel's command line")),
    }
}
