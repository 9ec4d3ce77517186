#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| firesteel_state::fuzzing::frame(bytes));
