//! What switch is inside a network card, as its driver says by devlink: a family of generic netlink.
//!
//! A message is a netlink header (16 bytes: length u32, kind u16, flags u16, sequence u32, port u32), a generic one (command u8,
//! version u8, two bytes 0) and attributes: length u16 with these four bytes, kind u16, bytes, filled up to 4; all in the
//! machine's own byte order. The number of the family is asked for first.
//!
//! Sources: Linux, `include/uapi/linux/{netlink,genetlink,devlink}.h`; `Documentation/networking/devlink/`.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, SocketType};

use crate::error::{Because, HostError};

/// What the switch inside a card does with its virtual functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EswitchMode {
    /// It joins them by their addresses and VLANs, and nobody looks on.
    Legacy,
    /// Each has a representor: a network device of the machine at which its frames come and go.
    Switchdev,
}

impl EswitchMode {
    /// As `devlink` has it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Switchdev => "switchdev",
        }
    }
}

/// The mode of a device, by its bus and its name there, such as `pci` and `0000:01:00.0`; `None`: its driver has none, or the kernel
/// no devlink.
///
/// # Errors
/// `EPERM` for other users than root before Linux 6.2; what a socket may meet.
pub fn eswitch_mode(bus: &str, device: &str) -> Result<Option<EswitchMode>, HostError> {
    let object = || format!("{bus}/{device}");
    let fd = rustix::net::socket_with(
        rustix::net::AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(rustix::net::netlink::GENERIC),
    )
    .because("open devlink for", object)?;
    let ask = |kind: u16, command: u8, attributes: &[(u16, &str)]| {
        let question = message(kind, command, attributes);
        rustix::net::send(&fd, &question, SendFlags::empty())?;
        let mut answer = vec![0; LONGEST];
        let (length, _) = rustix::net::recv(&fd, answer.as_mut_slice(), RecvFlags::empty())?;
        answer.truncate(length);
        Ok::<_, Errno>(answer)
    };
    let family = ask(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, &[(CTRL_ATTR_FAMILY_NAME, "devlink")])
        .and_then(|answer| number(&answer, CTRL_ATTR_FAMILY_ID));
    let family = match family {
        Ok(Some(family)) => family,
        Ok(None) | Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(errno).because("find devlink for", object),
    };
    let which = [(DEVLINK_ATTR_BUS_NAME, bus), (DEVLINK_ATTR_DEV_NAME, device)];
    let mode = ask(family, DEVLINK_CMD_ESWITCH_GET, &which)
        .and_then(|answer| number(&answer, DEVLINK_ATTR_ESWITCH_MODE));
    match mode {
        Ok(mode) => Ok(mode.and_then(|mode| match mode {
            0 => Some(EswitchMode::Legacy),
            1 => Some(EswitchMode::Switchdev),
            _ => None,
        })),
        Err(Errno::NODEV | Errno::OPNOTSUPP) => Ok(None),
        Err(errno) => Err(errno).because("ask for the eswitch of", object),
    }
}

