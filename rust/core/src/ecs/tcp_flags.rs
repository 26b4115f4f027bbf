//! The bits of `tcp-flags` and their names.

/// Names by bit, from the lowest.
pub(crate) const NAMES: [&str; 6] = ["fin", "syn", "rst", "psh", "ack", "urg"];

/// Names of the bits that are set, from the lowest.
pub(crate) fn names(flags: i64) -> impl Iterator<Item = &'static str> {
    NAMES.into_iter().enumerate().filter(move |(bit, _)| flags >> bit & 1 == 1).map(|(_, name)| name)
}
