//! What a gateway has done.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What a gateway has done. Written by whoever does it, read by whoever asks.
        #[derive(Debug, Default)]
        pub struct GatewayCounters { $($(#[$doc])* pub $name: AtomicU64,)* }

        impl GatewayCounters {
            /// All of them with their names, those of drops and failures included.
            pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name.load(Ordering::Relaxed)),)*].into_iter()
            }
        }
    };
}

counters! {
    /// Connections that were let out.
    tcp_connected,
    /// Connections that are open now.
    tcp_open,
    /// Calls that the destination refused.
    tcp_refused,
    /// Calls that nobody answered.
    tcp_timeout,
    /// Destinations that the machine has no way to.
    unreachable,
    /// Destinations that the gateway does not lead to.
    denied,
    /// Flows of datagrams that were begun.
    udp_flows,
    /// Flows of datagrams that are open now.
    udp_open,
    /// Datagrams that left.
    udp_out,
    /// Datagrams that came.
    udp_in,
    /// Datagrams of somebody who was not asked.
    udp_strange,
    /// Datagrams that a socket did not take.
    udp_lost,
    /// Echo requests that left.
    echo_out,
    /// Echo replies that came.
    echo_in,
    /// Echo requests that the machine does not let its users send (sysctl `net.ipv4.ping_group_range`).
    echo_forbidden,
    /// Bytes of data that left.
    bytes_out,
    /// Bytes of data that came.
    bytes_in,
    /// Packets of flows that are not known.
    stray,
    /// Packets of protocols that do not pass.
    unsupported,
    /// Later fragments without their first.
    fragments,
    /// Flows that found no room.
    full,
    /// What the machine had no descriptors or memory for.
    failed,
}

/// Counts one.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
