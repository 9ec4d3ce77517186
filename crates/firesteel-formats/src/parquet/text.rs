//! Values as texts: dates and times in ISO 8601, decimals with all of their digits.

use std::fmt::Write;

use super::column::Unit;

/// The calendar's day that is `days` after 1970-01-01: `2025-01-31`. `None` beyond the years 0000 to 9999.
pub(super) fn date(days: i64, out: &mut String) -> Option<()> {
    // By eras of 400 years, which begin on the first of March: so the day that comes and goes is a year's last.
    let day = days.checked_add(719_468)?;
    let (era, of_era) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    if !(0..=9_999).contains(&year) {
        return None;
    }
    write!(out, "{year:04}-{month:02}-{day:02}").ok()
}

/// The time of day: `12:00:00.25`. `None` where the day has no such time.
pub(super) fn clock(since_midnight: i64, unit: Unit, out: &mut String) -> Option<()> {
    let per_second = unit.per_second();
    if !(0..86_400 * per_second).contains(&since_midnight) {
        return None;
    }
    let (seconds, fraction) = (since_midnight / per_second, since_midnight % per_second);
    write!(out, "{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60).ok()?;
    if fraction > 0 {
        let digits = per_second.ilog10() as usize;
        let text = format!("{fraction:0digits$}");
        write!(out, ".{}", text.trim_end_matches('0')).ok()?;
    }
    Some(())
}

/// A time: `2025-01-31T12:00:00.25`, and a `Z` where it is an instant. `None` beyond the years 0000 to 9999.
pub(super) fn time(value: i64, unit: Unit, is_instant: bool, out: &mut String) -> Option<()> {
    let per_day = 86_400 * unit.per_second();
    date(value.div_euclid(per_day), out)?;
    out.push('T');
    clock(value.rem_euclid(per_day), unit, out)?;
    if is_instant {
        out.push('Z');
    }
    Some(())
}

/// A decimal of its digits, as they are without a point: `-0.05` of `-5` with two digits after it.
pub(super) fn decimal(digits: &str, scale: i8, out: &mut String) {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |digits| ("-", digits));
    out.push_str(sign);
    match usize::try_from(scale) {
        Ok(0) => out.push_str(digits),
        Ok(scale) => {
            let padded = format!("{digits:0>width$}", width = scale + 1);
            let (whole, fraction) = padded.split_at(padded.len() - scale);
            out.push_str(whole);
            out.push('.');
            out.push_str(fraction);
        }
        Err(_) => {
            out.push_str(digits);
            if digits != "0" {
                out.extend(std::iter::repeat_n('0', usize::from(scale.unsigned_abs())));
            }
        }
    }
}

/// A number of 16 bytes as such numbers are written that name things.
pub(super) fn uuid(bytes: &[u8], out: &mut String) {
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        let _ = write!(out, "{byte:02x}");
    }
}

#[cfg(test)]
mod tests {
    use firesteel_window::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn made(make: impl FnOnce(&mut String) -> Option<()>) -> Option<String> {
        let mut out = String::new();
        make(&mut out).map(|()| out)
    }

    proptest! {
        #[test]
        fn an_instant_is_written_as_the_clock_of_the_program_writes_it(
            micros in -62_167_219_200_000_000..253_402_207_200_000_000_i64,
        ) {
            let expected = Timestamp::from_micros(micros).to_string();
            prop_assert_eq!(made(|out| time(micros, Unit::Micros, true, out)), Some(expected));
        }
    }

    #[test]
    fn what_no_calendar_has_is_none() {
        assert_eq!(made(|out| date(-719_528, out)).as_deref(), Some("0000-01-01"));
        assert_eq!(made(|out| date(2_932_896, out)).as_deref(), Some("9999-12-31"));
        for days in [-719_529, 2_932_897, i64::from(i32::MAX), i64::MAX] {
            assert_eq!(made(|out| date(days, out)), None);
        }
        assert_eq!(made(|out| clock(86_399_999, Unit::Millis, out)).as_deref(), Some("23:59:59.999"));
        assert_eq!(made(|out| clock(86_400_000, Unit::Millis, out)), None);
        assert_eq!(made(|out| clock(-1, Unit::Nanos, out)), None);
        assert_eq!(made(|out| time(-1, Unit::Nanos, false, out)).as_deref(), Some("1969-12-31T23:59:59.999999999"));
    }

    #[test]
    fn decimals_keep_all_digits() {
        for (digits, scale, expected) in [
            ("5", 2, "0.05"),
            ("-5", 2, "-0.05"),
            ("12345", 2, "123.45"),
            ("100", 2, "1.00"),
            ("7", 0, "7"),
            ("7", -2, "700"),
            ("0", -2, "0"),
        ] {
            let mut out = String::new();
            decimal(digits, scale, &mut out);
            assert_eq!(out, expected);
        }
        let mut out = String::new();
        uuid(&(0..16).collect::<Vec<u8>>(), &mut out);
        assert_eq!(out, "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
