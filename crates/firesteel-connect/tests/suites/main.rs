//! The suites are suites: each catches the connector that breaks its rule, and names the rule.
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod receiver;
mod shared_sink;
mod sink;
mod source;
mod undecodable;
mod unsure_sink;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// The number of the rule that `suite` finds broken.
pub(crate) fn broken(suite: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(suite)).expect_err("the suite finds nothing wrong");
    let text = panic.downcast::<String>().expect("a suite panics with a text");
    let number = text.strip_prefix("rule ").and_then(|text| text.split(' ').next());
    number.unwrap_or_else(|| panic!("a failure without a rule: {text}")).to_owned()
}
