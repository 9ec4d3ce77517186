//! A click: one line of an Apache access log in the combined format.

use std::net::IpAddr;
use std::str::FromStr;

use firesteel::prelude::*;
use serde::{Deserialize, Serialize};

/// One request to a web site.
///
/// ```
/// use firesteel_examples::Click;
///
/// let line = r#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /blog?page=2 HTTP/1.1" 200 203 "-" "Mozilla/5.0""#;
/// let click: Click = line.parse()?;
/// assert_eq!((click.page(), click.status, &click.referrer), ("/blog", 200, &None));
/// assert_eq!(click.at.to_string(), "2015-05-17T10:05:03Z");
/// # Ok::<(), firesteel_examples::ParseClickError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Click {
    /// The address from which it came.
    pub client: IpAddr,
    /// When the request was received.
    pub at: Timestamp,
    /// The method: `GET`, `POST`.
    pub method: String,
    /// What was asked for, with its query.
    pub path: String,
    /// The status code of the answer.
    pub status: u16,
    /// The size of the answer's body, 0 if it had none.
    pub bytes: u64,
    /// The page that linked here.
    pub referrer: Option<String>,
    /// What the client calls itself.
    pub agent: String,
}

impl Click {
    /// The path without its query.
    #[must_use]
    pub fn page(&self) -> &str {
        self.path.split_once('?').map_or(&self.path, |(page, _)| page)
    }
}

/// Why a line is no click.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseClickError {
    /// The line does not begin with an IP address.
    #[error("no client address at the beginning of the line")]
    Client,
    /// No `[17/May/2015:10:05:03 +0000]` after the client and its two names.
    #[error("no time in brackets after the client")]
    Time,
    /// No `"GET /path HTTP/1.1"`.
    #[error("no request in quotes, of a method, a path and a protocol")]
    Request,
    /// No status code of three digits.
    #[error("no status code after the request")]
    Status,
    /// Neither a number nor `-`.
    #[error("no number of bytes after the status code")]
    Bytes,
    /// The referrer is missing or its quotes are not closed.
    #[error("no referrer in quotes after the number of bytes")]
    Referrer,
    /// The user agent is missing or its quotes are not closed.
    #[error("no user agent in quotes at the end of the line")]
    Agent,
}

impl FromStr for Click {
    type Err = ParseClickError;

    fn from_str(line: &str) -> Result<Self, ParseClickError> {
        let (client, rest) = line.split_once(' ').ok_or(ParseClickError::Client)?;
        let client = client.parse().map_err(|_| ParseClickError::Client)?;
        let (_names, rest) = rest.split_once('[').ok_or(ParseClickError::Time)?;
        let (at, rest) = rest.split_once(']').ok_or(ParseClickError::Time)?;
        let at = time(at).ok_or(ParseClickError::Time)?;
        let (request, rest) = quoted(rest).ok_or(ParseClickError::Request)?;
        let mut request = request.split(' ');
        let (Some(method), Some(path), Some(_protocol), None) =
            (request.next(), request.next(), request.next(), request.next())
        else {
            return Err(ParseClickError::Request);
        };
        let (status, rest) = word(rest);
        let status =
            status.parse().ok().filter(|status| (100..1000).contains(status)).ok_or(ParseClickError::Status)?;
        let (bytes, rest) = word(rest);
        let bytes = if bytes == "-" { 0 } else { bytes.parse().map_err(|_| ParseClickError::Bytes)? };
        let (referrer, rest) = quoted(rest).ok_or(ParseClickError::Referrer)?;
        let (agent, rest) = quoted(rest).ok_or(ParseClickError::Agent)?;
        if !rest.trim_end().is_empty() {
            return Err(ParseClickError::Agent);
        }
        Ok(Self {
            client,
            at,
            method: method.to_owned(),
            path: path.to_owned(),
            status,
            bytes,
            referrer: (referrer != "-").then(|| referrer.to_owned()),
            agent: agent.to_owned(),
        })
    }
}

/// The next word and what follows it.
fn word(rest: &str) -> (&str, &str) {
    let rest = rest.trim_start();
    rest.split_once(' ').unwrap_or((rest, ""))
}

/// What stands in the next quotes, as it is written (`\"` is a quote that does not close), and what is after them.
fn quoted(rest: &str) -> Option<(&str, &str)> {
    let text = rest.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some((&text[..end], &text[end + 1..]))
}

/// `17/May/2015:10:05:03 +0000`, rewritten as RFC 3339.
fn time(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (date, rest) = text.split_once(':')?;
    let (clock, zone) = rest.split_once(' ')?;
    let mut date = date.splitn(3, '/');
    let (day, month, year) = (date.next()?, date.next()?, date.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    let (zone_hours, zone_minutes) = zone.split_at_checked(3)?;
    format!("{year}-{month:02}-{day}T{clock}{zone_hours}:{zone_minutes}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Click, ParseClickError};

    const LINE: &str =
        r#"::1 - frank [10/Oct/2000:13:55:36 -0700] "POST /a?b=c HTTP/1.0" 404 - "http://x/" "A \"quoted\" agent""#;

    #[test]
    fn every_field_is_read() {
        let click: Click = LINE.parse().unwrap();
        assert_eq!(click.client, "::1".parse::<std::net::IpAddr>().unwrap());
        assert_eq!(click.at.to_string(), "2000-10-10T20:55:36Z");
        assert_eq!((&*click.method, &*click.path, click.page()), ("POST", "/a?b=c", "/a"));
        assert_eq!((click.status, click.bytes), (404, 0));
        assert_eq!(click.referrer.as_deref(), Some("http://x/"));
        assert_eq!(click.agent, r#"A \"quoted\" agent"#);
    }

    #[track_caller]
    fn refused(from: &str, to: &str, error: ParseClickError) {
        assert!(LINE.contains(from), "the line has no {from}");
        assert_eq!(LINE.replacen(from, to, 1).parse::<Click>(), Err(error));
    }

    #[test]
    fn an_error_names_what_is_missing() {
        assert_eq!("".parse::<Click>(), Err(ParseClickError::Client));
        refused("::1", "localhost", ParseClickError::Client);
        refused("Oct", "Okt", ParseClickError::Time);
        refused("10/", "32/", ParseClickError::Time);
        refused("-0700", "", ParseClickError::Time);
        refused("-0700", "-07é", ParseClickError::Time);
        refused("POST ", "", ParseClickError::Request);
        refused("404", "40", ParseClickError::Status);
        refused("404 -", "404 many", ParseClickError::Bytes);
        refused("\"http://x/\"", "http://x/", ParseClickError::Referrer);
        refused("agent\"", "agent", ParseClickError::Agent);
        refused("agent\"", "agent\" more", ParseClickError::Agent);
    }

    #[test]
    fn no_beginning_of_a_line_is_a_click() {
        for end in 0..LINE.len() {
            assert!(LINE[..end].parse::<Click>().is_err(), "{}", &LINE[..end]);
        }
    }
}
