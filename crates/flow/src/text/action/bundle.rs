//! `bundle(eth_src,0,hrw,ofport,members:4,8)`, `bundle_load(eth_src,0,hrw,ofport,reg0[],members:4,8)`

use std::fmt;

use super::super::error::FlowTextError;
use super::super::piece::{Items, Piece};
use super::super::{port, value};
use super::multipath::{name_in, named_in};
use super::place::Place;
use super::show::separated;
use crate::action::{Bundle, BundleAlgorithm, HashFields};
use crate::{Action, OfPort};

/// What the list of ports is called; before OVS 2.16 it had another name.
const MEMBERS: [&str; 2] = ["members", "slaves"];

/// Reads what stands behind the name. `bundle_load` has a field before the ports.
pub(super) fn parse(text: Piece<'_>, loads: bool, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let bad = || {
        FlowTextError::new(text, "'bundle' takes fields, basis, algorithm, ofport and members").hint(
            if loads {
                "as in bundle_load(eth_src,0,hrw,ofport,reg0[],members:4,8)"
            } else {
                "as in bundle(eth_src,0,hrw,ofport,members:4,8)"
            },
        )
    };
    let mut items = Items::new(text.in_parentheses().unwrap_or(text));
    let mut next = || items.next().ok_or_else(bad);
    let fields = named_in(&HashFields::ALL, next()?.whole, "set of hashed fields")?;
    let basis = value::small(next()?.whole)?;
    let algorithm = named_in(&BundleAlgorithm::ALL, next()?.whole, "way to choose a port")?;
    if next()?.whole.text != "ofport" {
        return Err(bad());
    }
    let target = if loads { Some(place.target(next()?.whole)?) } else { None };
    let first = next()?;
    if !MEMBERS.contains(&first.key.text) {
        return Err(bad());
    }
    let given = first.value.filter(|value| !value.trim().text.is_empty());
    let members: Result<_, _> = given
        .into_iter()
        .chain(items.map(|item| item.whole))
        .map(|member| self::member(member, place))
        .collect();
    Ok(Action::Bundle(Box::new(Bundle { fields, basis, algorithm, members: members?, target })))
}

/// A port, or none, which is never up.
fn member(text: Piece<'_>, place: &Place<'_>) -> Result<OfPort, FlowTextError> {
    match port::parse(text, place.ports)? {
        OfPort::NONE => Ok(OfPort::NONE),
        _ => place.port(text),
    }
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (fields, algorithm) =
            (name_in(&HashFields::ALL, self.fields), name_in(&BundleAlgorithm::ALL, self.algorithm));
        match self.target {
            Some(target) => write!(f, "bundle_load({fields},{},{algorithm},ofport,{target},", self.basis)?,
            None => write!(f, "bundle({fields},{},{algorithm},ofport,", self.basis)?,
        }
        f.write_str("members:")?;
        separated(f, self.members.iter().map(|port| port::Shown(*port)))?;
        f.write_str(")")
    }
}
