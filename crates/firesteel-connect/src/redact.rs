//! Secrets in the texts of others: errors of client libraries, addresses, panics.

use std::borrow::Cow;

/// Stands in place of what is hidden.
pub(crate) const HIDDEN: &str = "***";

/// Names that hold a secret, whatever else is in them: `client_secret`, `X-Amz-Security-Token`.
const SECRET: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "signature",
    "sessionid",
];
/// Names that do so only by themselves.
const SECRET_ALONE: [&str; 4] = ["pass", "auth", "key", "sig"];
/// Headers, of which all that follows on the line is secret.
const HEADERS: [&str; 3] = ["authorization", "proxyauthorization", "cookie"];

/// The text without what looks like a secret: the password in `user:password@`, the values of `?token=`, `password=` and their
/// like, of JSON fields and headers of such names, and what follows `Bearer`.
///
/// What connectors print of others goes through it. It knows no language: what looks like a secret is hidden, and a
/// secret that stands somewhere else is not. It is no reason to print what is known to be secret.
///
/// ```
/// use firesteel_connect::redact;
///
/// assert_eq!(redact("postgres://etl:hunter2@db/shop: refused"), "postgres://etl:***@db/shop: refused");
/// assert_eq!(redact("GET /stream?token=abc123&since=7: 401"), "GET /stream?token=***&since=7: 401");
/// assert_eq!(redact("host=db user=etl password='it''s' port=1"), "host=db user=etl password='***' port=1");
/// assert_eq!(redact(r#"{"client_secret": "x y", "id": 7}"#), r#"{"client_secret": "***", "id": 7}"#);
/// assert_eq!(redact("Authorization: Bearer abc.def"), "Authorization: ***");
/// assert_eq!(redact("unexpected token: `}` at 3"), "unexpected token: `}` at 3");
/// ```
#[must_use]
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut out = String::new();
    // Where the rest begins that is not in `out`.
    let mut done = 0;
    let mut at = 0;
    while let Some(found) = next_secret(text, at) {
        let (from, to) = found;
        if text[from..to] != *HIDDEN {
            out.push_str(&text[done..from]);
            out.push_str(HIDDEN);
            done = to;
        }
        at = to.max(at + 1);
        while !text.is_char_boundary(at) {
            at += 1;
        }
    }
    if done == 0 && out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[done..]);
    Cow::Owned(out)
}

/// The first secret that is marked as such at or after byte `at`: where it begins and ends.
fn next_secret(text: &str, at: usize) -> Option<(usize, usize)> {
    let marks = text[at..].char_indices().filter(|(_, char)| matches!(char, ':' | '=' | ' '));
    marks.map(|(offset, char)| (at + offset, char)).find_map(|(mark, char)| {
        let found = match char {
            ':' if text[mark..].starts_with("://") => in_address(text, mark + 3),
            ':' | '=' => by_name(text, mark, char),
            _ => after_scheme(text, mark),
        };
        found.filter(|(from, to)| from < to && *from >= at)
    })
}

/// The password of an address that continues at `from` with who logs in and where.
fn in_address(text: &str, from: usize) -> Option<(usize, usize)> {
    let rest = &text[from..];
    let rest =
        &rest[..rest.find(|c: char| c.is_whitespace() || matches!(c, '"' | '<' | '>' | '`')).unwrap_or(rest.len())];
    let colon = rest.find(':')?;
    let host = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let is_port = colon < host && rest[colon + 1..host].bytes().all(|byte| byte.is_ascii_digit());
    if colon > host || is_port && !rest[..host].contains('@') {
        return None;
    }
    // A password may hold all that ends a host, and other `@`, if nobody has encoded them.
    let end = rest.rfind('@')?;
    (colon < end).then_some((from + colon + 1, from + end))
}

/// The value that stands after a colon or an equals sign, if the name before it is one of a secret.
fn by_name(text: &str, mark: usize, sign: char) -> Option<(usize, usize)> {
    let before = text[..mark].trim_end_matches(' ');
    let unquoted = before.trim_end_matches(['"', '\'', '\\']);
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let start = unquoted.char_indices().rev().take_while(|(_, c)| is_part(*c)).last()?.0;
    let written = &unquoted[start..];
    let name: String = written.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let rest = &text[mark + 1..];
    let from = mark + 1 + rest.len() - rest.trim_start_matches([' ', '\t']).len();
    let is_quoted = unquoted.len() < before.len();
    if HEADERS.contains(&name.as_str()) && sign == ':' && !is_quoted {
        return Some((from, from + text[from..].find(['\n', '\r']).unwrap_or(text.len() - from)));
    }
    // In `unexpected token: x` nothing is secret.
    let is_prose = sign == ':' && !is_quoted && (name == "token" || SECRET_ALONE.contains(&name.as_str()));
    let is_header = HEADERS.contains(&name.as_str());
    let is_secret = SECRET.iter().any(|part| name.contains(part)) || SECRET_ALONE.contains(&name.as_str());
    if is_prose || !(is_secret || is_header) {
        return None;
    }
    Some(value(text, from))
}

