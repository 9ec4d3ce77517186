//! What the example programs share.
//!
//! The programs stand beside this folder, one file each: `first_program.rs`, `hourly_clicks.rs`, `user_sessions_state.rs`,
//! `fraud_velocity.rs`, `sales_by_country.rs`, `word_count_socket.rs` and `rdd_log_analysis.rs`.

mod click;
mod sale;

pub use click::{Click, ParseClickError};
pub use sale::{ParseSaleError, Sale};

/// The access log that comes with the examples.
pub const ACCESS_LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/access.log.gz");

/// The sales that come with the examples.
pub const INVOICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/invoices.csv.gz");
