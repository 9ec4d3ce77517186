//! Ctrl-C.

use std::sync::atomic::{AtomicBool, Ordering};

use firesteel::prelude::*;

/// Ends the job on Ctrl-C behind the running batch, and on a second Ctrl-C at once.
pub fn stop_on_ctrl_c(job: &StreamingContext) {
    let (stopper, asked) = (job.stopper(), AtomicBool::new(false));
    let handler = move || {
        let again = asked.swap(true, Ordering::Relaxed);
        stopper.stop(if again { Stop::AtOnce } else { Stop::Gracefully });
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        // The job can run all the same: Ctrl-C then ends the process without a summary.
        eprintln!("Ctrl-C will end the program at once: {error}");
    }
}
