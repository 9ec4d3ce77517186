//! What the tests of the whole workspace share. The tests themselves are in `tests/tests`.
//!
//! A test that needs one crate only is in that crate; here are those that need several, and those that look at the
//! workspace from outside: at its [crate graph](layers), its [resolved dependencies](resolved) and its
//! [documents].

pub mod documents;
pub mod errors;
pub mod layers;
pub mod resolved;
pub mod workspace;

/// The programs of the documents, so that they are compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
