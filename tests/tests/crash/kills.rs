//! Processes that are killed at any moment.
//!
//! For some seconds, or as many as `FIRESTEEL_CRASH_SECONDS` says (`cargo xtask crash --seconds 60`). The moments follow
//! from a seed, which `FIRESTEEL_CRASH_SEED` sets; how far a process has come by then does not.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use firesteel_core::{Clock as _, SystemClock};

use crate::carried::{self, Carrier};
use crate::process::{self, Ended};
use crate::program::{Backend, Run};
use crate::{input, invariants};

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A sequence that follows from its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }
}

/// Runs the program, and kills it if it has not ended by then.
fn start_and_kill(run: &Run, after: Duration) -> Ended {
    let mut child = process::command(run, None).spawn().expect("this program can be started");
    // Its output is closed when it ends: that is what is waited for.
    let mut output = child.stdout.take().expect("its output is read here");
    let (ended, end) = channel();
    let reader = std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
        let read = std::io::copy(&mut output, &mut std::io::sink());
        // Whoever waits may be further.
        _ = ended.send(read.is_ok());
    });
    if end.recv_timeout(after) == Err(RecvTimeoutError::Timeout) {
        // It may have ended just now.
        _ = child.kill();
    }
    let output = child.wait_with_output().expect("a child can be waited for");
    reader.expect("a thread can be started").join().expect("the reader ends with the child");
    process::ended(output.status, &output.stderr)
}

#[test]
fn a_process_may_be_killed_at_any_moment() {
    let seed = number("FIRESTEEL_CRASH_SEED", 20_261_122);
    let most = firesteel_window::Duration::from(Duration::from_secs(number("FIRESTEEL_CRASH_SECONDS", 3)));
    let mut random = Random(seed.max(1));
    let clock = SystemClock::new();
    let (mut jobs, mut kills) = (0_u64, 0_u64);
    while kills == 0 || clock.monotonic() < most {
        let folder = process::folder();
        input::write(folder.path());
        jobs += 1;
        // From one job to the next another one, and none.
        let carrier = Carrier::ALL.get(random.below(1 + Carrier::ALL.len() as u64) as usize).copied();
        let settings = |random: &mut Random| Run {
            backend: [Backend::None, Backend::Eager, Backend::Lazy][random.below(3) as usize],
            threads: 1 + random.below(3) as usize,
            batches: 1 + random.below(3) as i64,
            carrier,
            ..Run::new(folder.path())
        };
        let mut run = settings(&mut random);
        carried::write(&run);
        let mut tries = 0;
        loop {
            // From one process to the next, longer: the last one gets to the end.
            let after = Duration::from_millis(random.below(30 + 10 * tries));
            tries += 1;
            let at = || format!("seed {seed}, job {jobs}, process {tries}, {run:?}");
            match start_and_kill(&run, after) {
                Ended::Drained => break,
                Ended::Crashed => kills += 1,
                Ended::Stopped(error) => panic!("{}: {error}", at()),
            }
            let checked = invariants::at_any_moment(&run);
            assert_eq!(checked, Ok(()), "{}", at());
            run = settings(&mut random);
        }
        assert_eq!(invariants::at_the_end(&run), Ok(()), "seed {seed}, job {jobs}, {run:?}");
    }
    println!("{kills} processes of {jobs} jobs were killed, seed {seed}");
}
