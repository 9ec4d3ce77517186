//! Rows as one aligned table.

use std::collections::HashMap;
use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use crate::numbers::grouped;
use crate::value::{Name, Value, numbered};

/// Longer texts are cut, or one of them would push all other columns off the screen.
const LONGEST_CELL: usize = 100;

/// One line under the names of the columns, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The table of the rows, of which there are `total` and perhaps not all here.
///
/// Columns stand in the order in which their names appear first. A column of nothing but numbers is aligned right.
pub(crate) fn render(title: &str, rows: Vec<Vec<(Name, Value)>>, total: u64) -> String {
    let plural = if total == 1 { "" } else { "s" };
    let mut text = format!("{title}: {} row{plural}\n", grouped(total));
    if rows.is_empty() {
        return text;
    }
    let more = total - rows.len() as u64;
    let (columns, cells) = arrange(rows);
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| aligned(&column.name, column.numeric)));
    for row in cells {
        let texts = columns.iter().zip(row.into_iter().chain(std::iter::repeat_with(String::new)));
        table.add_row(texts.map(|(column, text)| aligned(&text, column.numeric)).collect::<Vec<_>>());
    }
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if more > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, " … and {} more", grouped(more));
    }
    text
}

struct Column {
    name: String,
    numeric: bool,
}

/// Puts each value into its column.
fn arrange(rows: Vec<Vec<(Name, Value)>>) -> (Vec<Column>, Vec<Vec<String>>) {
    let mut columns: Vec<Column> = Vec::new();
    let mut by_name: HashMap<String, usize> = HashMap::new();
    let mut cells = Vec::with_capacity(rows.len());
    for row in rows {
        let mut texts = Vec::with_capacity(columns.len());
        flatten("", row, &mut |name, value| {
            let column = *by_name.entry(name).or_insert_with_key(|name| {
                columns.push(Column { name: shown(name), numeric: true });
                columns.len() - 1
            });
            columns[column].numeric &= is_number(&value);
            if texts.len() <= column {
                texts.resize_with(column + 1, String::new);
            }
            texts[column] = text(value);
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

fn text(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::Unsigned(value) => value.to_string(),
        // The debug form goes over to exponents where the display form would write hundreds of digits.
        Value::Float32(value) => format!("{value:?}"),
        Value::Float64(value) => format!("{value:?}"),
        Value::Text(text) => shown(&text),
        Value::List(_) | Value::Tuple(_) | Value::Struct(_) | Value::Map(_) => {
            shown(&serde_json::to_string(&value).unwrap_or_default())
        }
    }
}

/// A text as it may stand in a cell: on one line, without the control characters by which data could move the cursor.
fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST_CELL {
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

fn aligned(text: &str, numeric: bool) -> Cell {
    Cell::new(text).set_alignment(if numeric { CellAlignment::Right } else { CellAlignment::Left })
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::render;
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
        assert_eq!(render("epoch 1", rows, total).lines().collect::<Vec<_>>(), expected);
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
        let table = render("epoch 1", rows, 1);
        assert!(table.lines().all(|line| line.chars().count() < 120), "{table}");
        assert!(table.contains("x…"));
    }

    #[test]
    fn rows_that_are_not_here_are_counted() {
        let rows = vec![Value::of(&5).unwrap().into_fields()];
        let table = render("totals, epoch 2", rows, 1_234_568);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "totals, epoch 2: 1,234,568 rows");
        assert_eq!(lines[4], " … and 1,234,567 more");
    }
}
