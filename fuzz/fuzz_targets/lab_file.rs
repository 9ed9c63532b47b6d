//! Any text as a lab file: reading, resolving and planning it never panic and stay bounded, errors point into the
//! text, and what is good is read alike by all who read it.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use netloom_lab::{check, load, resolve, resolve_after};

/// Longer texts make longer runs, not other paths.
const LONGEST: usize = 4 << 10;

fuzz_target!(|text: &str| {
    if text.len() > LONGEST {
        return;
    }
    let path = Path::new("dir/fuzz.loom.yml");
    let checked = check(text, path, &[], &|_| true);
    let file = match load(text, path, &[]) {
        Ok(file) => file,
        Err(errors) => {
            points_into(&errors, text);
            points_into(&checked.expect_err("what does not load is not good"), text);
            return;
        }
    };
    match (checked, resolve(&file)) {
        (Ok(one), Ok(other)) => {
            assert_eq!(one, other);
            // A file that did not change leaves everything where it was.
            assert_eq!(resolve_after(&file, Some(&one)).expect("as before"), one);
        }
        (Err(one), Err(other)) => {
            assert_eq!(one, other);
            points_into(&one, text);
        }
        (one, other) => panic!("{:?} and {:?}", one.err(), other.err()),
    }
});

fn points_into(errors: &netloom_lab::Errors, text: &str) {
    assert!(!errors.errors.is_empty());
    for error in &errors.errors {
        assert!(text.get(error.span.range()).is_some(), "{error:?}");
    }
    assert!(!errors.render(text).is_empty());
}
