//! Records of objects with where they come from, and fields from the key.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::{all, bucket, discover, gzip, put, read};
use firesteel_connect::{Epoch, ReadRange, Resumed, Sink, SinkContext, Source, SourceContext, SourceReader, WriteTask};
use firesteel_connect_object_store::{ObjectSink, Objects};
use firesteel_formats::{OnBoth, Sourced};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sale {
    city: String,
    amount: i64,
}

fn places(records: &[Sourced<Sale>]) -> Vec<(Option<u64>, Option<u64>)> {
    records.iter().map(|record| (record.origin.byte(), record.origin.line())).collect()
}

const TEXT: &str = "{\"amount\":1}\n\n{\"amount\":2}\n{\"amount\":3}\n";
const BYTES: [u64; 3] = [0, 14, 27];

#[test]
fn records_have_the_key_the_byte_and_the_line_plain_and_packed_before_and_after_a_restart() {
    for (key, bytes) in [("city=Oslo/a.ndjson", TEXT.into()), ("city=Oslo/a.ndjson.gz", gzip(TEXT.as_bytes()))] {
        let packed = key.ends_with("gz");
        let bucket = bucket();
        put(&bucket, &format!("sales/{key}"), bytes);
        let objects = || Objects::json::<Sale>(&bucket, "sales").with_path_columns().with_origin();
        let source = objects();
        source.start(&SourceContext::default()).unwrap();
        let split = discover(&source, 0).unwrap().splits.remove(0).id;
        let (records, _) = read(&source, &split, 0).unwrap();
        assert_eq!(places(&records), [(Some(0), Some(1)), (Some(14), Some(3)), (Some(27), Some(4))]);
        assert_eq!(records[0].origin.path(), format!("sales/{key}"));
        assert_eq!((records[0].record.city.as_str(), records[0].origin.column("city")), ("Oslo", Some("Oslo")));
        assert!(records[0].origin.modified().is_some_and(|at| at > common::at(1_600_000_000)));

        // By readers that are handed on, by new ones, and in a process that begins in the middle.
        let mut handed_on = None;
        let again = objects();
        let note = source.notes(&[(split.clone(), 14)]).unwrap().pop().map(|(_, note)| note);
        again.start(&SourceContext::default().resumed_at(vec![Resumed::at(split.clone(), 14).noted(note)])).unwrap();
        let mut at = 0;
        for (record, byte) in records.iter().zip(BYTES) {
            let range = ReadRange::starting_at(split.clone(), at).max_records(1);
            let mut reader = match handed_on.take() {
                Some(reader) => source.reopen(reader, &range).unwrap(),
                None => source.open(&range).unwrap(),
            };
            let found = reader.next_record().unwrap().unwrap();
            assert!(reader.next_record().unwrap().is_none());
            assert_eq!((&found.record, found.origin.byte()), (&record.record, Some(byte)));
            let is_known = packed || at == 0;
            assert_eq!(found.origin.line(), record.origin.line().filter(|_| is_known), "{key} at {at}");
            for source in [&source, &again] {
                assert_eq!(
                    source.open(&range).unwrap().next_record().unwrap().as_ref(),
                    Some(&found),
                    "whoever reads it"
                );
            }
            at = reader.position();
            handed_on = reader.is_reusable().then_some(reader);
        }
    }
}

#[test]
fn a_key_is_decoded_and_what_both_say_is_compared() {
    let bucket = bucket();
    let put = |key: &str, text: &str| {
        let key = firesteel_connect_object_store::object_store::path::Path::parse(key).unwrap();
        put(&bucket, key.as_ref(), text);
    };
    put("sales/city=Köln/a.ndjson", "{\"amount\":1}\n");
    put("sales/city=__HIVE_DEFAULT_PARTITION__/a.ndjson", "{\"amount\":2}\n");
    let sale = |city: &str, amount| Sale { city: city.to_owned(), amount };
    let mut found = all(&Objects::json::<Sale>(&bucket, "sales").with_path_columns());
    found.sort_by_key(|sale| sale.amount);
    assert_eq!(found, [sale("Köln", 1), sale("", 2)]);

    put("both/city=Oslo/a.ndjson", "{\"amount\":1,\"city\":\"Oslo\"}\n{\"amount\":2,\"city\":\"Bern\"}\n");
    let source = Objects::json::<Sale>(&bucket, "both").with_path_columns();
    source.start(&SourceContext::default()).unwrap();
    let split = discover(&source, 0).unwrap().splits.remove(0).id;
    let mut reader = source.open(&ReadRange::starting_at(split, 0)).unwrap();
    assert_eq!(reader.next_record().unwrap(), Some(sale("Oslo", 1)));
    let refused = reader.next_record().unwrap_err().to_string();
    assert!(refused.contains("`city` is \"Oslo\" in the path of the file and \"Bern\" in the file"), "{refused}");
    for (both, due) in [(OnBoth::Path, "Oslo"), (OnBoth::File, "Bern")] {
        let found = all(&Objects::json::<Sale>(&bucket, "both").with_path_columns_by(both));
        assert_eq!(found, [sale("Oslo", 1), sale(due, 2)]);
    }
}

