//! Text by pattern, access logs, records of several lines, and JSON values that are not one a line.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::{in_pieces, items, resumed};
use firesteel_connect::{Decode, Decoding, InvalidUtf8};
use firesteel_formats::{CombinedLog, Format, Json, Multiline, Pattern, Reading};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Event {
    level: String,
    millis: Option<u32>,
}

fn pattern(text: &str) -> Pattern<Event> {
    Pattern::new(text)
}

fn whole() -> Decoding<impl Fn(&[u8]) -> Result<String, String> + Send + Sync + 'static> {
    Decoding::new(|bytes: &[u8]| Ok::<_, String>(String::from_utf8_lossy(bytes).into_owned()))
}

/// All records, whatever comes at a time and wherever a job is started again.
fn read<F: Format<Item: PartialEq + std::fmt::Debug>>(format: &F, text: &str) -> Vec<Result<F::Item, String>> {
    let text = text.as_bytes();
    let all = in_pieces(format, text, text.len().max(1), usize::MAX);
    for piece in 1..text.len().min(60) {
        assert_eq!(in_pieces(format, text, piece, usize::MAX), all, "{piece} bytes at a time");
    }
    for (at, (_, end)) in all.iter().enumerate() {
        assert_eq!(resumed(format, text, *end, 3), all[at + 1..], "from {end}");
    }
    items(all)
}

fn texts(texts: &[&str]) -> Vec<Result<String, String>> {
    texts.iter().map(|text| Ok((*text).to_owned())).collect()
}

#[test]
fn groups_are_fields_and_all_of_the_text_has_to_match() {
    let lines = pattern(r"\S+ (?<level>[A-Z]+)( took (?<millis>-?\d+) ms)?").lines();
    let read = read(&lines, "1 INFO took 31 ms\r\n2 WARN\n\n3 warn\n4 INFO took 3 ms, no more\n5 INFO took -1 ms\n");
    let event = |level: &str, millis| Ok(Event { level: level.to_owned(), millis });
    let unmatched = || Err(r"the text does not match `\S+ (?<level>[A-Z]+)( took (?<millis>-?\d+) ms)?`".to_owned());
    assert_eq!(
        read,
        [
            event("INFO", Some(31)),
            event("WARN", None),
            unmatched(),
            unmatched(),
            Err("field 2 (millis): invalid digit found in string".to_owned()),
        ]
    );
    let bytes = pattern("(?<level>.*)").decode(b"caf\xe9").unwrap_err();
    assert_eq!((bytes.offset(), bytes.reason().contains("byte 3 of the text is not UTF-8")), (Some(3), true));
    let replaced = pattern("(?<level>.*)").invalid_utf8(InvalidUtf8::Replace).decode(b"caf\xe9");
    assert_eq!(replaced.unwrap().level, "caf\u{fffd}");
}

#[test]
fn a_pattern_that_cannot_work_is_refused_before_anything_is_read() {
    assert!(pattern("(?<level>.*)").lines().check().is_ok());
    let reason = |text: &str| pattern(text).lines().check().unwrap_err().reason;
    assert!(reason("(?<level>").contains("unclosed group"), "{}", reason("(?<level>"));
    assert_eq!(reason("(?<millis>.*) (.*)"), "there is no group (?<level>…) for the field `level`; it has millis");
    assert!(Multiline::starting_with("(", whole()).check().is_err());
}

