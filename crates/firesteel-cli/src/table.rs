//! Aligned tables.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

/// One line under the names of the columns, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// A table under a title. Columns whose names end with `#` hold numbers, which are aligned right. Nothing at all without
/// rows.
pub(crate) fn render<const N: usize>(title: &str, columns: [&str; N], rows: Vec<[String; N]>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    let cell = |text: &str, column: &str| {
        let right = column.ends_with('#');
        Cell::new(text).set_alignment(if right { CellAlignment::Right } else { CellAlignment::Left })
    };
    table.set_header(columns.map(|column| cell(column.trim_end_matches('#'), column)));
    for row in rows {
        table.add_row(row.iter().zip(columns).map(|(text, column)| cell(text, column)).collect::<Vec<_>>());
    }
    let mut text = format!("\n{title}\n");
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
