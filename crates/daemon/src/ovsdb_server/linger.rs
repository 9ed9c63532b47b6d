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

/// Looks on after requests, until it is dropped.
pub(super) async fn look_on(core: Shared) {
    if !std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1) {
        return;
    }
    let heard = core.lock().heard();
    loop {
        heard.notified().await;
        let mut last = clock::now();
        while clock::now().saturating_sub(last) < LINGER_NS {
            let requests = core.lock().requests;
            for _ in 0..LOOKS {
                // The runtime looks at its sockets, and does not sleep since this task wants to go on.
                tokio::task::yield_now().await;
            }
            if core.lock().requests != requests {
                last = clock::now();
            }
        }
    }
}
