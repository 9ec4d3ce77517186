//! Virtual time, scripted sources and recording sinks for testing pipelines.
