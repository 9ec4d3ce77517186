//! The traits between the engine and the outside world: sources, receivers, sinks, offsets and guarantees.
