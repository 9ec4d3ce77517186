//! A value means the same whatever carries it: one type, read from each format.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::{in_pieces, items};
use firesteel_connect::Decode;
use firesteel_formats::{Csv, Format, Json, Pattern, epoch_time};
use firesteel_window::Timestamp;
use serde::Deserialize;

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Reading {
    number: i64,
    large: u64,
    small: u8,
    ratio: f64,
    text: String,
    at: Timestamp,
    #[serde(with = "epoch_time::millis")]
    seen: Timestamp,
    maybe: Option<u32>,
}

const NAMES: [&str; 8] = ["number", "large", "small", "ratio", "text", "at", "seen", "maybe"];

/// One record in each format, of these texts; in JSON the quoted ones are texts.
fn read(fields: [&str; 8]) -> [Result<Reading, String>; 4] {
    let quoted = |name: &str| matches!(name, "text" | "at");
    let pairs = NAMES.iter().zip(fields).filter(|(name, field)| quoted(name) || !field.is_empty());
    let pairs: Vec<String> = pairs
        .map(
            |(name, field)| {
                if quoted(name) { format!("\"{name}\":\"{field}\"") } else { format!("\"{name}\":{field}") }
            },
        )
        .collect();
    let json = Json::new().decode(format!("{{{}}}", pairs.join(",")).as_bytes());
    let groups: Vec<String> = NAMES.iter().map(|name| format!("(?<{name}>[^|]*)")).collect();
    let pattern = Pattern::new(&groups.join(r"\|")).decode(fields.join("|").as_bytes());
    let file = |csv: &Csv<Reading>, text: String| items(in_pieces(csv, text.as_bytes(), 7, usize::MAX)).remove(0);
    let csv = file(&Csv::new(), format!("{}\n{}\n", NAMES.join(","), fields.join(",")));
    let lines = Csv::new().no_header().delimiter(b'\t').lines_are_records();
    assert!(lines.check().is_ok());
    let lines = file(&lines, fields.join("\t"));
    [json.map_err(|error| error.to_string()), pattern.map_err(|error| error.to_string()), csv, lines]
}

#[cfg(all(feature = "avro", feature = "parquet", feature = "protobuf"))]
#[path = "values/binary.rs"]
mod binary;

#[test]
fn what_fits_is_equal_from_every_format() {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let expected = Reading {
        number: i64::MIN,
        large: u64::MAX,
        small: 255,
        ratio: 0.1,
        text: "ünï".to_owned(),
        at: time("2025-01-31T12:00:00.000001Z"),
        seen: time("1969-12-31T23:59:59.999Z"),
        maybe: None,
    };
    let fields =
        ["-9223372036854775808", "18446744073709551615", "255", "0.1", "ünï", "2025-01-31T12:00:00.000001Z", "-1", ""];
    for read in read(fields) {
        assert_eq!(read.as_ref(), Ok(&expected));
    }
    let fields =
        ["9007199254740993", "9007199254740993", "0", "9007199254740993", "", "2025-01-31T13:00:00+01:00", "0", "7"];
    for read in read(fields) {
        let read = read.unwrap();
        assert_eq!((read.number, read.large), (9_007_199_254_740_993, 9_007_199_254_740_993), "by way of no double");
        assert_eq!((read.ratio, read.maybe, read.at), (9_007_199_254_740_992.0, Some(7), time("2025-01-31T12:00:00Z")));
    }
}

#[test]
fn what_does_not_fit_is_refused_by_every_format_and_the_field_is_named() {
    let good = ["1", "1", "1", "1", "a", "2025-01-31T12:00:00Z", "1", "1"];
    for (name, bad) in [
        ("number", "9223372036854775808"),
        ("number", "1.0"),
        ("number", "1e3"),
        ("large", "-1"),
        ("large", "18446744073709551616"),
        ("small", "256"),
        ("small", "-1"),
        ("ratio", "1e400"),
        ("ratio", "x"),
        ("at", "yesterday"),
        ("seen", "9223372036854775807"),
        ("maybe", "4294967296"),
    ] {
        let index = NAMES.iter().position(|known| *known == name).unwrap();
        let mut fields = good;
        fields[index] = bad;
        for (format, read) in ["JSON", "pattern", "CSV", "lines of CSV"].iter().zip(read(fields)) {
            let error = read.expect_err(&format!("{format}: {bad} is taken for {name}"));
            let names = error.contains(name) || error.contains(&format!("field {}", index + 1));
            // What is no JSON at all has a place, and no field.
            assert!(names || (*format == "JSON" && matches!(bad, "x" | "1e400")), "{format}: {error}");
        }
    }
}
