//! The stand-in for tests: takes every request, remembers it, answers what it was told to.

use super::{Address, BatchError, Failed, Link, Neighbour, Netlink, Request, Route};
use crate::error::HostError;

/// Records requests instead of carrying them out.
#[derive(Debug, Default)]
pub struct NetlinkRecorder {
    /// Every request so far, in order, failed ones included.
    pub requests: Vec<Request>,
    /// What [`Netlink::links`] answers.
    pub links: Vec<Link>,
    /// What [`Netlink::addresses`] answers.
    pub addresses: Vec<Address>,
    /// What [`Netlink::routes`] answers.
    pub routes: Vec<Route>,
    /// What [`Netlink::neighbours`] answers.
    pub neighbours: Vec<Neighbour>,
    /// Requests to refuse, with the errno.
    pub refuse: Vec<(Request, rustix::io::Errno)>,
}

impl Netlink for NetlinkRecorder {
    fn batch(&mut self, requests: &[Request]) -> Result<(), BatchError> {
        self.requests.extend_from_slice(requests);
        let mut failed = Vec::new();
        for (position, request) in requests.iter().enumerate() {
            if let Some((_, errno)) = self.refuse.iter().find(|(refused, _)| refused == request) {
                let (operation, object) = request.describe();
                let error = HostError::new(operation, object, *errno);
                failed.push(Failed { position, error, message: None });
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(BatchError::Refused { failed }) }
    }

    fn links(&mut self) -> Result<Vec<Link>, HostError> {
        Ok(self.links.clone())
    }

    fn addresses(&mut self) -> Result<Vec<Address>, HostError> {
        Ok(self.addresses.clone())
    }

    fn routes(&mut self) -> Result<Vec<Route>, HostError> {
        Ok(self.routes.clone())
    }

    fn neighbours(&mut self) -> Result<Vec<Neighbour>, HostError> {
        Ok(self.neighbours.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn refuses_what_it_was_told_to_and_records_all() {
        let mut recorder = NetlinkRecorder::default();
        recorder.refuse.push((Request::DeleteLink { index: 3 }, Errno::NODEV));
        let batch = [Request::DeleteLink { index: 2 }, Request::DeleteLink { index: 3 }];
        let BatchError::Refused { failed } = recorder.batch(&batch).unwrap_err() else {
            panic!("a refusal, not a broken socket")
        };
        assert_eq!((failed[0].position, failed[0].error.errno), (1, Errno::NODEV));
        assert_eq!(recorder.requests, batch);
    }
}
