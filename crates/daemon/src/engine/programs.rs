//! The programs of nodes: `run:` entries with their restarts and logs, and what `exec` starts.
