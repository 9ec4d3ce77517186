//! Objects that are not what the program expects, between others that are.

#![cfg(all(feature = "avro", feature = "csv", feature = "parquet"))]
#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

mod common;
#[path = "../../firesteel-connect-file/tests/common/damaged.rs"]
mod damage;
#[path = "../../firesteel-connect-file/tests/common/misfits.rs"]
mod misfit;

use common::{Checkpoint, Follower, bucket, followers, gzip, put};
use damage::count;
use firesteel_connect::{Counters, Source};
use firesteel_connect_object_store::object_store::ObjectStoreExt;
use firesteel_connect_object_store::{AfterReading, Bucket, Objects, OnUnreadable};
use firesteel_formats::{Csv, Format};
use misfit::{Folder, Full};

impl Folder for Bucket {
    const COUNTER: &'static str = "misfit objects";
    const KNOWS_ROWS: bool = false;

    type Source<F: Format> = Objects<F>;

    fn new() -> Self {
        bucket()
    }
    fn put(&self, name: &str, bytes: Vec<u8>) {
        put(self, &format!("in/{name}"), bytes);
    }
    fn remove(&self, name: &str) {
        let key = format!("in/{name}").as_str().into();
        self.call(|store| async move { store.delete(&key).await }).unwrap();
    }
    fn has(&self, name: &str) -> bool {
        let listed = self.list("in").unwrap().objects;
        listed.iter().any(|object| object.location.to_string() == format!("in/{name}"))
    }
    fn follow<F: Format>(&self, format: F) -> Objects<F> {
        Objects::in_format(self, "in", format).follow()
    }
    fn strict<F: Format>(&self, format: F) -> [Objects<F>; 2] {
        let once = Objects::in_format(self, "in", format.clone());
        [once, self.follow(format).on_unreadable(OnUnreadable::Fail)]
    }
    fn one_by_one<F: Format>(&self, format: F) -> Objects<F> {
        self.follow(format).most_at_once(1)
    }
    fn removing<F: Format>(&self, format: F) -> Objects<F> {
        self.follow(format).after_reading(AfterReading::delete())
    }
    fn pack(bytes: &[u8]) -> Vec<u8> {
        gzip(bytes)
    }
    fn job<S: Source>(source: S, kept: Checkpoint) -> (Follower<S>, Counters) {
        let counters = Counters::default();
        (Follower::counting(source, kept, &counters).every(60).attempts(4), counters)
    }
}

#[test]
fn one_that_does_not_fit_is_told_and_counted_and_the_others_are_read() {
    misfit::one_of_three::<Bucket>();
}

#[test]
fn where_nothing_fits_the_job_does_not_start() {
    misfit::nothing_fits::<Bucket>();
}

#[test]
fn one_that_does_not_fit_may_be_removed_or_replaced_and_is_not_removed_by_us() {
    misfit::removed_and_replaced::<Bucket>();
}

#[test]
fn what_is_no_array_costs_itself() {
    misfit::no_array::<Bucket>();
}

#[test]
fn read_once_it_ends_the_job_unless_it_is_told_to_pass_it_over() {
    let bucket = bucket();
    bucket.put("a.csv", b"number\n1\n".to_vec());
    bucket.put("b.csv", b"number,name\n2,x\n".to_vec());
    let once = Objects::in_format(&bucket, "in", Csv::<Full>::new()).on_unreadable(OnUnreadable::Skip);
    let (mut reader, counters) = Bucket::job(once, Checkpoint::default());
    (0..3).for_each(|_| _ = reader.batch(u64::MAX));
    assert_eq!((reader.read.len(), count(&counters, "misfit objects")), (1, 1));
}
