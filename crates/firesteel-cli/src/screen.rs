//! Where results and remarks go.

use std::fmt;
use std::io::Write;

use serde::Serialize;

use crate::error::Result;

/// The two outputs of a command.
pub(crate) struct Screen<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
}

impl<'a> Screen<'a> {
    pub(crate) fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { out, err }
    }

    /// Text as it is.
    pub(crate) fn print(&mut self, text: impl fmt::Display) -> Result<()> {
        Ok(write!(self.out, "{text}")?)
    }

    /// A line.
    pub(crate) fn line(&mut self, line: impl fmt::Display) -> Result<()> {
        Ok(writeln!(self.out, "{line}")?)
    }

    /// A value as JSON on one line.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> Result<()> {
        serde_json::to_writer(&mut *self.out, value)?;
        Ok(writeln!(self.out)?)
    }

    /// A remark that is no result.
    pub(crate) fn note(&mut self, text: fmt::Arguments<'_>) {
        // If nobody reads remarks, there is nobody to tell.
        _ = writeln!(self.err, "{text}");
    }

    pub(crate) fn flush(&mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }
}
