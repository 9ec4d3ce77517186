//! Files that are cut off or damaged: an error or other values, never a panic, and nothing reserved that a file made up.

use bytes::Bytes;
use firesteel_formats::{Format, Parquet, Table, TableError, column};
use proptest::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::open;
use super::round_trips::{Wide, wide};
use super::types::data;
use super::written;

/// Reads all that there is. Returns how many rows there were before an error, if there was one.
fn read<F: Format>(format: &F, file: Bytes) -> (u64, Result<(), TableError>) {
    let mut table = match open(format, file) {
        Ok(table) => table,
        Err(error) => return (0, Err(error)),
    };
    let (mut at, rows) = (0, table.rows());
    loop {
        match table.row(at, rows) {
            Ok(Some(row)) => at = row.at + 1,
            Ok(None) => return (at, Ok(())),
            Err(error) => return (at, Err(error)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only read")]
struct Some3 {
    large: u64,
    text: Option<String>,
    list: Option<Vec<Option<IgnoredAny>>>,
}

#[test]
fn a_file_that_is_cut_anywhere_is_unfinished() {
    for name in ["duckdb.parquet", "pyarrow.v2.gzip.parquet"] {
        let whole = data(name);
        for cut in 0..whole.len() {
            let (rows, error) = read(&Parquet::<Some3>::new(), whole.slice(..cut));
            let error = error.unwrap_err();
            assert!(matches!(error, TableError::Unfinished(_)), "{name}, {cut}: {error}");
            assert_eq!(rows, 0);
        }
        assert_eq!(read(&Parquet::<Some3>::new(), whole).0, 8);
    }
    for other in [&b"{\"a\":1}\n{\"a\":2}\n{\"a\":3}"[..], b"", &[0; 100]] {
        assert!(matches!(read(&Parquet::<Some3>::new(), other.into()).1, Err(TableError::Unfinished(_))));
    }
    assert!(matches!(
        read(&Parquet::<Some3>::new(), [&[0; 100][..], b"PARE"].concat().into()).1,
        Err(TableError::Damaged(_))
    ));
}

#[test]
fn every_byte_of_a_file_may_be_another() {
    let filtered = Parquet::<Some3>::new().rows_where(column("large").at_least(1_u64));
    for name in ["duckdb.parquet", "pyarrow.v2.lz4.parquet", "pyarrow.v1.snappy.parquet"] {
        let whole = data(name);
        for at in 0..whole.len() {
            for change in [1, 0x80, 0xff] {
                let mut other = whole.to_vec();
                other[at] ^= change;
                let other = Bytes::from(other);
                let (rows, _) = read(&Parquet::<Some3>::new(), other.clone());
                assert!(rows <= 8 || at > whole.len() - 5_000, "{name}, {at}: {rows}");
                if change == 0xff {
                    let _ = read(&filtered, other);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn rubbish_in_place_of_some_bytes_is_no_panic(
        records in proptest::collection::vec(wide(), 1..20),
        rubbish in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = written(&Parquet::<Wide>::new(), &records).to_vec();
        for (at, byte) in rubbish {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let _ = read(&Parquet::<Wide>::new(), file.into());
    }
}

#[derive(Debug, Clone, PartialEq, serde::Serialize, Deserialize)]
struct Sale {
    number: u64,
    shop: String,
    price: f64,
}

#[derive(Debug, Deserialize)]
#[allow(dead_code, reason = "only read")]
struct Price {
    price: f64,
}

fn read_all<T: serde::de::DeserializeOwned + Send + 'static>(file: Bytes) -> (u64, Result<(), TableError>) {
    read(&Parquet::<T>::new(), file)
}

fn sale(number: u64) -> Sale {
    Sale { number, shop: format!("shop {}", number * 7_919 % 1_000), price: number as f64 / 7.0 }
}

/// A file of 20,000 rows in row groups of some 5,000, each column of each in pages of 1,000, with
/// a note of where these are or without, where the page of a column that has this row holds something else.
fn damaged(row: usize, column: &str, with_index: bool) -> (Bytes, std::ops::Range<u64>) {
    use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt64Array};
    use parquet::arrow::ArrowWriter;
    use parquet::file::properties::{EnabledStatistics, WriterProperties};
    use parquet::file::reader::{FileReader, SerializedFileReader};

    let sales: Vec<Sale> = (0..20_000).map(sale).collect();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("number", std::sync::Arc::new(UInt64Array::from_iter_values(sales.iter().map(|sale| sale.number)))),
        ("shop", std::sync::Arc::new(StringArray::from_iter_values(sales.iter().map(|sale| &sale.shop)))),
        ("price", std::sync::Arc::new(Float64Array::from_iter_values(sales.iter().map(|sale| sale.price)))),
    ];
    let properties = WriterProperties::builder()
        .set_compression(parquet::basic::Compression::GZIP(Default::default()))
        .set_max_row_group_row_count(Some(5_000))
        .set_data_page_row_count_limit(1_000)
        .set_write_batch_size(500)
        .set_dictionary_enabled(false)
        .set_statistics_enabled(if with_index { EnabledStatistics::Page } else { EnabledStatistics::None })
        .set_offset_index_disabled(!with_index)
        .build();
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(vec![], batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    let mut bytes = writer.into_inner().unwrap();
    let reader = SerializedFileReader::new(Bytes::from(bytes.clone())).unwrap();
    let group = row / 5_000;
    let chunk = reader.metadata().row_group(group);
    let chunk = chunk.columns().iter().find(|chunk| chunk.column_path().string() == column).unwrap();
    let (start, length) = chunk.byte_range();
    // The pages are of about equal size.
    let page = row % 5_000 / 1_000;
    let (start, length) = (start as usize, length as usize / 5);
    let middle = start + page * length + length / 2;
    bytes[middle..middle + 200].fill(0xff);
    let first = (group * 5_000 + page * 1_000) as u64;
    (bytes.into(), first..first + 1_000)
}

/// The rows of `[from, to)` that can be read, and those that cannot.
fn salvaged(table: &mut dyn Table<Sale>, from: u64, to: u64) -> (Vec<Sale>, Vec<std::ops::Range<u64>>) {
    let (mut at, mut read, mut lost) = (from, vec![], vec![]);
    loop {
        match table.row(at, to) {
            Ok(Some(row)) => {
                at = row.at + 1;
                read.push(row.item.unwrap());
            }
            Ok(None) => return (read, lost),
            Err(TableError::Rows { rows, reason }) => {
                assert!(rows.start >= at && rows.end > rows.start && rows.end <= to && !reason.is_empty(), "{rows:?}");
                at = rows.end;
                lost.push(rows);
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_damaged_page_costs_its_own_rows_whoever_asks_for_which() {
    for with_index in [true, false] {
        for (row, name) in [(0, "number"), (2_500, "shop"), (4_999, "price"), (12_345, "shop"), (19_999, "number")] {
            let (file, page) = damaged(row, name, with_index);
            let place = format!("{name}, {page:?}, {with_index}");
            let all = Parquet::<Sale>::new();
            let (read, lost) = salvaged(&mut *open(&all, file.clone()).unwrap(), 0, 20_000);
            let numbers: Vec<u64> = read.iter().map(|sale| sale.number).collect();
            let wanted: Vec<u64> = (0..20_000).filter(|number| !page.contains(number)).collect();
            let missing = wanted.iter().filter(|number| !numbers.contains(number)).count();
            assert_eq!(missing, 0, "{place}: lost {lost:?}");
            assert!(read.iter().all(|row| *row == sale(row.number)), "{place}");
            let given_up: u64 = lost.iter().map(|rows| rows.end - rows.start).sum();
            assert_eq!(read.len() as u64 + given_up, 20_000, "{place}: each row is read or told");
            // In any cuts and any order, with a table for each and with one for all.
            let mut one = open(&all, file.clone()).unwrap();
            for cut in [1_u64, 333, 1_024, 4_096, 7_777] {
                let mut parts: Vec<(u64, u64)> = (0..20_000_u64)
                    .step_by(cut.max(200) as usize)
                    .map(|from| (from, (from + cut.max(200)).min(20_000)))
                    .collect();
                if cut == 333 {
                    parts.reverse();
                }
                let mut numbers = vec![];
                for (from, to) in parts {
                    let (read, _) = if cut == 7_777 {
                        salvaged(&mut *open(&all, file.clone()).unwrap(), from, to)
                    } else {
                        salvaged(&mut *one, from, to)
                    };
                    numbers.extend(read.into_iter().map(|sale| sale.number));
                }
                numbers.sort_unstable();
                let same: Vec<u64> = read.iter().map(|sale| sale.number).collect();
                assert_eq!(numbers, same, "{place}, cut {cut}");
            }
            // A filter gives of these what it asks for, with pruning and without.
            for prunes in [true, false] {
                let some = Parquet::<Sale>::new().rows_where(column("number").at_least(2_000_u64));
                let some = if prunes { some } else { some.look_at_all_rows() };
                let (filtered, _) = salvaged(&mut *open(&some, file.clone()).unwrap(), 0, 20_000);
                let expected: Vec<&Sale> = read.iter().filter(|sale| sale.number >= 2_000).collect();
                assert_eq!(filtered.iter().collect::<Vec<_>>(), expected, "{place}, {prunes}");
            }
            if name != "price" {
                // Who does not ask for the column does not miss it.
                assert!(matches!(read_all::<Price>(file), (20_000, Ok(()))), "{place}");
            }
        }
    }
}

#[test]
fn what_is_damaged_and_has_a_checksum_is_never_read_as_another_value() {
    #[derive(Debug, Deserialize)]
    struct Summed {
        number: u64,
        ratio: f64,
    }
    let whole = data("checksums.parquet");
    for at in (100..whole.len() - 3_000).step_by(997) {
        let mut other = whole.to_vec();
        other[at] ^= 0x10;
        let (format, mut at, mut rows) = (Parquet::<Summed>::new(), 0, 0);
        let mut table = open(&format, other.into()).unwrap();
        while at < 6_000 {
            match table.row(at, 6_000) {
                Ok(Some(row)) => {
                    let item = row.item.unwrap();
                    assert_eq!((item.number, item.ratio), (row.at, row.at as f64 / 7.0));
                    (at, rows) = (row.at + 1, rows + 1);
                }
                Ok(None) => break,
                Err(TableError::Rows { rows, .. }) => at = rows.end,
                Err(error) => panic!("{error}"),
            }
        }
        assert!((2_500..6_000).contains(&rows), "{rows} rows of 6,000: some pages of a row group are damaged");
    }
}

/// A file that cannot be read at some call.
struct Failing {
    file: Bytes,
    calls: std::sync::atomic::AtomicU64,
    fails: u64,
}

impl firesteel_formats::ReadAt for Failing {
    fn len(&self) -> u64 {
        self.file.len() as u64
    }

    fn read_at(&self, from: u64, length: usize) -> std::io::Result<Bytes> {
        let call = self.calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if call == self.fails {
            return Err(std::io::Error::other("the network is down"));
        }
        self.file.read_at(from, length)
    }
}

#[test]
fn that_a_file_cannot_be_read_for_a_moment_is_never_taken_for_damage() {
    for file in [damaged(2_500, "shop", true).0, damaged(7_000, "number", false).0] {
        let format = Parquet::<Sale>::new();
        let expected = salvaged(&mut *open(&format, file.clone()).unwrap(), 0, 20_000);
        let mut is_over = false;
        for fails in (0..).step_by(7) {
            let failing = std::sync::Arc::new(Failing { file: file.clone(), calls: Default::default(), fails });
            let mut table = match format.table(std::sync::Arc::clone(&failing) as _).unwrap() {
                Ok(table) => table,
                Err(error) => {
                    assert!(matches!(error, TableError::Io(_)), "{error}");
                    continue;
                }
            };
            let (mut at, mut read, mut lost) = (0, vec![], vec![]);
            loop {
                match table.row(at, 20_000) {
                    Ok(Some(row)) => {
                        at = row.at + 1;
                        read.push(row.item.unwrap());
                    }
                    Ok(None) => break,
                    Err(TableError::Rows { rows, .. }) => {
                        at = rows.end;
                        lost.push(rows);
                    }
                    // Whoever asks again opens it anew.
                    Err(TableError::Io(_)) => table = open(&format, file.clone()).unwrap(),
                    Err(error) => panic!("{error}"),
                }
            }
            assert_eq!(
                (read.len(), lost.iter().map(|rows| rows.end - rows.start).sum::<u64>()),
                (expected.0.len(), expected.1.iter().map(|rows| rows.end - rows.start).sum::<u64>()),
                "call {fails}"
            );
            assert!(read == expected.0, "call {fails}");
            is_over = failing.calls.load(std::sync::atomic::Ordering::Relaxed) <= fails;
            if is_over {
                break;
            }
        }
        assert!(is_over);
    }
}
