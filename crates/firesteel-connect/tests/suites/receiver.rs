//! Receivers that break a rule.

use std::sync::mpsc;

use firesteel_connect::{Buffered, Receiver, Result, Source, SourceContext, Store, conformance};
use firesteel_window::millis;

use crate::broken;

/// Stores numbers, perhaps fewer, or others than expected.
struct Numbers(Vec<u32>);

impl Receiver for Numbers {
    type Item = u32;

    fn describe(&self) -> String {
        "numbers".into()
    }

    fn receive(&mut self, store: &Store<u32>) -> Result<()> {
        // When stopped, there is nothing left to do either.
        let _ = store.push_all(self.0.iter().copied());
        Ok(())
    }
}

#[test]
fn the_receiver_suite_finds_lost_and_doubled_records() {
    let suite = |records: &[u32]| conformance::receiver(|| Numbers(records.to_vec()), &[1, 2]);
    suite(&[1, 2]);
    for records in [&[1][..], &[2, 1], &[1, 2, 2]] {
        assert_eq!(broken(|| suite(records)), "R1", "{records:?}");
    }
}

/// Waits for a word that comes only after the suite has given it up.
struct Deaf(mpsc::Receiver<()>);

impl Receiver for Deaf {
    type Item = u32;

    fn describe(&self) -> String {
        "a deaf one".into()
    }

    fn receive(&mut self, _: &Store<u32>) -> Result<()> {
        let _ = self.0.recv();
        Ok(())
    }
}

#[test]
fn a_receiver_that_does_not_listen_does_not_hold_up_the_end_of_the_job() {
    let (release, released) = mpsc::channel();
    let source = Buffered::new(Deaf(released)).stop_within(millis(10));
    source.start(&SourceContext::default()).unwrap();
    source.stop();
    drop(release);
}
