//! `encap(ethernet)`, `encap(nsh(md_type=2,tlv(0x1000,10,0x12345678)))`

use std::fmt;

use super::show::separated;
use crate::action::{Encap, NshTlv};

impl fmt::Display for Encap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (md_type, tlvs) = match self {
            Self::Ethernet => return f.write_str("encap(ethernet)"),
            Self::Mpls => return f.write_str("encap(mpls)"),
            Self::MplsMulticast => return f.write_str("encap(mpls_mc)"),
            Self::Nsh { md_type, tlvs } => (md_type, tlvs),
        };
        if md_type.is_none() && tlvs.is_empty() {
            return f.write_str("encap(nsh)");
        }
        let md_type = md_type.map(|kind| format!("md_type={kind}"));
        f.write_str("encap(nsh(")?;
        separated(f, md_type.into_iter().chain(tlvs.iter().map(ToString::to_string)))?;
        f.write_str("))")
    }
}

impl fmt::Display for NshTlv {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tlv(0x{:04x},{},0x", self.class, self.kind)?;
        self.value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}
