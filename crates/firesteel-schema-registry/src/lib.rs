//! Schemas of Avro messages out of a registry that speaks Confluent's protocol: Confluent's own, Redpanda's, Apicurio's, Karapace.
//!
//! [`SchemaRegistry`] is asked by an [`AvroMessage`](firesteel_formats::AvroMessage) for each schema that a message names by its number, once.
//!
//! ```no_run
//! use firesteel_connect::Secret;
//! use firesteel_formats::AvroMessage;
//! use firesteel_schema_registry::SchemaRegistry;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Click {
//!     user: String,
//!     ad: i64,
//! }
//!
//! let registry = SchemaRegistry::at("http://localhost:8081")?.basic("etl", Secret::env("REGISTRY_PASSWORD"));
//! let clicks = AvroMessage::<Click>::confluent(registry);
//! # Ok::<(), firesteel_connect::ConnectError>(())
//! ```
//!
//! It speaks http; with the feature `tls` https, too, for which rustls brings C and assembler.

mod answer;
mod ask;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use firesteel_connect::{ConnectError, Result, Secret};
use firesteel_formats::{AvroSchema, AvroSchemas, SchemaKey, SchemasOutage};
use firesteel_window::{Duration, millis, seconds};
use parking_lot::{Condvar, Mutex, RwLock};

use ask::Registry;

/// How often a schema that the registry does not have is asked for again: at each record that names it and whose number, among those, is
/// a multiple of this.
const AGAIN: u64 = 1_000;

/// A registry of schemas, by http.
///
/// - **What is known is kept**, for the life of the value and all of its clones in decoders: a number is never given to another schema.
/// - **References** between schemas are followed, and each is asked for once for a schema.
/// - **A number that the registry does not know** costs the message, and the number stands in the reason. It is asked for again now and then,
///   at every thousandth message that names it, and never in between.
/// - **A registry that cannot be reached**, is overloaded (408, 429, 5xx) or does not answer in time is asked again after a pause, which
///   doubles: five times in all unless [set](Self::attempts). Then reading fails, is retried by the engine, and no message is refused. The same
///   goes, without a pause, for one that refuses the credentials, and for an address where no registry is. Nothing of that is kept.
/// - **A schema that is none of Avro's**, or makes no sense, costs the messages that name it.
#[derive(Debug)]
pub struct SchemaRegistry {
    registry: Registry,
    known: RwLock<HashMap<u32, Entry>>,
    /// Held while the registry is asked, so that many tasks that meet a number ask once.
    asking: Mutex<()>,
}

/// What is known of a number.
enum Entry {
    Schema(Arc<AvroSchema>),
    /// There is no schema; this many records have named it since.
    Nothing(u64),
    Unusable(String),
}

impl SchemaRegistry {
    /// The registry at this address, `http://host:8081`, perhaps with a path. It is asked when the first message is read.
    ///
    /// # Errors
    /// [`ConnectError::Setting`] when it is no such address, or one of https and the feature `tls` is missing.
    pub fn at(address: &str) -> Result<Self> {
        let refused = |reason: &str| {
            let reason = reason.to_owned();
            Err(ConnectError::Setting { connector: "SchemaRegistry", setting: "address", reason })
        };
        let is_tls = address.starts_with("https://");
        let Some((scheme, rest)) = address.split_once("://").filter(|(scheme, _)| is_tls || *scheme == "http") else {
            return refused("it begins neither with http:// nor with https://");
        };
        let rest = rest.trim_end_matches('/');
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || rest.contains(['?', '#', ' ']) {
            return refused("it is no address of a host, with a path at most");
        }
        if host.contains('@') {
            return refused("it holds a name or a password: hand them in with `basic`");
        }
        if is_tls && !cfg!(feature = "tls") {
            return refused("it is one of https, and this program is built without the feature `tls`");
        }
        let registry = Registry::at(&format!("{scheme}://{rest}"), seconds(10), 5, millis(100));
        Ok(Self { registry, known: RwLock::default(), asking: Mutex::default() })
    }

