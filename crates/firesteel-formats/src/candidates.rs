//! What is made up to find out whether a type can be read.

/// Texts that one type or another takes.
pub(crate) const CANDIDATES: [&str; 9] = [
    "",
    "0",
    "a",
    "true",
    "1970-01-01T00:00:00Z",
    "1970-01-01",
    "00:00:00",
    "127.0.0.1",
    "00000000-0000-0000-0000-000000000000",
];
