//! Who a sentence is about: a node, a range, a tenant, or all.

use std::collections::BTreeMap;

use super::Subject;
use crate::error::{TextError, did_you_mean};
use crate::lab::{Lab, Node};
use crate::names::Pattern;

impl Subject {
    /// The nodes of the lab that are meant, in the lab's order.
    ///
    /// # Errors
    /// If nothing in the lab has that name, or two things have it.
    pub fn nodes<'l>(&self, lab: &'l Lab) -> Result<Vec<&'l Node>, TextError> {
        let text = self.text.as_str();
        let node = (!text.contains("..")).then(|| lab.node(text)).flatten();
        let tenant = lab.tenants.iter().any(|t| t.name == text);
        match (node, tenant || text == "all") {
            (Some(_), true) => Err(TextError::new(format!("`{text}` is a node, and more than one node"))
                .hint(format!("say `default/{text}` for the node"))),
            (Some(node), false) => Ok(vec![node]),
            (None, true) => {
                // A gateway is part of its network, and in a real interface is nobody: none of those the sentence is about.
                let of = |n: &&Node| (text == "all" || n.tenant == text) && !n.is_gateway() && !n.is_nic();
                let nodes: Vec<_> = lab.nodes.iter().filter(of).collect();
                if nodes.is_empty() {
                    Err(TextError::new(format!("`{text}` has no nodes")))
                } else {
                    Ok(nodes)
                }
            }
            (None, false) => range(lab, text),
        }
    }

    /// Those that are meant, of a sentence that has something sent from inside them, or heard there.
    ///
    /// # Errors
    /// As [`Subject::nodes`]; a real interface, inside which nobody is.
    pub fn stations<'l>(&self, lab: &'l Lab) -> Result<Vec<&'l Node>, TextError> {
        let nodes = self.nodes(lab)?;
        match nodes.iter().find(|node| node.is_nic()) {
            Some(node) => Err(node.nobody_inside()),
            None => Ok(nodes),
        }
    }
}

fn range<'l>(lab: &'l Lab, text: &str) -> Result<Vec<&'l Node>, TextError> {
    let pattern = Pattern::parse(text)?;
    if pattern.count() > 1 && pattern.count() > lab.nodes.len() as u64 {
        return Err(TextError::new(format!("`{text}` is more nodes than the lab has")));
    }
    let names = pattern.expand_full();
    let by_name: BTreeMap<&str, &Node> = if names.len() > 16 {
        lab.nodes.iter().map(|n| (n.name.as_str(), n)).collect()
    } else {
        names.iter().filter_map(|name| lab.node(name).map(|n| (n.name.as_str(), n))).collect()
    };
    names
        .iter()
        .map(|name| {
            by_name.get(name.as_str()).copied().ok_or_else(|| {
                let known = lab.nodes.iter().map(|n| n.name.as_str());
                let hint = did_you_mean(name, known.chain(lab.tenants.iter().map(|t| t.name.as_str())));
                let error = TextError::new(format!("there is no node or tenant `{name}`"));
                error.hint(hint.unwrap_or_else(|| "a node, a range such as h1..4, a tenant, or `all`".into()))
            })
        })
        .collect()
}
