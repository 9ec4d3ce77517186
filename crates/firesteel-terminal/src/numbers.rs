//! Numbers as people read them.

use firesteel_window::Duration;

/// A whole number with a comma at every thousand: `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A rate: whole from ten on, with one decimal below.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second < 10.0 { format!("{per_second:.1}") } else { grouped(per_second.round() as u64) }
}

/// A span of time in the unit that suits it: `850 µs`, `12.3 ms`, `4.56 s`, `2m 5s`.
pub(crate) fn span(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        1_000_000..60_000_000 => format!("{:.2} s", micros as f64 / 1e6),
        _ => Duration::secs(i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX)).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{grouped, rate, span};

    #[test]
    fn thousands_are_set_apart() {
        let all = [0, 7, 999, 1_000, 10_000, 123_456, 1_234_567, u64::MAX].map(grouped);
        let expected = ["0", "7", "999", "1,000", "10,000", "123,456", "1,234,567", "18,446,744,073,709,551,615"];
        assert_eq!(all, expected);
    }

    #[test]
    fn rates_are_as_exact_as_they_are_large() {
        assert_eq!([0.0, 2.55, 9.96, 1_234.5].map(rate), ["0.0", "2.5", "10.0", "1,235"]);
        assert_eq!(rate(f64::INFINITY), grouped(u64::MAX));
    }

    #[test]
    fn spans_have_the_unit_that_suits_them() {
        let all = [0, 850, 12_340, 4_564_000, 59_999_000, 125_900_000, 7_325_000_000].map(span);
        assert_eq!(all, ["0 µs", "850 µs", "12.3 ms", "4.56 s", "60.00 s", "2m 5s", "2h 2m 5s"]);
    }
}
