//! Any text as a flow: the parser never panics, errors point into the text, and what is printed is read back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_flow::text::no_names;
use netloom_flow::{parse_filter, parse_flow};

fuzz_target!(|text: &str| {
    match parse_flow(text) {
        Ok(flow) => {
            let printed = flow.to_string();
            assert_eq!(parse_flow(&printed), Ok(flow), "{printed}");
        }
        Err(error) => assert!(text.get(error.span.clone()).is_some(), "{error:?}"),
    }
    if let Err(error) = parse_filter(text, &no_names) {
        assert!(text.get(error.span.clone()).is_some(), "{error:?}");
    }
});
