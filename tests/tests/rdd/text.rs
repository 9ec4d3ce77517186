//! Records as text files.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use firesteel_core::{Actions, RddOps};

use crate::common::context;

#[test]
fn partitions_become_files() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("deep/down/out");
    context().parallelize_with(3, 1..=5).map(|n| format!("line {n}")).save_as_text_files(&out).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["_SUCCESS", "part-00000", "part-00001", "part-00002"]);
    assert_eq!(fs::read_to_string(out.join("part-00001")).unwrap(), "line 2\nline 3\n");
}

#[test]
fn what_exists_is_not_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("mine"), "precious").unwrap();
    let error = context().parallelize([1]).save_as_text_files(folder.path()).unwrap_err().to_string();
    assert!(error.starts_with("FS-R005: save_as_text_files at ") && error.contains("exists already"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("mine")).unwrap(), "precious");
}

#[test]
fn a_failed_job_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let numbers = context().parallelize_with(4, 0..4).inspect(|n| assert!(*n != 2, "two is bad"));
    let error = numbers.save_as_text_files(&out).unwrap_err().to_string();
    assert!(error.contains("two is bad"), "{error}");
    assert!(!out.exists());
}

#[test]
fn an_attempt_that_fails_leaves_no_half_file() {
    static FAILED: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let numbers = context().parallelize_with(1, 0..10).inspect(|n| {
        assert!(*n != 7 || FAILED.swap(true, Ordering::Relaxed), "the first attempt fails halfway");
    });
    numbers.save_as_text_files(&out).unwrap();
    assert_eq!(fs::read_to_string(out.join("part-00000")).unwrap().lines().count(), 10);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 2, "no temporary file is left");
}

#[test]
fn a_place_that_cannot_be_written_to_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = context().parallelize([1]).save_as_text_files(file.join("out")).unwrap_err().to_string();
    assert!(error.starts_with("FS-R004") && error.contains("file/out"), "{error}");
}
