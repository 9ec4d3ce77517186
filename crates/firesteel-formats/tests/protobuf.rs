//! Protobuf: messages and files of them.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;

use common::{in_pieces, items, resumed};
use firesteel_formats::{Protobuf, WriteFormat, Writing};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct All {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(uint64, tag = "2")]
    large: u64,
    #[prost(sint64, tag = "3")]
    signed: i64,
    #[prost(double, tag = "4")]
    double: f64,
    #[prost(bytes = "vec", optional, tag = "5")]
    bytes: Option<Vec<u8>>,
}

fn written(records: &[All]) -> Vec<u8> {
    let (mut writing, mut out) = (WriteFormat::<All>::begin(&Protobuf::<All>::new().delimited()), vec![]);
    for record in records {
        writing.write(record, &mut out).unwrap();
    }
    out
}

prop_compose! {
    fn all()(text in ".*", large in any::<u64>(), signed in any::<i64>(), double in any::<f64>(), bytes in any::<Option<Vec<u8>>>()) -> All {
        All { text, large, signed, double, bytes }
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read_as_it_was(records in vec(all(), 0..6), piece in 1..300usize, longest in 1..300usize) {
        let (format, bytes) = (Protobuf::<All>::new().delimited(), written(&records));
        let read = in_pieces(&format, &bytes, piece, usize::MAX);
        for (at, (_, end)) in read.iter().enumerate() {
            prop_assert_eq!(&resumed(&format, &bytes, *end, piece)[..], &read[at + 1..]);
        }
        for (read, written) in items(read).into_iter().zip(&records) {
            prop_assert_eq!(&read.unwrap(), written);
        }
        prop_assert_eq!(
            in_pieces(&format, &bytes, piece, longest),
            in_pieces(&format, &bytes, bytes.len().max(1), longest)
        );
    }

    #[test]
    fn damage_is_the_same_whatever_comes_at_a_time(bytes in vec(any::<u8>(), 0..60), piece in 1..20usize, longest in 1..60usize) {
        let format = Protobuf::<All>::new().delimited();
        prop_assert_eq!(
            in_pieces(&format, &bytes, piece, longest),
            in_pieces(&format, &bytes, bytes.len().max(1), longest)
        );
    }
}

#[test]
fn a_file_that_is_cut_off_or_no_longer_tells_lengths_is_told() {
    let format = Protobuf::<All>::new().delimited();
    let record = All { text: "x".repeat(300), ..All::default() };
    let bytes = written(&[record.clone(), record.clone()]);
    let told = |bytes: &[u8]| items(in_pieces(&format, bytes, 7, usize::MAX)).pop().unwrap().unwrap_err();
    assert_eq!(told(&bytes[..bytes.len() - 1]), "Protobuf: the file ends in a message of 303 bytes");
    assert_eq!(told(&[&bytes[..], &[0x80]].concat()), "Protobuf: the file ends in a length");
    let lost = [&bytes[..], &[0xff; 9], &bytes[..]].concat();
    let read = items(in_pieces(&format, &lost, 7, usize::MAX));
    assert_eq!(read[..2], [Ok(record.clone()), Ok(record)]);
    assert_eq!(read.len(), 3);
    assert!(read[2].as_ref().unwrap_err().contains("no length stands at the beginning"));
    // Another message in its place: a text where a number should be.
    let other = [3, 0x12, 1, b'x'];
    assert!(told(&other).starts_with("Protobuf: failed to decode Protobuf message: "), "{}", told(&other));
}
