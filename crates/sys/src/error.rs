//! What the host refused: the operation, the object and the errno, which is all a person needs to find the cause.

use rustix::io::Errno;

/// The host refused an operation.
///
/// One type for every system call: callers wrap it in an error of their own operation, which adds the why and the hint.
/// `Display` is one sentence: `Cannot create the TAP device h1-eth0: Operation not permitted (os error 1)`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Cannot {operation} {object}: {errno}")]
pub struct HostError {
    /// What was tried, as a verb with its kind of object: "create the TAP device".
    pub operation: &'static str,
    /// Which one: a name, a path, an interface index.
    pub object: String,
    /// What the kernel answered.
    pub errno: Errno,
}

impl HostError {
    /// Makes an error from its three parts.
    pub fn new(operation: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        Self { operation, object: object.into(), errno }
    }

    /// Makes an error from one of the standard library's; one without an errno becomes `EIO`.
    #[must_use]
    pub fn from_io(operation: &'static str, object: impl Into<String>, error: &std::io::Error) -> Self {
        Self::new(operation, object, Errno::from_io_error(error).unwrap_or(Errno::IO))
    }
}

/// Adds operation and object to a bare errno.
pub(crate) trait Because<T> {
    /// Turns the errno into a [`HostError`]; `object` is only called on failure.
    fn because<O: Into<String>>(
        self,
        operation: &'static str,
        object: impl FnOnce() -> O,
    ) -> Result<T, HostError>;
}

impl<T> Because<T> for Result<T, Errno> {
    fn because<O: Into<String>>(
        self,
        operation: &'static str,
        object: impl FnOnce() -> O,
    ) -> Result<T, HostError> {
        self.map_err(|errno| HostError::new(operation, object(), errno))
    }
}

impl<T> Because<T> for std::io::Result<T> {
    fn because<O: Into<String>>(
        self,
        operation: &'static str,
        object: impl FnOnce() -> O,
    ) -> Result<T, HostError> {
        self.map_err(|error| HostError::from_io(operation, object(), &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentence_names_operation_object_and_errno() {
        let error = HostError::new("create the TAP device", "h1-eth0", Errno::PERM);
        assert_eq!(
            error.to_string(),
            "Cannot create the TAP device h1-eth0: Operation not permitted (os error 1)"
        );
    }

    #[test]
    fn io_error_without_errno_is_eio() {
        let plain = std::io::Error::other("no number");
        assert_eq!(HostError::from_io("read", "x", &plain).errno, Errno::IO);
    }
}
