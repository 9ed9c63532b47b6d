//! Who asks one thing after another is not made to wait until a sleeper is awake.
//!
//! To wake a thread that sleeps takes longer than to answer a request. So after each, the server looks on for a moment
//! before it sleeps, where the machine has another processor for whoever asks.

use netloom_sys::clock;

use super::core::Shared;

/// How long it looks on: longer than a client needs to read an answer and ask again.
const LINGER_NS: u64 = 50_000;

/// Looks at the sockets between two at the clock.
const LOOKS: u32 = 8;

/// How long somebody looks on.
#[derive(Debug)]
struct Watch {
    until: u64,
    requests: u64,
}

impl Watch {
    /// Begins at `now`, after so many requests.
    const fn begin(now: u64, requests: u64) -> Self {
        Self { until: now.saturating_add(LINGER_NS), requests }
    }

    /// Whether it goes on: each request makes it last longer.
    fn goes_on(&mut self, now: u64, requests: u64) -> bool {
        if self.requests != requests {
            *self = Self::begin(now, requests);
        }
        now < self.until
    }
}

/// Looks on after requests, until it is dropped.
pub(super) async fn look_on(core: Shared) {
    if !std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        return;
    }
    let heard = core.lock().heard();
    loop {
        heard.notified().await;
        let mut watch = Watch::begin(clock::now(), core.lock().requests);
        while watch.goes_on(clock::now(), core.lock().requests) {
            for _ in 0..LOOKS {
                // The runtime looks at its sockets, and does not sleep since this task wants to go on.
                tokio::task::yield_now().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use netloom_ovsdb::UuidSource;

    use super::*;

    #[test]
    fn each_request_makes_it_last_longer() {
        let mut watch = Watch::begin(1_000, 7);
        assert!(watch.goes_on(1_000 + LINGER_NS - 1, 7));
        assert!(watch.goes_on(1_000 + LINGER_NS, 8), "another one came");
        assert!(watch.goes_on(1_000 + 2 * LINGER_NS - 1, 8));
        assert!(!watch.goes_on(1_000 + 2 * LINGER_NS, 8));
    }

    #[test]
    fn it_sleeps_in_the_end_and_looks_on_again_after_the_next_request() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let core = Shared::new(UuidSource::new([1, 2]));
            let looking = tokio::spawn(look_on(core.clone()));
            for _ in 0..2 {
                core.lock().hear();
                tokio::time::sleep(Duration::from_millis(5)).await;
                let used = clock::thread_cpu();
                tokio::time::sleep(Duration::from_millis(100)).await;
                let used = clock::thread_cpu() - used;
                assert!(used < 50_000_000, "{used} ns of 100 ms: it does not sleep");
            }
            // Where there is no other processor it has nothing to do.
            assert!(
                !looking.is_finished() || std::thread::available_parallelism().is_ok_and(|it| it.get() == 1)
            );
            looking.abort();
        });
    }
}
