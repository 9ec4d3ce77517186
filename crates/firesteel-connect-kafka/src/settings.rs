//! How a cluster is talked to.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use firesteel_connect::{ConnectError, Result};

/// How the cluster is talked to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Each `host:port`, at which the brokers are asked for.
    pub(crate) bootstrap: Arc<[String]>,
    pub(crate) client_id: Arc<str>,
    pub(crate) request_limit: Duration,
    pub(crate) patience: Duration,
    pub(crate) metadata_every: Duration,
}

impl Settings {
    /// That there is an address at all.
    pub(crate) fn check(&self) -> Result<()> {
        if self.bootstrap.is_empty() {
            let reason = "it is empty; name at least one broker as `host:port`".to_owned();
            return Err(ConnectError::Setting { connector: "Kafka", setting: "at", reason });
        }
        Ok(())
    }
}

impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bootstrap.join(","))
    }
}
