//! Fields from the path of a file.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use firesteel_connect::{ConnectError, Source, SourceContext, SourceReader};
use firesteel_connect_file::Files;
use firesteel_formats::{
    Avro, ByPath, Csv, Format, Json, Lines, Multiline, OnBoth, Parquet, Pattern, WriteFormat, Writing,
};
use firesteel_window::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::common::{discover, from, gzip};

/// What is in a file: a sale, with or without its day.
#[derive(Debug, Serialize, Deserialize)]
struct Amount {
    amount: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sale {
    day: String,
    amount: f64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Numbered {
    day: u32,
    amount: f64,
}

/// A record, or why there is none.
type Records<T> = Vec<Result<T, String>>;

/// All records of a source; outside, why a file is refused as a whole.
fn all<S: Source>(source: &S) -> Result<Records<S::Item>, String> {
    source.start(&SourceContext::default()).map_err(|error| error.to_string())?;
    let mut records = vec![];
    for split in discover(source).unwrap().splits {
        let mut reader = source.open(&from(&split.id, 0)).map_err(|error| {
            assert!(matches!(error, ConnectError::Mismatch { .. }), "{error}");
            error.to_string()
        })?;
        loop {
            match reader.next_record() {
                Ok(Some(record)) => records.push(Ok(record)),
                Ok(None) => break,
                Err(ConnectError::Malformed { reason, .. }) => records.push(Err(reason)),
                Err(error) => panic!("{error}"),
            }
        }
    }
    Ok(records)
}

/// A file of this record in each format, in a folder of this name.
struct Tree {
    folder: tempfile::TempDir,
    below: String,
}

const FORMATS: [&str; 9] = ["csv", "lines", "ndjson", "values", "array", "pattern", "trace", "parquet", "avro"];

fn encoded<T, W: WriteFormat<T>>(format: &W, record: &T) -> Vec<u8> {
    let (mut writing, mut file, mut out) = (format.begin(), vec![], vec![]);
    writing.write(record, &mut file).unwrap();
    writing.end(&mut out).unwrap();
    file.append(&mut out);
    file
}

impl Tree {
    fn new(below: &str) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), below: below.to_owned() }
    }

    fn put(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let folder = self.folder.path().join(&self.below);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
        folder.join(name)
    }

    /// `T` has fields `amount` and perhaps `day`; as text, `day` is `shown`.
    fn with<T: Serialize + DeserializeOwned + Send + 'static>(
        self,
        record: &T,
        shown: Option<&str>,
        avro: &str,
    ) -> Self {
        let json = serde_json::to_string(record).unwrap();
        self.put("a.csv", encoded(&Csv::<T>::new(), record));
        self.put("a.lines", encoded(&Csv::<T>::new(), record));
        self.put("a.ndjson", format!("{json}\n"));
        self.put("a.values", serde_json::to_string_pretty(record).unwrap());
        self.put("a.array", format!("[{json}]"));
        let amount = serde_json::to_value(record).unwrap()["amount"].to_string();
        let line = shown.map_or_else(|| format!("sold {amount}"), |day| format!("{day}: sold {amount}"));
        self.put("a.pattern", format!("{line}\n"));
        self.put("a.trace", format!("{line}\n  at once\n"));
        self.put("a.parquet", encoded(&Parquet::<T>::new(), record));
        let day = if avro.is_empty() { String::new() } else { format!("{{\"name\": \"day\", \"type\": {avro}}},") };
        let schema = format!(
            "{{\"type\": \"record\", \"name\": \"Sold\", \"fields\": [{day} {{\"name\": \"amount\", \"type\": \"double\"}}]}}"
        );
        self.put("a.avro", encoded(&Avro::<T>::new().written_as(&schema), record));
        self
    }

    /// What is read of the file in this format, with and without an origin.
    fn read<T>(&self, format: &str, both: OnBoth) -> Result<Records<T>, String>
    where
        T: DeserializeOwned + Send + Debug + PartialEq + Clone + 'static,
    {
        let path = self.folder.path().join(&self.below).join(format!("a.{format}"));
        let pattern = || Pattern::<T>::new(r"(?s)((?<day>\S+): )?sold (?<amount>\S+).*");
        match format {
            "csv" => twice(&path, Csv::<T>::new(), both),
            "lines" => twice(&path, Csv::<T>::new().lines_are_records(), both),
            "ndjson" => twice(&path, Json::<T>::new().lines(), both),
            "values" => twice(&path, Json::<T>::new().values(), both),
            "array" => twice(&path, Json::<T>::new().array(), both),
            "pattern" if self.below.contains("optional") => {
                twice(&path, Pattern::<T>::new(r"sold (?<amount>\S+)").lines(), both)
            }
            "pattern" => twice(&path, self.pattern(pattern).lines(), both),
            "trace" => twice(&path, Multiline::indented(self.pattern(pattern)), both),
            "parquet" => twice(&path, Parquet::<T>::new(), both),
            "avro" => twice(&path, Avro::<T>::new(), both),
            other => panic!("{other}"),
        }
    }

    /// A pattern that has a group for the day only where the text has one: a group that takes no part is an empty text.
    fn pattern<T>(&self, with: impl Fn() -> Pattern<T>) -> Pattern<T> {
        let text = std::fs::read_to_string(self.folder.path().join(&self.below).join("a.pattern")).unwrap();
        if text.starts_with("sold") { Pattern::new(r"(?s)sold (?<amount>\S+).*") } else { with() }
    }
}

