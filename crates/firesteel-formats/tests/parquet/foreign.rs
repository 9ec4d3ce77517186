//! What is written is what others read: pyarrow and DuckDB, where `FIRESTEEL_PYTHON` names a Python that has them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use firesteel_formats::{Parquet, epoch_time};
use firesteel_window::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::written;

#[derive(Debug, Clone, Serialize, Deserialize)]
enum Kind {
    Buy,
    Give,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Inner {
    name: Option<String>,
    values: Vec<Option<i16>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    large: u64,
    small: i8,
    ratio: Option<f64>,
    text: Option<String>,
    bytes: Vec<u8>,
    at: Timestamp,
    #[serde(with = "epoch_time::millis")]
    seen: Timestamp,
    kind: Kind,
    list: Option<Vec<Option<String>>>,
    lists: Vec<Vec<u8>>,
    inner: Option<Inner>,
    pair: (u16, Option<bool>),
    map: BTreeMap<String, Option<i64>>,
}

const FLOATS: [Option<f64>; 6] = [None, Some(f64::NAN), Some(-0.0), Some(f64::INFINITY), Some(5e-324), Some(0.1)];
const TEXTS: [Option<&str>; 5] = [None, Some(""), Some("a \"quoted\"\r\nline"), Some("ünï ✓"), Some("\0")];

fn row(n: usize) -> Row {
    let text = |n: usize| TEXTS[n % TEXTS.len()].map(str::to_owned);
    let lists = [None, Some(vec![]), Some(vec![None]), Some(vec![text(1), None, text(3)])];
    Row {
        large: u64::MAX - n as u64,
        small: (n % 256) as u8 as i8,
        ratio: FLOATS[n % FLOATS.len()],
        text: text(n),
        bytes: vec![n as u8; n % 3],
        at: Timestamp::from_micros(n as i64 * 1_000_003 - 5_000_000),
        seen: Timestamp::from_millis(n as i64 * 1_003 - 5_000),
        kind: if n.is_multiple_of(2) { Kind::Buy } else { Kind::Give },
        list: lists[n % 4].clone(),
        lists: vec![vec![1, 2]; n % 3],
        inner: (!n.is_multiple_of(3)).then(|| Inner { name: text(n + 1), values: vec![None, Some(-1)] }),
        pair: (n as u16, [None, Some(true)][n % 2]),
        map: (0..n % 3).map(|key| (format!("key {key}"), (key > 0).then_some(-7))).collect(),
    }
}

fn shown(row: &Row) -> Value {
    json!({
        "large": row.large, "small": row.small, "ratio": row.ratio.map(f64::to_bits), "text": row.text, "bytes": row.bytes,
        "at": row.at.as_micros(), "seen": row.seen.as_micros(), "kind": format!("{:?}", row.kind), "list": row.list,
        "lists": row.lists, "inner": row.inner.as_ref().map(|inner| json!({"name": inner.name, "values": inner.values})),
        "pair": {"0": row.pair.0, "1": row.pair.1}, "map": row.map,
    })
}

#[test]
fn what_is_written_is_what_others_read() {
    let Some(python) = std::env::var_os("FIRESTEEL_PYTHON") else {
        eprintln!("passed over: FIRESTEEL_PYTHON names no Python with pyarrow and duckdb");
        return;
    };
    let rows: Vec<Row> = (0..10_000).map(row).collect();
    let path = std::env::temp_dir().join(format!("firesteel-{}.parquet", std::process::id()));
    std::fs::write(&path, written(&Parquet::<Row>::new().row_group_bytes(100_000), &rows)).unwrap();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/read_parquet.py");
    let output = Command::new(python).arg(program).arg(&path).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = String::from_utf8(output.stdout).unwrap();
    let read: Vec<Value> = read.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read.len(), 2 * rows.len());
    for (at, (read, row)) in read.iter().zip(rows.iter().chain(&rows)).enumerate() {
        assert_eq!(*read, shown(row), "row {at}");
    }
}
