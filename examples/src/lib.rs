//! What the example programs share.
//!
//! The programs stand beside this folder, one file each: `examples/README.md` lists them.

mod click;
mod sale;

pub use click::{Click, ParseClickError};
pub use sale::{ParseSaleError, Sale};

/// The access log that comes with the examples.
pub const ACCESS_LOG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/access.log.gz");

/// The sales that come with the examples.
pub const INVOICES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/invoices.csv.gz");

/// The posts that come with the examples: 23 minutes of an evening.
pub const TWEETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/tweets.csv.gz");

/// The log of DNS queries that comes with the examples.
pub const DNS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/dns.ndjson.gz");

/// The speeds on roads that come with the examples: a day of 207 sensors.
pub const SPEEDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/speeds.csv.gz");
