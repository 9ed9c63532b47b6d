//! Every system call netloom makes, as safe types by noun
