//! What the scheduler promises, tested through its public interface alone.

mod adaptive;
mod cancel;
mod common;
mod concurrency;
mod dead_letters;
mod determinism;
mod events;
mod fair;
mod jobs;
mod long;
mod lost_output;
mod resize;
mod retries;
mod sharing;
mod single_use;
mod speculation;