fn twice<F: Format + ByPath>(path: &Path, format: F, both: OnBoth) -> Result<Records<F::Item>, String>
where
    F::Item: Debug + PartialEq + Clone,
{
    let files = || Files::new(path).in_format(format.clone());
    let plain = all(&files().with_path_columns_by(both));
    let inner = all(&files().with_path_columns_by(both).with_origin());
    let outer = all(&files().with_origin().with_path_columns_by(both));
    for with in [inner, outer] {
        let without = with.map(|records| records.into_iter().map(|it| it.map(|it| it.record)).collect::<Vec<_>>());
        assert_eq!(without, plain, "with an origin as without");
    }
    plain
}

fn sale(day: &str) -> Sale {
    Sale { day: day.to_owned(), amount: 7.5 }
}

#[test]
fn a_field_that_only_the_path_has_is_filled_in_each_format() {
    for (folder, day) in [
        ("day=2026-11-30", "2026-11-30"),
        ("x/day=K%C3%B6ln/y", "Köln"),
        ("day=a%2Fb", "a/b"),
        ("day=01", "01"),
        ("day=50%", "50%"),
        ("other=1/day=true/last=2", "true"),
        ("day=__HIVE_DEFAULT_PARTITION__", ""),
    ] {
        let tree = Tree::new(folder).with(&Amount { amount: 7.5 }, None, "");
        for format in FORMATS {
            assert_eq!(tree.read::<Sale>(format, OnBoth::Compare), Ok(vec![Ok(sale(day))]), "{format}, {folder}");
        }
    }
}

#[test]
fn the_field_says_what_a_value_is_and_nothing_is_guessed() {
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    enum Kind {
        #[serde(rename = "whole sale")]
        WholeSale,
    }
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Typed {
        month: u8,
        code: String,
        at: Timestamp,
        rate: f32,
        open: bool,
        kind: Kind,
        maybe: Option<u32>,
        none: Option<u32>,
        #[serde(default)]
        missing: u64,
        amount: f64,
    }
    let folder = "month=01/code=0017/at=2026-11-30T00%3A00%3A00Z/rate=1.5/open=true/kind=whole%20sale/maybe=7/\
                  none=__HIVE_DEFAULT_PARTITION__/unknown=x";
    let tree = Tree::new(folder).with(&Amount { amount: 7.5 }, None, "");
    let due = Typed {
        month: 1,
        code: "0017".to_owned(),
        at: "2026-11-30T00:00:00Z".parse().unwrap(),
        rate: 1.5,
        open: true,
        kind: Kind::WholeSale,
        maybe: Some(7),
        none: None,
        missing: 0,
        amount: 7.5,
    };
    for format in FORMATS {
        assert_eq!(tree.read::<Typed>(format, OnBoth::Compare), Ok(vec![Ok(due.clone())]), "{format}");
    }
}

