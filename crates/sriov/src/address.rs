//! Where a function is on the PCI bus: `0000:01:10.0`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Domain, bus, device and function of a PCI function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    domain: u32,
    /// Bus 8 bits, device 5, function 3: what transactions carry as the requester.
    routing: u16,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the address of a PCI function, such as 0000:01:10.0")]
pub struct NoAddress(String);

impl Address {
    /// The address of the VF whose number is `index`, from its PF's SR-IOV capability; `None` where the bus numbers end.
    ///
    /// Source: PCI Express SR-IOV 1.1 §2.1.2: PF + First VF Offset + index * VF Stride.
    #[must_use]
    pub fn of_vf(self, offset: u16, stride: u16, index: u16) -> Option<Self> {
        let steps = u32::from(stride) * u32::from(index);
        let routing = u32::from(self.routing).checked_add(u32::from(offset))?.checked_add(steps)?;
        Some(Self { routing: u16::try_from(routing).ok()?, ..self })
    }
}

impl Address {
    /// The function's number at its device, 0 to 7.
    #[must_use]
    pub const fn function(self) -> u8 {
        (self.routing & 7) as u8
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { domain, routing } = *self;
        write!(f, "{domain:04x}:{:02x}:{:02x}.{}", routing >> 8, (routing >> 3) & 0x1f, routing & 7)
    }
}

impl FromStr for Address {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        read(text).ok_or_else(|| NoAddress(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Address> {
    let (domain, rest) = text.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let hex = |text: &str, longest: usize| {
        let fits = (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
        u32::from_str_radix(text, 16).ok().filter(|_| fits)
    };
    let (bus, device, function) = (hex(bus, 2)?, hex(device, 2)?, hex(function, 1)?);
    if device > 0x1f || function > 7 {
        return None;
    }
    let routing = u16::try_from((bus << 8) | (device << 3) | function).ok()?;
    Some(Address { domain: hex(domain, 8)?, routing })
}

impl TryFrom<String> for Address {
    type Error = NoAddress;

    fn try_from(text: String) -> Result<Self, NoAddress> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_as_they_were_read() {
        for text in ["0000:01:10.0", "10000:ff:1f.7", "0000:00:00.0"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
        let not =
            ["", "0000:01:10", "0000:01:20.0", "0000:01:10.8", "0000:001:10.0", "x:01:10.0", "0:+1:1.0"];
        for text in not {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_vfs_of_an_82576_are_where_the_kernel_finds_them() {
        // First VF Offset 0x80, VF Stride 2, as its data sheet has them.
        let pf: Address = "0000:01:00.0".parse().unwrap();
        let vfs: Vec<_> = (0..3).filter_map(|i| pf.of_vf(0x80, 2, i)).map(|a| a.to_string()).collect();
        assert_eq!(vfs, ["0000:01:10.0", "0000:01:10.2", "0000:01:10.4"]);
        assert_eq!(pf.of_vf(u16::MAX, u16::MAX, u16::MAX), None);
    }
}
