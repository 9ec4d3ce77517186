//! A filter gives what it gives without pruning, whatever is in the columns.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use firesteel_formats::{Condition, Format, Parquet, ReadAt, column};
use firesteel_window::Timestamp;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::types::data;
use super::{all, open, range, told, written};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    n: u32,
    ratio: Option<f64>,
    single: f32,
    text: Option<String>,
    number: Option<i64>,
    small: u8,
    flag: Option<bool>,
    at: Option<Timestamp>,
}

/// Equal as they are shown: so is NaN, and zero is not equal to its opposite.
impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

const FLOATS: [f64; 8] = [f64::NAN, -0.0, 0.0, 1.0, -1.0, f64::INFINITY, f64::NEG_INFINITY, 0.5];

fn float() -> impl Strategy<Value = f64> {
    (0..FLOATS.len()).prop_map(|at| FLOATS[at])
}

fn text() -> impl Strategy<Value = String> {
    // Longer than what is kept of it in statistics, with a common beginning.
    (0..2_usize, "[a-c]?", any::<bool>()).prop_map(|(long, letter, high)| {
        let end = if high { "\u{10ffff}" } else { "" };
        format!("{}{letter}{end}", "ab".repeat(long * 40))
    })
}

fn row() -> impl Strategy<Value = Row> {
    (
        proptest::option::of(float()),
        float(),
        proptest::option::of(text()),
        proptest::option::of(-3..3_i64),
        any::<u8>(),
        proptest::option::of(any::<bool>()),
        proptest::option::of(-3..3_i64),
    )
        .prop_map(|(ratio, single, text, number, small, flag, at)| Row {
            n: 0,
            ratio,
            single: single as f32,
            text,
            number,
            small,
            flag,
            at: at.map(Timestamp::from_micros),
        })
}

/// A condition, and what it says of a row: true, false, or neither.
#[derive(Clone)]
struct Filter(Condition, Model);

type Model = Rc<dyn Fn(&Row) -> Option<bool>>;

impl std::fmt::Debug for Filter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One comparison by all six operators, beside what it is to say.
fn comparison<V, L>(
    name: &'static str,
    literal: L,
    value: impl Fn(&Row) -> Option<V> + 'static,
    compare: impl Fn(&V) -> Option<std::cmp::Ordering> + 'static,
) -> impl Fn(usize) -> Filter
where
    L: Into<firesteel_formats::Literal> + Clone,
{
    let (value, compare) = (Rc::new(value), Rc::new(compare));
    move |operator| {
        let (column, literal) = (column(name), literal.clone());
        let condition = match operator {
            0 => column.is(literal),
            1 => column.is_not(literal),
            2 => column.less_than(literal),
            3 => column.at_most(literal),
            4 => column.more_than(literal),
            _ => column.at_least(literal),
        };
        let (value, compare) = (Rc::clone(&value), Rc::clone(&compare));
        let model = move |row: &Row| {
            let ordering = compare(&value(row)?);
            Some(match operator {
                0 => ordering.is_some_and(|ordering| ordering.is_eq()),
                1 => ordering.is_none_or(|ordering| ordering.is_ne()),
                2 => ordering.is_some_and(|ordering| ordering.is_lt()),
                3 => ordering.is_some_and(|ordering| ordering.is_le()),
                4 => ordering.is_some_and(|ordering| ordering.is_gt()),
                _ => ordering.is_some_and(|ordering| ordering.is_ge()),
            })
        };
        Filter(condition, Rc::new(model))
    }
}

