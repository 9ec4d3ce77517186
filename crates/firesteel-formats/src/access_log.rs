//! Access logs of web servers.

use std::fmt;

use firesteel_connect::{Decode, InvalidUtf8, Undecodable};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};

use crate::lines::Lines;

/// One request to a web server: a line of Apache's or nginx's combined log.
///
/// Texts are as they are written, with the escapes of the server (`\"`, `\x22`); `-` is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The address or name of the client.
    pub client: String,
    /// Who the client says that its user is.
    pub identity: Option<String>,
    /// Who the user has proved to be.
    pub user: Option<String>,
    /// When the request was received.
    pub at: Timestamp,
    /// The first line of the request, whatever it was: `GET /index.html HTTP/1.1`.
    pub request: String,
    /// The status code of the answer.
    pub status: u16,
    /// The size of the answer's body in bytes.
    pub bytes: Option<u64>,
    /// The page that linked here.
    pub referrer: Option<String>,
    /// What the client calls itself.
    pub agent: Option<String>,
}

impl Access {
    /// The parts of a request that is one: method, what was asked for, protocol.
    fn parts(&self) -> Option<(&str, &str, &str)> {
        let (method, rest) = self.request.split_once(' ')?;
        let (path, protocol) = rest.rsplit_once(' ')?;
        Some((method, path, protocol))
    }

    /// The method, `GET`, of a request that has one.
    #[must_use]
    pub fn method(&self) -> Option<&str> {
        self.parts().map(|(method, _, _)| method)
    }

    /// What was asked for, with its query.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.parts().map(|(_, path, _)| path)
    }

    /// The protocol: `HTTP/1.1`.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.parts().map(|(_, _, protocol)| protocol)
    }
}

/// The combined log of Apache and nginx, as [`Access`]es.
///
/// A request that is none (clients send all sorts of bytes) is no reason to refuse its line; a line that is cut off, or has more on
/// it, is.
///
/// ```
/// use firesteel_connect::Decode;
/// use firesteel_formats::CombinedLog;
///
/// let line = br#"83.149.9.216 - - [17/May/2015:10:05:03 +0000] "GET /blog?page=2 HTTP/1.1" 200 203 "-" "Mozilla/5.0""#;
/// let access = CombinedLog::new().decode(line).unwrap();
/// assert_eq!((access.method(), access.path(), access.status), (Some("GET"), Some("/blog?page=2"), 200));
/// assert_eq!(access.at.to_string(), "2015-05-17T10:05:03Z");
/// assert_eq!(access.referrer, None);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct CombinedLog {
    invalid_utf8: InvalidUtf8,
}

impl CombinedLog {
    /// Lines that are not UTF-8 are refused.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What becomes of lines that are not UTF-8.
    #[must_use]
    pub fn invalid_utf8(self, policy: InvalidUtf8) -> Self {
        Self { invalid_utf8: policy }
    }

    /// Files of such lines. Blank lines are no records.
    #[must_use]
    pub fn lines(self) -> Lines<Self> {
        Lines::written(self, "access log")
    }
}

impl Decode for CombinedLog {
    type Item = Access;

    fn decode(&self, bytes: &[u8]) -> Result<Access, Undecodable> {
        let text = self.invalid_utf8.text(bytes).map_err(|at| {
            Undecodable::new(format_args!(
                "byte {at} of the line is not UTF-8; convert it, or have such bytes replaced"
            ))
            .at(at)
        })?;
        let mut rest = Rest { text: &text, at: 0 };
        let access = access(&mut rest);
        access.map_err(|expected| Undecodable::new(Expected { expected, at: rest.at }).at(rest.at))
    }
}

/// What was expected where.
struct Expected {
    expected: &'static str,
    at: usize,
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "combined log: {} is expected at byte {} of the line", self.expected, self.at)
    }
}

/// What is left of a line.
struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Rest<'a> {
    fn left(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// The text up to `end`, which is passed over with it.
    fn up_to(&mut self, end: &str) -> Option<&'a str> {
        let (text, _) = self.left().split_once(end)?;
        self.at += text.len() + end.len();
        Some(text)
    }

    fn pass(&mut self, text: &str) -> Option<()> {
        self.left().starts_with(text).then(|| self.at += text.len())
    }

    /// What stands in quotes, in which `\` takes the meaning from what follows it.
    fn quoted(&mut self) -> Option<&'a str> {
        let text = self.left().strip_prefix('"')?;
        let bytes = text.as_bytes();
        let mut at = 0;
        loop {
            match bytes.get(at)? {
                b'\\' => at += 2,
                b'"' => break,
                _ => at += 1,
            }
        }
        self.at += at + 2;
        Some(&text[..at])
    }
}

fn access(rest: &mut Rest<'_>) -> Result<Access, &'static str> {
    let given = |text: &str| (text != "-").then(|| text.to_owned());
    let client = rest.up_to(" ").filter(|client| !client.is_empty()).ok_or("a client")?.to_owned();
    let identity = given(rest.up_to(" ").ok_or("an identity, or `-`")?);
    // A user's name may have spaces in it.
    let user = given(rest.up_to(" [").ok_or("a user, or `-`, and a time in brackets")?);
    let begin = rest.at;
    let at = rest.up_to("] ").and_then(time);
    let Some(at) = at else {
        rest.at = begin;
        return Err("a time such as 17/May/2015:10:05:03 +0000]");
    };
    let request = rest.quoted().ok_or("a request in quotes")?.to_owned();
    rest.pass(" ").ok_or("a space")?;
    let begin = rest.at;
    let status = rest.up_to(" ").filter(|status| status.len() == 3).and_then(|status| status.parse().ok());
    let Some(status) = status else {
        rest.at = begin;
        return Err("a status of three digits");
    };
    let begin = rest.at;
    let bytes = match rest.up_to(" ") {
        Some("-") => Some(None),
        bytes => bytes.and_then(|bytes| bytes.parse().ok()).map(Some),
    };
    let Some(bytes) = bytes else {
        rest.at = begin;
        return Err("a number of bytes, or `-`");
    };
    let referrer = given(rest.quoted().ok_or("a referrer in quotes")?);
    rest.pass(" ").ok_or("a space")?;
    let agent = given(rest.quoted().ok_or("a user agent in quotes")?);
    if !rest.left().trim_ascii_end().is_empty() {
        return Err("the end");
    }
    Ok(Access { client, identity, user, at, request, status, bytes, referrer, agent })
}

/// `17/May/2015:10:05:03 +0000`.
fn time(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let bytes: &[u8; 26] = text.as_bytes().try_into().ok()?;
    if !text.is_ascii() || [bytes[2], bytes[6], bytes[11], bytes[20]] != *b"//: " {
        return None;
    }
    let month = MONTHS.iter().position(|name| *name == &text[3..6])? + 1;
    let (tens, ones) = ((month / 10) as u8 + b'0', (month % 10) as u8 + b'0');
    let mut stamp = *b"yyyy-mm-ddThh:mm:ss+hh:mm";
    stamp[..4].copy_from_slice(&bytes[7..11]);
    (stamp[5], stamp[6]) = (tens, ones);
    stamp[8..10].copy_from_slice(&bytes[..2]);
    stamp[11..19].copy_from_slice(&bytes[12..20]);
    stamp[19..22].copy_from_slice(&bytes[21..24]);
    stamp[23..].copy_from_slice(&bytes[24..]);
    std::str::from_utf8(&stamp).ok()?.parse().ok()
}
