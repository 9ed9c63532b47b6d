//! What a TCP socket of the standard library cannot be told.

use std::os::fd::AsFd;

use crate::error::{Because, HostError};

/// Sets the congestion control: "cubic", "reno", or whatever the machine has.
///
/// # Errors
/// `ENOENT` when the machine has not; `EPERM` when only root may use it.
pub fn set_congestion_control(socket: impl AsFd, name: &str) -> Result<(), HostError> {
    rustix::net::sockopt::set_tcp_congestion(socket, name).because("use the congestion control", || name)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn what_the_machine_has_is_taken_and_nothing_else() {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        set_congestion_control(&socket, "reno").unwrap();
        assert_eq!(rustix::net::sockopt::tcp_congestion(&socket).unwrap(), "reno");
        let unknown = set_congestion_control(&socket, "no-such").unwrap_err();
        assert_eq!(unknown.errno, rustix::io::Errno::NOENT);
    }
}
