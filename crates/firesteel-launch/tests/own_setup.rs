//! A program that has set up `tracing` and its panics itself keeps both. One test, since a process has one of each.

#![allow(clippy::unwrap_used, reason = "a failed helper fails the test")]

use std::sync::atomic::{AtomicUsize, Ordering};

use firesteel_connect_memory::{Collector, MemorySource};
use firesteel_launch::{LaunchOptions, ProgressMode, show_warnings};
use firesteel_streaming::{Error, Trigger};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static WARNINGS: AtomicUsize = AtomicUsize::new(0);
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts warnings of the engine.
struct Own;

impl Subscriber for Own {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN && metadata.target().starts_with("firesteel")
    }
    fn event(&self, _: &Event<'_>) {
        WARNINGS.fetch_add(1, Ordering::SeqCst);
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn what_a_program_has_set_up_stays() {
    let mut options = LaunchOptions::default();
    options.progress = Some(ProgressMode::Off);
    // The last moment for it is the function that builds the job.
    let exit = options.with(|job| job.threads(1)).trigger(Trigger::AvailableNow).run("own", |job| {
        tracing::subscriber::set_global_default(Own).expect("nobody was faster");
        std::panic::set_hook(Box::new(|_| _ = PANICS.fetch_add(1, Ordering::SeqCst)));
        let fragile = |number: u32| if number == 2 { panic!("two") } else { number };
        job.read(MemorySource::new(vec![1, 2])).map(fragile).write(Collector::new());
        Ok(())
    });
    let inside = PANICS.load(Ordering::SeqCst);
    std::panic::catch_unwind(|| panic!("outside of any task")).unwrap_err();
    let outside = PANICS.load(Ordering::SeqCst) - inside;
    // So that a failed assertion is seen.
    drop(std::panic::take_hook());

    assert_eq!(exit.code(), 1);
    assert!(matches!(exit.outcome(), Err(Error::Batch { .. })), "{exit:?}");
    assert!(WARNINGS.load(Ordering::SeqCst) >= 3, "each repeated attempt is an event");
    assert!(!show_warnings(), "they go where the program wants them");
    let wants_stack = std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value != "0");
    assert_eq!(inside, usize::from(wants_stack), "panics inside of tasks are the job's, but for their stacks");
    assert_eq!(outside, 1);
}
