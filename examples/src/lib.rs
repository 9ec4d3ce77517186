//! What the example programs share.
//!
//! The programs stand beside this folder, one file each: `hourly_clicks.rs`, `word_count_socket.rs` and
//! `rdd_log_analysis.rs`.

mod click;

pub use click::{Click, ParseClickError};
