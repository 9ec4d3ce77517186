//! Text files as a source (plain, gzip, zstd; folders; growing files) and as a sink.
