//! Numbers and texts as people read them.

/// Longer texts are cut, or one of them would push all other columns off the screen.
const LONGEST: usize = 100;

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

/// `1 key`, `2 keys`.
pub(crate) fn count(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// This many bytes in the unit that suits them: `512 B`, `12.3 KiB`.
pub(crate) fn bytes(number: u64) -> String {
    let mut size = number as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if size < 1_024.0 {
            break;
        }
        size /= 1_024.0;
        unit = larger;
    }
    if unit == "B" { format!("{number} B") } else { format!("{size:.1} {unit}") }
}

/// A text as it may stand in a cell: on one line, without the control characters by which data could move the cursor,
/// and not too long.
pub(crate) fn cell(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(4 * LONGEST));
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            shown.push('…');
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_unit_that_suits_them() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 1_023, 1_024, 12_595, 5 << 30].map(bytes), ["0 B", "1023 B", "1.0 KiB", "12.3 KiB", "5.0 GiB"]);
        assert_eq!([0, 1, 2_000].map(|n| count(n, "key")), ["0 keys", "1 key", "2,000 keys"]);
    }

    #[test]
    fn texts_stay_on_their_line() {
        assert_eq!(cell("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(cell(&"ö".repeat(200)).chars().count(), 101);
    }
}
