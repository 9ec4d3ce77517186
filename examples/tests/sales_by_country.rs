//! The totals of all invoices, as a program in another language adds them up.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test uses some of it")]
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::{run, succeed};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sales-by-country");

/// The last total of each country, in the order of files and lines.
fn totals(folder: &Path) -> BTreeMap<String, (i64, u64, u64)> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut totals = BTreeMap::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "ndjson")) {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let total: serde_json::Value = serde_json::from_str(line).unwrap();
            let number = |name: &str| total[name].as_u64().unwrap();
            let counts = (total["pieces"].as_i64().unwrap(), number("rows"), number("without_customer"));
            totals.insert(total["country"].as_str().unwrap().to_owned(), counts);
        }
    }
    totals
}

#[test]
fn all_invoices_are_added_up() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let ended = succeed(PROGRAM, &["--available-now", "--out", out.to_str().unwrap()]);
    assert_eq!(ended.told("records read"), "42,481");
    let totals = totals(&out);
    assert_eq!(totals.len(), 24);
    assert_eq!((totals["Netherlands"].0, totals["EIRE"].0, totals["United Kingdom"].0), (6_811, 5_381, 298_101));
    let sum = totals.values().fold((0, 0, 0), |sum, total| (sum.0 + total.0, sum.1 + total.1, sum.2 + total.2));
    assert_eq!(sum, (342_228, 42_481, 42_481 - 26_850));
}

#[test]
fn a_row_that_is_none_is_told_with_its_line_and_set_aside_where_that_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let [invoices, out] = ["invoices.csv", "out"].map(|name| folder.path().join(name));
    let text = "CustomerID,Country,Quantity\n1.0,France,3\n,\"A, or\nB\",4\n2.0,France,many\n3.0,France,5\n";
    std::fs::write(&invoices, text).unwrap();
    let (invoices, folder) = (invoices.to_str().unwrap(), out.to_str().unwrap());
    let ended = run(PROGRAM, &["--available-now", invoices, "--out", folder]);
    assert!(!ended.status.success());
    let told = "invoices.csv, byte 54 (line 5): CSV: field 3 (Quantity): invalid digit found in string";
    assert!(ended.err.contains(told), "{}", ended.err);
    succeed(PROGRAM, &["--available-now", "--set-aside", invoices, "--out", folder]);
    let expected = BTreeMap::from([("France".to_owned(), (8, 2, 0)), ("A, or\nB".to_owned(), (4, 1, 1))]);
    assert_eq!(totals(&out), expected);
}
