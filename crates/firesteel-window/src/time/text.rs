//! Durations as people write them: `1h 5m`, `90s`, `3 days`.

use std::fmt;

/// The units that are written, longest first, in microseconds.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// The length of a unit in microseconds, by any of its names.
fn unit(name: &str) -> Option<u64> {
    let short = match name {
        "day" | "days" => "d",
        "hour" | "hours" => "h",
        "min" | "minute" | "minutes" => "m",
        "sec" | "second" | "seconds" => "s",
        "millisecond" | "milliseconds" => "ms",
        "µs" | "μs" | "microsecond" | "microseconds" => "us",
        other => other,
    };
    UNITS.iter().find(|(name, _)| *name == short).map(|(_, micros)| *micros)
}

/// Writes whole parts, longest unit first, leaving out what is zero.
pub(super) fn write_duration(micros: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if micros == 0 {
        return f.write_str("0s");
    }
    if micros < 0 {
        f.write_str("-")?;
    }
    let mut rest = micros.unsigned_abs();
    let mut gap = "";
    for (name, length) in UNITS {
        let count = rest / length;
        if count > 0 {
            write!(f, "{gap}{count}{name}")?;
            gap = " ";
        }
        rest %= length;
    }
    Ok(())
}

/// Reads a duration in microseconds, or says what is wrong with the text.
pub(super) fn read_duration(text: &str) -> Result<i64, &'static str> {
    const TOO_LONG: &str = "it is longer than 292,000 years";

    let trimmed = text.trim();
    let (sign, mut rest) = match trimmed.strip_prefix('-') {
        Some(positive) => (-1, positive.trim_start()),
        None => (1, trimmed),
    };
    if rest.is_empty() {
        return Err("there is no number");
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let (digits, tail) = split_while(rest, |c| c.is_ascii_digit());
        if digits.is_empty() {
            return Err("each part is a whole number and a unit");
        }
        let (name, tail) = split_while(tail.trim_start(), char::is_alphabetic);
        if name.is_empty() {
            return Err(if tail.starts_with(['.', ',']) {
                "fractions are written in a smaller unit"
            } else {
                "a number has no unit"
            });
        }
        let length = unit(name).ok_or("its unit is none of d, h, m, s, ms, us")?;
        let count: u64 = digits.parse().map_err(|_| TOO_LONG)?;
        // A part stays below 2^101; saturation makes even a text of absurdly many parts an error, not a wrong number.
        total = total.saturating_add(i128::from(count).saturating_mul(i128::from(length)));
        rest = tail.trim_start();
    }
    i64::try_from(sign * total).map_err(|_| TOO_LONG)
}

fn split_while(text: &str, inside: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use crate::time::Duration;

    #[track_caller]
    fn check(text: &str, micros: i64) {
        assert_eq!(text.parse::<Duration>().unwrap(), Duration::micros(micros));
    }

    #[track_caller]
    fn refuse(text: &str, problem: &str) {
        let error = text.parse::<Duration>().unwrap_err();
        assert_eq!(error.code(), "FS-W010");
        let message = error.to_string();
        assert!(message.contains(problem), "{message}");
    }

    #[test]
    fn reads_what_people_write() {
        check("1h", 3_600_000_000);
        check("90s", 90_000_000);
        check("5m 30s", 330_000_000);
        check("5m30s", 330_000_000);
        check("250ms", 250_000);
        check(" 5 hours ", 18_000_000_000);
        check("3 days", 259_200_000_000);
        check("1 minute 1 second", 61_000_000);
        check("7µs", 7);
        check("-1h 5m", -3_900_000_000);
        check("0s", 0);
    }

    #[test]
    fn says_what_is_wrong() {
        refuse("", "no number");
        refuse("-", "no number");
        refuse("5", "has no unit");
        refuse("5m 30", "has no unit");
        refuse("1.5h", "smaller unit");
        refuse("5 fortnights", "its unit is none of");
        refuse("h", "a whole number and a unit");
        refuse("1h, 5m", "a whole number and a unit");
        refuse("300000000000000 days", "292,000 years");
        refuse("99999999999999999999999s", "292,000 years");
        refuse("9223372036854775808us", "292,000 years");
    }

    #[test]
    fn writes_the_longest_units_first() {
        assert_eq!(Duration::ZERO.to_string(), "0s");
        assert_eq!(Duration::minutes(65).to_string(), "1h 5m");
        assert_eq!(Duration::millis(-1_250).to_string(), "-1s 250ms");
        assert_eq!(Duration::hours(49).to_string(), "2d 1h");
        assert_eq!(Duration::MIN.to_string(), "-106751991d 4h 54s 775ms 808us");
        check(&Duration::MIN.to_string(), i64::MIN);
        check(&Duration::MAX.to_string(), i64::MAX);
    }
}
