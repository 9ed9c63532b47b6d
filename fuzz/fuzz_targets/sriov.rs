//! Anything at all as what a device answers when its configuration space is read. Reading never panics, ends, and finds no
//! more than there is room for.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_sriov::ConfigSpace;
use netloom_sriov::config::{extended_name, name};

fuzz_target!(|bytes: &[u8]| {
    let Ok(space) = ConfigSpace::parse(bytes) else { return };
    assert!(bytes.len() >= 64);
    assert!(space.bars.len() <= 6 && space.capabilities.len() <= 48 && space.extended.len() <= 480);
    assert!(space.capabilities.iter().all(|it| usize::from(it.at) < bytes.len() && !name(it.id).is_empty()));
    assert!(
        space
            .extended
            .iter()
            .all(|it| usize::from(it.at) + 4 <= bytes.len() && !extended_name(it.id).is_empty())
    );
    assert!(space.msix.is_none_or(|it| (1..=2048).contains(&it.vectors)));
    assert!(space.sriov.iter().all(|it| it.bars.len() <= 6 && bytes.len() >= 0x140));
    let vf = space.ids_of_vf(&space.ids);
    assert_eq!(vf.vendor, space.ids.vendor);
});
