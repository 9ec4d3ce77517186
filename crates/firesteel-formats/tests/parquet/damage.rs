//! Files that are cut off or damaged: an error or other values, never a panic, and nothing reserved that a file made up.

use bytes::Bytes;
use firesteel_formats::{Format, Parquet, TableError, column};
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
