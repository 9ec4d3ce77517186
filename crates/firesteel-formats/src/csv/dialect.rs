//! Which bytes mean what.

use std::sync::Arc;

use crate::by_path::FromPath;
use crate::format::BadFormat;

#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) quote: u8,
    /// Whether the first row of a file names the columns.
    pub(super) header: bool,
    /// Their names, where no file says them.
    pub(super) columns: Option<Arc<[String]>>,
    /// Whether a row ends with every line.
    pub(super) by_lines: bool,
    /// Which fields come from the path of a file.
    pub(super) path: FromPath,
}

impl Default for Dialect {
    fn default() -> Self {
        Self { delimiter: b',', quote: b'"', header: true, columns: None, by_lines: false, path: FromPath::default() }
    }
}

impl Dialect {
    pub(super) fn check(&self) -> Result<(), BadFormat> {
        for (setting, byte) in [("delimiter", self.delimiter), ("quote", self.quote)] {
            if !byte.is_ascii() || matches!(byte, b'\n' | b'\r') {
                let reason =
                    format!("byte {byte} cannot be told apart from text; take an ASCII character, and no line end");
                return Err(BadFormat { setting, reason });
            }
        }
        if self.delimiter == self.quote {
            let reason = format!("it is {:?}, as the delimiter is", char::from(self.quote));
            return Err(BadFormat { setting: "quote", reason });
        }
        Ok(())
    }
}
