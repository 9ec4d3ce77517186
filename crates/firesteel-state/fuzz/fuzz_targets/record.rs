//! Feeds arbitrary bytes to the decoder of a record: it may refuse them, never panic.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_state::fuzzing::record(bytes));