#[test]
fn an_access_log_is_read_whatever_clients_have_sent() {
    let log = CombinedLog::new();
    let line = r#"::1 - john doe [10/Oct/2000:13:55:36 -0700] "POST /a b?c HTTP/1.0" 404 - "http://x/\"" "A \"quoted\" agent""#;
    let access = log.decode(line.as_bytes()).unwrap();
    assert_eq!((&*access.client, access.user.as_deref()), ("::1", Some("john doe")));
    assert_eq!(access.at.to_string(), "2000-10-10T20:55:36Z");
    assert_eq!((access.method(), access.path(), access.protocol()), (Some("POST"), Some("/a b?c"), Some("HTTP/1.0")));
    assert_eq!((access.status, access.bytes, access.agent.as_deref()), (404, None, Some(r#"A \"quoted\" agent"#)));
    for request in ["-", r"\x16\x03\x01", "", "GET"] {
        let access = log.decode(line.replace("POST /a b?c HTTP/1.0", request).as_bytes()).unwrap();
        assert_eq!((&*access.request, access.path()), (request, None));
    }
    let refused = |from: &str, to: &str| log.decode(line.replacen(from, to, 1).as_bytes()).unwrap_err().to_string();
    assert_eq!(refused(" agent\"", ""), "combined log: a user agent in quotes is expected at byte 87 of the line");
    assert_eq!(
        refused("Oct", "Okt"),
        "combined log: a time such as 17/May/2015:10:05:03 +0000] is expected at byte 16 of the line"
    );
    assert!(refused("10/Oct", "32/Oct").contains("a time such as"));
    assert!(refused(" 404", " 4044").contains("a status of three digits"));
    assert!(refused("404 -", "404 x").contains("a number of bytes, or `-`"));
    assert!(log.decode(b"").unwrap_err().to_string().contains("a client is expected at byte 0"));
    assert!(log.decode([line, " more"].concat().as_bytes()).unwrap_err().to_string().contains("the end is expected"));
}

#[test]
fn lines_that_continue_belong_to_the_record_before() {
    let trace = "ERROR no\n\tat main\n\n\tat run\r\nINFO\n\n\nWARN\r\n  x";
    let expected = texts(&["ERROR no\n\tat main\n\n\tat run", "INFO", "WARN\r\n  x"]);
    assert_eq!(read(&Multiline::indented(whole()), trace), expected);
    let text = "no date\n\n2024-01-01 a\nstack\n\n trace\n2024-01-02 b\n2024-01-03 c\n\n";
    let expected = texts(&["no date", "2024-01-01 a\nstack\n\n trace", "2024-01-02 b", "2024-01-03 c"]);
    assert_eq!(read(&Multiline::starting_with(r"^\d{4}-", whole()), text), expected);
    assert_eq!(read(&Multiline::continuing_with(r"^\s|^stack", whole()), &text[9..]), expected[1..]);
    assert_eq!(read(&Multiline::indented(whole()), "\n \r\n\n"), []);
}

#[test]
fn a_record_that_is_too_long_costs_itself_only() {
    let text = format!("a\n{}{}\n x\nb\n", " at\n".repeat(1_000), " ".repeat(3_000));
    let long = format!("{}\n c\nd\n", "x".repeat(5_000));
    for text in [text, long] {
        let expected = in_pieces(&Multiline::indented(whole()), text.as_bytes(), text.len(), 100);
        assert_eq!(expected.len(), 2);
        assert!(expected[0].0.is_err() && expected[1].0.is_ok());
        for piece in [1, 50, 1_000, 2_000] {
            assert_eq!(in_pieces(&Multiline::indented(whole()), text.as_bytes(), piece, 100), expected);
        }
    }
}

#[test]
fn json_values_end_with_their_brackets() {
    let values = Json::<serde_json::Value>::new().values();
    let text = "\u{feff}{\n \"a\": \"}\\\"]\"\n}{\"b\":[{}]}\n\n1 true\"x\\\\\"[2]null";
    let expected = [r#"{"a":"}\"]"}"#, r#"{"b":[{}]}"#, "1", "true", r#""x\\""#, "[2]", "null"];
    let shown: Vec<String> = read(&values, text).into_iter().map(|value| value.unwrap().to_string()).collect();
    assert_eq!(shown, expected);
    let refused = read(&values, "{\"a\":}{\"b\":1}}[1]\n{\"c\":1\n{}\n");
    let told = |text: &str| Err::<serde_json::Value, _>(format!("JSON: {text}"));
    assert_eq!(refused[0], told("line 1 column 6: expected value, at field a"));
    assert_eq!(refused[2], told("`}` stands where a value should"));
    assert_eq!(refused[4], told("line 2 column 1: expected `,` or `}`"));
    assert_eq!(refused.len(), 5);
}

#[test]
fn the_elements_of_an_array_are_records_and_one_that_is_cut_off_is_told() {
    let array = Json::<u32>::new().array();
    let numbers = |range: std::ops::RangeInclusive<u32>| range.map(Ok).collect::<Vec<_>>();
    assert_eq!(read(&array, "\u{feff} [1, 2,\n3\n]\n"), numbers(1..=3));
    assert_eq!(read(&array, "[]"), []);
    assert_eq!(read(&array, " \n"), []);
    let told = |text: &str| Err::<u32, _>(format!("JSON: {text}"));
    let broken = in_pieces(&array, b"[1,,\"x\",2]3", 2, 100);
    let at = "line 1 column 3: invalid type: string \"x\", expected u32";
    let after = "something follows the end of the array";
    assert_eq!(items(broken), [Ok(1), told("`,` stands where a value should"), told(at), Ok(2), told(after)]);
    assert!(array.begin().head(b" {", false).unwrap_err().into_reason().starts_with("is no JSON array"));
    for (text, is_whole) in [("[1]", true), ("[1", false), ("[1,", false), ("[1 \n", false), ("", true)] {
        let mut reading = array.begin();
        let mut bytes = text.as_bytes();
        let firesteel_formats::Head::Length(head) = reading.head(bytes, true).unwrap() else { panic!("no head") };
        bytes = &bytes[head..];
        while !bytes.is_empty() {
            use firesteel_formats::Found::{Broken, More, Record, Skip};
            let (Record { after, .. } | Broken { after, .. } | Skip(after) | More(after)) = reading.find(bytes, true);
            bytes = &bytes[after..];
        }
        assert_eq!(reading.end().is_ok(), is_whole, "{text}");
    }
}

proptest! {
    #[test]
    fn records_and_refusals_are_the_same_whatever_comes_at_a_time(
        text in "([ab\t ]{0,4}\r?\n?){0,20}",
        json in "([\\[\\]{}\",:1\\\\ \n]{0,4}){0,12}",
        piece in 1..20usize,
        longest in 1..40usize,
    ) {
        for format in [Multiline::indented(whole()), Multiline::starting_with("^a", whole())] {
            let bytes = text.as_bytes();
            prop_assert_eq!(in_pieces(&format, bytes, piece, longest), in_pieces(&format, bytes, bytes.len().max(1), longest));
        }
        let values = Json::<serde_json::Value>::new().values();
        let bytes = json.as_bytes();
        prop_assert_eq!(in_pieces(&values, bytes, piece, longest), in_pieces(&values, bytes, bytes.len().max(1), longest));
        let array = Json::<serde_json::Value>::new().array();
        let json = format!("[{json}");
        let bytes = json.as_bytes();
        prop_assert_eq!(in_pieces(&array, bytes, piece, longest), in_pieces(&array, bytes, bytes.len().max(1), longest));
    }
}
