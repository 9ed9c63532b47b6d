//! Port drivers: TAP and packet sockets, with decorators
