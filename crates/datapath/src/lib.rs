//! The userspace fast path: caches, execution, counters and link emulation
