//! Which rows of a file may be wanted, by what is known of its row groups and pages.

use std::collections::HashMap;
use std::ops::Range;

use arrow_schema::Schema;
use parquet::arrow::arrow_reader::statistics::StatisticsConverter;
use parquet::file::metadata::ParquetMetaData;

use super::Condition;
use super::bounds::{Bounds, are_ordered};

/// The stretches of rows in which there may be wanted ones, in order.
pub(in crate::parquet) fn wanted(
    condition: &Condition,
    file: &ParquetMetaData,
    schema: &Schema,
    local_is_utc: bool,
) -> Vec<Range<u64>> {
    let names = condition.columns();
    let groups = of_groups(&names, file, schema);
    let (mut begin, mut ranges) = (0, Vec::new());
    for (group, metadata) in file.row_groups().iter().enumerate() {
        let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
        let bounds = |name: &str| groups.get(name).map(|bounds| (bounds.clone(), group));
        if condition.may_hold(&bounds, local_is_utc) {
            for range in of_pages(condition, &names, file, schema, group, rows, local_is_utc) {
                push(&mut ranges, begin + range.start..begin + range.end);
            }
        }
        begin += rows;
    }
    ranges
}

fn push(ranges: &mut Vec<Range<u64>>, range: Range<u64>) {
    match ranges.last_mut() {
        Some(last) if last.end == range.start => last.end = range.end,
        _ => ranges.push(range),
    }
}

/// The bounds of row groups, of those columns that have them.
fn of_groups<'a>(names: &[&'a str], file: &ParquetMetaData, schema: &Schema) -> HashMap<&'a str, Bounds> {
    let of = |name: &&'a str| {
        let converter = StatisticsConverter::try_new(name, schema, file.file_metadata().schema_descr()).ok()?;
        let leaf = converter.parquet_column_index()?;
        let is_old = |group: &parquet::file::metadata::RowGroupMetaData| {
            group.column(leaf).statistics().is_some_and(|statistics| statistics.is_min_max_deprecated())
        };
        if file.row_groups().iter().any(is_old) {
            // They are of an order that nobody knows.
            return None;
        }
        let least = converter.row_group_mins(file.row_groups()).ok()?;
        let greatest = converter.row_group_maxes(file.row_groups()).ok()?;
        let converter = converter.with_missing_null_counts_as_zero(false);
        let nulls = converter.row_group_null_counts(file.row_groups()).ok()?;
        let rows = file.row_groups().iter().map(|group| u64::try_from(group.num_rows()).unwrap_or(0)).collect();
        let bounds = Bounds::of(&least, &greatest, &nulls, rows)?;
        are_ordered(file, leaf, &least).then_some((*name, bounds))
    };
    names.iter().filter_map(of).collect()
}

/// The stretches of a row group, counted from its beginning, in which there may be wanted rows.
fn of_pages(
    condition: &Condition,
    names: &[&str],
    file: &ParquetMetaData,
    schema: &Schema,
    group: usize,
    rows: u64,
    local_is_utc: bool,
) -> Vec<Range<u64>> {
    let mut borders = vec![0, rows];
    let mut pages: HashMap<&str, (Bounds, Vec<u64>)> = HashMap::new();
    for name in names {
        if let Some((bounds, begins)) = of_column(name, file, schema, group, rows) {
            borders.extend(&begins);
            pages.insert(name, (bounds, begins));
        }
    }
    borders.sort_unstable();
    borders.dedup();
    let mut ranges = Vec::new();
    for border in borders.windows(2) {
        let bounds = |name: &str| {
            let (bounds, begins) = pages.get(name)?;
            Some((bounds.clone(), begins.partition_point(|begin| *begin <= border[0]) - 1))
        };
        if condition.may_hold(&bounds, local_is_utc) {
            push(&mut ranges, border[0]..border[1]);
        }
    }
    ranges
}

/// The bounds of the pages of a column, and at which rows they begin.
fn of_column(
    name: &str,
    file: &ParquetMetaData,
    schema: &Schema,
    group: usize,
    rows: u64,
) -> Option<(Bounds, Vec<u64>)> {
    let pages = file.page_index()?;
    let converter = StatisticsConverter::try_new(name, schema, file.file_metadata().schema_descr()).ok()?;
    let leaf = converter.parquet_column_index()?;
    let locations = pages.offset_index(group, leaf)?.page_locations();
    let begin = |first: i64| u64::try_from(first).unwrap_or(u64::MAX);
    let begins: Vec<u64> = locations.iter().map(|page| begin(page.first_row_index)).collect();
    let is_sound =
        begins.first() == Some(&0) && begins.is_sorted_by(|one, next| one < next) && *begins.last()? < rows.max(1);
    let ends = begins.iter().skip(1).copied().chain([rows]);
    let counts: Vec<u64> = begins.iter().zip(ends).map(|(begin, end)| end.saturating_sub(*begin)).collect();
    let groups = [group];
    let least = converter.data_page_mins(&**pages, &groups).ok()?;
    let greatest = converter.data_page_maxes(&**pages, &groups).ok()?;
    let nulls = converter.data_page_null_counts(&**pages, &groups).ok()?;
    let is_sound = is_sound && least.len() == begins.len() && greatest.len() == begins.len();
    let is_ordered = is_sound && are_ordered(file, leaf, &least);
    Bounds::of(&least, &greatest, &nulls, counts).filter(|_| is_ordered).map(|bounds| (bounds, begins))
}