fn leaf() -> BoxedStrategy<Filter> {
    let floats = (float(), 0..6_usize).prop_map(|(literal, operator)| {
        comparison("ratio", literal, |row| row.ratio, move |value| value.partial_cmp(&literal))(operator)
    });
    let singles = (float(), 0..6_usize).prop_map(|(literal, operator)| {
        comparison("single", literal, |row| Some(f64::from(row.single)), move |value| value.partial_cmp(&literal))(
            operator,
        )
    });
    let mixed = (-2..2_i64, 0..6_usize).prop_map(|(literal, operator)| {
        comparison("ratio", literal, |row| row.ratio, move |value| value.partial_cmp(&(literal as f64)))(operator)
    });
    let texts = (text(), 0..6_usize).prop_map(|(literal, operator)| {
        let own = literal.clone();
        comparison("text", literal, |row| row.text.clone(), move |value| Some(value.as_bytes().cmp(own.as_bytes())))(
            operator,
        )
    });
    let numbers = (-4..4_i64, 0..6_usize).prop_map(|(literal, operator)| {
        comparison("number", literal, |row| row.number, move |value| Some(value.cmp(&literal)))(operator)
    });
    let halves = (-4..4_i64, 0..6_usize).prop_map(|(literal, operator)| {
        let half = literal as f64 / 2.0;
        comparison("number", half, |row| row.number, move |value| (*value as f64).partial_cmp(&half))(operator)
    });
    let smalls = (any::<u8>(), 0..6_usize).prop_map(|(literal, operator)| {
        comparison("small", i64::from(literal), |row| Some(row.small), move |value| Some(value.cmp(&literal)))(operator)
    });
    let flags = (any::<bool>(), 0..6_usize).prop_map(|(literal, operator)| {
        comparison("flag", literal, |row| row.flag, move |value| Some(value.cmp(&literal)))(operator)
    });
    let times = (-4..4_i64, 0..6_usize).prop_map(|(literal, operator)| {
        let literal = Timestamp::from_micros(literal);
        comparison("at", literal, |row| row.at, move |value| Some(value.cmp(&literal)))(operator)
    });
    let nulls = (0..4_usize).prop_map(|at| match at {
        0 => Filter(column("ratio").is_null(), Rc::new(|row: &Row| Some(row.ratio.is_none()))),
        1 => Filter(column("text").is_null(), Rc::new(|row: &Row| Some(row.text.is_none()))),
        2 => Filter(column("number").is_null(), Rc::new(|row: &Row| Some(row.number.is_none()))),
        _ => Filter(column("small").is_null(), Rc::new(|_: &Row| Some(false))),
    });
    prop_oneof![floats, singles, mixed, texts, numbers, halves, smalls, flags, times, nulls].boxed()
}

fn condition() -> BoxedStrategy<Filter> {
    let node = leaf().prop_recursive(3, 12, 2, |inner| {
        let both = (inner.clone(), inner.clone(), any::<bool>());
        let both = both.prop_map(|(Filter(one, of_one), Filter(other, of_other), is_and)| {
            let decides = !is_and;
            let model = move |row: &Row| match (of_one(row), of_other(row)) {
                (Some(known), _) | (_, Some(known)) if known == decides => Some(decides),
                (None, _) | (_, None) => None,
                _ => Some(!decides),
            };
            Filter(if is_and { one.and(other) } else { one.or(other) }, Rc::new(model))
        });
        let not = inner
            .prop_map(|Filter(of, model)| Filter(of.not(), Rc::new(move |row: &Row| model(row).map(|known| !known))));
        prop_oneof![both, not]
    });
    node.boxed()
}

/// The same rows in small row groups and pages, with statistics that are cut, or not there.
fn as_others_write(file: Bytes, rows: usize, cut: Option<usize>, statistics: usize) -> Bytes {
    let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_batch_size(1_000).build().unwrap();
    let statistics = [EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page][statistics];
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows * 3))
        .set_data_page_row_count_limit(rows)
        .set_write_batch_size(1)
        .set_statistics_enabled(statistics)
        .set_statistics_truncate_length(cut)
        .set_column_index_truncate_length(cut)
        .build();
    let batches: Vec<_> = batches.map(|batch| batch.unwrap()).collect();
    let mut out = vec![];
    let mut writer = ArrowWriter::try_new(&mut out, batches[0].schema(), Some(properties)).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
    out.into()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_filter_gives_what_it_gives_without_pruning(
        rows in vec(row(), 1..60), sorted in any::<bool>(), others in 0..4_usize, page in 1..6_usize,
        cut in proptest::option::of(1..6_usize), condition in condition(), from in 0..60_u64,
    ) {
        let Filter(condition, model) = condition;
        let mut rows = rows;
        if sorted {
            rows.sort_by(|one, other| one.number.cmp(&other.number).then(one.single.total_cmp(&other.single)));
        }
        rows.iter_mut().zip(0..).for_each(|(row, n)| row.n = n);
        let format = Parquet::<Row>::new().row_group_bytes(1);
        let own = written(&format, &rows);
        let file = if others == 3 { own } else { as_others_write(own, page, cut, others) };
        let expected: Vec<_> = rows.iter().filter(|row| model(row) == Some(true)).map(|row| (u64::from(row.n), Ok(row.clone()))).collect();
        let pruned = format.clone().rows_where(condition.clone());
        let looked = format.look_at_all_rows().rows_where(condition);
        let of = |format: &Parquet<Row>| all(format, file.clone());
        prop_assert_eq!(&of(&looked), &expected);
        prop_assert_eq!(&of(&pruned), &expected);
        let mut table = open(&pruned, file.clone()).unwrap();
        let end = rows.len() as u64;
        let mut parts = range(&mut *table, from.min(end), end);
        parts.splice(0..0, range(&mut *table, 0, from.min(end)));
        prop_assert_eq!(&parts, &expected, "from the middle on, and then the rest");
    }
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Odd {
    ratio: Option<f64>,
    text: Option<String>,
    number: Option<i64>,
}

