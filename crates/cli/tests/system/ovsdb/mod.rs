//! `ovsdb-server`, by the clients that Open vSwitch brings, beside Open vSwitch's own server.

mod clients;
mod files;
mod kills;
mod remotes;
mod same;
mod server;
