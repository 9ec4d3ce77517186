//! Spark Streaming's model in Rust: typed micro-batch streams over RDDs, whole or in parts.
