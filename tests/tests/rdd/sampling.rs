//! Samples.

use firesteel_core::{Actions, RddOps};

use crate::common::{context, sorted};

#[test]
fn a_sample_is_of_the_size_asked_for_and_always_the_same() {
    let numbers = context().range_with(4, 0..40_000u32);
    let sample = numbers.clone().sample(0.25, 7).unwrap().collect().unwrap();
    assert!(sample.len().abs_diff(10_000) < 400, "{}", sample.len());
    assert!(sample.is_sorted() && sample.windows(2).all(|pair| pair[0] != pair[1]), "no record twice");
    assert_eq!(sample, numbers.clone().sample(0.25, 7).unwrap().collect().unwrap());
    assert_ne!(sample, numbers.clone().sample(0.25, 8).unwrap().collect().unwrap());
    assert_eq!(numbers.clone().sample(0.0, 7).unwrap().count().unwrap(), 0);
    assert_eq!(numbers.sample(1.0, 7).unwrap().count().unwrap(), 40_000);
}

#[test]
fn with_replacement_records_come_as_often_as_drawn() {
    let numbers = context().range_with(4, 0..10_000u32);
    let sample = numbers.clone().sample_with_replacement(2.0, 3).unwrap().collect().unwrap();
    assert!(sample.len().abs_diff(20_000) < 700, "{}", sample.len());
    let most = sample.chunk_by(|a, b| a == b).map(<[u32]>::len).max().unwrap();
    assert!((6..=14).contains(&most), "a Poisson distribution of mean 2 yields {most} once in ten thousand");
    assert_eq!(sample, numbers.sample_with_replacement(2.0, 3).unwrap().collect().unwrap());
}

#[test]
fn a_split_loses_and_doubles_nothing() {
    let numbers = context().range_with(3, 0..9_000u32);
    let parts = numbers.random_split(&[1.0, 0.0, 2.0], 11).unwrap();
    let parts: Vec<Vec<u32>> = parts.iter().map(|part| part.collect().unwrap()).collect();
    assert!(parts[0].len().abs_diff(3_000) < 250 && parts[1].is_empty(), "{}", parts[0].len());
    assert_eq!(sorted(parts.concat()), (0..9_000).collect::<Vec<_>>());
}

#[test]
fn what_is_no_probability_is_refused() {
    let numbers = context().range_with(3, 0..9u32);
    for fraction in [-0.1, 1.1, f64::NAN] {
        assert!(numbers.clone().sample(fraction, 0).is_err());
    }
    for fraction in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(numbers.clone().sample_with_replacement(fraction, 0).is_err());
    }
    for weights in [vec![], vec![0.0], vec![1.0, -1.0], vec![f64::NAN], vec![f64::INFINITY]] {
        let error = numbers.clone().random_split(&weights, 0).err().unwrap().to_string();
        assert!(error.starts_with("FS-R005: random_split at "), "{error}");
    }
}
