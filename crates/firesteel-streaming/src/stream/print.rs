//! Printing the beginning of a batch.

use std::error::Error;
use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use firesteel_core::{Actions, Rdd};

use crate::plan::Batch;

/// Prints the first records of a batch as Spark does. Whether anybody reads it is not the job's business: a closed
/// standard output is no error.
pub(super) fn print<R: Rdd<Item: Debug>>(
    rdd: R,
    batch: &Batch,
    records: usize,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let first = rdd.take(records.saturating_add(1))?;
    let mut text = format!("-------------------------------------------\nTime: {}\n", batch.time());
    text.push_str("-------------------------------------------\n");
    for record in first.iter().take(records) {
        writeln!(text, "{record:?}")?;
    }
    if first.len() > records {
        text.push_str("...\n");
    }
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}
