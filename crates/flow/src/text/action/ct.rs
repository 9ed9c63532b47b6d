//! `ct(commit,table=1,zone=5,nat(src=10.0.0.1-10.0.0.9:1024-2047,random),exec(set_field:1->ct_mark),alg=ftp)`

use std::fmt;
use std::net::IpAddr;

use super::show::{Shown, separated};
use crate::Operand;
use crate::action::{Ct, CtAlg, Nat, NatRange, PortSelection};

impl fmt::Display for Ct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items: Vec<String> = Vec::new();
        if self.commit {
            items.push("commit".into());
        }
        if self.force {
            items.push("force".into());
        }
        items.extend(self.table.map(|table| format!("table={table}")));
        if self.zone != Operand::Value(0) {
            items.push(format!("zone={}", self.zone));
        }
        items.extend(self.nat.map(|nat| nat.to_string()));
        if !self.exec.is_empty() {
            items.push(format!("exec({})", Shown(&self.exec)));
        }
        items.extend(self.alg.map(|alg| format!("alg={}", alg_name(alg))));
        f.write_str("ct(")?;
        separated(f, items)?;
        f.write_str(")")
    }
}

const fn alg_name(alg: CtAlg) -> &'static str {
    match alg {
        CtAlg::Ftp => "ftp",
        CtAlg::Tftp => "tftp",
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Existing => f.write_str("nat"),
            Self::Source(range) => write!(f, "nat(src{range})"),
            Self::Destination(range) => write!(f, "nat(dst{range})"),
        }
    }
}

impl fmt::Display for NatRange {
    /// What follows `src` or `dst`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(addresses) = self.addresses {
            write_addresses(f, addresses, self.ports.is_some())?;
        }
        if let Some((first, last)) = self.ports {
            write!(f, ":{first}")?;
            if last != first {
                write!(f, "-{last}")?;
            }
        }
        if self.persistent {
            f.write_str(",persistent")?;
        }
        f.write_str(match self.selection {
            None => "",
            Some(PortSelection::Hash) => ",hash",
            Some(PortSelection::Random) => ",random",
        })
    }
}

/// `=10.0.0.1-10.0.0.9`; addresses of IPv6 in brackets if a port follows.
fn write_addresses(f: &mut fmt::Formatter<'_>, range: (IpAddr, IpAddr), has_ports: bool) -> fmt::Result {
    let (first, last) = range;
    let (open, close) = if has_ports && first.is_ipv6() { ("[", "]") } else { ("", "") };
    write!(f, "={open}{first}")?;
    if last != first {
        write!(f, "-{last}")?;
    }
    f.write_str(close)
}
