//! What `--explain` prints.

use firesteel_streaming::{Result, StreamingContext};

use crate::options::ExplainFormat;

/// A job in words, without running it.
pub(crate) fn explain(job: &StreamingContext, format: ExplainFormat) -> Result<String> {
    let explained = job.explain()?;
    Ok(match format {
        ExplainFormat::Text => explained.to_string(),
        // An explanation is texts and numbers, which JSON has.
        ExplainFormat::Json => serde_json::to_string_pretty(&explained).unwrap_or_default() + "\n",
        ExplainFormat::Mermaid => explained.to_mermaid(),
    })
}
