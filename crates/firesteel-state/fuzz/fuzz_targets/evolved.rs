//! Feeds arbitrary bytes to the reader of values of earlier types: it may refuse them, never panic.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_state::fuzzing::evolved(bytes));
