//! Micro-batch streams: contexts, operators, event-time windows, the batch loop and its progress.
