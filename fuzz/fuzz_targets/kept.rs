//! Any bytes as a file of what outlives a restart of the switch, and as what stands inside one: reading never panics, what
//! is read is written to be read alike, and a bridge that is given it is whole afterwards, or as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netloom_datapath::{KeptConnection, Tracker, TrackerConfig};
use netloom_flow::{BridgeId, ConnectionFilter, Epoch, Nanos};
use netloom_ovsdb::sealed;
use netloom_switch::config::{Bridge, Config, Uuid};
use netloom_switch::{Kept, Settings, Switch};

const NOW: Nanos = Nanos::from_secs(1_000_000);

fuzz_target!(|bytes: &[u8]| {
    let _ = sealed::open("netloom-kept", 1, bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let sealed = sealed::seal("netloom-kept", 1, text);
    assert_eq!(sealed::open("netloom-kept", 1, &sealed), Ok(text));
    if let Ok(kept) = Kept::read(text) {
        restore(&kept);
    }
    for line in text.lines() {
        if let Ok(kept) = line.parse::<KeptConnection>() {
            resume(&kept);
        }
    }
});

fn restore(kept: &Kept) {
    if let Ok(written) = kept.text() {
        let again = Kept::read(&written).expect("what was written is read");
        assert_eq!(again.text().as_deref(), Ok(written.as_str()));
    }
    let mut switch = Switch::new(Settings::default(), Epoch::default());
    let bridge = Bridge {
        uuid: kept.uuid,
        name: kept.name.clone(),
        controller: kept.is_controlled.then(|| "tcp:127.0.0.1:6653".to_owned()).into_iter().collect(),
        ..Bridge::default()
    };
    let other = Bridge { uuid: Uuid(!kept.uuid.0), name: format!("{}'", kept.name), ..Bridge::default() };
    let config = Config { bridges: vec![bridge, other], ..Config::default() };
    if switch.reconfigure(&config, NOW).is_err() {
        return;
    }
    let id = switch.bridge_id(&kept.name).expect("it was made");
    let count = |switch: &Switch| switch.flows(&kept.name, "").expect("it is there").len();
    let before = count(&switch);
    match switch.restore(id, kept, NOW) {
        Ok(()) => assert!(count(&switch) <= kept.flows.len()),
        Err(_) => assert_eq!(count(&switch), before),
    }
    switch.tick(NOW);
}

fn resume(kept: &KeptConnection) {
    let line = kept.to_string();
    assert_eq!(line.parse::<KeptConnection>().as_ref(), Ok(kept));
    let tracker = Tracker::new(TrackerConfig { seed: 1, limit: 2 });
    let bridge = BridgeId(4);
    let is_in = tracker.resume(bridge, kept, Nanos::ZERO, NOW);
    assert_eq!(tracker.count(), usize::from(is_in));
    assert!(!is_in || !tracker.resume(bridge, kept, Nanos::ZERO, NOW), "it is there already");
    assert_eq!(tracker.flush(&ConnectionFilter::default()), usize::from(is_in));
    assert_eq!(tracker.count_of(bridge, 0), 0);
}