#[test]
fn statistics_of_another_writer_and_none_at_all_give_the_same() {
    let numbers = [-1.0, -0.0, 0.0, 1.0, 2.0, 5.0, f64::NAN, f64::INFINITY];
    let texts = ["", "a", "aa", "b", "m", "z", "zz"];
    let mut conditions = vec![column("ratio").is_null(), column("text").is_null().not()];
    for number in numbers {
        let all = [
            column("ratio").is(number),
            column("ratio").is_not(number),
            column("ratio").less_than(number),
            column("ratio").at_least(number),
            column("ratio").at_most(number).not(),
            column("number").more_than(number),
        ];
        conditions.extend(all);
    }
    for text in texts {
        conditions.extend([column("text").is(text), column("text").less_than(text), column("text").at_least(text)]);
    }
    let shown =
        |rows: Vec<(u64, Result<Odd, String>)>| rows.into_iter().map(|row| format!("{row:?}")).collect::<Vec<_>>();
    for condition in conditions {
        let pruned = Parquet::<Odd>::new().rows_where(condition.clone());
        let looked = pruned.clone().look_at_all_rows();
        let expected = shown(all(&looked, data("odd-without-statistics.parquet")));
        for name in ["odd-with-statistics.parquet", "odd-without-statistics.parquet"] {
            assert_eq!(shown(all(&pruned, data(name))), expected, "{name}: {condition:?}");
        }
    }
}

/// A file that counts the bytes that are read of it.
struct Counted {
    file: Bytes,
    read: Arc<AtomicU64>,
}

impl ReadAt for Counted {
    fn len(&self) -> u64 {
        self.file.len() as u64
    }

    fn read_at(&self, from: u64, length: usize) -> io::Result<Bytes> {
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        self.file.read_at(from, length)
    }
}

#[test]
fn what_is_not_asked_for_is_not_read() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Line {
        n: u64,
        text: String,
    }
    let lines: Vec<Line> =
        (0..200_000).map(|n| Line { n, text: format!("{n} {}", n.wrapping_mul(0x9e37_79b9)) }).collect();
    let file = written(&Parquet::new().row_group_bytes(300_000), &lines);
    let (read, last) = (Arc::new(AtomicU64::new(0)), Cell::new(0));
    let counted = |file: &Bytes| Arc::new(Counted { file: file.clone(), read: Arc::clone(&read) });
    let bytes = |what: &dyn Fn()| {
        read.store(0, Ordering::Relaxed);
        what();
        last.set(read.load(Ordering::Relaxed));
        last.get()
    };
    let count = |format: &Parquet<Line>| {
        let mut table = format.table(counted(&file)).unwrap().unwrap();
        let rows = table.rows();
        range(&mut *table, 0, rows).len()
    };
    let whole = bytes(&|| assert_eq!(count(&Parquet::new()), 200_000));
    let few = bytes(&|| {
        let wanted = column("n").at_least(123_000_u64).and(column("n").less_than(123_010_u64));
        assert_eq!(count(&Parquet::new().rows_where(wanted)), 10);
    });
    assert!(few < whole / 10, "{few} of {whole} bytes: a filter leaves row groups unread");
    #[derive(Debug, PartialEq, Deserialize)]
    struct Number {
        n: u64,
    }
    let column_alone = bytes(&|| {
        let mut table = Parquet::<Number>::new().table(counted(&file)).unwrap().unwrap();
        assert_eq!(range(&mut *table, 0, 200_000).len(), 200_000);
    });
    assert!(column_alone < whole / 2, "{column_alone} of {whole} bytes: a column that nobody asks for is not read");
    let end = bytes(&|| {
        let mut table = Parquet::<Line>::new().table(counted(&file)).unwrap().unwrap();
        assert_eq!(range(&mut *table, 199_990, 200_000).len(), 10);
    });
    assert!(end < whole / 10, "{end} of {whole} bytes: the end is read from a row group, and not from the beginning");
}

#[test]
fn a_filter_that_does_not_go_with_the_columns_is_told_before_the_first_row() {
    let format = || Parquet::<Odd>::new();
    let text = told(&format().rows_where(column("price").is(1)), data("odd-with-statistics.parquet"));
    assert_eq!(text, "it has no column \"price\", by which rows are wanted");
    let text = told(&format().rows_where(column("text").is(1)), data("odd-with-statistics.parquet"));
    assert_eq!(text, "it has a column \"text\" of texts, which is compared with an integer");
    let text = told(&format().rows_where(column("local").is(Timestamp::EPOCH)), data("duckdb.parquet"));
    assert_eq!(text, "it has a column \"local\" of times without a zone, which is compared with an instant");
}