    /// Logs in with a name and a password.
    #[must_use]
    pub fn basic(mut self, user: impl Into<String>, password: Secret) -> Self {
        self.registry.login = ask::Login::Basic(user.into(), password);
        self
    }

    /// Logs in with a token.
    #[must_use]
    pub fn bearer(mut self, token: Secret) -> Self {
        self.registry.login = ask::Login::Bearer(token);
        self
    }

    /// How long an answer may take, from the connection to its last byte; ten seconds unless set.
    #[must_use]
    pub fn timeout(mut self, span: Duration) -> Self {
        self.registry.set_timeout(span);
        self
    }

    /// How often the registry is asked at most until a schema is given up, with pauses between that begin with `pause` and double; five times,
    /// from 100 milliseconds on, unless set.
    #[must_use]
    pub fn attempts(mut self, most: u32, pause: Duration) -> Self {
        (self.registry.attempts, self.registry.pause) = (most.max(1), pause);
        self
    }

    /// Has it pause so: for tests, whose time is their own.
    #[doc(hidden)]
    #[must_use]
    pub fn pausing(mut self, pause: impl Fn(Duration) + Send + Sync + 'static) -> Self {
        self.registry.wait = Box::new(pause);
        self
    }

    fn known(&self, id: u32) -> Option<std::result::Result<Option<Arc<AvroSchema>>, SchemasOutage>> {
        match self.known.read().get(&id)? {
            Entry::Schema(schema) => Some(Ok(Some(Arc::clone(schema)))),
            Entry::Unusable(reason) => Some(Err(SchemasOutage::Unusable(reason.clone()))),
            Entry::Nothing(_) => None,
        }
    }

    /// Whether the registry has said that there is nothing, and need not be asked again yet.
    fn is_nothing(&self, id: u32) -> bool {
        match self.known.write().get_mut(&id) {
            Some(Entry::Nothing(named)) => {
                *named += 1;
                !named.is_multiple_of(AGAIN)
            }
            _ => false,
        }
    }
}

impl AvroSchemas for SchemaRegistry {
    fn schema(&self, key: SchemaKey) -> std::result::Result<Option<Arc<AvroSchema>>, SchemasOutage> {
        let SchemaKey::Id(id) = key else {
            return Err(SchemasOutage::Unusable("the registry goes by numbers, and not by fingerprints".to_owned()));
        };
        if let Some(known) = self.known(id) {
            return known;
        }
        let _asking = self.asking.lock();
        // Another one may have asked.
        if let Some(known) = self.known(id) {
            return known;
        }
        if self.is_nothing(id) {
            return Ok(None);
        }
        match self.registry.schema(id) {
            Ok(Some(schema)) => {
                let schema = Arc::new(schema);
                self.known.write().insert(id, Entry::Schema(Arc::clone(&schema)));
                Ok(Some(schema))
            }
            Ok(None) => {
                self.known.write().entry(id).or_insert(Entry::Nothing(0));
                Ok(None)
            }
            Err(SchemasOutage::Unusable(reason)) => {
                self.known.write().insert(id, Entry::Unusable(reason.clone()));
                Err(SchemasOutage::Unusable(reason))
            }
            // It may be over the next time.
            Err(outage) => Err(outage),
        }
    }
}

/// Pauses for this long.
fn pause(span: Duration) {
    let (never, woken) = (Mutex::new(()), Condvar::new());
    let micros = u64::try_from(span.as_micros()).unwrap_or(0);
    woken.wait_for(&mut never.lock(), std::time::Duration::from_micros(micros));
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(schema) => write!(f, "{:016x}", schema.fingerprint()),
            Self::Nothing(_) => f.write_str("nothing"),
            Self::Unusable(reason) => f.write_str(reason),
        }
    }
}
