//! What docs/openflow.md says of fields and actions is so: a bridge takes every flow of its tables, shows it as text that
//! it takes again, and refuses those that are said to be refused.

mod support;

use netloom_flow::{Field, FieldId};
use netloom_switch::FlowError;
use netloom_switch::config::{self, Origin};
use support::{Net, Plan};

const DOC: &str = include_str!("../../../docs/openflow.md");

/// The cells of all rows of tables, without their heads.
fn rows() -> impl Iterator<Item = [&'static str; 2]> {
    let cells = |line: &'static str| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        Some([cells.next()?, cells.next()?])
    };
    DOC.lines().filter_map(cells).filter(|[_, example]| example.contains('`'))
}

/// The flow of a cell, with actions if it has none.
fn flow(cell: &str) -> String {
    let text = cell.split('`').nth(1).expect("an example");
    if text.contains("actions=") { text.to_owned() } else { format!("{text} actions=drop") }
}

fn net() -> Net {
    let mut config = (1..=4).fold(Plan::new(1), |plan, port| plan.host(0, port, 0)).config;
    let line = |text: &str| config::Flow { text: text.to_owned(), ..config::Flow::default() };
    config.bridges[0].groups = vec![line("group_id=1,type=all,bucket=output:1")];
    config.bridges[0].meters = vec![line("meter=1,kbps,band=type=drop,rate=1")];
    Net::new(&config, true)
}

fn add(net: &mut Net, text: &str) -> Result<(), FlowError> {
    net.switch.add_flow("s1", text, Origin::Command, net.now).map(drop)
}

#[test]
fn every_flow_of_the_tables_is_taken_and_read_back() {
    let mut tried = 0;
    for [_, cell] in rows().filter(|[_, cell]| !cell.starts_with("refused")) {
        let (mut net, text) = (net(), flow(cell));
        add(&mut net, &text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let shown = net.switch.flows("s1", "").expect("a bridge")[0].rule.flow.to_string();
        let again =
            netloom_flow::parse_flow(&shown).unwrap_or_else(|error| panic!("{text}\n{shown}: {error}"));
        assert_eq!(again.to_string(), shown, "{text}");
        tried += 1;
    }
    assert!(tried > 80, "{tried}");
}

#[test]
fn what_is_said_to_be_refused_is() {
    let refused: Vec<_> = rows().filter(|[_, cell]| cell.starts_with("refused")).collect();
    assert!(refused.len() >= 4, "{refused:?}");
    for [_, cell] in refused {
        assert!(add(&mut net(), &flow(cell)).is_err(), "{cell}");
    }
}

#[test]
fn no_field_is_missing() {
    let named: String = rows().map(|[names, _]| format!("{names},")).collect();
    let is_of_openflow =
        |field: &&Field| field.nxm.is_some() || field.oxm.is_some() || field.experimenter.is_some();
    for field in FieldId::ALL.iter().map(|id| id.field()).filter(is_of_openflow) {
        let name = field.name;
        let numbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let is_there = |name: &str| named.contains(&format!("`{name}`"));
        let is_one_of_many = named.contains(&format!("`{numbered}0 .."));
        assert!(is_there(name) || is_one_of_many, "{name}");
    }
}