#[test]
fn a_value_that_the_type_refuses_refuses_the_object() {
    #[derive(Debug, Deserialize)]
    struct Numbered {
        #[allow(dead_code, reason = "only whether it is read is looked at")]
        city: u32,
    }
    let bucket = bucket();
    put(&bucket, "sales/city=Oslo/a.ndjson", "{\"amount\":1}\n");
    let source = Objects::json::<Numbered>(&bucket, "sales").with_path_columns();
    let at_start = source.start(&SourceContext::default()).unwrap_err();
    let split = discover(&source, 0).unwrap().splits.remove(0).id;
    for error in [at_start, source.open(&ReadRange::starting_at(split, 0)).unwrap_err()] {
        let error = error.to_string();
        assert!(error.starts_with("FS-N020: sales/city=Oslo/a.ndjson") && error.contains("city"), "{error}");
    }
}

#[test]
fn what_a_sink_of_ours_writes_by_columns_comes_back_equal() {
    let cities = ["Oslo", "", "a/b", "..", "x=y", "50%", "%41", "Köln", "a b", "__HIVE_DEFAULT_PARTITION__", "01"];
    let sales: Vec<Sale> = (0..33).map(|n| Sale { city: cities[n % 11].to_owned(), amount: n as i64 }).collect();
    let bucket = bucket();
    let sink = ObjectSink::json::<Sale>(&bucket, "out").partitioned_by("city", |sale: &Sale| sale.city.clone());
    sink.start(&SinkContext::default()).unwrap();
    let mut pending = vec![sink.write(WriteTask::new(Epoch(1), 0), sales.iter().cloned()).unwrap()];
    sink.commit(Epoch(1), &mut pending).unwrap();
    let sorted = |mut found: Vec<Sale>| {
        found.sort_by_key(|sale| sale.amount);
        found
    };
    assert_eq!(sorted(all(&Objects::json::<Sale>(&bucket, "out").with_path_columns())), sales);
    assert_eq!(sorted(all(&Objects::json::<Sale>(&bucket, "out").with_path_columns_by(OnBoth::Path))), sales);
}

#[cfg(feature = "parquet")]
#[test]
fn a_row_of_a_table_has_its_number_and_the_columns_of_the_key() {
    use firesteel_formats::{Parquet, WriteFormat, Writing};

    #[derive(Serialize, Deserialize)]
    struct Amount {
        amount: i64,
    }
    let parquet = Parquet::<Amount>::new().row_group_bytes(100);
    let (mut writing, mut file) = (WriteFormat::<Amount>::begin(&parquet), vec![]);
    for amount in 0..100 {
        writing.write(&Amount { amount }, &mut file).unwrap();
    }
    Writing::<Amount>::end(&mut writing, &mut file).unwrap();
    let bucket = bucket();
    put(&bucket, "sales/city=Oslo/a.parquet", file);
    let source = Objects::parquet::<Sale>(&bucket, "sales").with_path_columns().with_origin();
    source.start(&SourceContext::default()).unwrap();
    let split = discover(&source, 0).unwrap().splits.remove(0).id;
    for from in [0, 1, 50, 99] {
        let (records, _) = read(&source, &split, from).unwrap();
        assert_eq!(records.len() as u64, 100 - from);
        for record in records {
            assert_eq!((record.origin.row(), record.origin.byte()), (Some(record.record.amount as u64), None));
            assert_eq!((record.record.city.as_str(), record.origin.path()), ("Oslo", "sales/city=Oslo/a.parquet"));
        }
    }
}
