//! Actions with a number or two, or with nothing.

use super::super::error::FlowTextError;
use super::super::matches::masked_u64;
use super::super::piece::{Items, Piece};
use super::super::value;
use super::place::{Place, arrow};
use crate::Action;

/// The actions that are but a name.
pub(super) fn bare(name: &str) -> Option<Action> {
    Some(match name {
        "strip_vlan" | "pop_vlan" => Action::PopVlan,
        "pop_pbb" => Action::PopPbb,
        "decap" => Action::Decap { packet_type: None },
        "dec_ttl" => Action::dec_ttl(),
        "dec_mpls_ttl" => Action::DecMplsTtl,
        "dec_nsh_ttl" => Action::DecNshTtl,
        "copy_ttl_out" => Action::CopyTtlOut,
        "copy_ttl_in" => Action::CopyTtlIn,
        "pop_queue" => Action::PopQueue,
        "ct_clear" => Action::CtClear,
        "exit" => Action::Exit,
        "clear_actions" => Action::ClearActions,
        _ => return None,
    })
}

/// The actions with one number, or one and its mask.
pub(super) fn with_number(name: &str, text: Piece<'_>) -> Option<Result<Action, FlowTextError>> {
    Some(match name {
        "mod_vlan_vid" => at_most(text, 0xfff).map(Action::SetVlanVid),
        "mod_vlan_pcp" => at_most(text, 7).map(|pcp| Action::SetVlanPcp(u8::try_from(pcp).unwrap_or(7))),
        "push_vlan" => {
            ethertype(text, &[0x8100, 0x88a8], "a VLAN header", "0x8100 (802.1Q) or 0x88a8 (802.1ad)")
                .map(|tpid| Action::PushVlan { tpid })
        }
        "push_mpls" => ethertype(text, &[0x8847, 0x8848], "MPLS", "0x8847 (unicast) or 0x8848 (multicast)")
            .map(|ethertype| Action::PushMpls { ethertype }),
        "pop_mpls" => value::small(text).map(|ethertype| Action::PopMpls { ethertype }),
        "push_pbb" => {
            ethertype(text, &[0x88e7], "provider backbone bridging", "0x88e7").map(|_| Action::PushPbb)
        }
        "set_queue" => value::small(text).map(Action::SetQueue),
        "write_metadata" => masked_u64(text).map(|(value, mask)| Action::WriteMetadata { value, mask }),
        _ => return None,
    })
}

/// An Ethernet type, one of those that will do.
fn ethertype(text: Piece<'_>, known: &[u16], what: &str, hint: &str) -> Result<u16, FlowTextError> {
    let kind = value::small::<u16>(text)?;
    if known.contains(&kind) {
        return Ok(kind);
    }
    Err(FlowTextError::new(text, format!("'{}' is not the type of {what}", text.text)).hint(hint))
}

fn at_most(text: Piece<'_>, max: u16) -> Result<u16, FlowTextError> {
    let value = value::number(text, u128::from(max))?;
    Ok(u16::try_from(value).unwrap_or(max))
}

/// `note:01.02.ff`
pub(super) fn note(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let bytes = hex_bytes(text).ok_or_else(|| {
        FlowTextError::new(text, "A note is a list of hexadecimal bytes").hint("as in note:01.02.ff")
    })?;
    Ok(Action::Note(bytes))
}

/// Pairs of hexadecimal digits, with dots between them or without.
pub(super) fn hex_bytes(text: Piece<'_>) -> Option<Box<[u8]>> {
    let mut bytes = Vec::new();
    for part in text.text.split('.') {
        if !part.bytes().all(|c| c.is_ascii_hexdigit()) || part.len() % 2 != 0 {
            return None;
        }
        for from in (0..part.len()).step_by(2) {
            let digits = part.get(from..part.len().min(from + 2))?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
        }
    }
    Some(bytes.into())
}

/// `dec_ttl(1,2)`
pub(super) fn dec_ttl(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let inner = text.in_parentheses().unwrap_or(text);
    let controllers: Result<_, _> = Items::new(inner).map(|item| value::small(item.whole)).collect();
    Ok(Action::DecTtl { controllers: controllers? })
}

/// `check_pkt_larger(1500)->reg0[0]`
pub(super) fn check_pkt_larger(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let (len, target) = arrow(text, "check_pkt_larger(LENGTH)->FIELD[BIT]")?;
    let target_part = place.target(target)?;
    if target_part.bits != 1 {
        return Err(FlowTextError::new(target, "The answer is one bit").hint("as in reg0[0]"));
    }
    let len = value::small(len.in_parentheses().unwrap_or(len))?;
    Ok(Action::CheckPktLarger { len, target: target_part })
}

/// `conjunction(ID,K/N)`
pub(super) fn conjunction(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let bad = || {
        FlowTextError::new(text, "'conjunction' takes an id, a clause and how many there are")
            .hint("as in conjunction(5,1/2)")
    };
    let (id, clauses) = text.in_parentheses().and_then(|inner| inner.split_once(",")).ok_or_else(bad)?;
    let (clause, n_clauses) = clauses.trim().split_once("/").ok_or_else(bad)?;
    let count = value::number(n_clauses, 64)?;
    if count < 2 {
        return Err(FlowTextError::new(n_clauses, "A conjunction has 2 to 64 clauses"));
    }
    let which = value::number(clause, count)?;
    if which == 0 {
        return Err(FlowTextError::new(clause, "Clauses are counted from 1"));
    }
    let small = |n: u128| u8::try_from(n).unwrap_or(u8::MAX);
    Ok(Action::Conjunction { id: value::small(id)?, clause: small(which - 1), n_clauses: small(count) })
}

/// `fin_timeout(idle_timeout=5,hard_timeout=10)`
pub(super) fn fin_timeout(text: Piece<'_>) -> Result<Action, FlowTextError> {
    let (mut idle, mut hard) = (0, 0);
    for item in Items::new(text.in_parentheses().unwrap_or(text)) {
        match (item.key.text, item.value) {
            ("idle_timeout", Some(value)) => idle = value::small(value)?,
            ("hard_timeout", Some(value)) => hard = value::small(value)?,
            _ => {
                return Err(FlowTextError::new(
                    item.whole,
                    "'fin_timeout' takes idle_timeout and hard_timeout",
                ));
            }
        }
    }
    Ok(Action::FinTimeout { idle, hard })
}
