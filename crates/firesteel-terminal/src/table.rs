//! Rows as one aligned table.

mod fit;

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::numbers::grouped;
use crate::text::{cut, rounded, shown, width};
use crate::value::{Name, Value, numbered};
use fit::{Wish, fit};

/// Longer texts are cut, or one of them would push all other columns off the screen.
const LONGEST_CELL: usize = 100;

/// How a table is to look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Look {
    /// Columns of the screen; without it, as many as are needed.
    pub(crate) width: Option<usize>,
    /// Whether floats show all their digits.
    pub(crate) precise: bool,
}

/// The table of the rows, of which there are `total` and perhaps not all here.
///
/// Columns stand in the order in which their names appear first. A column of nothing but numbers is aligned right.
pub(crate) fn render(title: &str, rows: Vec<Vec<(Name, Value)>>, total: u64, look: Look) -> String {
    let plural = if total == 1 { "" } else { "s" };
    let mut text = format!("{title}: {} row{plural}\n", grouped(total));
    if rows.is_empty() {
        return text;
    }
    let more = total - rows.len() as u64;
    let (columns, cells) = arrange(rows, look.precise);
    let widths = widths(&columns, &cells, look.width);
    line(&mut text, &columns, &widths, columns.iter().map(|column| column.name.as_str()));
    text.extend(std::iter::repeat_n('─', widths.iter().map(|width| width + 2).sum()));
    text.push('\n');
    for row in &cells {
        line(&mut text, &columns, &widths, row.iter().map(String::as_str).chain(std::iter::repeat("")));
    }
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, " … and {} more", grouped(more));
    }
    if let Some(left_out) = columns.get(widths.len()..).filter(|left_out| !left_out.is_empty()) {
        let names: Vec<_> = left_out.iter().map(|column| column.name.as_str()).collect();
        let plural = if names.len() == 1 { "" } else { "s" };
        let note = format!(" … and {} more column{plural}: {}", names.len(), names.join(", "));
        text.push_str(&cut(&note, look.width.unwrap_or(usize::MAX)));
        text.push('\n');
    }
    text
}

fn widths(columns: &[Column], cells: &[Vec<String>], room: Option<usize>) -> Vec<usize> {
    let wish = |(index, column): (usize, &Column)| {
        let cells = cells.iter().filter_map(|row| row.get(index)).map(|cell| width(cell));
        Wish { width: cells.max().unwrap_or(0).max(width(&column.name)), cuttable: !column.numeric }
    };
    fit(&columns.iter().enumerate().map(wish).collect::<Vec<_>>(), room)
}

/// Appends one line, each cell with a space on both sides.
fn line<'a>(text: &mut String, columns: &[Column], widths: &[usize], cells: impl Iterator<Item = &'a str>) {
    let from = text.len();
    for ((column, room), cell) in columns.iter().zip(widths).zip(cells) {
        let cell = cut(cell, *room);
        let spaces = std::iter::repeat_n(' ', room.saturating_sub(width(&cell)));
        text.push(' ');
        if column.numeric {
            text.extend(spaces);
            text.push_str(&cell);
        } else {
            text.push_str(&cell);
            text.extend(spaces);
        }
        text.push(' ');
    }
    text.truncate(from + text[from..].trim_end().len());
    text.push('\n');
}

struct Column {
    name: String,
    numeric: bool,
}

/// Puts each value into its column.
fn arrange(rows: Vec<Vec<(Name, Value)>>, precise: bool) -> (Vec<Column>, Vec<Vec<String>>) {
    let mut columns: Vec<Column> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut cells = Vec::with_capacity(rows.len());
    for row in rows {
        let mut texts = Vec::with_capacity(columns.len());
        flatten("", row, &mut |name, value| {
            let column = *by_name.entry(name).or_insert_with_key(|name| {
                columns.push(Column { name: shown(name, LONGEST_CELL), numeric: true });
                columns.len() - 1
            });
            columns[column].numeric &= is_number(&value);
            if texts.len() <= column {
                texts.resize_with(column + 1, String::new);
            }
            texts[column] = text(value, precise);
        });
        cells.push(texts);
    }
    (columns, cells)
}

/// Hands out every field that has no named parts of its own, under its path: `window.start`.
fn flatten(prefix: &str, fields: Vec<(Name, Value)>, each: &mut impl FnMut(String, Value)) {
    for (name, value) in fields {
        let path = if prefix.is_empty() { name.into_owned() } else { format!("{prefix}.{name}") };
        match value {
            Value::Struct(fields) => flatten(&path, fields, each),
            Value::Tuple(parts) => flatten(&path, numbered(parts).collect(), each),
            other => each(path, other),
        }
    }
}

/// Nothing is as good as a number: a gap in a column of numbers does not make it a column of texts.
fn is_number(value: &Value) -> bool {
    matches!(value, Value::Int(_) | Value::Unsigned(_) | Value::Float32(_) | Value::Float64(_) | Value::Null)
}

