//! Any text as a word of a command of the switch: the description of a frame, or of one direction of a connection. Reading never
//! panics; bytes that are read are a frame.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_flow::text::{FrameText, parse_frame, parse_tuple};

fuzz_target!(|text: &str| {
    match parse_frame(text) {
        Ok(FrameText::Bytes(bytes)) => {
            assert!(bytes.len() >= 14, "an Ethernet header");
            let written: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(parse_frame(&written), Ok(FrameText::Bytes(bytes)));
        }
        Ok(FrameText::Flow(_)) => {}
        Err(error) => assert!(!error.is_empty()),
    }
    if let Err(error) = parse_tuple(text) {
        assert!(!error.is_empty());
    }
});
