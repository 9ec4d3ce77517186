//! Sources and sinks inside the process: slices, queues, a rate generator and a collector.