#[test]
fn a_value_that_the_type_refuses_refuses_the_file_before_its_first_record_and_names_the_column() {
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Number {
        day: u32,
        amount: f64,
    }
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Strict {
        day: u32,
        amount: f64,
    }
    for format in FORMATS {
        for (folder, due) in [
            ("day=monday", "invalid digit"),
            ("day=__HIVE_DEFAULT_PARTITION__", "day"),
            ("day=-1", "invalid digit"),
            ("day=1/x/day=1", "\"day\" twice"),
            ("day=%FF", "cannot be decoded"),
        ] {
            let tree = Tree::new(folder).with(&Amount { amount: 7.5 }, None, "");
            let error = tree.read::<Number>(format, OnBoth::Compare).unwrap_err();
            assert!(error.starts_with("FS-N020") && error.contains(due) && error.contains("day"), "{format}: {error}");
        }
        let tree = Tree::new("day=1/hour=7").with(&Amount { amount: 7.5 }, None, "");
        let error = tree.read::<Strict>(format, OnBoth::Compare).unwrap_err();
        assert!(error.contains("unknown field `hour`"), "{format}: {error}");
    }
}

#[test]
fn a_field_that_neither_has_is_told_by_its_name() {
    let tree = Tree::new("month=11").with(&Amount { amount: 7.5 }, None, "");
    for format in FORMATS {
        let error = match tree.read::<Sale>(format, OnBoth::Compare) {
            Err(error) => error,
            Ok(records) => records.into_iter().next().unwrap().unwrap_err(),
        };
        assert!(error.contains("day"), "{format}: {error}");
    }
}

#[test]
fn a_column_that_both_have_says_the_same_or_is_refused_or_counts_as_told() {
    for (folder, is_equal) in [("day=2026-11-30", true), ("day=2026-12-01", false)] {
        let tree = Tree::new(folder).with(&sale("2026-11-30"), Some("2026-11-30"), "\"string\"");
        let in_path = folder.trim_start_matches("day=");
        for format in FORMATS {
            let compared = tree.read::<Sale>(format, OnBoth::Compare).unwrap().pop().unwrap();
            match compared {
                Ok(record) => assert!(is_equal && record == sale("2026-11-30"), "{format}"),
                Err(reason) => {
                    assert!(!is_equal, "{format}: {reason}");
                    assert!(reason.contains("`day`") && reason.contains("2026-12-01"), "{format}: {reason}");
                    assert!(reason.contains("2026-11-30") && reason.contains("OnBoth"), "{format}: {reason}");
                }
            }
            assert_eq!(tree.read::<Sale>(format, OnBoth::Path), Ok(vec![Ok(sale(in_path))]), "{format}");
            assert_eq!(tree.read::<Sale>(format, OnBoth::File), Ok(vec![Ok(sale("2026-11-30"))]), "{format}");
        }
    }
}

#[test]
fn numbers_are_compared_as_such_where_the_file_has_numbers() {
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Number {
        day: u32,
        amount: f64,
    }
    let due = Number { day: 7, amount: 7.5 };
    for format in FORMATS {
        let tree = |folder| Tree::new(folder).with(&Numbered { day: 7, amount: 7.5 }, Some("7"), "\"long\"");
        assert_eq!(tree("day=7").read::<Number>(format, OnBoth::Compare), Ok(vec![Ok(due.clone())]), "{format}");
        let other = tree("day=8").read::<Number>(format, OnBoth::Compare).unwrap().pop().unwrap();
        assert!(other.unwrap_err().contains("`day`"), "{format}");
        if !["csv", "lines", "pattern", "trace"].contains(&format) {
            // A text is never taken for another one: `07` is not `7`.
            assert_eq!(tree("day=07").read::<Number>(format, OnBoth::Compare), Ok(vec![Ok(due.clone())]), "{format}");
        }
        // What the path says is read by the field, whatever the file's own column is.
        assert_eq!(tree("day=7").read::<Sale>(format, OnBoth::Path), Ok(vec![Ok(sale("7"))]), "{format}");
    }
}

