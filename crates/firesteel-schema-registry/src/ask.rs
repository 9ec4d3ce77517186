//! How a registry is asked.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use firesteel_connect::Secret;
use firesteel_formats::{AvroSchema, SchemasOutage};
use firesteel_window::Duration;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use ureq::Agent;

use crate::answer::{Fault, Reference, Stored};
use crate::pause;

/// No schema is larger.
const LARGEST: u64 = 16 << 20;
/// No schema refers to more others.
const MOST: usize = 1_000;

type Result<T> = std::result::Result<T, SchemasOutage>;

/// Who asks.
pub(crate) enum Login {
    Nobody,
    Basic(String, Secret),
    Bearer(Secret),
}

/// A registry, as it is asked.
pub(crate) struct Registry {
    address: String,
    agent: Agent,
    pub(crate) login: Login,
    pub(crate) attempts: u32,
    pub(crate) pause: Duration,
    pub(crate) wait: Box<dyn Fn(Duration) + Send + Sync>,
}

/// What came of a question.
enum Answer {
    Text(String),
    /// There is no such thing.
    Nothing(String),
    /// Asking again may help.
    Later(String),
    /// It will not, before somebody does something.
    Never(String),
}

fn agent(timeout: Duration) -> Agent {
    let micros = u64::try_from(timeout.as_micros()).unwrap_or(0).max(1);
    let config = Agent::config_builder().timeout_global(Some(std::time::Duration::from_micros(micros)));
    config.http_status_as_error(false).build().into()
}

impl Registry {
    pub(crate) fn at(address: &str, timeout: Duration, attempts: u32, first: Duration) -> Self {
        let (login, wait) = (Login::Nobody, Box::new(pause));
        Self { address: address.to_owned(), agent: agent(timeout), login, attempts, pause: first, wait }
    }

    pub(crate) fn set_timeout(&mut self, timeout: Duration) {
        self.agent = agent(timeout);
    }

    /// The schema of this number, with all that it refers to.
    pub(crate) fn schema(&self, id: u32) -> Result<Option<AvroSchema>> {
        let Some(stored) = self.stored(&format!("/schemas/ids/{id}"))? else { return Ok(None) };
        let mut others: Vec<(Reference, String)> = Vec::new();
        let mut due = stored.references;
        while let Some(reference) = due.pop() {
            if others.iter().any(|(known, _)| *known == reference) {
                continue;
            }
            if others.len() == MOST {
                return Err(SchemasOutage::Unusable(format!("it refers to more than {MOST} others")));
            }
            let Reference { subject, version } = &reference;
            let path = format!("/subjects/{}/versions/{version}?deleted=true", segment(subject));
            let Some(other) = self.stored(&path)? else {
                return Err(SchemasOutage::Unusable(format!(
                    "it refers to version {version} of {subject}, which is not there"
                )));
            };
            due.extend(other.references);
            others.push((reference, other.schema));
        }
        let others: Vec<&str> = others.iter().map(|(_, text)| text.as_str()).collect();
        AvroSchema::parse_with(&stored.schema, &others)
            .map(Some)
            .map_err(|bad| SchemasOutage::Unusable(bad.to_string()))
    }

    fn stored(&self, path: &str) -> Result<Option<Stored>> {
        let Some(text) = self.text(path)? else { return Ok(None) };
        let stored: Stored = serde_json::from_str(&text)
            .map_err(|error| self.outage(format!("{path}: the answer is not that of a registry: {error}")))?;
        match stored.kind.as_deref() {
            None | Some("AVRO") => Ok(Some(stored)),
            Some(kind) => Err(SchemasOutage::Unusable(format!("it is one of {kind}, and not of Avro"))),
        }
    }

    fn outage(&self, reason: String) -> SchemasOutage {
        SchemasOutage::Unreachable { peer: self.address.clone(), reason }
    }

    /// The answer, after as many attempts as it takes.
    fn text(&self, path: &str) -> Result<Option<String>> {
        let mut span = self.pause;
        for attempt in 1.. {
            let reason = match self.ask(path) {
                Answer::Text(text) => return Ok(Some(text)),
                Answer::Nothing(what) => {
                    tracing::warn!(registry = %self.address, "{path}: {what}");
                    return Ok(None);
                }
                Answer::Never(reason) => return Err(self.outage(format!("{path}: {reason}"))),
                Answer::Later(reason) => reason,
            };
            if attempt >= self.attempts {
                return Err(self.outage(format!("{path}: {reason} ({attempt} attempts)")));
            }
            tracing::warn!(registry = %self.address, "{path}: {reason}; it is asked again");
            (self.wait)(span);
            span = span * 2;
        }
        Ok(None)
    }

    fn ask(&self, path: &str) -> Answer {
        let accepted = "application/vnd.schemaregistry.v1+json, application/json";
        let mut request = self.agent.get(format!("{}{path}", self.address)).header("Accept", accepted);
        let login = match &self.login {
            Login::Nobody => Ok(None),
            Login::Basic(user, password) => password
                .expose()
                .map(|password| Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))),
            Login::Bearer(token) => token.expose().map(|token| Some(format!("Bearer {token}"))),
        };
        match login {
            Ok(Some(login)) => request = request.header("Authorization", login),
            Ok(None) => {}
            Err(error) => return Answer::Never(error.to_string()),
        }
        let mut response = match request.call() {
            Ok(response) => response,
            Err(error) => return Answer::Later(error.to_string()),
        };
        let status = response.status().as_u16();
        let text = match response.body_mut().with_config().limit(LARGEST).read_to_string() {
            Ok(text) => text,
            Err(ureq::Error::BodyExceedsLimit(_)) => {
                return Answer::Never(format!("the answer has more than {LARGEST} bytes"));
            }
            Err(error) => return Answer::Later(error.to_string()),
        };
        let fault: Option<Fault> = serde_json::from_str(&text).ok();
        let said = fault.as_ref().map(|fault| format!(": {}", fault.message)).unwrap_or_default();
        match status {
            200 => Answer::Text(text),
            404 if fault.is_some_and(|fault| fault.is_nothing()) => Answer::Nothing(format!("it is not there{said}")),
            404 => Answer::Never("404, and not in the way of a registry: is the address right?".to_owned()),
            401 | 403 => Answer::Never(format!("{status}, it refuses the credentials{said}")),
            408 | 425 | 429 | 500.. => Answer::Later(format!("it answers {status}{said}")),
            _ => Answer::Never(format!("it answers {status}{said}")),
        }
    }
}

/// What stands for itself in a part of a path (RFC 3986, "unreserved"); all else is encoded.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The name of a subject as a part of a path.
fn segment(name: &str) -> String {
    utf8_percent_encode(name, RESERVED).to_string()
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("address", &self.address).finish_non_exhaustive()
    }
}
