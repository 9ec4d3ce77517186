//! From a record to a line.

use std::fmt::{self, Display, Write};

/// How a record becomes a line. [`Displayed`] and [`Formatted`] are all that are needed; a type of your own may
/// carry settings.
pub trait Format<T>: Send + Sync + 'static {
    /// Appends the record to the line, which is empty before; the newline is added after it.
    ///
    /// # Errors
    /// When the record has no text; the task fails.
    fn format(&self, record: &T, line: &mut String) -> fmt::Result;
}

/// The record's `Display`.
#[derive(Debug, Clone, Copy)]
pub struct Displayed;

impl<T: Display> Format<T> for Displayed {
    fn format(&self, record: &T, line: &mut String) -> fmt::Result {
        write!(line, "{record}")
    }
}

/// What a function makes of it; see [`TextFileSink::format`](crate::TextFileSink::format).
pub struct Formatted<F>(pub(super) F);

impl<T, F> Format<T> for Formatted<F>
where
    F: Fn(&T, &mut String) + Send + Sync + 'static,
{
    fn format(&self, record: &T, line: &mut String) -> fmt::Result {
        (self.0)(record, line);
        Ok(())
    }
}

impl<F> fmt::Debug for Formatted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Formatted")
    }
}
