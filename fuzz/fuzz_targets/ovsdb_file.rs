//! Any bytes as the file of a database: the reader never panics, and what it reads it can write and read again.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_ovsdb::UuidSource;
use netloom_ovsdb::file::{load, snapshot};

fuzz_target!(|bytes: &[u8]| {
    let mut uuids = UuidSource::new([1, 2]);
    if let Ok(loaded) = load(bytes, &mut uuids) {
        let written = snapshot(&loaded.database, None, 0);
        let again = load(&written, &mut uuids).expect("what was written is read");
        assert_eq!(snapshot(&again.database, None, 0), written);
    }
});