/// A question with texts as attributes.
fn message(kind: u16, command: u8, attributes: &[(u16, &str)]) -> Vec<u8> {
    let mut out = vec![0; HEADERS];
    for (attribute, text) in attributes {
        let length = u16::try_from(ATTRIBUTE + text.len() + 1).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_ne_bytes());
        out.extend_from_slice(&attribute.to_ne_bytes());
        out.extend_from_slice(text.as_bytes());
        out.push(0);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(out.len()).unwrap_or(u32::MAX).to_ne_bytes();
    let fields = [(0, &length[..]), (4, &kind.to_ne_bytes()), (6, &NLM_F_REQUEST.to_ne_bytes())];
    for (at, bytes) in fields {
        if let Some(place) = out.get_mut(at..at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
    if let Some(place) = out.get_mut(16..18) {
        place.copy_from_slice(&[command, 1]);
    }
    out
}

/// An attribute of an answer that is a number of 16 bits. An answer that makes no sense has none.
///
/// # Errors
/// The error that the kernel answered.
fn number(answer: &[u8], wanted: u16) -> Result<Option<u16>, Errno> {
    let word = |bytes: &[u8], at: usize| bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes);
    if word(answer, 4) == Some(NLMSG_ERROR) {
        let code = answer.get(16..).and_then(<[u8]>::first_chunk).copied().map_or(0, i32::from_ne_bytes);
        // 0 is an acknowledgement, which says nothing.
        return if code == 0 { Ok(None) } else { Err(Errno::from_raw_os_error(code.wrapping_neg())) };
    }
    let mut rest = answer.get(HEADERS..).unwrap_or_default();
    while let (Some(length), Some(kind)) = (word(rest, 0), word(rest, 2)) {
        let length = usize::from(length);
        if length < ATTRIBUTE {
            break;
        }
        if kind & KIND == wanted {
            return Ok(word(rest, ATTRIBUTE).filter(|_| length >= ATTRIBUTE + 2));
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(None)
}

const HEADERS: usize = 20;
const ATTRIBUTE: usize = 4;
/// Of an attribute's kind, without its two flags.
const KIND: u16 = 0x3fff;
/// Bytes of an answer: a family's names all its commands.
const LONGEST: usize = 32 << 10;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const GENL_ID_CTRL: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const DEVLINK_CMD_ESWITCH_GET: u8 = 29;
const DEVLINK_ATTR_BUS_NAME: u16 = 1;
const DEVLINK_ATTR_DEV_NAME: u16 = 2;
const DEVLINK_ATTR_ESWITCH_MODE: u16 = 25;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_laid_out_as_the_kernel_reads_it() {
        let bytes = message(0x1234, 29, &[(1, "pci"), (2, "x")]);
        let mut expected = Vec::new();
        expected.extend_from_slice(&36_u32.to_ne_bytes());
        expected.extend_from_slice(&0x1234_u16.to_ne_bytes());
        expected.extend_from_slice(&1_u16.to_ne_bytes());
        expected.extend_from_slice(&[0; 8]);
        expected.extend_from_slice(&[29, 1, 0, 0]);
        expected.extend_from_slice(&8_u16.to_ne_bytes());
        expected.extend_from_slice(&1_u16.to_ne_bytes());
        expected.extend_from_slice(b"pci\0");
        expected.extend_from_slice(&6_u16.to_ne_bytes());
        expected.extend_from_slice(&2_u16.to_ne_bytes());
        expected.extend_from_slice(b"x\0\0\0");
        assert_eq!(bytes, expected);
    }

    /// An answer with two attributes, the second being the mode.
    fn answer() -> Vec<u8> {
        let mut bytes = message(0x1234, 29, &[(1, "netdevsim")]);
        bytes.extend_from_slice(&6_u16.to_ne_bytes());
        bytes.extend_from_slice(&DEVLINK_ATTR_ESWITCH_MODE.to_ne_bytes());
        bytes.extend_from_slice(&1_u16.to_ne_bytes());
        bytes
    }

    #[test]
    fn an_answer_is_read_and_cut_off_anywhere_has_none() {
        let whole = answer();
        assert_eq!(number(&whole, DEVLINK_ATTR_ESWITCH_MODE), Ok(Some(1)));
        assert_eq!(number(&whole, 99), Ok(None));
        for length in 0..whole.len() {
            assert_eq!(number(&whole[..length], DEVLINK_ATTR_ESWITCH_MODE), Ok(None), "{length}");
        }
        // An attribute shorter than its own head leads nowhere.
        let mut endless = whole;
        endless[20..22].copy_from_slice(&[0, 0]);
        assert_eq!(number(&endless, DEVLINK_ATTR_ESWITCH_MODE), Ok(None));
    }

    #[test]
    fn an_error_is_the_kernels() {
        let mut bytes = vec![0; 36];
        bytes[4..6].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
        bytes[16..20].copy_from_slice(&(-95_i32).to_ne_bytes());
        assert_eq!(number(&bytes, 1), Err(Errno::OPNOTSUPP));
    }

    /// A card of netdevsim, the kernel's own stand-in for such cards. It goes with this.
    struct Card;

    impl Card {
        const NUMBER: &str = "4711";

        fn make() -> Option<Self> {
            std::fs::write("/sys/bus/netdevsim/new_device", format!("{} 1", Self::NUMBER)).ok().map(|()| Self)
        }
    }

    impl Drop for Card {
        fn drop(&mut self) {
            let _ = std::fs::write("/sys/bus/netdevsim/del_device", Self::NUMBER);
        }
    }

    #[test]
    fn a_driver_says_its_mode() {
        let Some(_card) = Card::make() else {
            return eprintln!("skipped: the module netdevsim is not loaded, or this is not root");
        };
        let device = format!("netdevsim{}", Card::NUMBER);
        assert_eq!(eswitch_mode("netdevsim", &device).unwrap(), Some(EswitchMode::Legacy));
        let words = ["dev", "eswitch", "set", &format!("netdevsim/{device}"), "mode", "switchdev"];
        match std::process::Command::new("devlink").args(words).status() {
            Ok(status) if status.success() => {}
            how => return eprintln!("skipped: devlink does not set it: {how:?}"),
        }
        assert_eq!(eswitch_mode("netdevsim", &device).unwrap(), Some(EswitchMode::Switchdev));
    }

    #[test]
    fn a_device_that_is_not_there_has_no_mode() {
        match eswitch_mode("pci", "ffff:ff:1f.7") {
            Ok(mode) => assert_eq!(mode, None),
            Err(error) => assert_eq!(error.errno, Errno::PERM, "{error}"),
        }
    }
}
