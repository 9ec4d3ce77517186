//! Checkpoints.

use std::fs;

use firesteel_core::{Actions, Error, Lineage, PairActions, PairOps, RddOps};

use crate::common::{Log, context};

#[test]
fn a_checkpoint_cuts_the_lineage() {
    let folder = tempfile::tempdir().unwrap();
    let (log, context) = Log::context();
    let sums = context.parallelize_with(3, (0..30u32).map(|n| (n % 5, n))).reduce_by_key_with(2, |a, b| a + b);
    let written = sums.checkpoint(folder.path().join("sums")).unwrap();
    assert_eq!(log.stages(), [3, 2]);
    assert_eq!((written.collect().unwrap(), written.partitioner()), (sums.collect().unwrap(), sums.partitioner()));
    log.stages();
    assert_eq!(written.lookup(&3).unwrap(), [3 + 8 + 13 + 18 + 23 + 28]);
    assert_eq!(log.stages(), [1], "it is still placed by key");
    assert_eq!(written.to_debug_string().lines().count(), 1, "{}", written.to_debug_string());
}

#[test]
fn a_checkpoint_outlives_its_context() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("words");
    let words = context().parallelize_with(3, ["a", "b", "c", "d"].map(str::to_owned)).filter(|word| word != "b");
    words.checkpoint(&at).unwrap();
    let again = context().read_checkpoint::<String>(&at).unwrap();
    assert_eq!((again.num_partitions(), again.collect().unwrap()), (3, vec!["a".into(), "c".into(), "d".into()]));
}

#[test]
fn what_is_no_checkpoint_or_exists_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = context().read_checkpoint::<u32>(folder.path()).err().unwrap();
    assert!(matches!(error, Error::File { .. }), "{error}");
    fs::write(folder.path().join("_checkpoint"), "something else\n").unwrap();
    let error = context().read_checkpoint::<u32>(folder.path()).err().unwrap();
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    let error = context().parallelize([1]).checkpoint(folder.path()).err().unwrap().to_string();
    assert!(error.contains("checkpoint at ") && error.contains("exists already"), "{error}");
}

#[test]
fn a_failed_job_leaves_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("numbers");
    let numbers = context().range_with(3, 0..9u32).map(|n| assert!(n < 5));
    assert!(numbers.checkpoint(&at).is_err() && !at.exists());
}

#[test]
fn every_damaged_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("words");
    context().range_with(1, 0..200u32).map(|n| format!("word {n}")).checkpoint(&at).unwrap();
    let part = at.join("part-00000");
    let whole = fs::read(&part).unwrap();
    let check = |bytes: &[u8], what: String| {
        fs::write(&part, bytes).unwrap();
        let read = context().read_checkpoint::<String>(&at).unwrap().collect();
        let error = read.map(drop).expect_err(&what).to_string();
        assert!(error.contains("FS-R007") && error.contains("part-00000 is damaged"), "{what}: {error}");
    };
    for at in (0..whole.len()).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        check(&bytes, format!("byte {at} of {} flipped", whole.len()));
    }
    for length in [0, 5, whole.len() / 2, whole.len() - 1] {
        check(&whole[..length], format!("cut to {length} bytes"));
    }
    fs::remove_file(&part).unwrap();
    let error = context().read_checkpoint::<String>(&at).unwrap().count().unwrap_err().to_string();
    assert!(error.contains("FS-R004") && error.contains("part-00000"), "{error}");
}
