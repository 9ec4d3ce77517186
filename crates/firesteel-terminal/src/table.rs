//! Rows as one aligned table.

mod fit;

use std::collections::HashMap;

use crate::numbers::grouped;
use crate::text::{cut, rounded, shown, width};
use crate::value::{Name, Value, numbered};
use fit::{Wish, fit};

/// Longer texts are cut, or one of them would push all other columns off the screen.
const LONGEST_CELL: usize = 100;

/// How much of a screen there is for a table; without a number, as much as is needed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    pub(crate) columns: Option<usize>,
    pub(crate) lines: Option<usize>,
}

/// Rows that are to be shown, of which there may be more than are here.
///
/// Columns stand in the order in which their names appear first. A column of nothing but numbers is aligned right.
#[derive(Debug)]
pub(crate) struct Table {
    title: String,
    columns: Vec<Column>,
    cells: Vec<Vec<String>>,
    total: u64,
    /// It is not to be wider than this on a screen that has more room.
    pub(crate) widest: usize,
}

impl Table {
    /// The first of the columns are called `names`, whatever their fields are called.
    pub(crate) fn new(title: &str, rows: Vec<Vec<(Name, Value)>>, total: u64, precise: bool, names: &[Name]) -> Self {
        let plural = if total == 1 { "" } else { "s" };
        let title = format!("{title}: {} row{plural}", grouped(total));
        let (mut columns, cells) = arrange(rows, precise);
        for (column, name) in columns.iter_mut().zip(names) {
            column.name = shown(name, LONGEST_CELL);
        }
        Self { title, columns, cells, total, widest: usize::MAX }
    }

    /// How many lines it takes where there is room, or one more.
    pub(crate) fn height(&self) -> usize {
        let more = usize::from(self.total > self.cells.len() as u64);
        // The title, the names, the rule, and the columns that find no room.
        if self.cells.is_empty() { 1 } else { 4 + self.cells.len() + more }
    }

    /// The table as lines, no more of them than there is room for: of the rows, the first.
    pub(crate) fn lines(&self, room: Room) -> Vec<String> {
        let mut lines = vec![self.title.clone()];
        let fits = room.lines.unwrap_or(usize::MAX);
        if !self.cells.is_empty() && fits > 1 {
            let widest = self.layout(self.cells.len(), room.columns);
            let beside = self.note_of_columns(widest.len(), room.columns);
            // The title, the names and the rule.
            let frame = 3 + usize::from(beside.is_some());
            let all = self.cells.len() as u64 == self.total && frame + self.cells.len() <= fits;
            let rows = if all { self.cells.len() } else { fits.saturating_sub(frame + 1).min(self.cells.len()) };
            let widths = self.layout(rows, room.columns);
            let names = self.columns.iter().map(|column| column.name.as_str());
            lines.push(line(&self.columns, &widths, names));
            lines.push("─".repeat(widths.iter().map(|width| width + 2).sum()));
            let cells = self.cells[..rows].iter();
            lines.extend(
                cells.map(|row| {
                    line(&self.columns, &widths, row.iter().map(String::as_str).chain(std::iter::repeat("")))
                }),
            );
            let more = self.total - rows as u64;
            if more > 0 {
                lines.push(format!(" … and {} more", grouped(more)));
            }
            lines.extend(self.note_of_columns(widths.len(), room.columns));
            lines.truncate(fits);
        }
        lines
    }

    /// The widths of the columns for which there is room, by the first rows.
    fn layout(&self, rows: usize, room: Option<usize>) -> Vec<usize> {
        let wish = |(index, column): (usize, &Column)| {
            let cells = self.cells[..rows].iter().filter_map(|row| row.get(index)).map(|cell| width(cell));
            Wish { width: cells.max().unwrap_or(0).max(width(&column.name)), cuttable: !column.numeric }
        };
        fit(&self.columns.iter().enumerate().map(wish).collect::<Vec<_>>(), room)
    }

    /// Names the columns from the one with this number on, for which there is no room.
    fn note_of_columns(&self, from: usize, room: Option<usize>) -> Option<String> {
        let left_out = self.columns.get(from..).filter(|left_out| !left_out.is_empty())?;
        let names: Vec<_> = left_out.iter().map(|column| column.name.as_str()).collect();
        let plural = if names.len() == 1 { "" } else { "s" };
        let note = format!(" … and {} more column{plural}: {}", names.len(), names.join(", "));
        Some(cut(&note, room.unwrap_or(usize::MAX)))
    }
}

/// One line, each cell with a space on both sides.
fn line<'a>(columns: &[Column], widths: &[usize], cells: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
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
    text.truncate(text.trim_end().len());
    text
}

#[derive(Debug)]
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

    use super::{Room, Table};
    use crate::value::{Name, Value};

    fn render(title: &str, rows: Vec<Vec<(Name, Value)>>, total: u64, columns: Option<usize>) -> Vec<String> {
        Table::new(title, rows, total, false, &[]).lines(Room { columns, lines: None })
    }

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
        assert_eq!(render("epoch 1", rows, total, None), expected);
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
        let table = render("epoch 1", rows, 1, None);
        assert!(table.iter().all(|line| line.chars().count() < 120), "{table:?}");
        assert!(table[3].contains("x…"));
    }

    #[test]
    fn rows_that_are_not_here_are_counted() {
        let rows = vec![Value::of(&5).unwrap().into_fields()];
        let lines = render("totals, epoch 2", rows, 1_234_568, None);
        assert_eq!(lines[0], "totals, epoch 2: 1,234,568 rows");
        assert_eq!(lines[4], " … and 1,234,567 more");
    }

    /// The table in this many columns of the screen.
    fn fitted<T: Serialize>(rows: &[T], width: usize) -> Vec<String> {
        let rows: Vec<_> = rows.iter().map(|row| Value::of(row).unwrap().into_fields()).collect();
        let total = rows.len() as u64;
        render("epoch 1", rows, total, Some(width))
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
        let cells = |precise| Table::new("r", rows(), 1, precise, &[]).lines(Room::default()).pop().unwrap();
        assert_eq!(cells(false), " 0.3  0.3333");
        assert_eq!(cells(true), " 0.30000000000000004  0.33333334");
    }

    #[test]
    fn a_table_that_is_higher_than_the_screen_shows_its_first_rows() {
        let rows = || (1..=5).map(|row| Value::of(&row).unwrap().into_fields()).collect::<Vec<_>>();
        let table = Table::new("epoch 1", rows(), 7, false, &[Name::from("n")]);
        let lines = |lines| table.lines(Room { columns: None, lines: Some(lines) });
        let frame = ["epoch 1: 7 rows", " n", "───"];
        assert_eq!(lines(9), [&frame[..], &[" 1", " 2", " 3", " 4", " 5", " … and 2 more"]].concat());
        assert_eq!(lines(6), [&frame[..], &[" 1", " 2", " … and 5 more"]].concat());
        assert_eq!(lines(4), [&frame[..], &[" … and 7 more"]].concat());
        assert_eq!(lines(1), frame[..1]);
        let whole = Table::new("epoch 1", rows(), 5, false, &[]);
        assert_eq!(whole.lines(Room { columns: None, lines: Some(8) }).len(), 8, "nothing is missing");
        assert_eq!(whole.lines(Room { columns: None, lines: Some(7) }).last().unwrap(), " … and 2 more");
    }
}