/// The value that begins at `from`: up to its closing quote, or to what ends a word.
fn value(text: &str, from: usize) -> (usize, usize) {
    let rest = &text[from..];
    // A quote within a text that is quoted itself has a backslash before it.
    let opened = rest.trim_start_matches('\\');
    let quote = opened.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'));
    let Some(quote) = quote else {
        let ends = |c: char| {
            c.is_whitespace() || matches!(c, '&' | ';' | ',' | '"' | '\'' | '`' | ')' | ']' | '}' | '<' | '>')
        };
        return (from, from + rest.find(ends).unwrap_or(rest.len()));
    };
    let escaped = rest.len() > opened.len();
    let start = from + (rest.len() - opened.len()) + 1;
    let mut chars = text[start..].char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == '\\' && escaped {
            // Within a text that is quoted itself, one before a quote ends the value, and more are a part of it.
            let mut count = 1;
            while chars.next_if(|(_, next)| *next == '\\').is_some() {
                count += 1;
            }
            if chars.next_if(|(_, next)| *next == quote).is_some() && count == 1 {
                return (start, start + at);
            }
        } else if c == '\\' {
            chars.next();
        } else if c == quote {
            // Doubled, it is a part of the value.
            if chars.next_if(|(_, next)| *next == quote).is_none() {
                return (start, start + at);
            }
        }
    }
    (start, text.len())
}

/// What follows `Bearer` or `Basic`, if it is no word of a sentence.
fn after_scheme(text: &str, space: usize) -> Option<(usize, usize)> {
    let before = text[..space].rsplit(|c: char| !c.is_ascii_alphabetic()).next()?;
    if !["bearer", "basic"].iter().any(|scheme| before.eq_ignore_ascii_case(scheme)) {
        return None;
    }
    let (from, to) = value(text, space + 1);
    let word = &text[from..to];
    let is_word = word.len() < 20 && word.chars().all(char::is_alphabetic);
    (!is_word).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_print_loses_its_secrets_and_nothing_else() {
        let cases = [
            ("nats://a:b@c:4222, nats://d:e@f:4222", "nats://a:***@c:4222, nats://d:***@f:4222"),
            ("https://u:p@ss@host/path", "https://u:***@host/path"),
            ("postgres://u:pa/ss?w#rd@host:5432/db", "postgres://u:***@host:5432/db"),
            ("redis://:only@host", "redis://:***@host"),
            ("https://host:8080/@handle", "https://host:8080/@handle"),
            ("https://host/a:b@c", "https://host/a:b@c"),
            ("https://etl@host/a", "https://etl@host/a"),
            ("?X-Amz-Signature=abc&X-Amz-Date=7", "?X-Amz-Signature=***&X-Amz-Date=7"),
            ("api_key=1, API-KEY = 2; x=3", "api_key=***, API-KEY = ***; x=3"),
            (r#"body "{\"access_token\":\"ab\\\"c\",\"n\":1}""#, r#"body "{\"access_token\":\"***\",\"n\":1}""#),
            ("Cookie: a=b; c=d\nHost: h", "Cookie: ***\nHost: h"),
            ("header \"authorization\": \"Bearer x\"", "header \"authorization\": \"***\""),
            ("sent `Bearer eyJ0.e30.x`", "sent `Bearer ***`"),
            ("Basic authentication failed", "Basic authentication failed"),
            ("password: hunter2 is wrong", "password: *** is wrong"),
            ("monkey=1 keyboard=2 tokenless", "monkey=1 keyboard=2 tokenless"),
            ("password=", "password="),
        ];
        for (text, expected) in cases {
            assert_eq!(redact(text), expected);
        }
        assert!(matches!(redact("lines from localhost:9999"), Cow::Borrowed(_)));
    }

    /// A secret that is not a part of the text around it.
    fn secret(chars: &'static str) -> impl Strategy<Value = String> {
        chars.prop_map(|chars: String| format!("Zq7{chars}Zq7"))
    }

    proptest! {
        #[test]
        fn a_password_in_an_address_is_hidden(
            password in secret("[!-~&&[^\"<>`]]{0,12}"),
            before in "[a-z ]{0,10}",
            after in "[a-z ]{0,10}",
        ) {
            let text = format!("{before} postgres://user:{password}@db.example:5432/shop {after}");
            let expected = format!("{before} postgres://user:***@db.example:5432/shop {after}");
            prop_assert_eq!(redact(&text), expected);
        }

        #[test]
        fn the_value_of_a_secret_name_is_hidden(
            value in secret("[!-~&&[^&;,\"'`)\\]}<>]]{0,12}"),
            name in "(db_|X-)?(password|token|api_key|client-secret|SIGNATURE)",
            after in "[&;, ]rest=1",
        ) {
            let text = format!("at /path?{name}={value}{after}");
            prop_assert_eq!(redact(&text), format!("at /path?{name}=***{after}"));
        }

        #[test]
        fn a_quoted_value_is_hidden_to_its_end(value in secret("[ -~&&[^\"\\\\]]{0,12}"), after in "[a-z ,:]{0,9}") {
            let text = format!("{{\"password\": \"{value}\"}}{after}");
            prop_assert!(!redact(&text).contains("Zq7"), "{}", redact(&text));
            prop_assert!(redact(&text).ends_with(&format!("\"***\"}}{after}")), "{}", redact(&text));
        }

        #[test]
        fn any_text_can_be_looked_at_and_a_second_look_changes_nothing(
            text in "(.{0,5}|://|@|:|password|=|token|\"|'|\\\\|Bearer | |\\*\\*\\*|\n){0,12}",
        ) {
            let once = redact(&text).into_owned();
            prop_assert_eq!(&redact(&once), &once);
        }

        #[test]
        fn what_has_no_mark_of_a_secret_stays(text in "[a-z0-9 /.,()-]{0,60}") {
            prop_assume!(!text.contains("bearer ") && !text.contains("basic "));
            prop_assert_eq!(redact(&text).into_owned(), text.clone());
        }
    }
}
