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
        // What has no form is below.
        let double = double + 0.0;
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

#[derive(Clone, PartialEq, Message)]
struct Inner {
    #[prost(float, tag = "1")]
    single: f32,
    #[prost(double, optional, tag = "2")]
    maybe: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Choice {
    #[prost(double, tag = "8")]
    Ratio(f64),
    #[prost(message, tag = "9")]
    Inner(Inner),
}

#[derive(Clone, PartialEq, Message)]
struct Floats {
    #[prost(double, tag = "1")]
    double: f64,
    #[prost(float, optional, tag = "2")]
    single: Option<f32>,
    #[prost(double, repeated, tag = "3")]
    many: Vec<f64>,
    #[prost(message, optional, tag = "4")]
    inner: Option<Inner>,
    #[prost(message, repeated, tag = "5")]
    inners: Vec<Inner>,
    #[prost(map = "string, double", tag = "6")]
    map: std::collections::HashMap<String, f64>,
    #[prost(string, tag = "7")]
    text: String,
    #[prost(oneof = "Choice", tags = "8, 9")]
    choice: Option<Choice>,
}

/// All floats of a record, as their bits.
fn bits(of: &Floats) -> Vec<u64> {
    let inner = |inner: &Inner| [u64::from(inner.single.to_bits()), inner.maybe.map_or(1, f64::to_bits)];
    let mut bits = vec![of.double.to_bits(), of.single.map_or(1, |single| u64::from(single.to_bits()))];
    bits.extend(of.many.iter().map(|many| many.to_bits()));
    bits.extend(of.inner.iter().chain(&of.inners).flat_map(inner));
    let mut map: Vec<_> = of.map.iter().collect();
    map.sort_by_key(|(key, _)| *key);
    bits.extend(map.into_iter().map(|(_, value)| value.to_bits()));
    match &of.choice {
        Some(Choice::Ratio(ratio)) => bits.push(ratio.to_bits()),
        Some(Choice::Inner(choice)) => bits.extend(inner(choice)),
        None => {}
    }
    bits
}

fn comes_back(record: &Floats) -> Result<bool, String> {
    use firesteel_connect::{Decode, Encode};
    let (format, mut out) = (Protobuf::<Floats>::new(), vec![]);
    format.encode(record, &mut out).map_err(|error| error.to_string())?;
    Ok(bits(&format.decode(&out).unwrap()) == bits(record))
}

#[test]
fn a_zero_with_a_sign_comes_back_or_is_refused_by_the_name_of_its_field() {
    let inner = |single, maybe| Inner { single, maybe };
    let map = |value: f64| [("a: b".to_owned(), value)].into();
    let kept = [
        Floats { single: Some(-0.0), many: vec![-0.0, 0.0, 1.0], text: "-0.0".into(), ..Floats::default() },
        Floats { inner: Some(inner(0.0, Some(-0.0))), inners: vec![inner(1.0, Some(-0.0))], ..Floats::default() },
        Floats { choice: Some(Choice::Ratio(-0.0)), double: -0.05, text: "\\\"".into(), ..Floats::default() },
        Floats { double: -1e-300, text: "a \"-0.0\" b".into(), map: map(0.0), ..Floats::default() },
        Floats::default(),
    ];
    for record in kept {
        assert_eq!(comes_back(&record), Ok(true), "{record:?}");
    }
    let refused = [
        (Floats { double: -0.0, ..Floats::default() }, "double"),
        (Floats { inner: Some(inner(-0.0, None)), text: "x\n{".into(), ..Floats::default() }, "inner.single"),
        (Floats { inners: vec![inner(1.0, None), inner(-0.0, None)], ..Floats::default() }, "inners.single"),
        (Floats { map: map(-0.0), ..Floats::default() }, "map"),
        (Floats { choice: Some(Choice::Inner(inner(-0.0, None))), single: Some(-0.0), ..Floats::default() }, "choice"),
    ];
    for (record, field) in refused {
        let told = comes_back(&record).unwrap_err();
        assert!(told.contains(&format!("field {field}")) && told.contains("-0.0"), "{told}");
        // Who says that it may get lost writes it.
        use firesteel_connect::Encode;
        Protobuf::<Floats>::new().zeros_have_no_sign().encode(&record, &mut vec![]).unwrap();
    }
}

proptest! {
    #[test]
    fn any_float_comes_back_bit_for_bit_or_is_refused(
        double in any::<u64>(), single in any::<u32>(), maybe in any::<Option<u64>>(), many in vec(any::<u64>(), 0..4),
        text in ".*", zeros in any::<[bool; 3]>(),
    ) {
        let double = if zeros[0] { -0.0 } else { f64::from_bits(double) };
        let single = if zeros[1] { -0.0 } else { f32::from_bits(single) };
        let many = many.into_iter().map(f64::from_bits).chain(zeros[2].then_some(-0.0)).collect();
        let inner = Inner { single, maybe: maybe.map(f64::from_bits) };
        let record = Floats { double, many, inner: Some(inner), text, ..Floats::default() };
        match comes_back(&record) {
            Ok(is_same) => prop_assert!(is_same && !zeros[0] && !zeros[1]),
            Err(_) => prop_assert!(zeros[0] || zeros[1]),
        }
    }
}

/// Messages within messages, in each way in which they may be, and themselves.
#[derive(Clone, PartialEq, Message)]
struct Deep {
    #[prost(message, optional, boxed, tag = "1")]
    deeper: Option<Box<Deep>>,
    #[prost(message, repeated, tag = "2")]
    many: Vec<Deep>,
    #[prost(map = "int32, message", tag = "3")]
    named: std::collections::HashMap<i32, Deep>,
    #[prost(float, tag = "4")]
    single: f32,
    #[prost(double, tag = "70000")]
    double: f64,
    #[prost(double, optional, tag = "6")]
    maybe: Option<f64>,
    #[prost(message, optional, tag = "7")]
    wrapped: Option<f64>,
    #[prost(double, repeated, tag = "8")]
    packed: Vec<f64>,
    #[prost(double, repeated, packed = "false", tag = "9")]
    unpacked: Vec<f64>,
    #[prost(fixed64, tag = "10")]
    fixed: u64,
    #[prost(sfixed32, repeated, tag = "11")]
    fixeds: Vec<i32>,
    #[prost(string, repeated, tag = "12")]
    texts: Vec<String>,
    #[prost(bytes = "vec", tag = "13")]
    bytes: Vec<u8>,
    #[prost(message, optional, tag = "14")]
    whole: Option<Whole>,
    #[prost(double, optional, tag = "15", default = "0.0")]
    by_default: Option<f64>,
}

#[derive(Clone, PartialEq, Message)]
struct Whole {
    #[prost(uint32, tag = "1")]
    number: u32,
    #[prost(string, tag = "2")]
    text: String,
}

/// All floats, in an order that is the same for equal records.
fn floats(of: &Deep, into: &mut Vec<u64>) {
    into.extend([u64::from(of.single.to_bits()), of.double.to_bits()]);
    into.extend([of.maybe, of.wrapped, of.by_default].map(|float| float.map_or(1, f64::to_bits)));
    into.extend(of.packed.iter().chain(&of.unpacked).map(|float| float.to_bits()));
    of.deeper.iter().for_each(|deeper| floats(deeper, into));
    of.many.iter().for_each(|deeper| floats(deeper, into));
    let mut named: Vec<_> = of.named.iter().collect();
    named.sort_by_key(|(key, _)| **key);
    named.into_iter().for_each(|(_, deeper)| floats(deeper, into));
}

fn float() -> impl Strategy<Value = f64> {
    prop_oneof![Just(-0.0), Just(0.0), Just(1.5), any::<f64>()]
}

fn deep() -> impl Strategy<Value = Deep> {
    let flat = (
        (float(), float(), proptest::option::of(float()), proptest::option::of(float()), proptest::option::of(float())),
        (vec(float(), 0..3), vec(float(), 0..3), any::<u64>(), vec(any::<i32>(), 0..3), vec(".*", 0..3)),
        (vec(any::<u8>(), 0..9), proptest::option::of((any::<u32>(), ".*"))),
    );
    let flat = flat.prop_map(
        |((single, double, maybe, wrapped, by_default), (packed, unpacked, fixed, fixeds, texts), (bytes, whole))| {
            let whole = whole.map(|(number, text)| Whole { number, text });
            let single = single as f32;
            Deep {
                single,
                double,
                maybe,
                wrapped,
                by_default,
                packed,
                unpacked,
                fixed,
                fixeds,
                texts,
                bytes,
                whole,
                ..Deep::default()
            }
        },
    );
    flat.prop_recursive(5, 12, 3, |inner| {
        (inner.clone(), proptest::option::of(inner.clone()), vec(inner.clone(), 0..3), vec((any::<i32>(), inner), 0..3))
            .prop_map(|(of, deeper, many, named)| Deep {
                deeper: deeper.map(Box::new),
                many,
                named: named.into_iter().collect(),
                ..of
            })
    })
}

proptest! {
    #[test]
    fn a_record_is_refused_if_and_only_if_it_would_not_come_back(record in deep()) {
        use firesteel_connect::{Decode, Encode};
        let (mut before, mut after) = (vec![], vec![]);
        floats(&record, &mut before);
        floats(&Deep::decode(&record.encode_to_vec()[..]).unwrap(), &mut after);
        let (format, mut out) = (Protobuf::<Deep>::new(), b"before".to_vec());
        match format.encode(&record, &mut out) {
            Ok(()) => {
                prop_assert_eq!(&before, &after);
                prop_assert_eq!(format.decode(&out[6..]).unwrap().encode_to_vec().len(), out.len() - 6);
            }
            Err(error) => {
                prop_assert_eq!(&out, b"before");
                prop_assert!(before != after, "{}", error);
            }
        }
    }
}
