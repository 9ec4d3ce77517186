//! A time in the name of a file.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use regex::Regex;

/// The named groups of a pattern that are parts of a time, from the longest on.
const PARTS: [&str; 7] = ["year", "month", "day", "hour", "minute", "second", "time"];

/// Where in names a time is.
#[derive(Debug, Clone)]
pub(super) struct TimeInName {
    /// What is wrong with the pattern if it is none.
    pattern: Result<Arc<Regex>, String>,
}

/// A part of a time in a name: a number by its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    None,
    Number(u128),
    Text(String),
}

impl TimeInName {
    pub(super) fn new(pattern: &str) -> Self {
        let pattern = Regex::new(pattern).map_err(|error| error.to_string()).and_then(|pattern| {
            let is_known = pattern.capture_names().flatten().any(|name| PARTS.contains(&name));
            let reason = || format!("none of its groups is called one of {}", PARTS.join(", "));
            if is_known { Ok(Arc::new(pattern)) } else { Err(reason()) }
        });
        Self { pattern }
    }

    /// What is wrong with it.
    pub(super) fn check(&self) -> Result<(), String> {
        self.pattern.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// The time in the name of a file.
    pub(super) fn of(&self, path: &Path) -> Option<[Part; PARTS.len()]> {
        let pattern = self.pattern.as_ref().ok()?;
        let found = pattern.captures(path.file_name().and_then(OsStr::to_str)?)?;
        Some(PARTS.map(|part| match found.name(part).map(|found| found.as_str()) {
            None => Part::None,
            Some(text) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_or_else(|_| Part::Text(text.to_owned()), Part::Number)
            }
            Some(text) => Part::Text(text.to_owned()),
        }))
    }
}
