//! Any text as a flow, a group or a meter: the parser never panics, errors point into the text, what is printed is read
//! back, and what is read is a list that OpenFlow allows.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_flow::check::{Consistency, Scope, check_actions};
use netloom_flow::text::{no_names, parse_group, parse_group_filter, parse_meter};
use netloom_flow::{FlowTextError, parse_filter, parse_flow, parse_flow_mod};

fn point_into(text: &str, error: &FlowTextError) {
    assert!(text.get(error.span.clone()).is_some(), "{error:?}");
}

fuzz_target!(|text: &str| {
    match parse_flow(text) {
        Ok(flow) => {
            let table = Some(flow.table);
            let allowed = check_actions(&flow.actions, &flow.matches, table, Scope::Flow, Consistency::Loose);
            assert_eq!(allowed, Ok(()), "{text}");
            let printed = flow.to_string();
            assert_eq!(parse_flow(&printed), Ok(flow), "{printed}");
        }
        Err(error) => point_into(text, &error),
    }
    match parse_group(text, &no_names) {
        Ok(group) => assert_eq!(parse_group(&group.to_string(), &no_names), Ok(group)),
        Err(error) => point_into(text, &error),
    }
    match parse_meter(text) {
        Ok(meter) => assert_eq!(parse_meter(&meter.to_string()), Ok(meter)),
        Err(error) => point_into(text, &error),
    }
    let others = [
        parse_filter(text, &no_names).err(),
        parse_flow_mod(text, &no_names).err(),
        parse_group_filter(text, &no_names).err(),
    ];
    others.iter().flatten().for_each(|error| point_into(text, error));
});
