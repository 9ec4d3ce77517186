//! What a program is, before it runs: `StreamingContext::explain`, and the option `--explain` of a launched program.

pub use firesteel_streaming::{Explain, ExplainOperator, ExplainRole, ExplainStage};
