//! `word-count-socket` from outside, with the test as the server.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

#[allow(dead_code, reason = "each test program uses its part")]
mod common;

use std::io::Write;
use std::net::{TcpListener, TcpStream};

use common::{Running, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_word-count-socket");

/// The program, with the connection it has made.
fn connected(arguments: &[&str]) -> (Running, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let running = Running::start(PROGRAM, &[&[&*address, "--every", "5ms"], arguments].concat());
    let (connection, _) = listener.accept().unwrap();
    (running, connection)
}

/// Reads on until the table of totals has these rows.
#[track_caller]
fn totals(running: &mut Running, expected: &[(&str, u64)]) {
    loop {
        running.line_with(|line| line.starts_with("words so far"));
        running.line_with(|line| line.starts_with('─'));
        let rows: Vec<_> = (0..expected.len()).map(|_| running.line()).collect();
        let rows: Vec<_> = rows.iter().map(|row| row.split_whitespace().collect::<Vec<_>>()).collect();
        let expected: Vec<_> = expected.iter().map(|(word, count)| vec![word.to_string(), count.to_string()]).collect();
        if rows == expected {
            return;
        }
    }
}

#[test]
fn words_are_counted_per_batch_and_in_total() {
    let (mut running, mut connection) = connected(&["--top", "3"]);
    connection.write_all(b"To be, or not to be,\n").unwrap();
    totals(&mut running, &[("be", 2), ("to", 2), ("not", 1)]);
    running.line_with(|line| line.starts_with("words of the batch, epoch "));
    connection.write_all(b"that is the question: to be or NOT\n").unwrap();
    totals(&mut running, &[("be", 3), ("to", 3), ("not", 2)]);
    connection.write_all(b"not that again, not that\n").unwrap();
    totals(&mut running, &[("not", 4), ("be", 3), ("that", 3)]);
    running.interrupt();
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.err);
    assert!(ended.err.contains("guarantee at-most-once"), "{}", ended.err);
    assert_eq!(ended.told("records read"), "3");
}

#[test]
fn with_until_closed_the_program_ends_with_the_connection_and_loses_nothing() {
    let (running, mut connection) = connected(&["--until-closed"]);
    let sent: String = (0..5_000).map(|number| format!("word{} again\n", number % 7)).collect();
    connection.write_all(sent.as_bytes()).unwrap();
    drop(connection);
    let ended = running.end();
    assert!(ended.status.success(), "{}", ended.err);
    assert_eq!(ended.told("records read"), "5,000");
    let last = ended.out.rfind("words so far").expect("totals are printed");
    let rows = ended.out[last..].lines().skip(3).take_while(|line| line.starts_with(' '));
    let rows: Vec<Vec<_>> = rows.map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["again", "5000"]);
    assert_eq!(rows[1..4], [["word0", "715"], ["word1", "715"], ["word2", "714"]]);
    assert_eq!(rows.len(), 8);
}

#[test]
fn an_address_that_is_none_is_an_error() {
    let ended = run(PROGRAM, &["nowhere"]);
    assert!(!ended.status.success());
    assert!(ended.err.contains("`nowhere` is not of the form host:port"), "{}", ended.err);
}