#[test]
fn each_file_has_the_columns_of_its_own_path_also_where_only_some_have_them() {
    let tree = Tree::new("sales");
    tree.put("a.ndjson", "{\"amount\": 1.0, \"day\": \"monday\"}\n");
    let in_folder = |folder: &str, bytes: &[u8], name: &str| {
        let folder = tree.folder.path().join("sales").join(folder);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    in_folder("day=tuesday", b"{\"amount\": 2.0}\n", "a.ndjson");
    in_folder("day=wednesday", &gzip(b"{\"amount\": 3.0}\n{\"amount\": 4.0}\n"), "a.ndjson.gz");
    let path = tree.folder.path().join("sales/**/*.ndjson*");
    let files = Files::json::<Sale>(path).with_path_columns();
    let records: Vec<Sale> = all(&files).unwrap().into_iter().map(Result::unwrap).collect();
    let days: Vec<(&str, f64)> = records.iter().map(|sale| (sale.day.as_str(), sale.amount)).collect();
    assert_eq!(days, [("monday", 1.0), ("tuesday", 2.0), ("wednesday", 3.0), ("wednesday", 4.0)]);
}

#[test]
fn ranges_and_readers_that_are_handed_on_have_the_columns_and_a_rename_changes_them() {
    let place = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a.ndjson", b"{\"amount\": 1.0}\n{\"amount\": 2.0}\n".to_vec()),
        ("a.ndjson.gz", gzip(b"{\"amount\": 1.0}\n{\"amount\": 2.0}\n")),
    ] {
        let folder = place.path().join(name.replace('.', "_"));
        let (one, other) = (folder.join("day=1"), folder.join("day=2"));
        std::fs::create_dir_all(&one).unwrap();
        std::fs::write(one.join(name), bytes).unwrap();
        let files = Files::json::<Sale>(folder.join("*/*")).follow().with_path_columns();
        files.start(&SourceContext::default()).unwrap();
        let split = discover(&files).unwrap().splits.remove(0).id;
        let mut reader = files.open(&from(&split, 0).max_records(1)).unwrap();
        assert_eq!(reader.next_record().unwrap().unwrap().day, "1");
        assert!(reader.next_record().unwrap().is_none());
        assert_eq!(files.open(&from(&split, 16)).unwrap().next_record().unwrap().unwrap().day, "1");
        std::fs::rename(&one, &other).unwrap();
        files.discover(Timestamp::from_secs(60)).unwrap();
        let mut reader = files.reopen(reader, &from(&split, 16)).unwrap();
        let two = reader.next_record().unwrap().unwrap();
        assert_eq!((two.day.as_str(), two.amount), ("2", 2.0), "{name}: the path that it has now");
    }
}

#[test]
fn what_cannot_have_columns_of_a_path_is_refused_and_not_left_without_them() {
    let tree = Tree::new("day=1").with(&Amount { amount: 7.5 }, None, "");
    let path = tree.folder.path().join("day=1/a.csv");
    let nameless = Files::csv::<(String, f64)>(&path).change_format(|csv| csv.no_header()).with_path_columns();
    let error = nameless.start(&SourceContext::default()).unwrap_err().to_string();
    assert!(error.contains("path columns"), "{error}");
    let named = Files::csv::<Sale>(&path).change_format(|csv| csv.columns(["amount"])).with_path_columns();
    assert_eq!(all(&named).unwrap()[1], Ok(sale("1")), "names that are given are names");
    // A list has no names.
    let list = tree.put("list.ndjson", "[7.5]\n");
    let error = all(&Files::json::<Sale>(&list).with_path_columns()).unwrap().pop().unwrap().unwrap_err();
    assert!(error.contains("fields have names"), "{error}");
    let text = all(&Files::json::<String>(tree.put("text.ndjson", "\"x\"\n")).with_path_columns());
    assert!(text.unwrap().pop().unwrap().unwrap_err().contains("fields have names"));
    // A decoder that is not told of its file does not read without.
    let lines = Lines::of(Json::<Sale>::new().with_path_columns(OnBoth::Compare));
    let error = all(&Files::new(tree.put("sale.ndjson", "{\"amount\": 1, \"day\": \"\"}\n")).in_format(lines));
    assert!(error.unwrap().pop().unwrap().unwrap_err().contains("which file it reads"));
}

