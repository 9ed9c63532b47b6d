//! What can be asked of a running lab, and its form on the socket
