//! Servers that tests start.
//!
//! `cargo xtask integration` installs what they need and says where it is. A test that is run without it fails, and says so.

mod s3;

use std::env;
use std::ffi::OsString;

pub use s3::S3;

/// What `cargo xtask integration` has set.
///
/// # Panics
/// When it has not.
#[must_use]
pub fn installed(variable: &str) -> OsString {
    env::var_os(variable).unwrap_or_else(|| panic!("{variable} is not set: run `cargo xtask integration`"))
}