fn text(value: Value, precise: bool) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Unsigned(value) => value.to_string(),
        // The debug form goes over to exponents where the display form would write hundreds of digits.
        Value::Float32(value) if precise => format!("{value:?}"),
        Value::Float64(value) if precise => format!("{value:?}"),
        Value::Float32(value) => rounded(f64::from(value)),
        Value::Float64(value) => rounded(value),
        Value::Text(text) => shown(&text, LONGEST_CELL),
        Value::List(_) | Value::Tuple(_) | Value::Struct(_) | Value::Map(_) => {
            shown(&serde_json::to_string(&value).unwrap_or_default(), LONGEST_CELL)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::{Look, render};
    use crate::value::Value;

    #[derive(Serialize)]
    struct Window {
        start: &'static str,
        end: &'static str,
    }

    #[derive(Serialize)]
    struct Clicks {
        window: Window,
        client: &'static str,
        clicks: u64,
        share: Option<f64>,
    }

    #[track_caller]
    fn check<T: Serialize>(rows: &[T], expected: &[&str]) {
        let rows: Vec<_> = rows.iter().map(|row| Value::of(row).unwrap().into_fields()).collect();
        let total = rows.len() as u64;
        assert_eq!(render("epoch 1", rows, total, Look::default()).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn nested_structs_become_columns_and_numbers_stand_right() {
        let window = || Window { start: "13:00", end: "14:00" };
        let rows = [
            Clicks { window: window(), client: "10.0.0.1", clicks: 7, share: Some(0.875) },
            Clicks { window: window(), client: "192.168.100.1", clicks: 11_200, share: None },
        ];
        check(
            &rows,
            &[
                "epoch 1: 2 rows",
                " window.start  window.end  client         clicks  share",
                "────────────────────────────────────────────────────────",
                " 13:00         14:00       10.0.0.1            7  0.875",
                " 13:00         14:00       192.168.100.1   11200",
            ],
        );
    }

    #[test]
    fn pairs_tuples_and_plain_values_have_columns() {
        check(&[("the", 3)], &["epoch 1: 1 row", " key  value", "────────────", " the      3"]);
        check(
            &[(("a", "/"), 3)],
            &["epoch 1: 1 row", " key.0  key.1  value", "─────────────────────", " a      /          3"],
        );
        check(&[("a", 1, true)], &["epoch 1: 1 row", " 0  1  2", "────────────", " a  1  true"]);
        check(&["line"], &["epoch 1: 1 row", " value", "───────", " line"]);
        check(&[vec![1, 2]], &["epoch 1: 1 row", " value", "───────", " [1,2]"]);
    }

    #[test]
    fn a_column_that_only_some_rows_have_stays_empty_in_others() {
        use std::collections::BTreeMap;
        let rows = [BTreeMap::from([("a", "x"), ("b", "y")]), BTreeMap::from([("a", "u"), ("c", "v")])];
        check(&rows, &["epoch 1: 2 rows", " a  b  c", "─────────", " x  y", " u     v"]);
    }

    #[test]
    fn data_can_neither_break_the_line_nor_move_the_cursor() {
        check(
            &["two\nlines", "\u{1b}[2Jgone"],
            &["epoch 1: 2 rows", " value", "───────────────", " two\\nlines", " \\u{1b}[2Jgone"],
        );
    }

    #[test]
    fn wide_characters_and_long_texts_keep_the_columns_aligned() {
        check(
            &[("日本", 1), ("a", 22)],
            &["epoch 1: 2 rows", " key   value", "─────────────", " 日本      1", " a        22"],
        );
        let long = "x".repeat(70_000);
        let rows = vec![Value::of(&(long.as_str(), 1)).unwrap().into_fields()];
        let table = render("epoch 1", rows, 1, Look::default());
        assert!(table.lines().all(|line| line.chars().count() < 120), "{table}");
        assert!(table.contains("x…"));
    }

    #[test]
    fn rows_that_are_not_here_are_counted() {
        let rows = vec![Value::of(&5).unwrap().into_fields()];
        let table = render("totals, epoch 2", rows, 1_234_568, Look::default());
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "totals, epoch 2: 1,234,568 rows");
        assert_eq!(lines[4], " … and 1,234,567 more");
    }

    /// The table in this many columns of the screen.
    fn fitted<T: Serialize>(rows: &[T], width: usize) -> Vec<String> {
        let rows: Vec<_> = rows.iter().map(|row| Value::of(row).unwrap().into_fields()).collect();
        let total = rows.len() as u64;
        let look = Look { width: Some(width), precise: false };
        render("epoch 1", rows, total, look).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_table_fits_the_screen() {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36";
        let rows = [("10.0.0.1", agent, 12_345_678), ("192.168.100.1", "curl", 1)];
        let expected = [
            "epoch 1: 2 rows",
            " 0              1                     2",
            "────────────────────────────────────────",
            " 10.0.0.1       Mozilla/5.0 …  12345678",
            " 192.168.100.1  curl                  1",
        ];
        assert_eq!(fitted(&rows, 40), expected);
    }

    #[test]
    fn columns_that_find_no_room_are_named() {
        let row: std::collections::BTreeMap<_, _> =
            ["aaaaaaaa", "bbbbbbbb", "cccccccc"].map(|name| (name, name)).into();
        let expected = [
            "epoch 1: 1 row",
            " aaaaaaaa  bbbbbbbb",
            "────────────────────",
            " aaaaaaaa  bbbbbbbb",
            " … and 1 more column:…",
        ];
        assert_eq!(fitted(&[row], 22), expected);
    }

    #[test]
    fn floats_are_rounded_unless_all_digits_are_asked_for() {
        let rows = || vec![Value::of(&(0.1 + 0.2, 1.0_f32 / 3.0)).unwrap().into_fields()];
        let cells = |precise| render("r", rows(), 1, Look { width: None, precise }).lines().last().unwrap().to_owned();
        assert_eq!(cells(false), " 0.3  0.3333");
        assert_eq!(cells(true), " 0.30000000000000004  0.33333334");
    }
}
