//! Texts and numbers as they may stand on a terminal's line.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// A text on one line, without the characters by which data could move the cursor, turn text around or hide in it, and
/// cut to this many columns.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(most + 8));
    // Longer than what fits, so that cutting shows whether something is missing.
    let mut columns = 0;
    for character in text.chars() {
        if columns > most {
            break;
        }
        if is_dangerous(character) {
            let escaped = character.escape_default();
            columns += escaped.len();
            shown.extend(escaped);
        } else {
            columns += character.width().unwrap_or(0);
            shown.push(character);
        }
    }
    cut(&shown, most)
}

/// A text cut to this many columns, with `…` at its end if something is missing.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if width(text) <= most {
        return text.to_owned();
    }
    let mut kept = String::with_capacity(text.len().min(4 * most));
    let mut columns = 0;
    for character in text.chars() {
        columns += character.width().unwrap_or(0);
        if columns + 1 > most {
            break;
        }
        kept.push(character);
    }
    kept.push('…');
    kept
}

/// Controls, separators of lines, marks that change the direction of text, and what is invisible and has no place in a
/// word of any language.
fn is_dangerous(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// A float with the four digits that people look at. What stands before the point stays whole.
pub(crate) fn rounded(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() || size == 0.0 {
        return format!("{number:?}");
    }
    if !(1e-4..1e15).contains(&size) {
        let text = format!("{number:.3e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'));
    }
    // Between -4 and 15.
    let magnitude = size.log10().floor() as i32;
    let decimals = usize::try_from(3 - magnitude).unwrap_or(0);
    let text = format!("{number:.decimals$}");
    match text.split_once('.') {
        None => text,
        Some((whole, digits)) => {
            let digits = digits.trim_end_matches('0');
            format!("{whole}.{}", if digits.is_empty() { "0" } else { digits })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, rounded, shown, width};

    #[test]
    fn what_moves_the_cursor_turns_text_or_hides_is_escaped() {
        assert_eq!(shown("two\nlines", 100), "two\\nlines");
        assert_eq!(shown("\u{1b}[2Jgone", 100), "\\u{1b}[2Jgone");
        assert_eq!(shown("invoice\u{202e}fdp.exe", 100), "invoice\\u{202e}fdp.exe");
        assert_eq!(shown("zero\u{200b}width\u{feff}", 100), "zero\\u{200b}width\\u{feff}");
        assert_eq!(shown("two\u{2028}lines", 100), "two\\u{2028}lines");
        assert_eq!(shown("e\u{301}té, 👩\u{200d}🚀", 100), "e\u{301}té, 👩\u{200d}🚀", "what words are made of stays");
    }

    #[test]
    fn texts_are_cut_by_the_columns_they_take() {
        assert_eq!(cut("spark", 5), "spark");
        assert_eq!(cut("sparks", 5), "spar…");
        assert_eq!(cut("日本日本", 5), "日本…");
        assert_eq!(cut("日本日本", 4), "日…");
        let long = shown(&"日".repeat(100_000), 100);
        assert!(width(&long) <= 100 && long.ends_with('…') && width(&long) > 97, "{}", width(&long));
        assert_eq!(shown(&"\u{7}".repeat(100), 12), "\\u{7}\\u{7}\\…");
    }

    #[test]
    fn floats_have_four_digits_and_what_is_before_the_point() {
        let all = [0.1 + 0.2, 2.0, -2.5, 9.999_96, 0.000_123_456, 1_234.567, 123_456_789.9, 99.999].map(rounded);
        assert_eq!(all, ["0.3", "2.0", "-2.5", "10.0", "0.0001235", "1235", "123456790", "100.0"]);
        let ends = [0.0, -0.0, 1e-7, 1.234_56e-9, 1e20, -1.234_56e300, f64::NAN, f64::NEG_INFINITY].map(rounded);
        assert_eq!(ends, ["0.0", "-0.0", "1e-7", "1.235e-9", "1e20", "-1.235e300", "NaN", "-inf"]);
        assert_eq!(rounded(f64::from(0.1_f32)), "0.1");
    }
}
