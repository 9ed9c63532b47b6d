//! `multipath(eth_src,50,modulo_n,4,0,reg0[])`

use std::fmt;

use super::super::error::FlowTextError;
use super::super::piece::{Items, Piece};
use super::super::value;
use super::place::Place;
use crate::Action;
use crate::action::{HashFields, Multipath, MultipathAlgorithm};

/// Reads what stands behind the name.
pub(super) fn parse(text: Piece<'_>, place: &Place<'_>) -> Result<Action, FlowTextError> {
    let parts: Vec<Piece<'_>> =
        Items::new(text.in_parentheses().unwrap_or(text)).map(|item| item.whole).collect();
    let [fields, basis, algorithm, links, arg, target] = *parts else {
        return Err(FlowTextError::new(
            text,
            "'multipath' takes fields, basis, algorithm, links, arg and a field",
        )
        .hint("as in multipath(eth_src,50,modulo_n,4,0,reg0[])"));
    };
    let n_links = value::number(links, 0x1_0000)?;
    let target_part = place.target(target)?;
    if n_links == 0 || n_links - 1 > target_part.mask() >> target_part.offset.min(127) {
        return Err(FlowTextError::new(
            links,
            format!("{} bits cannot tell {n_links} links apart", target_part.bits),
        ));
    }
    Ok(Action::Multipath(Multipath {
        fields: named_in(&HashFields::ALL, fields, "set of hashed fields")?,
        basis: value::small(basis)?,
        algorithm: named_in(&MultipathAlgorithm::ALL, algorithm, "way to choose a link")?,
        max_link: u16::try_from(n_links - 1).unwrap_or(u16::MAX),
        arg: value::small(arg)?,
        target: target_part,
    }))
}

/// The one of a list with this name.
pub(super) fn named_in<T: Copy>(
    list: &[(T, &'static str)],
    text: Piece<'_>,
    what: &str,
) -> Result<T, FlowTextError> {
    let found = list.iter().find(|(_, name)| name.eq_ignore_ascii_case(text.text));
    found.map(|(value, _)| *value).ok_or_else(|| {
        let names: Vec<&str> = list.iter().map(|(_, name)| *name).collect();
        FlowTextError::new(text, format!("'{}' is not a {what}", text.text))
            .hint(format!("one of {}", names.join(", ")))
            .did_you_mean(text.text, names.into_iter())
    })
}

/// The name of one of a list.
pub(super) fn name_in<T: PartialEq>(list: &[(T, &'static str)], value: T) -> &'static str {
    list.iter().find(|(known, _)| *known == value).map_or("", |(_, name)| name)
}

impl fmt::Display for Multipath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "multipath({},{},{},{},{},{})",
            name_in(&HashFields::ALL, self.fields),
            self.basis,
            name_in(&MultipathAlgorithm::ALL, self.algorithm),
            u32::from(self.max_link) + 1,
            self.arg,
            self.target
        )
    }
}
