//! What a sink of ours writes into folders comes back equal.

use std::path::Path;

use firesteel_connect::{Epoch, Sink, SinkContext, Source, WriteTask};
use firesteel_connect_file::{FileSink, Files};
use firesteel_formats::{Avro, WriteFormat};
use serde::{Deserialize, Serialize};

use crate::common::published;

#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize)]
struct Sale {
    country: String,
    day: Option<u32>,
    pieces: i64,
}

/// What is left of it where the path says the rest.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pieces {
    pieces: i64,
}

const COUNTRIES: [&str; 14] = [
    "DE",
    "",
    "a/b",
    "..",
    "x=y",
    "50%",
    "%41",
    "Köln",
    "a+b c",
    "__HIVE_DEFAULT_PARTITION__",
    "\n",
    "01",
    "null",
    "\u{fffd}",
];

fn sales() -> Vec<Sale> {
    let sale = |n: i64| Sale {
        country: COUNTRIES[(n % 14) as usize].to_owned(),
        day: (n % 3 > 0).then_some((n % 3) as u32),
        pieces: n,
    };
    (0..84).map(sale).collect()
}

const SCHEMA: &str = r#"{"type": "record", "name": "Sale", "fields": [{"name": "country", "type": "string"},
    {"name": "day", "type": ["null", "long"]}, {"name": "pieces", "type": "long"}]}"#;
const PIECES: &str = r#"{"type": "record", "name": "Pieces", "fields": [{"name": "pieces", "type": "long"}]}"#;

fn shown(day: Option<u32>) -> String {
    day.map(|day| day.to_string()).unwrap_or_default()
}

fn write<T, W, R>(folder: &Path, format: W, records: &[Sale], make: impl Fn(&Sale) -> T, back: R)
where
    T: Clone + Send + Sync + 'static,
    W: WriteFormat<(Sale, T)>,
    R: FnOnce(),
{
    let sink = FileSink::new(folder).in_format(format);
    let sink = sink.partitioned_by("country", |it: &(Sale, T)| it.0.country.clone());
    let sink = sink.partitioned_by("day", |it: &(Sale, T)| shown(it.0.day));
    sink.start(&SinkContext::default()).unwrap();
    let records = records.iter().map(|sale| (sale.clone(), make(sale)));
    let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), records).unwrap()];
    sink.commit(Epoch(1), &mut pending).unwrap();
    back();
}

/// Writes the second of two.
struct Second<W>(W);
struct WritingSecond<W>(W);

impl<A: 'static, T, W: WriteFormat<T>> WriteFormat<(A, T)> for Second<W> {
    type Writing = WritingSecond<W::Writing>;

    fn extension(&self) -> &'static str {
        self.0.extension()
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn begin(&self) -> Self::Writing {
        WritingSecond(self.0.begin())
    }
}

impl<A, T, W: firesteel_formats::Writing<T>> firesteel_formats::Writing<(A, T)> for WritingSecond<W> {
    fn write(&mut self, record: &(A, T), out: &mut Vec<u8>) -> Result<(), firesteel_connect::Unencodable> {
        self.0.write(&record.1, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), firesteel_connect::Unencodable> {
        self.0.end(out)
    }
}

fn sorted(mut sales: Vec<Sale>) -> Vec<Sale> {
    sales.sort_by_key(|sale| sale.pieces);
    sales
}

fn equal<S: Source<Item = Sale>>(folder: &Path, source: impl Fn(&Path) -> S, what: &str) {
    assert_eq!(sorted(published(folder, source)), sales(), "{what}");
}

#[test]
fn whatever_is_in_the_columns_all_comes_back_from_the_path_from_both_and_from_the_file() {
    let place = tempfile::tempdir().unwrap();
    let (json, csv) = (firesteel_formats::Json::<Sale>::new(), firesteel_formats::Csv::<Sale>::new());
    let parquet = firesteel_formats::Parquet::<Sale>::new();
    let (json_of, csv_of) = (firesteel_formats::Json::<Pieces>::new(), firesteel_formats::Csv::<Pieces>::new());
    let (avro, avro_of) = (Avro::<Sale>::new().written_as(SCHEMA), Avro::<Pieces>::new().written_as(PIECES));
    let parquet_of = firesteel_formats::Parquet::<Pieces>::new();
    let (whole, part) = (|sale: &Sale| sale.clone(), |sale: &Sale| Pieces { pieces: sale.pieces });
    let at = |name: &str| place.path().join(name);

    let folder = at("json");
    write(&folder, Second(json.write_lines()), &sales(), whole, || {
        equal(&folder, |path| Files::json(path).with_path_columns(), "JSON, both");
        equal(&folder, |path| Files::json(path), "JSON, the file");
    });
    let folder = at("json-of");
    write(&folder, Second(json_of.write_lines()), &sales(), part, || {
        equal(&folder, |path| Files::json(path).with_path_columns(), "JSON, the path");
    });
    let folder = at("csv");
    write(&folder, Second(csv), &sales(), whole, || {
        equal(&folder, |path| Files::csv(path).with_path_columns(), "CSV, both");
        equal(&folder, |path| Files::csv(path), "CSV, the file");
    });
    let folder = at("csv-of");
    write(&folder, Second(csv_of), &sales(), part, || {
        equal(&folder, |path| Files::csv(path).with_path_columns(), "CSV, the path");
    });
    let folder = at("parquet");
    write(&folder, Second(parquet), &sales(), whole, || {
        equal(&folder, |path| Files::parquet(path).with_path_columns(), "Parquet, both");
        equal(&folder, |path| Files::parquet(path), "Parquet, the file");
    });
    let folder = at("parquet-of");
    write(&folder, Second(parquet_of), &sales(), part, || {
        equal(&folder, |path| Files::parquet(path).with_path_columns(), "Parquet, the path");
    });
    let read = || Avro::<Sale>::new();
    let folder = at("avro");
    write(&folder, Second(avro), &sales(), whole, || {
        equal(&folder, |path| Files::new(path).in_format(read()).with_path_columns(), "Avro, both");
        equal(&folder, |path| Files::new(path).in_format(read()), "Avro, the file");
    });
    let folder = at("avro-own");
    write(&folder, Second(read()), &sales(), whole, || {
        equal(&folder, |path| Files::avro(path).with_path_columns(), "Avro by the type, both");
        equal(&folder, |path| Files::avro(path), "Avro by the type, the file");
    });
    let folder = at("avro-own-of");
    write(&folder, Second(Avro::<Pieces>::new()), &sales(), part, || {
        equal(&folder, |path| Files::avro(path).with_path_columns(), "Avro by the type, the path");
    });
    let folder = at("avro-of");
    write(&folder, Second(avro_of), &sales(), part, || {
        equal(&folder, |path| Files::new(path).in_format(read()).with_path_columns(), "Avro, the path");
    });
}
