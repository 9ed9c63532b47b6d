//! How lists of rules and nodes grow.

/// Lets a long list grow by a quarter, where it would be doubled: what is not used is memory, too.
pub(super) fn make_room<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() && list.len() >= 64 {
        list.reserve_exact(list.len() / 4);
    }
}