#[test]
fn to_a_type_that_takes_what_there_is_a_value_of_a_path_is_a_text() {
    #[derive(Debug, Clone, PartialEq, Deserialize)]
    struct Open {
        amount: f64,
        #[serde(flatten)]
        rest: std::collections::BTreeMap<String, serde_json::Value>,
    }
    let tree = Tree::new("day=01/hour=__HIVE_DEFAULT_PARTITION__").with(&Amount { amount: 7.5 }, None, "");
    for format in ["ndjson", "values", "array", "parquet"] {
        let record = tree.read::<Open>(format, OnBoth::Compare).unwrap().pop().unwrap().unwrap();
        let rest: Vec<(&str, &serde_json::Value)> =
            record.rest.iter().map(|(name, value)| (name.as_str(), value)).collect();
        assert_eq!(rest, [("day", &"01".into()), ("hour", &serde_json::Value::Null)], "{format}");
    }
    let map =
        all(&Files::json::<serde_json::Value>(tree.folder.path().join(&tree.below).join("a.ndjson"))
            .with_path_columns());
    assert_eq!(map.unwrap(), [Ok(serde_json::json!({"amount": 7.5, "day": "01", "hour": null}))]);
}

/// As stores that keep files by their contents make folders of links.
#[cfg(unix)]
#[test]
fn a_link_stands_where_it_is_and_not_where_it_leads() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["store/day=2001-01-01", "sales/day=2026-11-30", "sales/day=2026-12-01"] {
        std::fs::create_dir_all(at(name)).unwrap();
    }
    let blob = at("store/day=2001-01-01/5f2a");
    std::fs::write(&blob, "{\"amount\": 7.5}\n{\"amount\": 8.5}\n").unwrap();
    let link = at("sales/day=2026-11-30/part-0.ndjson");
    std::os::unix::fs::symlink(&blob, &link).unwrap();
    let sales = || Files::json::<Sale>(at("sales/**/*.ndjson")).with_path_columns().with_origin().follow();
    let files = sales();
    files.start(&SourceContext::default()).unwrap();
    let split = discover(&files).unwrap().splits.remove(0).id;
    let told = |files: &Files<_>, position: u64| {
        let mut reader = files.open(&from(&split, position)).unwrap();
        let sold: firesteel_formats::Sourced<Sale> = reader.next_record().unwrap().unwrap();
        (sold.record.day, sold.origin.path().to_owned(), sold.origin.file_name().to_owned())
    };
    let due = |link: &Path| {
        (
            link.to_str().unwrap().split("day=").last().unwrap()[..10].to_owned(),
            link.to_str().unwrap().to_owned(),
            "part-0.ndjson".to_owned(),
        )
    };
    assert_eq!(told(&files, 0), due(&link));
    // The same after a restart, and under another name.
    let notes = files.notes(&[(split.clone(), 16)]).unwrap();
    let note = notes.into_iter().next().map(|(_, note)| note);
    let resumed = firesteel_connect::Resumed::at(split.clone(), 16).noted(note);
    let files = sales();
    files.start(&SourceContext::default().resumed_at([resumed])).unwrap();
    assert_eq!(told(&files, 16), due(&link));
    let moved = at("sales/day=2026-12-01/part-0.ndjson");
    std::fs::rename(&link, &moved).unwrap();
    discover(&files).unwrap();
    assert_eq!(told(&files, 16), due(&moved));
}
