//! Event time for stream processing: timestamps, windows, watermarks, aggregators and panes, with no engine attached.
