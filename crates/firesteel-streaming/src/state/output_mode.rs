//! What a running aggregate yields.

/// Which rows a running aggregate yields in each batch. The words are those of Spark's structured streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum OutputMode {
    /// The keys that the batch has changed, each once with what it has come to: within a key group in the order in
    /// which they came.
    #[default]
    Update,
    /// All keys in every batch, in the order of their hashes. The cost grows with the number of keys.
    Complete,
    /// Rows that will never change again. A running aggregate has none, so a job that asks for them does not start;
    /// windows of event time yield theirs so.
    Append,
}
